"""Is the search worth it? Keep-masks with refit, against the best that a refit does without one.

NSGA-II on FashionMNIST, the paper's parent trained on 50,000 images, five seeds. The rivals keep
neurons in four orders and are refitted as the search's candidates are; they have the front's
widths, and wider ones. Beside them stand the first population alone, random search, and L1 pruning
without a refit. All networks are retrained alike. Search images are those of the validation split;
test images are touched in the end only. Hypervolume of (hidden width, test error) up to (1, 1);
the search is compared with the rival that is best in the mean over the seeds.

Target: at least .006
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import mean
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.harness import Outcome, spread
from benchmarks.quick import images, is_quick
from pymoo_prune import Data, Front
from pymoo_prune.engines import make_algorithm
from pymoo_prune.measuring import accuracy
from pymoo_prune.objectives import Series, Values, hypervolume
from pymoo_prune.results import final_accuracies, finisher
from pymoo_prune.search import Budget, search
from pymoo_prune.training import trained
from pymoo_prune_problems import EComp
from pymoo_prune_problems.ecomp import REFITTED

SEEDS = (0, 1, 2, 3, 4)
POPULATION, GENERATIONS = 100, 60
SEARCH_IMAGES = 10_000  # all of them: with fewer, the front fits the images that chose it
FINISH = 1_000 if is_quick() else 10_000
SHARES = np.array([0.03, 0.05, 0.08, 0.12, 0.17, 0.23, 0.3, 0.4])
"""Widths at which the search is compared with the rivals after the same retraining."""
OURS, RANDOM, FIRST = "this search", "random search", "first population"
KINDS = ("test_accuracy", "finished_test_accuracy")


def run(quick: bool) -> Outcome:
    """The figure is the mean over seeds of the gain over the seed's best rival."""
    seeds = SEEDS[:1] if quick else SEEDS
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        runs = []
        for one in pool.map(one_seed, seeds, [quick] * len(seeds)):
            runs.append(one)
            volumes = {name: round(both[1], 4) for name, both in one["hypervolumes"].items()}
            print(f"seed {one['seed']}: {volumes}", flush=True)
    best = best_rival(runs)
    seconds = mean(one["seconds"] for one in runs)
    title = f"hypervolume on test, {len(seeds)} seeds; search in {seconds:.1f} s"
    wide_title = f"test accuracy after {FINISH:,} images each"
    return Outcome(
        mean(gains(runs, best)),
        "hypervolume above the best rival with refit, after retraining",
        [
            (title, ("method", "without gradient steps", wide_title[14:]), volume_rows(runs)),
            (wide_title, ("width", best, OURS, "least gain, points"), width_rows(runs, best)),
        ],
        {
            "runs": runs,
            "best_rival": best,
            "gains": gains(runs, best),
            "shares": SHARES.tolist(),
            "population": POPULATION,
            "generations": GENERATIONS,
            "threads": "two processes of one",
        },
    )


def volume_rows(runs: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Each method's hypervolumes over the seeds."""
    columns = {
        name: [[one["hypervolumes"][name][kind] for one in runs] for kind in range(len(KINDS))]
        for name in runs[0]["hypervolumes"]
    }
    return [(name, *map(spread, volumes)) for name, volumes in columns.items()]


def best_rival(runs: Sequence[dict[str, Any]]) -> str:
    """The refitted rival with the largest mean hypervolume after retraining."""
    names = [f"{name} with refit" for name in REFITTED]
    return max(names, key=lambda name: mean(one["hypervolumes"][name][1] for one in runs))


def gains(runs: Sequence[dict[str, Any]], rival: str) -> list[float]:
    """How far the search is ahead of a rival after retraining, for each seed."""
    volumes = [one["hypervolumes"] for one in runs]
    return [one[OURS][1] - one[rival][1] for one in volumes]


def width_rows(runs: Sequence[dict[str, Any]], rival: str) -> list[tuple[str, ...]]:
    """The front and the best rival at each of `SHARES`."""
    ours, best = (np.array([one["at_widths"][name] for one in runs]) for name in (OURS, rival))
    return [
        (
            f"{share:.2f}",
            spread(best[:, place].tolist()),
            spread(ours[:, place].tolist()),
            f"{100 * (ours - best)[:, place].min():+.2f}",
        )
        for place, share in enumerate(SHARES)
    ]


def one_seed(seed: int, quick: bool) -> dict[str, Any]:
    """A parent, a search, and what it is compared with, all from one seed."""
    torch.set_num_threads(1)
    data = images()
    problem = EComp(data, seed=seed, search_images=SEARCH_IMAGES)
    began = perf_counter()
    budget = Budget(generations=3 if quick else GENERATIONS)
    front, evaluations = searched(problem, "nsga2", budget, seed)
    seconds = perf_counter() - began
    first, _ = searched(problem, "nsga2", Budget(generations=1), seed)
    randomly, _ = searched(problem, "random", Budget(evaluations=evaluations), seed)
    series = [
        finished(front, OURS),
        *rivals(problem, front, seed),
        finished(first, FIRST),
        finished(randomly, RANDOM),
        l1_pruning(problem, seed),
    ]
    volumes = {one.name: tuple(volume(one, kind) for kind in KINDS) for one in series}
    return {
        "seed": seed,
        "seconds": seconds,
        "evaluations": evaluations,
        "parent_validation_accuracy": problem.parent_measurements()["accuracy"],
        "hypervolumes": volumes,
        "at_widths": {one.name: best_within(one, SHARES).tolist() for one in series},
        "front": {name: column.tolist() for name, column in series[0].columns.items()},
    }


def searched(problem: EComp, engine: str, budget: Budget, seed: int) -> tuple[Front, int]:
    """The front that an engine finds, and the number of its evaluations."""
    found = search(problem, make_algorithm(engine, problem, POPULATION), budget, seed=seed)
    return Front.from_found(problem, found), found.last.evaluated


def finished(front: Front, name: str) -> Series:
    """A front after retraining."""
    return front.finish(images=FINISH).series(name)


def rivals(problem: EComp, front: Front, seed: int) -> list[Series]:
    """The refitted rivals at the front's widths and at wider ones, retrained alike."""
    widths = front.columns["width"]
    shares = np.concatenate([widths, np.geomspace(widths.max(), 1, 6)])
    found = []
    for name in REFITTED:
        baseline = problem.rivals.refitted(name, shares)
        accuracies = final_accuracies(
            baseline.networks,
            problem.data_set,
            seeds=[seed] * len(baseline.networks),
            finished=finisher(problem, FINISH),
        )
        found.append(Series(baseline.name, {**baseline.sizes, **accuracies}))
    return found


def l1_pruning(problem: EComp, seed: int) -> Series:
    """L1 pruning without a refit on a grid of its own: over all widths, and at `SHARES`."""
    grid = np.unique(np.concatenate([np.geomspace(0.01, 1, 24), SHARES]))
    plain = problem.rivals.pruned(grid)
    return Series(
        plain.name, {**plain.sizes, **l1_accuracies(plain.networks, problem.data_set, seed)}
    )


def l1_accuracies(networks: Sequence[nn.Module], data: Data, seed: int) -> dict[str, Values]:
    """As for the front; and as long at a constant rate, of which the better one counts.

    A rate that falls to 0 is best for networks that are good already, a constant one for those that
    are not. Which one is better is decided by validation accuracy.
    """
    found = final_accuracies(
        networks,
        data,
        seeds=[seed] * len(networks),
        finished=lambda network, s: trained(
            network, data.train, images=FINISH, recipe=EComp.retraining, seed=s, keep_zeros=True
        ),
    )
    for place, network in enumerate(networks):
        retrained = trained(network, data.train, images=FINISH, seed=seed)
        validated = accuracy(retrained, data.validation)
        if validated > found["finished_accuracy"][place]:
            found["finished_accuracy"][place] = validated
            found["finished_test_accuracy"][place] = accuracy(retrained, data.test)
    return found


def volume(series: Series, column: str) -> float:
    """Hypervolume of (width, test error)."""
    columns = series.columns
    return hypervolume(np.column_stack([columns["width"], 1 - columns[column]]))


def best_within(series: Series, shares: Values) -> Values:
    """For each width, the finished accuracy of the network chosen for it: the widest that fits.

    The choice looks at validation accuracy after retraining, never at the test images.
    """
    chosen = []
    for share in shares:
        fits = np.flatnonzero(series.columns["width"] <= share + 1e-3)
        place = fits[series.columns["finished_accuracy"][fits].argmax()] if len(fits) else None
        chosen.append(np.nan if place is None else series.columns["finished_test_accuracy"][place])
    return np.array(chosen)
