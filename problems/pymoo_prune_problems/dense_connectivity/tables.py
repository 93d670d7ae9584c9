"""Table II and Figure 5 of the dense-connectivity paper, redrawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import fill
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pymoo_prune.plots import COLOURS, MARKERS, STYLE
from pymoo_prune.tables import markdown_table
from pymoo_prune_problems.dense_connectivity.problem import DenseConnectivity

RATES = (50, 60, 70, 80, 90)
"""Table I's pruning rates p, in percent: the chance that a connection lives."""
TABLE_2 = {
    None: (0.80, 95.49),
    50: (0.51, 94.56),
    60: (0.55, 94.96),
    70: (0.61, 94.92),
    80: (0.68, 95.03),
    90: (0.78, 95.15),
}
"""The paper's millions of parameters and accuracies in percent, by p; None is the baseline."""
FORMULA = {None: 0.769, 50: 0.456, 60: 0.506, 70: 0.562, 80: 0.624, 90: 0.693}
"""Millions of parameters by the closed formula, on average: depth 100, k = 12, 10 classes."""
FULL, GENETIC, RANDOM_SEARCH, RANDOM, NARROWER = (
    "densenet-bc",
    "genetic-algorithm",
    "random-search",
    "random-network",
    "narrower-densenet",
)
METHODS = {
    GENETIC: "genetic algorithm",
    RANDOM_SEARCH: "random search",
    RANDOM: "random network",
    NARROWER: "narrower DenseNet",
    FULL: "DenseNet-BC, all connections",
}
"""What is compared: the first four at each p, the last once."""


@dataclass(frozen=True)
class Scale:
    """How much work a reproduction is.

    Attributes:
        depth: Of the DenseNet; see `DenseConnectivity` for this and what follows.
        growth: k, channels that each layer adds.
        weights: Where candidates have their weights from.
        recovery: What inherited weights get.
        parent_epochs: Of a parent with weights to inherit.
        epochs: Of candidates that are trained from scratch.
        train_images: Training images that the search uses; None is all.
        search_images: Validation images that the search uses.
        recovery_images: Training images for the batch-norm statistics of heirs.
        population: Of the genetic algorithm, and of random search.
        generations: Of both.
        finish_images: Training images that each chosen network is trained with from random
            weights, counted with repetition.
    """

    depth: int = 100
    growth: int = 12
    weights: Literal["inherited", "scratch"] = "scratch"
    recovery: str = "none"
    parent_epochs: float = 1.0
    epochs: float = 1.0
    train_images: int | None = None
    search_images: int = 10_000
    recovery_images: int = 256
    population: int = DenseConnectivity.POPULATION
    generations: int = DenseConnectivity.GENERATIONS
    finish_images: int = 300 * 50_000  # DenseNet's 300 epochs of CIFAR

    @property
    def options(self) -> dict[str, Any]:
        """Options of `DenseConnectivity`."""
        given = asdict(self)
        for name in ("population", "generations", "finish_images"):
            del given[name]
        return given


PAPER = Scale()
"""The paper's, but for the images that fitness is measured on: for a GPU, and days."""
SMALL = Scale(
    depth=28,
    growth=8,
    weights="inherited",
    recovery="batch-norm",
    parent_epochs=8,
    train_images=10_000,
    search_images=300,
    recovery_images=128,
    finish_images=10_000,
)
"""About a quarter of an hour on two cores."""


@dataclass(frozen=True)
class Row:
    """One network, trained to the end.

    Attributes:
        method: How its architecture was chosen, one of `METHODS`.
        rate: p in percent; None for the DenseNet with all connections.
        seed: Of everything random.
        growth: Channels that each layer adds.
        parameters: How many it has.
        macs: Multiply-accumulates for one image.
        connections: The share of free connections that live.
        fitness: What a search, if any, saw of it: accuracy on its validation images.
        accuracy: On the test images, after full training; NaN if that diverged.
        search_seconds: Of the search, without the parent's training.
        training_seconds: Of the full training, with the test.
    """

    method: str
    rate: int | None
    seed: int
    growth: int
    parameters: int
    macs: int
    connections: float
    fitness: float | None
    accuracy: float
    search_seconds: float | None
    training_seconds: float


WIDTH = 100
HEAD = (
    "network",
    "parameters (M)",
    "MACs (M)",
    "connections %",
    "fitness %",
    "test accuracy %",
    "search s",
    "training s",
)


def table(rows: Sequence[Row], scale: Scale, data: str) -> str:
    """Table II in Markdown, the paper's figures in brackets.

    Args:
        rows: Of all seeds.
        scale: Of the reproduction.
        data: The data set's name.
    """
    trained_for = f"{scale.epochs:g} epoch{'' if scale.epochs == 1 else 's'} from scratch"
    fitness = "with inherited weights" if scale.weights == "inherited" else f"after {trained_for}"
    introduction = (
        f"DenseNet-BC of depth {scale.depth} with growth k = {scale.growth}. At each p a search "
        f"evaluates {scale.population * scale.generations:,} networks; fitness is the accuracy on "
        f"{scale.search_images:,} validation images {fitness} (the paper: on the test images, "
        "after 1 epoch from scratch). Every network below is then trained from random weights on "
        f"{scale.finish_images:,} images, counted with repetition. In brackets Kim et al.: depth "
        "100, k = 12, CIFAR-10."
    )
    ahead = (
        "Points of test accuracy by which the genetic algorithm's winners are ahead, on average "
        "over p and seeds, with the standard error:"
    )
    counts = (
        "Table II's numbers of parameters cannot be reproduced: about forty readings of p were "
        "tried, and none gives both its pruned networks and its baseline. The baseline's 0.80 M is "
        "a DenseNet-BC with 100 classes; with CIFAR-10's 10 it has 0.769 M. With p as the chance "
        "that a connection lives, the chain always living, networks of depth 100 and k = 12 have "
        "on average:"
    )
    columns = (*RATES, None)
    theirs = [f"{TABLE_2[rate][0]:.2f}" for rate in columns]
    ours = [f"{FORMULA[rate]:.3f}" for rate in columns]
    return "\n".join(
        [
            f"# Dense connectivity on {data}",
            "",
            fill(introduction, WIDTH),
            "",
            markdown_table(HEAD, table_rows(rows)),
            "",
            fill(ahead, WIDTH),
            "",
            markdown_table(
                ("of", "points"),
                [[METHODS[rival], _gain(rows, rival)] for rival in METHODS if rival != GENETIC],
            ),
            "",
            fill(counts, WIDTH),
            "",
            markdown_table(
                ("parameters (M)", *(f"p = {rate} %" for rate in RATES), "all"),
                [["Table II", *theirs], ["counted, 10 classes", *ours]],
            ),
            "",
        ]
    )


def table_rows(rows: Sequence[Row]) -> list[list[str]]:
    """What `HEAD` is the head of: means over seeds, with deviations where there are several."""
    places = sorted(
        {(row.rate, row.method) for row in rows},
        key=lambda place: (place[0] or 0, list(METHODS).index(place[1])),
    )
    return [_cells([row for row in rows if (row.rate, row.method) == place]) for place in places]


def _cells(rows: Sequence[Row]) -> list[str]:
    def average(name: str, decimals: int, scale: float = 1.0, *, spread: bool = False) -> str:
        values = [getattr(row, name) for row in rows]
        if None in values:
            return ""
        if not np.isfinite(values).all():
            return "diverged"
        text = f"{scale * np.mean(values):,.{decimals}f}"
        if spread and len(values) > 1:
            text += f" ± {scale * np.std(values, ddof=1):.{decimals}f}"
        return text

    method, rate = rows[0].method, rows[0].rate
    growths = ", ".join(str(growth) for growth in sorted({row.growth for row in rows}))
    name = METHODS[method] if rate is None else f"p = {rate} %, {METHODS[method]}"
    size, right = average("parameters", 3, 1e-6), average("accuracy", 2, 100, spread=True)
    if method in (FULL, GENETIC):
        size, right = (
            f"{ours} ({theirs:.2f})"
            for ours, theirs in zip((size, right), TABLE_2[rate], strict=True)
        )
    return [
        f"{name}, k = {growths}" if method == NARROWER else name,
        size,
        average("macs", 1, 1e-6),
        average("connections", 1, 100),
        average("fitness", 2, 100, spread=True),
        right,
        average("search_seconds", 0),
        average("training_seconds", 0),
    ]


def gains(rows: Sequence[Row], over: str) -> list[float]:
    """Points of test accuracy by which the winners are ahead of a method, for each p and seed."""
    found = {(row.method, row.rate, row.seed): row.accuracy for row in rows}
    return [
        100 * (right - found[over, None if over == FULL else rate, seed])
        for (method, rate, seed), right in found.items()
        if method == GENETIC
    ]


def _gain(rows: Sequence[Row], over: str) -> str:
    points = np.array(gains(rows, over))
    text = f"{points.mean():+.2f}"
    if len(points) > 1:
        text += f" ± {points.std(ddof=1) / len(points) ** 0.5:.2f}"
    return text


# The figure.

APART = 0.055
"""Labels above a panel are at least this share of its width apart."""
THIN: dict[str, Any] = {"color": "#999999", "linestyle": ":", "linewidth": 0.8, "zorder": 1}
LOOKS: dict[str, dict[str, Any]] = {
    method: {
        "color": COLOURS[place],
        "marker": MARKERS[place],
        "markersize": 7,
        "markeredgecolor": "white",
        "linewidth": 1.2,
    }
    for place, method in enumerate((GENETIC, RANDOM_SEARCH, RANDOM, NARROWER))
} | {FULL: {"color": "black", "marker": "*", "markersize": 14, "linestyle": "none"}}
Points = Mapping[int | None, tuple[float, float, float]]
"""By p, or growth: millions of parameters, accuracy in percent, and its deviation."""


def draw_accuracies(path: Path, rows: Sequence[Row], scale: Scale, data: str) -> None:
    """Figure 5: accuracy over parameters, here and in the paper, in two panels.

    Args:
        path: PNG or SVG file.
        rows: Of all seeds.
        scale: Of the reproduction.
        data: The data set's name.
    """
    theirs = {rate: (size, right, 0.0) for rate, (size, right) in TABLE_2.items()}
    baseline: Points = {None: theirs.pop(None)}
    seeds = len({row.seed for row in rows})
    averaged = f", mean of {seeds} seeds ± deviation" if seeds > 1 else ""
    panels: dict[str, dict[str, Points]] = {
        f"Here: {data}, depth {scale.depth}, k = {scale.growth}{averaged}": {
            method: _points(rows, method) for method in METHODS
        },
        "Kim et al.: CIFAR-10, depth 100, k = 12": {GENETIC: theirs, FULL: baseline},
    }
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.5, 5.0), layout="constrained")
        for place, (title, series) in enumerate(panels.items()):
            _draw_panel(figure.add_subplot(1, 2, place + 1), title, series)
        handles = [Line2D([], [], label=METHODS[name], **look) for name, look in LOOKS.items()]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
        figure.savefig(path, dpi=160)


def _points(rows: Sequence[Row], method: str) -> Points:
    """Means over seeds; narrower networks by growth, however many p share one."""
    places: dict[int | None, dict[int, Row]] = {}
    for row in rows:
        if row.method == method:
            place = row.growth if method == NARROWER else row.rate
            places.setdefault(place, {})[row.seed] = row
    return {
        place: (
            1e-6 * float(np.mean([row.parameters for row in seeds.values()])),
            100 * float(np.mean([row.accuracy for row in seeds.values()])),
            100 * float(np.std([row.accuracy for row in seeds.values()], ddof=len(seeds) > 1)),
        )
        for place, seeds in places.items()
    }


def _draw_panel(axes: Axes, title: str, series: Mapping[str, Points]) -> None:
    for method, points in series.items():
        sizes, rights, deviations = np.array(sorted(points.values())).T
        bars = deviations if deviations.any() else None
        front = 4 if method == GENETIC else 3
        axes.errorbar(
            sizes, rights, bars, capsize=2.5, elinewidth=1.2, zorder=front, **LOOKS[method]
        )
        if method == FULL:
            axes.axhline(rights[0], color="black", linestyle=(0, (4, 3)), linewidth=0.8)
    axes.set_title(title, loc="left", pad=38)
    axes.set_xlabel("parameters (millions)")
    axes.set_ylabel("test accuracy after full training (%)")
    axes.ticklabel_format(useOffset=False, style="plain")
    axes.margins(x=0.06, y=0.08)
    _label_rates(axes, {**series[GENETIC], **series[FULL]})


def _label_rates(axes: Axes, points: Points) -> None:
    """Says above the panel which p the winners belong to, no label over another."""
    axes.set_xlim(axes.get_xlim())
    sizes, labels = zip(
        *sorted(
            (size, "all" if rate is None else str(rate)) for rate, (size, *_) in points.items()
        ),
        strict=True,
    )
    there = axes.transLimits.transform([(size, 0.0) for size in sizes])[:, 0]
    places = there.copy()
    for place in range(1, len(places)):
        places[place] = max(places[place], places[place - 1] + APART)
    limit = 1.0
    for place in reversed(range(len(places))):
        places[place] = min(places[place], limit)
        limit = places[place] - APART
    for size, column, place, label in zip(sizes, there, places, labels, strict=True):
        axes.axvline(size, **THIN)
        axes.plot([column, place], [1.0, 1.03], transform=axes.transAxes, clip_on=False, **THIN)
        axes.text(place, 1.035, label, transform=axes.transAxes, ha="center")
    axes.text(
        0.5,
        1.085,
        "p (%), the chance that a connection lives",
        transform=axes.transAxes,
        ha="center",
    )
