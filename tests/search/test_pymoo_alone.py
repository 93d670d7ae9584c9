"""pymoo's own `minimize` on our problems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.optimize import minimize

from pymoo_prune import Budget, Data, Front, PruneError, Store, StoredEvaluator
from pymoo_prune.chromosomes import digests
from pymoo_prune.engines import make_algorithm
from pymoo_prune.objectives import nondominated
from tests.support.searches import found_by, opened
from tests.support.tiny_problem import AllFailing, FailingPixels, Pixels, PixelsInBatches


def test_plain_minimize_leaves_out_failed_candidates(digits: Data) -> None:
    problem = FailingPixels(digits)
    result = minimize(problem, NSGA2(pop_size=8, **problem.operators()), ("n_gen", 1), seed=3)
    assert 0 < np.count_nonzero(result.pop.get("failure")) < 8
    front = Front.from_result(problem, result)
    assert not any(problem.fails(x) for x in front.X)
    assert {1} == {int(np.isfinite(column).all()) for column in front.columns.values()}
    nothing = AllFailing(digits)
    result = minimize(nothing, NSGA2(pop_size=8, **nothing.operators()), ("n_gen", 2), seed=3)
    with pytest.raises(PruneError, match="all 8 candidates failed, for example: the training div"):
        Front.from_result(nothing, result)


def test_plain_minimize_finds_the_same(problem: Pixels) -> None:
    result = minimize(problem, NSGA2(pop_size=8, **problem.operators()), ("n_gen", 6), seed=3)
    found = found_by(problem, Budget(generations=6))
    assert digests(result.pop.get("X")) == digests(found.last.algorithm.pop.get("X"))
    front = Front.from_result(problem, result)
    costs = problem.goals.costs(front.columns)
    assert nondominated(costs).all()
    assert set(map(tuple, costs)) == set(map(tuple, result.F))


def test_minimize_keeps_evaluations_with_a_stored_evaluator(problem: Pixels, path: Path) -> None:
    def run(store: Store) -> Any:
        algorithm = NSGA2(pop_size=8, **problem.operators())
        evaluator = StoredEvaluator(problem, store)
        return minimize(problem, algorithm, ("n_gen", 4), seed=3, evaluator=evaluator)

    store = opened(path, problem)
    first = run(store)
    fresh = store.fresh
    second = run(store)
    assert fresh > 0
    assert store.fresh == fresh
    assert np.array_equal(first.F, second.F)
    store.close()


def test_minimize_with_changing_batches_gives_a_front_over_all(changing: PixelsInBatches) -> None:
    algorithm = make_algorithm("nsga2", changing, 8)
    result = minimize(changing, algorithm, ("n_gen", 3), seed=3)
    front = Front.from_result(changing, result)
    expected = changing.measure(front.X)
    assert np.array_equal(front.columns["accuracy"], expected["accuracy"])
