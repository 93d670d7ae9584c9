from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.optimize import minimize

from pymoo_prune import Data, Front, Measurements, PruneError, Quantity, WeightedSum
from pymoo_prune.chromosomes import Array
from pymoo_prune.objectives import STANDARD
from pymoo_prune.problem import CHUNK, Approximation, PruningProblem
from tests.support.tiny_problem import Pixels, PixelsInBatches, candidates


@pytest.fixture(scope="module")
def problem(digits: Data) -> Pixels:
    return Pixels(digits)


def test_pymoo_minimises_the_negative_of_what_should_be_high(problem: Pixels) -> None:
    X = candidates(problem)
    values = problem.measure(X)
    out = problem.evaluate(X, return_as_dictionary=True)
    assert np.array_equal(out["F"], np.column_stack([-values["accuracy"], values["parameters"]]))


def test_measurements_travel_with_their_individuals_in_natural_sign(problem: Pixels) -> None:
    algorithm = NSGA2(pop_size=8, **problem.operators())
    result = minimize(problem, algorithm, ("n_gen", 3), seed=1)
    expected = problem.measure(result.pop.get("X"))
    for name in problem.quantities:
        assert np.array_equal(result.pop.get(name).astype(float), expected[name]), name


def test_one_problem_object_serves_engines_one_after_the_other(problem: Pixels) -> None:
    def fronts() -> Array:
        algorithm = NSGA2(pop_size=8, **problem.operators())
        return minimize(problem, algorithm, ("n_gen", 3), seed=1).F

    first = fronts()
    minimize(problem, NSGA2(pop_size=4, **problem.operators()), ("n_gen", 2), seed=9)
    assert np.array_equal(fronts(), first)


def test_a_weighted_sum_makes_it_a_problem_for_the_ga(digits: Data) -> None:
    problem = Pixels(digits, objectives=WeightedSum({"accuracy": 1.0, "pixels": 0.5}))
    result = minimize(problem, GA(pop_size=8, **problem.operators()), ("n_gen", 4), seed=1)
    values = problem.measure(result.pop.get("X"))
    fitness = values["accuracy"] - 0.5 * values["pixels"]
    assert result.F[0] == pytest.approx(-fitness.max(), abs=1e-12)
    assert Front.from_result(problem, result).fittest().values["accuracy"] == pytest.approx(
        values["accuracy"][fitness.argmax()]
    )


def test_constraints_are_violated_above_zero_in_the_quantitys_unit(digits: Data) -> None:
    problem = Pixels(digits, constraints=["accuracy>=0.5", "parameters<=40%"])
    X = candidates(problem)
    values, parent = problem.measure(X), problem.parent_measurements()
    G = problem.evaluate(X, return_as_dictionary=True)["G"]
    assert problem.n_ieq_constr == 2
    assert np.allclose(G[:, 0], 0.5 - values["accuracy"])
    assert np.allclose(G[:, 1], values["parameters"] - 0.4 * parent["parameters"])


def test_chunks_change_nothing(problem: Pixels) -> None:
    X = candidates(problem, 2 * CHUNK + 3)
    seen = []

    class Watched(Pixels):
        def measure(self, X: Array) -> Measurements:
            seen.append(len(X))
            return super().measure(X)

    values = Watched(problem.data_set).measured(X)
    assert seen == [CHUNK, CHUNK, 3]
    for name, column in problem.measure(X).items():
        assert values[name].dtype == np.float64
        assert np.array_equal(values[name], column), name


def test_evaluating_leaves_chromosomes_alone(problem: Pixels) -> None:
    X = candidates(problem)
    before = X.copy()
    problem.evaluate(X, return_as_dictionary=True)
    assert np.array_equal(X, before)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("accuracy", lambda v: v[:, None], r"'accuracy' must have shape \(10,\)"),
        ("macs", lambda v: np.where(np.arange(10) == 3, np.nan, v), "'macs' of candidate 3 is nan"),
        ("macs", lambda v: np.full(10, np.inf), "candidate 0 is inf"),
        ("pixels", None, r"\['pixels'\] are missing"),
    ],
)
def test_wrong_measurements_never_reach_an_engine(
    digits: Data, name: str, value: Any, message: str
) -> None:
    class Wrong(Pixels):
        def measure(self, X: Array) -> Measurements:
            values = dict(super().measure(X))
            if value is None:
                del values[name]
            else:
                values[name] = value(values[name])
            return values

    problem = Wrong(digits)
    with pytest.raises(PruneError, match=message):
        problem.evaluate(candidates(problem), return_as_dictionary=True)


# What a problem must define, and what it may leave out.


@pytest.mark.parametrize(
    "name", ["rank", "X", "failure", "images", "digest", "number", "generation", "test_accuracy"]
)
def test_names_that_are_taken_are_refused_as_quantities(digits: Data, name: str) -> None:
    class Clash(Pixels):
        quantities: ClassVar[Mapping[str, Quantity]] = {**STANDARD, name: Quantity("lower", name)}

    with pytest.raises(PruneError, match=rf"no name that is taken.*has \['{name.lower()}'\]"):
        Clash(digits)


def test_every_problem_measures_the_standard_quantities(digits: Data) -> None:
    class Lacking(Pixels):
        quantities: ClassVar[Mapping[str, Quantity]] = {"accuracy": STANDARD["accuracy"]}

    with pytest.raises(PruneError, match=r"lacks \['accuracy_drop', 'macs', 'parameters'"):
        Lacking(digits, objectives=["accuracy"])


def test_unknown_names_are_refused_with_the_nearest(digits: Data) -> None:
    with pytest.raises(PruneError, match="Did you mean 'accuracy'"):
        Pixels(digits, objectives=["acuracy", "macs"])
    with pytest.raises(PruneError, match="Did you mean 'parameters'"):
        Pixels(digits, constraints=["paramters<=20%"])


def test_fingerprint_names_what_measurements_depend_on(digits: Data) -> None:
    fingerprint = Pixels(digits).fingerprint
    assert Pixels(digits).fingerprint == fingerprint
    assert Pixels(digits, objectives=["macs", "accuracy"]).fingerprint == fingerprint
    assert Pixels(digits, constraints=["macs<=20%"]).fingerprint == fingerprint
    other_images = replace(digits, validation=digits.validation.subset(range(100)))
    others = [Pixels(digits, seed=1), Pixels(other_images), PixelsInBatches(digits)]
    assert len({fingerprint, *(problem.fingerprint for problem in others)}) == 4


@pytest.mark.parametrize("batches", [2, 3, 6, 7, 50])
def test_batches_that_come_again_are_changing_ones(digits: Data, batches: int) -> None:
    problem = PixelsInBatches(digits)
    problem.approximation = Approximation(problem._measured_on, lambda one: (one - 1) % batches)
    assert problem.changes_batches


def test_batches_follow_the_generation(digits: Data) -> None:
    problem = PixelsInBatches(digits)
    assert problem.changes_batches
    assert not Pixels(digits).changes_batches
    algorithm = NSGA2(pop_size=6, **problem.operators())
    algorithm.setup(problem, termination=("n_gen", 3), seed=0)
    for generation in (1, 2, 3):
        algorithm.next()
        expected = problem.approximation.measure(algorithm.off.get("X"), generation - 1)
        assert np.array_equal(algorithm.off.get("accuracy").astype(float), expected["accuracy"])


def test_a_missing_part_is_an_error_when_it_is_needed(digits: Data) -> None:
    class Least(PruningProblem):
        def measure(self, X: Array) -> Measurements:
            return {name: np.zeros(len(X)) for name in STANDARD}

        def network(self, x: Array) -> Any:
            raise NotImplementedError

        def operators(self) -> dict[str, Any]:
            return {}

    problem = Least(digits, n_var=2, objectives=["accuracy"], constraints=["macs<=20%"])
    with pytest.raises(PruneError, match="no algorithm of its own; name one"):
        problem.algorithm()
    with pytest.raises(PruneError, match="what a random candidate is"):
        problem.random(1, np.random.default_rng())
    with pytest.raises(PruneError, match="Least lacks a parent: set its `parent`"):
        problem.score(problem.measured(np.zeros((1, 2))))
    assert problem.rivals is None
    assert problem.parent is None
