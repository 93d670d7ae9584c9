"""Candidates that cannot be measured are reported, and rank last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.evaluator import Evaluator
from pymoo.core.population import Population
from pymoo.core.survival import Survival
from pymoo.optimize import minimize

from pymoo_prune import Data, Front, Measurements, PruneError, WeightedSum
from pymoo_prune.chromosomes import Array
from pymoo_prune.objectives import FAILED, Measured, Scalarisation
from pymoo_prune.operators import (
    Elitism,
    Generational,
    Remeasured,
    SoftmaxRoulette,
    TruncationSelection,
)
from pymoo_prune.problem import CHUNK
from tests.support.tiny_problem import FailingPixels, Pixels, candidates, small_and_large

SUM = WeightedSum({"accuracy": 1.0, "pixels": 0.5})


def test_failed_candidates_have_a_reason_and_nan(digits: Data) -> None:
    problem = FailingPixels(digits)
    X, fails = small_and_large(problem)
    found = problem.measured(X)
    reason = "the training diverged: its last loss is nan"
    assert found.failures == dict.fromkeys(np.flatnonzero(fails).tolist(), reason)
    whole = Pixels(digits).measured(X)
    assert whole.failures == {}
    for name in problem.quantities:
        expected = whole[name].copy()
        if "accuracy" in name:
            expected[fails] = np.nan
        assert np.array_equal(found[name], expected, equal_nan=True), name
    pop = Population.new(X=X)
    Evaluator().eval(problem, pop)
    assert np.array_equal(np.isnan(pop.get("accuracy").astype(float)), fails)
    assert pop.get("failure").tolist() == [reason if failed else "" for failed in fails]


@pytest.mark.parametrize("constraints", [(), ("accuracy>=0.5", "pixels<=0.9")])
def test_failed_candidates_are_last_in_every_column(
    digits: Data, constraints: tuple[str, ...]
) -> None:
    problem = FailingPixels(digits, constraints=constraints)
    plain = Pixels(digits, constraints=constraints)
    X, fails = small_and_large(problem)
    out = problem.evaluate(X, return_as_dictionary=True)
    expected = plain.evaluate(X, return_as_dictionary=True)
    assert problem.n_ieq_constr == len(constraints) + 1
    assert out["G"].shape == (40, len(constraints) + 1)
    assert np.array_equal(out["F"][~fails], expected["F"][~fails])
    assert (out["F"][fails] == FAILED).all()
    assert (out["G"][fails] == FAILED).all()
    assert (out["G"][~fails, -1] == 0).all()
    if constraints:
        assert np.array_equal(out["G"][~fails, :-1], expected["G"][~fails])
    violation = np.maximum(out["G"], 0).sum(axis=1)
    assert violation[fails].min() > violation[~fails].max()


def test_measurements_are_left_alone_where_objectives_are_filled_in(digits: Data) -> None:
    @dataclass(frozen=True)
    class Drop(Scalarisation):
        kind: ClassVar[str] = "drop"
        names = ("accuracy_drop",)

        def F(self, measurements: Measurements, quantities: Any) -> Array:  # noqa: N802
            return measurements["accuracy_drop"][:, None]

    problem = FailingPixels(digits, objectives=Drop())
    X, fails = small_and_large(problem)
    values = problem.measured(X)
    assert (problem.score(values)["F"][fails] == FAILED).all()
    assert np.isnan(values["accuracy_drop"][fails]).all()


def test_a_problem_that_cannot_fail_says_so(digits: Data) -> None:
    class Unsaid(FailingPixels):
        can_fail = False

    problem = Unsaid(digits)
    X, fails = small_and_large(problem)
    message = (
        rf"candidate {np.flatnonzero(fails)[0]} failed \(the training diverged.*Unsaid.*can_fail ="
    )
    with pytest.raises(PruneError, match=message):
        problem.measured(X)
    assert problem.n_ieq_constr == 0
    assert "G" not in problem.score(problem.measured(X[~fails]))


def test_a_problem_may_know_by_its_options_whether_it_can_fail(digits: Data) -> None:
    class ByOption(Pixels):
        def __init__(self, data: Data, *, steps: int) -> None:
            self.can_fail = steps > 0
            super().__init__(data)

    assert ByOption(digits, steps=4).n_ieq_constr == 1
    assert ByOption(digits, steps=0).n_ieq_constr == 0


def test_failures_in_later_chunks_keep_their_rows(digits: Data) -> None:
    class Third(Pixels):
        can_fail = True

        def measure(self, X: Array) -> Measurements:
            values = dict(super().measure(X))
            values["accuracy"][2:3] = np.nan
            return Measured(values, {2: f"one of {len(X)}"})

    found = Third(digits).measured(candidates(Pixels(digits), 2 * CHUNK + 3))
    assert found.failures == {2: "one of 16", CHUNK + 2: "one of 16", 2 * CHUNK + 2: "one of 3"}
    assert np.flatnonzero(np.isnan(found["accuracy"])).tolist() == list(found.failures)


@pytest.mark.parametrize(
    ("engine", "survival"),
    [
        (GA, lambda own: own),
        (GA, Remeasured),
        (GA, lambda own: Elitism()),
        (NSGA2, lambda own: own),
        (NSGA2, Remeasured),
    ],
)
def test_failed_candidates_rank_last_in_every_survival(
    digits: Data, engine: type[GA], survival: Callable[[Survival], Survival]
) -> None:
    objectives: Any = SUM if engine is GA else ("accuracy", "pixels")
    # Most candidates break these bounds, and still rank before those that failed.
    problem = FailingPixels(digits, objectives=objectives, constraints=["accuracy>=0.95"])
    algorithm = engine(pop_size=40, **problem.operators())
    algorithm.survival = survival(algorithm.survival)
    algorithm.setup(problem, termination=("n_gen", 2), seed=0)
    X, fails = small_and_large(problem)
    pop = Population.new(X=X)
    algorithm.evaluator.eval(problem, pop)
    best = algorithm.survival.do(problem, pop, n_survive=40, algorithm=algorithm)
    assert not any(best.get("failure")[: (~fails).sum()])
    assert all(best.get("failure")[(~fails).sum() :])
    few = algorithm.survival.do(problem, pop, n_survive=8, algorithm=algorithm)
    assert not any(few.get("failure"))


def test_failed_candidates_are_no_parents(digits: Data) -> None:
    problem = FailingPixels(digits, objectives=SUM, constraints=["accuracy>=0.95"])
    X, fails = small_and_large(problem)
    pop = Population.new(X=X)
    Evaluator().eval(problem, pop)
    generator = np.random.default_rng(0)
    for selection in (SoftmaxRoulette(), TruncationSelection((~fails).mean())):
        chosen = selection.do(problem, pop, 500, 2, to_pop=False, random_state=generator)
        assert set(chosen.ravel()) <= set(np.flatnonzero(~fails)), type(selection)
    pop.set(
        "place", np.argsort(~fails, kind="stable").argsort()
    )  # the failed candidates won a race
    chosen = TruncationSelection((~fails).mean()).do(
        problem, pop, 500, 2, to_pop=False, random_state=generator
    )
    assert set(chosen.ravel()) <= set(np.flatnonzero(~fails))


def test_generations_go_on_where_some_fail(digits: Data) -> None:
    class Odd(FailingPixels):
        def fails(self, x: Array) -> bool:
            return x.sum() % 2 == 1

    problem = Odd(digits, objectives=SUM)
    operators = {**problem.operators(), "selection": SoftmaxRoulette(), "survival": Generational()}
    result = minimize(problem, GA(pop_size=12, **operators), ("n_gen", 5), seed=1)
    assert 0 < np.count_nonzero(result.pop.get("failure")) < 12
    front = Front.from_result(problem, result)
    assert all(np.isfinite(column).all() for column in front.columns.values())
