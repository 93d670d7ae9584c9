"""Accuracy on perturbed images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from pymoo_prune.plots.checks import check_some
from pymoo_prune.plots.style import COLOURS, MARKERS, picture


def draw_robustness(
    path: Path | str, accuracies: Mapping[str, Mapping[str, Sequence[float]]]
) -> None:
    """Test accuracy over the strength, a panel for each perturbation.

    Args:
        path: PNG or SVG file.
        accuracies: By perturbation and network: first on clean images, then at each strength.
    """
    check_some("perturbations", accuracies)
    rows = (len(accuracies) + 1) // 2
    with picture(path, (7.2, 0.8 + 2.4 * rows)) as figure:
        figure.set_layout_engine("constrained", wspace=0.05, hspace=0.05)
        panels: list[Axes] = []
        for place, (kind, networks) in enumerate(accuracies.items()):
            # One scale for all, so that panels can be compared.
            first = panels[0] if panels else None
            axes = figure.add_subplot(rows, 2, place + 1, sharex=first, sharey=first)
            _draw_panel(axes, kind, networks)
            panels.append(axes)
        for axes in panels:
            axes.label_outer()
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2)


def _draw_panel(axes: Axes, kind: str, networks: Mapping[str, Sequence[float]]) -> None:
    for place, (label, values) in enumerate(networks.items()):
        axes.plot(
            values,
            label=label,
            color=COLOURS[place % len(COLOURS)],
            marker=MARKERS[place % len(MARKERS)],
            # Lines that lie under others are thicker, and stay visible.
            markersize=4 if place else 7,
            linewidth=1.2 if place else 2.2,
        )
    axes.set_title(kind)
    axes.set_xlabel("strength")
    axes.set_ylabel("test accuracy")
    strengths = range(1, max(map(len, networks.values())))
    axes.set_xticks([0, *strengths], labels=["clean", *map(str, strengths)])
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
