"""Accuracy on perturbed images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from pymoo_prune.plots.canvas import panels_in
from pymoo_prune.plots.checks import check_some
from pymoo_prune.plots.style import (
    COLOURS,
    LINE_STYLES,
    MARKERS,
    SCREEN,
    AnyFigure,
    FigureStyle,
)


def draw_robustness(
    path: Path | str | None,
    accuracies: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    label: str = "test accuracy",
    style: FigureStyle = SCREEN,
    figure: AnyFigure | None = None,
) -> AnyFigure:
    """Test accuracy over the strength, a panel for each perturbation.

    Args:
        path: PNG, SVG or PDF file; None writes none.
        accuracies: By perturbation and network: first on clean images, then at each strength.
        label: What the accuracies are.
        style: The sizes, for a screen or a paper.
        figure: A figure of the caller's, for the panels; it is neither written nor closed.

    Returns:
        The picture.
    """
    check_some("perturbations", accuracies)
    rows = (len(accuracies) + 1) // 2
    size = style.size(7.2, 0.8 + 2.4 * rows, columns=2)
    height = 0.3 + size[1] * rows if style.paper else size[1]
    with panels_in(path, (size[0], height), figure, style=style) as drawn:
        if isinstance(drawn, Figure) and figure is None:
            drawn.set_layout_engine("constrained", wspace=0.05, hspace=0.05)
        panels: list[Axes] = []
        for place, (kind, networks) in enumerate(accuracies.items()):
            # One scale for all, so that panels can be compared.
            first = panels[0] if panels else None
            axes = drawn.add_subplot(rows, 2, place + 1, sharex=first, sharey=first)
            _draw_panel(axes, kind, networks, style.scale)
            axes.set_ylabel(label)
            panels.append(axes)
        for axes in panels:
            axes.label_outer()
        handles, labels = panels[0].get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside upper center", ncols=2)
    return drawn


def _draw_panel(
    axes: Axes, kind: str, networks: Mapping[str, Sequence[float]], scale: float
) -> None:
    for place, (label, values) in enumerate(networks.items()):
        axes.plot(
            values,
            label=label,
            color=COLOURS[place % len(COLOURS)],
            marker=MARKERS[place % len(MARKERS)],
            linestyle=LINE_STYLES[place % len(LINE_STYLES)],
            # Lines that lie under others are thicker, and stay visible.
            markersize=scale * (4 if place else 7),
            linewidth=scale * (1.2 if place else 2.2),
        )
    axes.set_title(kind)
    axes.set_xlabel("strength")
    strengths = range(1, max(map(len, networks.values())))
    axes.set_xticks([0, *strengths], labels=["clean", *map(str, strengths)])
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
