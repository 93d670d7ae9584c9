"""Searches with different engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymoo_prune import Budget, Data, PruneError
from pymoo_prune.chromosomes import digests
from pymoo_prune.engines import ENGINES, make_algorithm
from pymoo_prune.networks import FeedForward
from pymoo_prune.search import Found
from pymoo_prune_problems import EComp
from tests.support.searches import found_by, opened, same
from tests.support.tiny_problem import Pixels


def test_unknown_algorithms_are_refused_with_the_nearest(problem: Pixels) -> None:
    with pytest.raises(PruneError, match="Did you mean 'nsga2'"):
        make_algorithm("nsga22", problem, 8)


def test_the_ga_takes_one_objective(problem: Pixels) -> None:
    with pytest.raises(PruneError, match="needs one objective, but the problem has 2"):
        make_algorithm("ga", problem, 8)


@pytest.fixture(scope="module")
def small_parent() -> FeedForward:
    generator = np.random.default_rng(0)
    sizes = [64, 12, 12, 10]
    genome = [
        generator.normal(size=shape).astype(np.float32) / 8
        for shape in zip(sizes[1:], sizes[:-1], strict=True)
    ]
    import torch

    biases = [torch.zeros(size) for size in sizes[1:]]
    return FeedForward.from_layers([torch.from_numpy(weight) for weight in genome], biases)


@pytest.mark.parametrize(
    "engine",
    [
        "nsga2",
        "sms-emoa",
        "random",
        "spea2",
    ],
)
def test_a_search_leaves_nothing_behind_for_the_next(digits: Data, engine: str) -> None:
    one = Pixels(digits)
    three = Pixels(digits, objectives=["accuracy", "pixels", "macs"])
    first = found_by(one, Budget(generations=3), engine=engine)
    found_by(three, Budget(generations=3), engine=engine)
    assert same(first, found_by(one, Budget(generations=3), engine=engine))


@pytest.mark.slow
@pytest.mark.parametrize("engine", list(ENGINES))
def test_every_engine_runs_on_keep_masks(
    digits: Data, small_parent: FeedForward, engine: str
) -> None:
    objectives: Any = ["accuracy", "width"]
    if engine in {"own", "ga"}:
        objectives = EComp.fitness(1, 2, 1)
    problem = EComp(digits, parent=small_parent, search_images=60, objectives=objectives)
    found = found_by(problem, Budget(generations=2), engine=engine)
    assert found.last.generation == 2
    again = problem.measure(found.X)
    for name in problem.quantities:
        assert np.array_equal(found.measurements[name], again[name]), name


@pytest.mark.parametrize("engine", ["nsga2", "spea2", "sms-emoa"])
def test_searching_finds_better_networks_than_it_starts_with(problem: Pixels, engine: str) -> None:
    def volume(found: Found) -> float:
        from pymoo_prune.objectives import hypervolume

        parent = problem.parent_measurements()
        return hypervolume(problem.goals.unit_costs(found.measurements, parent))

    first = found_by(problem, Budget(evaluations=8), engine=engine)
    last = found_by(problem, Budget(evaluations=240), engine=engine)
    assert volume(last) > volume(first) + 0.02


def test_random_search_learns_nothing(problem: Pixels, path: Path) -> None:
    store = opened(path, problem)
    first = found_by(problem, Budget(generations=3), engine="random", store=store)
    assert same(first, found_by(problem, Budget(generations=3), engine="random"))
    asked = [row[3] for row in store.history()]
    store.close()
    # The random candidates of the same generator, and nothing else.
    generator = np.random.default_rng(3)
    drawn = digests(problem.random(8, generator))
    assert asked[:8] == drawn
    assert len(set(asked)) == 24
