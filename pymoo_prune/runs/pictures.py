"""The pictures of a run's report, for a screen or a paper."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pymoo_prune import plots
from pymoo_prune.chromosomes import Array
from pymoo_prune.files import writing
from pymoo_prune.plots import SCREEN, FigureStyle
from pymoo_prune.runs.files import (
    FRONT_PICTURE,
    GENERATIONS_PICTURE,
    LAYERS_PICTURE,
    MATRICES_PICTURE,
    PARALLEL_PICTURE,
)
from pymoo_prune.runs.findings import Findings
from pymoo_prune.runs.words import title

TEXTS = {
    FRONT_PICTURE: "the front",
    PARALLEL_PICTURE: "all networks over all objectives",
    LAYERS_PICTURE: "weights left in each layer",
    MATRICES_PICTURE: "which node reads which",
    GENERATIONS_PICTURE: "means of each generation",
}
"""Captions, by picture."""


def draw(findings: Findings, folder: Path, style: FigureStyle = SCREEN) -> None:
    """Draws every picture for which there are numbers.

    Args:
        findings: The numbers.
        folder: Where the pictures go.
        style: The sizes, for a screen or a paper, and the files of each picture.
    """
    for name, drawn in pictures(findings, style).items():
        for ending in style.endings:
            with writing((folder / name).with_suffix(ending)) as path:
                drawn(path)


def pictures(
    findings: Findings, style: FigureStyle = SCREEN
) -> dict[str, Callable[[Path], object]]:
    """A function that draws each picture for which there are numbers, by the picture's name."""
    return {**_of_all(findings, style), **_of_the_chosen(findings, style)}


def _of_all(findings: Findings, style: FigureStyle) -> dict[str, Callable[[Path], object]]:
    names, quantities = findings.goals.names, findings.quantities
    found: dict[str, Callable[[Path], object]] = {
        FRONT_PICTURE: lambda path: plots.draw_front(
            path,
            [one for one in findings.series if one is not findings.first],
            findings.goals,
            quantities,
            title=title(findings),
            published=findings.published,
            light=[] if findings.first is None else [findings.first],
            style=style,
        ),
        GENERATIONS_PICTURE: lambda path: plots.draw_generations(
            path, findings.generation_means, names, quantities, style=style
        ),
    }
    if len(names) > 2:
        found[PARALLEL_PICTURE] = lambda path: plots.draw_parallel(
            path,
            findings.front,
            names,
            quantities,
            chosen=findings.chosen,
            title=title(findings),
            style=style,
        )
    return found


def _of_the_chosen(findings: Findings, style: FigureStyle) -> dict[str, Callable[[Path], object]]:
    chosen = findings.chosen
    found: dict[str, Callable[[Path], object]] = {}
    if (shares := findings.shares) is not None:
        found[LAYERS_PICTURE] = lambda path: plots.draw_layers(
            path,
            {f"network {chosen}": shares},
            title=f"where network {chosen} was pruned",
            label="weights left",
            style=style,
        )
    if (matrices := findings.run.matrices()) is not None:
        found[MATRICES_PICTURE] = lambda path: _draw_matrices(path, chosen, *matrices, style)
    return found


def _draw_matrices(
    path: Path, chosen: int, live: Array, possible: Array, style: FigureStyle
) -> None:
    blocks = {f"block {k + 1}": block for k, block in enumerate(live[chosen])}
    cells = dict(zip(blocks, np.broadcast_to(possible, live[chosen].shape), strict=True))
    heading = f"what reads what in network {chosen}"
    plots.draw_matrices(path, blocks, possible=cells, title=heading, style=style)
