"""Figures 2 to 5 of EComp, ours and the authors', from the results of `ecomp-faithful`.

`python -m benchmarks.ecomp.page` draws them into the docs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from benchmarks.ecomp.authors import Numbers, Runs, authors, best_widths
from pymoo_prune.plots import COLOURS, COLUMN, picture
from pymoo_prune_problems import EComp
from pymoo_prune_problems.ecomp.reproduction import EVERY

CURVES = {
    2: ("accuracy", "average accuracy"),
    3: ("width", "average width over the parent's"),
    4: ("similarity_loss", "average similarity loss"),
}
"""Figures over the generations: the quantity, and what its axis says."""
OURS, THEIRS = COLOURS[0], COLOURS[1]
WIDTH = 3.5


def our_runs(record: Mapping[str, Any]) -> dict[str, Runs]:
    """Our runs by weighting, from the file of results."""
    found = {}
    for weighting, plain in record["ours"].items():
        curves = {
            name: np.array([numbers(one["mean"]), numbers(one["deviation"])])
            for name, one in plain["curves"].items()
        }
        found[weighting] = Runs(np.array([numbers(row) for row in plain["rows"]]), curves)
    return found


def numbers(text: str) -> list[float]:
    """Numbers that the file of results has in one line."""
    return [float(word) for word in text.split()]


def draw_curves(path: Path, figure: int, ours: Mapping[str, Runs]) -> None:
    """Figure 2, 3 or 4: means over the runs, with bands of a deviation; a panel a weighting.

    Args:
        path: The picture.
        figure: The paper's number.
        ours: Our runs, by weighting.
    """
    name, label = CURVES[figure]
    with picture(path, (WIDTH, 4.9), style=COLUMN) as drawn:
        panels = drawn.subplots(4, 2, sharex=True, sharey=True).ravel()
        for axes, weighting in zip(panels, EComp.WEIGHTINGS, strict=False):
            for runs, colour, line in ((ours, OURS, "-"), (authors(), THEIRS, (0, (4, 1.5)))):
                _draw_curve(axes, runs[weighting].curves[name], colour, line)
            axes.set_title(_spelt(weighting))
        for axes in panels[-3:-1]:
            axes.tick_params(labelbottom=True)
        panels[-1].axis("off")
        count = len(next(iter(ours.values())).rows)
        lines = [Line2D([], [], color=OURS), Line2D([], [], color=THEIRS, linestyle=(0, (4, 1.5)))]
        names = [f"ours, {count} runs", "authors', 10 runs"]
        panels[-1].legend(lines, names, loc="center", title="mean ± deviation")
        drawn.supxlabel("generation")
        drawn.supylabel(label)


def _draw_curve(axes: Axes, curve: Numbers, colour: str, line: Any) -> None:
    mean, deviation = curve
    generations = EVERY * np.arange(len(mean))
    axes.plot(generations, mean, color=colour, linestyle=line, linewidth=1.1)
    low, high = mean - deviation, mean + deviation
    axes.fill_between(generations, low, high, color=colour, alpha=0.18, linewidth=0)


def _spelt(weighting: str) -> str:
    """Such as 1 2 1: the weights of accuracy, similarity and compression."""
    return " ".join(weighting)


def draw_winners(path: Path, record: Mapping[str, Any], ours: Mapping[str, Runs]) -> None:
    """Figure 5: test accuracy and width of the best networks; ours left, the authors' right.

    Args:
        path: The picture.
        record: The file of results.
        ours: Our runs, by weighting.
    """
    weightings = list(EComp.WEIGHTINGS)
    with picture(path, (WIDTH, 4.2), style=COLUMN) as drawn:
        upper, lower = drawn.subplots(2, 1, sharex=True)
        places = list(range(len(weightings)))
        accuracies = [[runs[one].rows[:, -1] for one in weightings] for runs in (ours, authors())]
        for values, side, colour, hatch in zip(
            accuracies, (-0.2, 0.2), (OURS, THEIRS), ("", "////"), strict=True
        ):
            _draw_boxes(upper, values, [place + side for place in places], colour, hatch)
        widths = [numbers(record["ours"][one]["best_widths"]) for one in weightings]
        _draw_boxes(lower, widths, [place - 0.2 for place in places], OURS, "")
        theirs = best_widths()
        known = [place for place, one in enumerate(weightings) if one in theirs]
        five = [theirs[weightings[place]] for place in known]
        _draw_boxes(
            lower, five, [place + 0.2 for place in known], THEIRS, "////", whiskers=(0, 100)
        )
        upper.set_ylabel("test accuracy")
        lower.set_ylabel("width over the parent's")
        lower.set_xticks(places, [_spelt(one) for one in weightings])
        lower.set_xlabel("weights of accuracy, similarity, compression")
        count = len(accuracies[0][0])
        boxes = [_look(OURS, ""), _look(THEIRS, "////")]
        handles = [Patch(**look) for look in boxes]
        upper.legend(handles, [f"ours, {count} runs", "authors', 10 runs"], loc="lower right")


def _look(colour: str, hatch: str) -> dict[str, Any]:
    return {"facecolor": "white", "edgecolor": colour, "hatch": hatch} if hatch else {
        "facecolor": colour, "edgecolor": colour
    }  # fmt: skip


def _draw_boxes(
    axes: Axes,
    values: Sequence[Any],
    places: Sequence[float],
    colour: str,
    hatch: str,
    whiskers: Any = 1.5,
) -> None:
    thin: dict[str, Any] = {"color": colour, "linewidth": 0.9}
    axes.boxplot(
        values,
        positions=places,
        widths=0.3,
        whis=whiskers,
        manage_ticks=False,
        patch_artist=True,
        boxprops={**_look(colour, hatch), "linewidth": 0.9},
        medianprops={"color": "black", "linewidth": 1.4},
        whiskerprops=thin,
        capprops=thin,
        flierprops={"marker": "o" if not hatch else "d", "markersize": 3, "markeredgecolor": colour,
                    "markerfacecolor": "white"},
    )  # fmt: skip
