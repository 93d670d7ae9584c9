"""Searches with a surrogate."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.nsga3 import NSGA3
from pymoo.optimize import minimize
from pymoo.util.ref_dirs import get_reference_directions
from threadpoolctl import threadpool_info, threadpool_limits

from pymoo_prune import Budget, Data, Store
from pymoo_prune.engines import make_algorithm
from pymoo_prune.objectives import Values, hypervolume
from pymoo_prune.search import Found, search
from pymoo_prune.surrogates import MODELS, Model, prescreen
from tests.support.surrogates import SUM, Bits, Perfect, found_by, measured, same
from tests.support.tiny_problem import Pixels


@pytest.mark.slow
@pytest.mark.parametrize("model", list(MODELS))
@pytest.mark.parametrize("engine", ["ga", "nsga2", "spea2", "sms-emoa", "random"])
def test_every_engine_takes_a_surrogate(digits: Data, engine: str, model: str) -> None:
    objectives: Any = SUM if engine == "ga" else ("accuracy", "parameters")
    problem = Pixels(digits, objectives=objectives)
    found = found_by(problem, 4, engine=engine, model=model, pop_size=8, warm_up=8)
    assert found.last.evaluated == 32
    assert len(found.last.algorithm.mating.evaluated) == 24


def test_nsga3_and_one_child_at_a_time(bits: Bits) -> None:
    directions = get_reference_directions("das-dennis", 2, n_partitions=7)
    algorithm = NSGA3(directions, pop_size=8, n_offsprings=1, **bits.operators())
    search(bits, prescreen(algorithm, warm_up=8), Budget(evaluations=40), seed=1)
    assert len(set(bits.asked)) == 40


def test_the_seed_decides(bits: Bits, untouched_global_generators: None) -> None:
    first = found_by(bits, 6, model="gaussian-process")
    assert same(first, found_by(bits, 6, model="gaussian-process"))
    assert not same(first, found_by(bits, 6, model="gaussian-process", seed=4))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["rbf", "random-forest"])
def test_a_run_resumes_by_replay(digits: Data, tmp_path: Path, model: str) -> None:
    def opened(name: str) -> Store:
        return Store(tmp_path / name, tuple(problem.quantities), problem.fingerprint, {})

    problem = Bits(digits)
    whole, cut = opened("whole.sqlite"), opened("cut.sqlite")
    expected = found_by(problem, 7, store=whole, model=model)
    found_by(problem, 4, store=cut, model=model)
    fresh = cut.fresh
    resumed = found_by(problem, 7, store=cut, model=model)
    assert same(resumed, expected)
    assert cut.history() == whole.history()
    assert (fresh, cut.fresh) == (64, 112)
    whole.close()
    cut.close()


@pytest.mark.slow
def test_fewer_evaluations_reach_as_much(digits: Data) -> None:
    problem = Bits(digits, n_var=80)

    def volume(found: Found) -> float:
        parent = problem.parent_measurements()
        return hypervolume(problem.goals.unit_costs(found.measurements, parent))

    algorithm = make_algorithm("nsga2", problem, 20)
    plain = search(problem, algorithm, Budget(evaluations=600), seed=3)
    chosen = [found_by(problem, 15, pop_size=20, model=name, seed=3) for name in MODELS]
    assert [found.last.evaluated for found in chosen] == [300] * 4
    assert min(volume(found) for found in chosen) > volume(plain)


def test_minimize_copies_the_engine_but_not_the_problem(bits: Bits) -> None:
    # Users may give a function that is bound to the problem.
    algorithm = prescreen(NSGA2(pop_size=16, **bits.operators()), model=bits.model)
    results = [
        minimize(bits, algorithm, ("n_gen", 6), seed=3, copy_termination=True) for _ in range(2)
    ]
    assert np.array_equal(results[0].F, results[1].F)
    assert len(algorithm.mating.evaluated) == 0
    assert len(results[0].algorithm.mating.evaluated) == 80
    mating = copy.deepcopy(results[0].algorithm.mating)
    mating.evaluated.add(bits, measured(bits, 5))
    assert len(mating.evaluated) == 85
    assert len(results[0].algorithm.mating.evaluated) == 80


def test_models_run_on_one_thread(bits: Bits) -> None:
    seen: list[int] = []

    class Looks(Perfect):
        def fit(self, Z: Values, y: Values, /) -> None:
            seen.extend(library["num_threads"] for library in threadpool_info())

    with threadpool_limits(2):
        before = torch.get_num_threads(), threadpool_info()
        found_by(bits, 5, model=lambda _: Looks(bits))
        after = torch.get_num_threads(), threadpool_info()
    assert any(library["num_threads"] == 2 for library in before[1])
    assert set(seen) == {1}
    assert after == before


def test_models_get_their_seeds_from_pymoos_generator(bits: Bits) -> None:
    seeds: list[int] = []

    def model(seed: int) -> Model:
        seeds.append(seed)
        return Perfect(bits)

    for seed in (3, 3, 4):
        found_by(bits, 7, model=model, seed=seed)
    assert seeds[:3] == seeds[3:6]
    assert len(set(seeds)) == 6
