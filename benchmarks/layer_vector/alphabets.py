"""Does a search over letters add to a choice in closed form? Bytes of files against test error.

ResNet-20 on FashionMNIST, letters of eleven shares with 32 to 2 bits, made by removal order, refit,
rounding with error feedback and a fit of scales. For each of five seeds, walks over divergence and
bytes; fewer bits alone, pruning alone, global pruning and the same bits, and the choice that loses
least, of which the search images choose the best at each number of bytes. They also choose among
the searched networks. No gradient steps. Hypervolumes are of (log bytes from 1.5 to 25 % of the
parent's float32 parameters, test error), reference 1 in both. Rows are seeds: `--only 0,1`. It goes
on where it was stopped.

Target: above 1 in each of five seeds; at 4 % within .7 points of the parent, at 6 % .15, at 3 %
1.2; the search adds 1.5 points at 2 %

Found at 7690c27: 1.001 to 1.004, above 1 in five of five seeds: met. At 4 % at most .44 points
below the parent, at 6 % .12: met; at 3 % 1.15 on average, and above 1.2 in one seed, by .02. The
search adds .6 points at 2 % and 1.2 at 1.5 %: missed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import mean
from time import perf_counter
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Outcome, spread
from benchmarks.kept import Parts
from benchmarks.layer_vector.setting import data, parent, parent_accuracy
from benchmarks.rows import shown
from pymoo_prune import Front
from pymoo_prune.engines import level_walks
from pymoo_prune.measuring import accuracy
from pymoo_prune.search import Budget, search
from pymoo_prune_problems import LayerAlphabet
from pymoo_prune_problems.layer_alphabet.rivals import ALIKE, CHOSEN, PRUNED, QUANTISED

ROWS = ("0", "1", "2", "3", "4")
"""Seeds."""
GRID = (0.015, 0.02, 0.025, 0.03, 0.04, 0.06, 0.1, 0.25)
"""Shares of the parent's bytes that are compared, and at which the walks go."""
RIVALS = (QUANTISED, PRUNED, ALIKE, CHOSEN)
POPULATION, EVALUATIONS = 64, 2_400
SEARCH_IMAGES, RECOVERY_IMAGES = 1_000, 256
Row = dict[str, Any]


def run(quick: bool, wanted: Sequence[str] = ROWS) -> Outcome:
    """The figure is the least ratio of hypervolumes over the seeds."""
    torch.set_num_threads(1)
    if quick:
        rows = [one_seed(0, quick=True)]
    else:
        parts = Parts("alphabet-quality")
        seeds = shown(ROWS, wanted, lambda row: parts.has(f"seed-{row}"))
        rows = [parts.of(f"seed-{row}", partial(one_seed, int(row))) for row in seeds]
        if len(seeds) == len(ROWS):
            parts.forget()
    ratios = [one["hypervolumes"]["search"] / best_rival(one) for one in rows]
    return Outcome(
        min(ratios),
        "times the hypervolume (log bytes, test error) of the best rival, least of the seeds",
        [_table(rows)],
        {
            "seeds": rows,
            "ratios": ratios,
            "parent_test_accuracy": parent_accuracy(),
            "population": POPULATION,
            "evaluations": EVALUATIONS,
            "search_images": SEARCH_IMAGES,
            "recovery_images": RECOVERY_IMAGES,
            "precision": "int8 while searching, float32 in the end",
            "threads": "1 thread",
        },
    )


def one_seed(seed: int, *, quick: bool = False) -> Row:
    """A search and its rivals, at all shares of the bytes."""
    began = perf_counter()
    options: dict[str, Any] = {"letters": "1,0.5,0.2,0.08@32,8,4,3,2"} if quick else {}
    problem = LayerAlphabet(
        data(), parent=parent(), objectives=("divergence", "bytes"), seed=seed,
        precision="float32" if quick else "int8", recovery_images=RECOVERY_IMAGES,
        search_images=min(200 if quick else SEARCH_IMAGES, len(data().validation)), **options,
    )  # fmt: skip
    made = perf_counter() - began
    sizes = np.array(GRID) * problem.parent_values["bytes"]
    sizes = sizes[sizes >= problem.preview.sizes(_smallest(problem))["bytes"][0]]
    budget = Budget(evaluations=120 if quick else EVALUATIONS)
    walks = level_walks(problem, 2 * POPULATION if quick else POPULATION, at=sizes.tolist())
    found = search(problem, walks, budget, seed=seed)
    front = Front.from_candidates(problem, found.X, found.measurements)
    rows = {"search": _searched(front, sizes)}
    for kind in RIVALS:
        rows[kind] = _rival(problem, kind, sizes)
    print(f"seed {seed}: letters {made:.0f} s, all {perf_counter() - began:.0f} s", flush=True)
    whole = problem.parent_values["bytes"]
    return {
        "seed": seed,
        "at": rows,
        "sizes": (sizes / whole).tolist(),
        "hypervolumes": {name: hypervolume(points, whole) for name, points in rows.items()},
        "seconds": perf_counter() - began,
        "seconds_for_letters": made,
    }


def _smallest(problem: LayerAlphabet) -> np.ndarray[Any, Any]:
    return problem.alphabet.last[None]


def _searched(front: Front, sizes: np.ndarray[Any, Any]) -> list[Row]:
    found = []
    for size in sizes:
        within = np.flatnonzero(front.columns["bytes"] <= size)
        if len(within):
            place = int(within[front.columns["divergence"][within].argmin()])
            tested = accuracy(front[place].network(), data().test)
            found.append(_row(size, front.columns["bytes"][place], tested))
    return found


def _rival(problem: LayerAlphabet, kind: str, sizes: np.ndarray[Any, Any]) -> list[Row]:
    found = []
    for size in sizes:
        places = problem.rivals.places(kind, np.array([size]))
        if len(places):
            tested = accuracy(problem.rivals.network(places[0]), data().test)
            found.append(_row(size, problem.tables.sizes(places)["bytes"][0], tested))
    return found


def _row(size: float, bytes_: float, tested: float) -> Row:
    return {"within": float(size), "bytes": float(bytes_), "test": tested}


def hypervolume(points: Sequence[Row], whole: float) -> float:
    """Of the logarithm of the bytes, scaled to [0, 1] between the ends of `GRID`, and the error.

    Args:
        points: Bytes and test accuracies.
        whole: The parent's bytes.
    """
    return log_hypervolume([(one["bytes"] / whole, 1 - one["test"]) for one in points], GRID)


def log_hypervolume(points: Sequence[tuple[float, float]], grid: Sequence[float]) -> float:
    """Of the logarithm of a size, scaled to [0, 1] between the ends of a grid, and the error.

    Args:
        points: Shares of the parent's size, and errors.
        grid: Shares, from small to large.
    """
    low, high = np.log(grid[0]), np.log(grid[-1])
    pairs = sorted(
        (max(0.0, (np.log(share) - low) / (high - low)), error) for share, error in points
    )
    total, error = 0.0, 1.0
    for size, own in pairs:
        if size < 1 and own < error:
            total += (1 - size) * (error - own)
            error = own
    return float(total)


def best_rival(row: Mapping[str, Any]) -> float:
    """The largest hypervolume of a rival."""
    volumes: Mapping[str, float] = row["hypervolumes"]
    return max(value for name, value in volumes.items() if name != "search")


def _table(rows: Sequence[Row]) -> tuple[str, Sequence[str], Sequence[Sequence[str]]]:
    names = [*RIVALS, "search"]
    lines = []
    for share in rows[0]["sizes"]:
        cells = []
        for name in names:
            seen = [
                point["test"]
                for row in rows
                for point in row["at"][name]
                if abs(point["within"] - _within(row, share)) < 1
            ]
            cells.append(spread(seen) if seen else "")
        lines.append((f"{100 * share:.1f} %", *cells))
    volumes = [spread([row["hypervolumes"][name] for row in rows]) for name in names]
    seconds = mean(row["seconds"] for row in rows)
    title = f"test accuracy without gradient steps; seeds: {len(rows)}, {seconds:.0f} s each"
    return title, ("bytes", *names), [*lines, ("hypervolume", *volumes)]


def _within(row: Row, share: float) -> float:
    """The bytes of a share, as the rows of a seed have them."""
    several = [point["within"] for points in row["at"].values() for point in points]
    wanted = share * max(several) / max(row["sizes"])
    nearest: float = min(several, key=lambda one: abs(one - wanted))
    return nearest
