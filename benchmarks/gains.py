"""Where a search pays, in one picture: `python -m benchmarks.gains` draws it for the docs.

Gains in test accuracy over the best rival without a search, over the size of the network, from the
results of the quality benchmarks: the mean over seeds with its 95 % interval.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from scipy.stats import t as student

from benchmarks.catalogue import RESULTS

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "does-it-pay.png"
NONE, SHORT, FIFTH, LONG = "no gradient steps", "100 steps", "a fifth of an epoch", "an epoch"
STAGES = {
    NONE: ("#0072b2", "o"),
    SHORT: ("#e69f00", "s"),
    FIFTH: ("#cc79a7", "D"),
    LONG: ("#009e73", "^"),
}
"""Colours of Okabe and Ito, and markers."""


@dataclass(frozen=True)
class Line:
    """Gains of one problem after the same retraining.

    Attributes:
        stage: How long all networks were retrained.
        sizes: Shares of the parent's size, (sizes,).
        gains: Points of test accuracy over the best rival, (seeds, sizes).
    """

    stage: str
    sizes: Sequence[float]
    gains: np.ndarray[Any, Any]


def draw() -> Path:
    """Draws the picture from the results that are there."""
    panels = {
        "layer vector (ResNet-20)": ("weights left", list(_layer_vector())),
        "distilled filters (SimpleCNN)": ("MACs", list(_distilled_filters())),
        "EComp (two hidden layers)": ("hidden width", list(_ecomp())),
    }
    panels = {title: found for title, found in panels.items() if found[1]}
    figure = Figure(figsize=(7.16, 2.5), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for place, (title, (size, lines)) in enumerate(panels.items()):
        panel = axes[place]
        panel.axhline(0, color="0.4", linewidth=0.8)
        for line in lines:
            _add(panel, line)
        panel.set_xscale("log")
        panel.set_title(title, fontsize=8)
        panel.set_xlabel(f"{size}, share of the parent's", fontsize=8)
        panel.tick_params(labelsize=7)
        panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        panel.xaxis.set_minor_formatter("")
        ticks = [share for share in (0.02, 0.05, 0.1, 0.2, 0.4, 0.8) if _inside(share, lines)]
        panel.set_xticks(ticks)
        panel.legend(fontsize=7, frameon=False)
    axes[0].set_ylabel("gain over the best rival,\npoints of test accuracy", fontsize=8)
    figure.savefig(PICTURE, dpi=200, metadata={"Software": None})
    return PICTURE


def _add(panel: Any, line: Line) -> None:
    colour, marker = STAGES[line.stage]
    middle, reach = line.gains.mean(axis=0), interval(line.gains)
    panel.errorbar(
        line.sizes, middle, reach, color=colour, marker=marker, markersize=3.5, linewidth=1.2,
        elinewidth=0.8, capsize=2, label=line.stage,
    )  # fmt: skip


def _inside(share: float, lines: Sequence[Line]) -> bool:
    sizes = [size for line in lines for size in line.sizes]
    return min(sizes) <= share * 1.02 and share <= max(sizes) * 1.02


def interval(gains: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Half the 95 % interval of the mean over seeds, (sizes,); 0 for a single seed."""
    seeds = len(gains)
    if seeds < 2:
        return np.zeros(gains.shape[1])
    reach: np.ndarray[Any, Any] = gains.std(axis=0, ddof=1) / seeds**0.5
    return reach * float(student.ppf(0.975, seeds - 1))


def _layer_vector() -> Iterator[Line]:
    found = _result("layer-vector-quality")
    for stage, key in ((NONE, "test"), (SHORT, "100 steps"), (LONG, "an epoch")):
        sparsities = [s for s, one in found["searches"][0]["at"].items() if key in one]
        ours, theirs = (
            [[run["at"][s][key] for s in sparsities] for run in found[who]]
            for who in ("searches", "rivals")
        )
        left = [1 - float(s) for s in sparsities]
        yield Line(stage, left, 100 * (np.array(ours) - np.array(theirs)))


def _distilled_filters() -> Iterator[Line]:
    found = _result("distilled-filters-quality")
    if "walks" not in found["rows"]:  # an older result, which had other rivals
        return
    ours, theirs = found["rows"]["walks"], found["rows"][found["best_rival"]]
    sizes = found["shares"]
    for stage, key in ((NONE, "before_distillation"), (LONG, "test_accuracy")):
        gains = [
            _at(sizes, our["macs"], our[key]) - _at(sizes, their["macs"], their[key])
            for our, their in zip(ours, theirs, strict=True)
        ]
        yield Line(stage, sizes, 100 * np.array(gains))


def _at(sizes: Sequence[float], macs: Sequence[float], accuracies: Sequence[float]) -> Any:
    """Accuracies at sizes, between those that were measured on a logarithmic scale."""
    order = np.argsort(macs)
    logs = np.log(np.array(macs))[order]
    return np.interp(np.log(np.array(sizes)), logs, np.array(accuracies)[order])


def _ecomp() -> Iterator[Line]:
    found = _result("ecomp-quality")
    gains = [
        np.array(run["at_widths"]["this search"]) - np.array(run["at_widths"][found["best_rival"]])
        for run in found["runs"]
    ]
    yield Line(FIFTH, found["shares"], 100 * np.array(gains))


def _result(name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    print(draw())
