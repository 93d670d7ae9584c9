"""Which layers may have inputs of few bits? Bit operations against test error.

ResNet-20 on FashionMNIST. Letters of five shares, weights of 8 to 2 bits and inputs of 8 to 2 bits.
Walks over divergence and bit operations, against the same bits in all layers, of weights and of
inputs, alone and after global pruning, and the choice with the least loss in closed form; of each
kind the search images choose the best. The closed form with inputs of eight bits everywhere says
what the bits of inputs are worth. No gradient steps, one seed. Hypervolumes are of (log bit
operations from .3 to 6.25 % of the parent's, test error), reference 1 in both. It goes on where it
was stopped.

Target: above 1 times the hypervolume of the best rival; 1.6 % of the bit operations, as many as
four bits alike have, within 1 point of the parent

Found at 2d84e96: 1.001 times the best rival, the closed form: met, with one seed. 1.6 % is .16
points below the parent: met. At .3 % the search is .8 below it, the closed form 1.5, global
pruning 2.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial
from time import perf_counter
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Outcome
from benchmarks.kept import Parts
from benchmarks.layer_vector.alphabets import log_hypervolume
from benchmarks.layer_vector.setting import data, parent, parent_accuracy
from pymoo_prune import Front
from pymoo_prune.engines import level_walks
from pymoo_prune.measuring import accuracy
from pymoo_prune.search import Budget, search
from pymoo_prune_problems import LayerAlphabet
from pymoo_prune_problems.layer_alphabet.rivals import ALIKE, CHOSEN, QUANTISED

SIZE = "bit_operations"
GRID = (0.003, 0.005, 0.008, 0.012, 0.016, 0.03, 0.0625)
"""Shares of the parent's bit operations: eight bits alike have 6.25 %, and four bits 1.6 %."""
LETTERS = "1,0.5,0.25,0.12,0.06@8,4,3,2/8,6,4,3,2"
EIGHT = "1,0.5,0.25,0.12,0.06@8,4,3,2/8"
QUICK, QUICK_EIGHT = "1,0.25@8,4/8,4", "1,0.25@8,4/8"
FIXED = "least loss, inputs of 8 bits"
POPULATION, EVALUATIONS = 64, 1_200
SEARCH_IMAGES = 500
Points = list[tuple[float, float]]


def run(quick: bool) -> Outcome:
    """The figure is the search's hypervolume over that of the best rival."""
    torch.set_num_threads(1)
    parts = Parts("alphabet-inputs")
    rows: dict[str, Points] = {}
    for kind in (QUANTISED, ALIKE, CHOSEN, FIXED):
        found = _rival(kind, quick=quick) if quick else parts.of(kind, partial(_rival, kind))
        rows[kind] = [tuple(one) for one in found]
        print(kind, rows[kind], flush=True)
    found = _searched(quick=quick) if quick else parts.of("search", _searched)
    rows["search"] = [tuple(one) for one in found["points"]]
    parts.forget()
    volumes = {name: log_hypervolume(points, GRID) for name, points in rows.items()}
    best = max(value for name, value in volumes.items() if name != "search")
    return Outcome(
        volumes["search"] / best,
        "times the hypervolume (log bit operations, test error) of the best rival",
        [_table(rows, volumes)],
        {
            "points": rows,
            "hypervolumes": volumes,
            "parent_test_accuracy": parent_accuracy(),
            "search_seconds": found["seconds"],
            "evaluations": EVALUATIONS,
            "search_images": SEARCH_IMAGES,
            "threads": "1 thread",
        },
    )


@cache
def problem(letters: str, *, quick: bool = False) -> LayerAlphabet:
    """The problem with certain letters, which are made once."""
    images = 100 if quick else SEARCH_IMAGES
    return LayerAlphabet(
        data(), parent=parent(), letters=letters, objectives=("divergence", SIZE),
        search_images=min(images, len(data().validation)),
    )  # fmt: skip


def _sizes(where: LayerAlphabet) -> np.ndarray[Any, Any]:
    sizes: np.ndarray[Any, Any] = np.array(GRID) * where.parent_values[SIZE]
    least = sum(float(np.min(one)) for one in where.alphabet.sizes_of(SIZE))
    found: np.ndarray[Any, Any] = sizes[sizes >= least + where.tables.rest[SIZE]]
    return found


def _rival(kind: str, *, quick: bool = False) -> Points:
    """Shares of bit operations and test errors of a rival."""
    whole, eight = (QUICK, QUICK_EIGHT) if quick else (LETTERS, EIGHT)
    where = problem(eight if kind == FIXED else whole, quick=quick)
    chosen = CHOSEN if kind == FIXED else kind
    sizes = _sizes(problem(whole, quick=quick))
    found = []
    for most in sizes:
        places = where.rivals.places(chosen, np.array([most]), SIZE)
        if len(places):
            size = float(where.tables.sizes(places)[SIZE][0])
            network = where.rivals.network(places[0])
            error = 1 - accuracy(network, data().test)
            found.append((size / where.parent_values[SIZE], error))
    return found


def _searched(*, quick: bool = False) -> dict[str, Any]:
    """The same of walks, which the search images choose from."""
    where = problem(QUICK if quick else LETTERS, quick=quick)
    sizes = _sizes(where)
    walks = level_walks(where, POPULATION // 2 if quick else POPULATION, at=sizes.tolist())
    began = perf_counter()
    budget = Budget(evaluations=80 if quick else EVALUATIONS)
    found = search(where, walks, budget, seed=0)
    front = Front.from_candidates(where, found.X, found.measurements)
    seconds = round(perf_counter() - began, 1)
    points = []
    for most in sizes:
        within = np.flatnonzero(front.columns[SIZE] <= most)
        if len(within):
            place = int(within[front.columns["divergence"][within].argmin()])
            error = 1 - accuracy(front[place].network(), data().test)
            points.append((front.columns[SIZE][place] / where.parent_values[SIZE], error))
    return {"points": points, "seconds": seconds}


def _table(
    rows: Mapping[str, Points], volumes: Mapping[str, float]
) -> tuple[str, Sequence[str], Sequence[Sequence[str]]]:
    lines = []
    for share in GRID:
        cells = []
        for points in rows.values():
            within = [error for size, error in points if size <= share * (1 + 1e-9)]
            cells.append(f"{1 - within[-1]:.4f}" if within else "")
        lines.append((f"{100 * share:g} %", *cells))
    title = f"test accuracy without gradient steps; parent {parent_accuracy():.4f}"
    lines.append(("hypervolume", *(f"{one:.4f}" for one in volumes.values())))
    return title, ("bit operations", *rows), lines
