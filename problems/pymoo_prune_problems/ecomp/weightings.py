"""Which weights should the fitness have? The paper leaves that to future work; here a search tells.

A weighting is as good as the networks to which it leads: the hypervolume of (width, error) of a
run's last generation. Differential evolution looks for weights, and begins with the paper's seven.
The best are then tried with new seeds and on test images, beside the paper's best, NSGA-II, which
needs no weights, and L1 pruning, which needs no search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from pymoo.algorithms.soo.nonconvex.de import DE
from pymoo.core.problem import ElementwiseProblem
from pymoo.optimize import minimize
from scipy.stats import mannwhitneyu
from torch import nn

from pymoo_prune.data import Data
from pymoo_prune.engines import make_algorithm
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import accuracy
from pymoo_prune.networks import FeedForward
from pymoo_prune.objectives import Values, hypervolume
from pymoo_prune.runs import (
    ReproductionOptions,
    chosen,
    kept,
    limit_of,
    reproduced,
    without_workers,
)
from pymoo_prune.search import Budget, Display, search
from pymoo_prune.tables import markdown_table
from pymoo_prune_problems.ecomp.problem import EComp
from pymoo_prune_problems.ecomp.reproduction import VALIDATION_IMAGES, trained_parent

GENERATIONS = 31
"""The first population, and as many as the paper's populations need to settle."""
EVALUATIONS, POPULATION = 40, 10
"""Weightings that are tried, in populations of so many; the last one is tried whole."""
MOST = 4.0
"""The largest weight."""
SEEDS = (0, 1)
"""Of the runs that judge a weighting; those of the comparison come after them."""
NO_WEIGHTS, NO_SEARCH = "NSGA-II, no weights", "L1 pruning, no search"
Weights = tuple[float, float, float]


def reproduce(output: Path, **options: Unpack[ReproductionOptions]) -> None:
    """Looks for weights, and compares the best with what else there is."""
    chosen((), options)
    without_workers(options)
    given = limit_of(options, "evaluations")
    evaluations = EVALUATIONS if given is None else given
    if evaluations <= len(EComp.WEIGHTINGS):
        msg = (
            f"--evaluations is the number of weightings here, and must be above the paper's "
            f"{len(EComp.WEIGHTINGS)}, but it is {evaluations}"
        )
        raise PruneError(msg)

    def page(images: Data) -> str:
        return _results(images, output, options, evaluations)

    settings = {"evaluations": evaluations, "generations": GENERATIONS}
    reproduced(page, output, settings, validation=VALIDATION_IMAGES, gpu=False, **options)


def _results(images: Data, output: Path, options: ReproductionOptions, evaluations: int) -> str:
    display = Display(options["console"])
    parent = trained_parent(output / "parent", images, display)
    tried = Weightings(images, parent, output, display, evaluations)
    start = list(EComp.WEIGHTINGS.values())
    more = np.random.default_rng(0).uniform(0, MOST, (POPULATION - len(start), 3))
    engine = DE(pop_size=POPULATION, sampling=np.vstack([start, more]))
    minimize(tried, engine, ("n_eval", evaluations), seed=0)
    ranked = sorted(tried.judged, key=tried.judged.__getitem__, reverse=True)
    papers = max(start, key=lambda weights: tried.judged[rounded(weights)])
    rows = {named(ranked[0]): ranked[0], named(papers): rounded(papers)}
    compared = {}
    for name, weights in {**rows, NO_WEIGHTS: None}.items():
        compared[name] = [
            tried.of(weights, seed, "test")
            for seed in range(len(SEEDS), len(SEEDS) + options["runs"])
        ]
    return page_of(images.name, tried.judged, compared, without_search(images, parent))


class Weightings(ElementwiseProblem):
    """Three weights; the loss is 1 − the hypervolume to which they lead, the mean over two seeds.

    Args:
        data: The images.
        parent: The network that is compressed.
        folder: Keeps each run's result, so that a stopped search goes on.
        display: Shows progress.
        total: Weightings that are tried.

    Attributes:
        judged: The hypervolume on the search images, by weights.
    """

    def __init__(
        self, data: Data, parent: FeedForward, folder: Path, display: Display, total: int
    ) -> None:
        super().__init__(n_var=3, n_obj=1, xl=0.0, xu=MOST)
        self.data_set, self.parent, self.folder = data, parent, folder
        self.display, self.total = display, total
        self.judged: dict[Weights, float] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Weightings:
        """Itself: pymoo copies a problem before it solves it, and `judged` would stay empty."""
        return self

    def _evaluate(self, x: Values, out: dict[str, Any], *_: Any, **__: Any) -> None:
        weights = rounded(x)
        with self.display.phase("search") as update:
            update(len(self.judged) / self.total, f"weights {named(weights)}")
            self.judged[weights] = float(np.mean([self.of(weights, s, "search") for s in SEEDS]))
        out["F"] = 1 - self.judged[weights]

    def of(self, weights: Weights | None, seed: int, images: str) -> float:
        """The hypervolume of one run, from before or made now.

        Args:
            weights: Of the fitness; None is NSGA-II.
            seed: The run's.
            images: "search", or "test" for the comparison.
        """
        name = f"{'nsga2' if weights is None else named(weights).replace(' ', '-')}-{seed}"
        make = partial(one_run, self.data_set, self.parent, weights, seed, images)
        return float(kept(self.folder / f"{name}-{images}.json", make))


def rounded(weights: Sequence[float] | Values) -> Weights:
    """Weights to two places, as a user would give them; at least one is above 0."""
    first, second, third = (round(float(one), 2) for one in weights)
    return (first, second, third) if any((first, second, third)) else (0.0, 0.0, 0.01)


def named(weights: Sequence[float]) -> str:
    """Weights as a text, in the paper's order: accuracy, similarity, compression."""
    return " ".join(f"{one:g}" for one in weights)


def one_run(
    data: Data, parent: FeedForward, weights: Weights | None, seed: int, images: str
) -> float:
    """The hypervolume of (width, error) of a run's last generation.

    Args:
        data: The images.
        parent: The network that is compressed.
        weights: Of the fitness; None is NSGA-II over accuracy and width, with the same operators.
        seed: The run's.
        images: "search" for all batches of the search, or "test".
    """
    goals = ("accuracy", "width") if weights is None else EComp.fitness(*weights)
    problem = EComp(
        data, parent=parent, seed=seed, objectives=goals, **EComp.presets["paper"].options
    )
    engine = make_algorithm("nsga2" if weights is None else "own", problem, EComp.POPULATION)
    found = search(problem, engine, Budget(generations=GENERATIONS), seed=seed)
    widths, accuracies = found.measurements["width"], found.measurements["accuracy"]
    if images == "test":
        accuracies = _tested([problem.network(x) for x in found.X], data)
    return hypervolume(np.column_stack([widths, 1 - accuracies]))


def _tested(networks: Sequence[nn.Module], data: Data) -> Values:
    return np.array([accuracy(network, data.test) for network in networks])


def without_search(data: Data, parent: FeedForward) -> float:
    """The hypervolume on test images of L1 pruning at the widths that runs can reach."""
    plain = EComp(data, parent=parent, recovery="none").rivals.pruned(
        np.linspace(*EComp.COMPRESSION_RATES, 8)
    )
    return hypervolume(np.column_stack([plain.sizes["width"], 1 - _tested(plain.networks, data)]))


def page_of(
    data: str,
    judged: Mapping[Weights, float],
    compared: Mapping[str, Sequence[float]],
    plain: float,
) -> str:
    """The page in Markdown.

    Args:
        data: The images' name.
        judged: Hypervolumes on search images, by weights.
        compared: Hypervolumes on test images, a run each, by method; the first is the best found.
        plain: The hypervolume of L1 pruning.
    """
    paper = {rounded(weights): name for name, weights in EComp.WEIGHTINGS.items()}
    ranked = sorted(judged, key=judged.__getitem__, reverse=True)
    shown = [one for place, one in enumerate(ranked) if place < 5 or one in paper]
    best = next(iter(compared.values()))
    rows = [
        (name, str(len(values)), f"{np.mean(values):.4f}{_deviation(values)}", _p(best, values))
        for name, values in compared.items()
    ]
    about = (
        f"{len(judged)} weightings of accuracy, similarity and compression, two runs of "
        f"{GENERATIONS - 1} generations each. Hypervolume of (width, error) of the last "
        "generation, on all search images:"
    )
    beside = (
        "The best of them, the paper's best, and what needs no weights, with new seeds and on test "
        "images; p of the difference to the first row (Mann and Whitney):"
    )
    tried = [(named(one), paper.get(one, ""), f"{judged[one]:.4f}") for one in shown]
    found = [*rows, (NO_SEARCH, "", f"{plain:.4f}", "")]
    parts = [
        f"# Weights of EComp's fitness, on {data}",
        about,
        markdown_table(("w_a w_s w_c", "in Table 1", "hypervolume"), tried),
        beside,
        markdown_table(("w_a w_s w_c", "runs", "hypervolume, test", "p"), found),
    ]
    return "\n\n".join(parts) + "\n"


def _deviation(values: Sequence[float]) -> str:
    return f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""


def _p(best: Sequence[float], values: Sequence[float]) -> str:
    if best is values or len(values) < 2:
        return ""
    return f"{mannwhitneyu(best, values).pvalue:.3f}"
