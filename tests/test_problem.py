from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.evaluator import Evaluator
from pymoo.core.population import Population
from pymoo.core.survival import Survival
from pymoo.optimize import minimize

from pymoo_prune import (
    Budget,
    Data,
    Front,
    Measurements,
    PruneError,
    Quantity,
    Run,
    Settings,
    Store,
    WeightedSum,
    find_problem,
)
from pymoo_prune.genome import Array
from pymoo_prune.objectives import FAILED, STANDARD, Measured, Scalarisation
from pymoo_prune.operators import (
    Elitism,
    Generational,
    Remeasured,
    SoftmaxRoulette,
    TruncationSelection,
)
from pymoo_prune.problem import CHUNK, PruningProblem
from pymoo_prune.progress import Relay
from pymoo_prune.search import search
from pymoo_prune.stopwatch import AT_LENGTH, KnownLatencies, LatencyScheme
from pymoo_prune.surrogates import prescreen
from tests.timed_problem import Meter, SmallFailingPixels, SmallPixels
from tests.tiny_problem import FailingPixels, Pixels, PixelsInBatches


@pytest.fixture(scope="module")
def problem(digits: Data) -> Pixels:
    return Pixels(digits)


SUM = WeightedSum({"accuracy": 1.0, "pixels": 0.5})


def candidates(problem: Pixels, n: int = 10) -> Array:
    return problem.random(n, np.random.default_rng(5))


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


# Candidates that fail.


def small_and_large(problem: Pixels) -> tuple[Array, Array]:
    """40 candidates, and which of them fail."""
    X = candidates(problem, 40)
    fails = X.sum(axis=1) < FailingPixels.LEAST
    assert 5 < fails.sum() < 35
    return X, fails


def test_who_fails_is_reported_with_the_reason_and_measured_as_nan(digits: Data) -> None:
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
def test_who_fails_is_behind_everybody_in_every_column(
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
def test_who_fails_ranks_last_in_every_survival(
    digits: Data, engine: type[GA], survival: Callable[[Survival], Survival]
) -> None:
    objectives: Any = SUM if engine is GA else ("accuracy", "pixels")
    # Most candidates break these bounds, and even so stand before who failed.
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


def test_who_fails_is_no_parent(digits: Data) -> None:
    problem = FailingPixels(digits, objectives=SUM, constraints=["accuracy>=0.95"])
    X, fails = small_and_large(problem)
    pop = Population.new(X=X)
    Evaluator().eval(problem, pop)
    generator = np.random.default_rng(0)
    for selection in (SoftmaxRoulette(), TruncationSelection((~fails).mean())):
        chosen = selection.do(problem, pop, 500, 2, to_pop=False, random_state=generator)
        assert set(chosen.ravel()) <= set(np.flatnonzero(~fails)), type(selection)
    pop.set("place", np.argsort(~fails, kind="stable").argsort())  # those who failed won a race
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


def test_pymoos_own_names_are_refused_as_quantities(digits: Data) -> None:
    class Clash(Pixels):
        quantities: ClassVar[Mapping[str, Quantity]] = {
            **STANDARD,
            "rank": Quantity("lower", "rank"),
        }

    with pytest.raises(PruneError, match="rank"):
        Clash(digits)
    Clash.quantities = {**STANDARD, "failure": Quantity("lower", "failure")}
    with pytest.raises(PruneError, match="has \\['failure'\\]"):
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


def test_batches_follow_the_generation(digits: Data) -> None:
    problem = PixelsInBatches(digits)
    assert problem.changes_batches
    assert not Pixels(digits).changes_batches
    algorithm = NSGA2(pop_size=6, **problem.operators())
    algorithm.setup(problem, termination=("n_gen", 3), seed=0)
    for generation in (1, 2, 3):
        algorithm.next()
        expected = problem.measure_on(algorithm.off.get("X"), generation - 1)
        assert np.array_equal(algorithm.off.get("accuracy").astype(float), expected["accuracy"])


def test_what_a_problem_leaves_out_is_said_when_it_is_needed(digits: Data) -> None:
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
    with pytest.raises(PruneError, match="what its parent measures"):
        problem.score(problem.measured(np.zeros((1, 2))))
    assert problem.baselines({}) == ()
    assert problem.parent_network() is None


# Latency.

TIMED: dict[str, Any] = {"objectives": ["accuracy", "latency"]}


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Meter:
    found = Meter()
    monkeypatch.setattr("pymoo_prune.stopwatch.latencies", found)
    return found


def test_without_latency_all_is_as_it_was(digits: Data, meter: Meter) -> None:
    assert Pixels(digits).fingerprint == "99a9de99eb7e0a626f3e0f8b5bdd5669"
    problem = SmallPixels(digits, constraints=["macs<=50%"])
    found = problem.measured(candidates(problem))
    assert list(found) == list(problem.quantities) == list(SmallPixels.quantities)
    assert "latency" not in problem.configuration()
    assert "latency" not in problem.parent_values
    assert problem.latency_notes(candidates(problem)) == []
    assert problem.latencies([problem.parent_network()]) == {}
    problem.evaluate(candidates(problem), return_as_dictionary=True)
    assert meter.calls == []


@pytest.mark.parametrize(
    "options",
    [
        TIMED,
        {"constraints": ["latency<=0.5"]},
        {"constraints": ["latency<=50%"]},
        {"objectives": WeightedSum({"accuracy": 1.0, "latency": 0.0})},
    ],
)
def test_whoever_mentions_latency_gets_it(
    digits: Data, meter: Meter, options: dict[str, Any]
) -> None:
    problem = SmallPixels(digits, **options)
    plain = SmallPixels(digits)
    X = candidates(problem, CHUNK + 3)
    before = X.copy()
    found = problem.measured(X)
    assert list(problem.quantities) == [*plain.quantities, "latency"]
    assert list(SmallPixels.quantities) == list(plain.quantities)
    assert np.array_equal(X, before)
    for name, values in plain.measured(X).items():
        assert np.array_equal(found[name], values), name
    assert (found["latency"] > 0).all()
    sizes, firsts = np.unique(X.sum(axis=1), return_index=True)
    assert meter.candidates == len(sizes)
    # In the order in which each size came first, one percent slower than the one before.
    turn = 2 + np.argsort(np.argsort(firsts))
    expected = dict(zip(sizes, 1e-6 * (10 * sizes + 10) * (1 + 0.01 * turn), strict=True))
    assert found["latency"] == pytest.approx([expected[size] for size in X.sum(axis=1)])


def test_latency_is_an_objective_and_a_bound(digits: Data, meter: Meter) -> None:
    problem = SmallPixels(digits, **TIMED, constraints=["latency<=50%", "latency>=0.0002"])
    X = candidates(problem)
    out = problem.evaluate(X, return_as_dictionary=True)
    latency = problem.measured(X)["latency"]
    assert problem.parent_values["latency"] == 1e-6 * 650
    assert np.array_equal(out["F"][:, 1], latency)
    assert np.array_equal(out["G"][:, 0], latency - 0.5 * problem.parent_values["latency"])
    assert np.array_equal(out["G"][:, 1], 0.0002 - latency)
    assert meter.parents == 1
    assert meter.calls[0][1]["repeats"] == AT_LENGTH * problem.latency_scheme.repeats
    parent = {name: problem.parent_values[name] for name in SmallPixels.quantities}
    assert parent == problem.parent_measurements()


def test_who_fails_is_not_timed(digits: Data, meter: Meter) -> None:
    problem = SmallFailingPixels(digits, **TIMED)
    X, fails = small_and_large(problem)
    found = problem.measured(X)
    assert np.array_equal(np.isnan(found["latency"]), fails)
    assert found.failures.keys() == set(np.flatnonzero(fails).tolist())
    assert meter.candidates == len(np.unique(X[~fails].sum(axis=1)))


def test_latency_is_refused_where_it_means_nothing(digits: Data) -> None:
    layer_vector = find_problem("layer-vector")
    assert "latency" not in layer_vector.offered()
    for arguments in ((["latency"],), (["macs"], ["latency<=50%"]), (["macs"], (), ["latency"])):
        with pytest.raises(PruneError, match=r"LayerVector does not measure latencies: .* zeros"):
            layer_vector.goals_for(*arguments)
    assert "latency" not in Pixels.offered()
    with pytest.raises(PruneError, match=r"Pixels does not measure .* it has no parent_network"):
        Pixels(digits, **TIMED)
    assert list(SmallPixels.offered()) == [*SmallPixels.quantities, "latency"]
    with pytest.raises(PruneError, match=r"unknown objective 'latncy'.*Did you mean 'latency'"):
        SmallPixels(digits, objectives=["latncy"])
    with pytest.raises(PruneError, match="objectives must be a list of names"):
        SmallPixels(digits, objectives="latency")


def test_a_parent_that_is_not_there_is_missed_when_it_is_needed(digits: Data) -> None:
    class Orphan(SmallPixels):
        def parent_network(self) -> Any:
            return None

    problem = Orphan(digits, **TIMED)
    with pytest.raises(PruneError, match=r"Orphan has no parent_network\(\) for candidates"):
        problem.measured(candidates(problem))


def test_a_problem_may_have_a_latency_of_its_own(digits: Data, meter: Meter) -> None:
    class Counted(Pixels):
        quantities: ClassVar[Mapping[str, Quantity]] = {
            **Pixels.quantities,
            "latency": Quantity("lower", "latency by a formula"),
        }

        def measure(self, X: Array) -> Measurements:
            found = super().measure(X)
            return {**found, "latency": 2 * found["macs"]}

    problem = Counted(digits, **TIMED)
    found = problem.measured(candidates(problem))
    assert np.array_equal(found["latency"], 2 * found["macs"])
    assert "latency" not in problem.configuration()
    assert meter.calls == []


def test_the_scheme_is_the_problems_and_part_of_the_fingerprint(
    digits: Data, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    class InBatches(SmallPixels):
        latency_scheme = LatencyScheme(batch_size=64, threads=2, repeats=5)

    problem = InBatches(digits, **TIMED)
    problem.measured(candidates(problem, 2))
    names, options = meter.calls[-1]
    assert names == ["parent", "candidate"]
    assert (options["batch_size"], options["threads"], options["repeats"]) == (64, 2, 5)
    assert options["shape"] == digits.shape
    assert problem.configuration()["latency"].items() >= {"batch_size": 64, "threads": 2}.items()
    fingerprint = problem.fingerprint
    assert InBatches(digits, constraints=["latency<=1"]).fingerprint == fingerprint
    assert InBatches(digits).fingerprint != fingerprint
    monkeypatch.setattr(InBatches, "latency_scheme", LatencyScheme(batch_size=32))
    assert InBatches(digits, **TIMED).fingerprint != fingerprint
    monkeypatch.undo()
    for what in ("processor", "version"):
        with monkeypatch.context() as patch:
            patch.setattr(f"pymoo_prune.stopwatch.{what}", lambda *_: "another")
            assert InBatches(digits, **TIMED).fingerprint != fingerprint
    assert InBatches(digits, **TIMED).fingerprint == fingerprint


def test_twins_share_what_is_known_and_all_that_is_measured(digits: Data, meter: Meter) -> None:
    problem = SmallPixels(digits, **TIMED)
    X = candidates(problem)
    twin = problem.with_goals(["accuracy", "macs"], front=["accuracy", "latency"])
    other = problem.with_goals(["macs"], constraints=["latency<=40%"])
    found = twin.measured(X)
    calls = len(meter.calls)
    for one in (problem, other):
        again = one.measured(X)
        assert all(np.array_equal(again[name], found[name]) for name in found)
        assert one.fingerprint == twin.fingerprint
    assert len(meter.calls) == calls
    assert (problem.n_obj, twin.n_obj, other.n_obj) == (2, 2, 1)
    assert (problem.n_ieq_constr, twin.n_ieq_constr, other.n_ieq_constr) == (0, 0, 1)
    assert np.array_equal(twin.score(found)["F"][:, 1], found["macs"])
    assert np.array_equal(twin.goals.costs(found)[:, 1], found["latency"])
    assert other.score(found)["G"][:, 0] == pytest.approx(found["latency"] - 0.4 * 650e-6)


def test_a_twin_may_be_the_first_to_ask_for_latency(digits: Data, meter: Meter) -> None:
    problem = SmallPixels(digits, constraints=["macs<=50%"])
    X = candidates(problem)
    assert problem.parent_values.keys() == SmallPixels.quantities.keys()
    twin = problem.with_goals(["accuracy", "latency"])
    assert twin.fingerprint == SmallPixels(digits, **TIMED).fingerprint != problem.fingerprint
    assert twin.known_latencies is problem.known_latencies
    assert twin.parent_values["latency"] == 650e-6
    assert "latency" in twin.measured(X)
    assert "latency" not in problem.quantities
    assert "latency" not in problem.measured(X)
    with pytest.raises(PruneError, match="does not measure latencies"):
        Pixels(digits).with_goals(["latency"])


def test_networks_of_others_are_timed_alike(digits: Data, meter: Meter) -> None:
    problem = SmallPixels(digits, **TIMED)
    X = candidates(problem, 3)
    found = problem.measured(X)
    calls = len(meter.calls)
    assert np.array_equal(problem.latencies(map(problem.network, X))["latency"], found["latency"])
    assert len(meter.calls) == calls


def test_the_note_counts_the_networks_of_a_front(digits: Data, meter: Meter) -> None:
    problem = SmallPixels(digits, **TIMED)
    X = candidates(problem, 3)
    problem.measured(X)
    before = meter.candidates
    (note,) = problem.latency_notes(X)
    start = "Latencies are the quickest of 20 repeats in turns with the parent, 1 thread"
    assert note.startswith(start)
    assert meter.candidates == before + 3


def searched(problem: PruningProblem, folder: Path, generations: int) -> tuple[Any, Store]:
    """A search in a folder, from its start or from where it was."""
    folder.mkdir(exist_ok=True)
    problem.known_latencies = KnownLatencies(folder / "latency.sqlite")
    store = Store(folder / "store", tuple(problem.quantities), problem.fingerprint, {})
    algorithm = NSGA2(pop_size=10, **problem.operators())
    found = search(problem, algorithm, Budget(generations=generations), seed=1, store=store)
    return found, store


def test_a_resumed_search_has_the_uninterrupted_ones_latencies(
    digits: Data, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    options = {**TIMED, "constraints": ["latency<=80%"]}
    found = []
    for name, stops in (("whole", [6]), ("parts", [1, 3, 6])):
        meter = Meter()
        monkeypatch.setattr("pymoo_prune.stopwatch.latencies", meter)
        for generations in stops:
            result, store = searched(SmallPixels(digits, **options), tmp_path / name, generations)
            rows = store.evaluations()
            store.close()
        assert meter.parents == 1
        found.append((result, rows))
    (whole, all_rows), (parts, other_rows) = found
    assert len(all_rows["latency"]) == 60
    for name, values in all_rows.items():
        assert np.array_equal(values, other_rows[name]), name
    assert np.array_equal(whole.X, parts.X)
    assert np.array_equal(whole.measurements["latency"], parts.measurements["latency"])


def test_what_was_measured_before_a_crash_is_not_measured_again(
    digits: Data, meter: Meter, tmp_path: Path
) -> None:
    """The store loses a chunk; the latencies are there."""
    result, store = searched(SmallPixels(digits, **TIMED), tmp_path, 3)
    rows = store.evaluations()
    store.close()
    (tmp_path / "store").unlink()
    calls = len(meter.calls)
    again, store = searched(SmallPixels(digits, **TIMED), tmp_path, 3)
    assert len(meter.calls) == calls
    assert np.array_equal(store.evaluations()["latency"], rows["latency"])
    assert np.array_equal(again.X, result.X)
    store.close()


def test_problems_that_share_a_file_measure_each_architecture_once(
    digits: Data, meter: Meter, tmp_path: Path
) -> None:
    problems = [
        SmallPixels(digits, **TIMED),
        SmallPixels(digits, objectives=["latency"], seed=5),
    ]
    for problem in problems:
        problem.known_latencies = KnownLatencies(tmp_path / "shared")
    X = candidates(problems[0], 20)
    first = problems[0].measured(X[:12])["latency"]
    calls = len(meter.calls)
    assert np.array_equal(problems[1].measured(X[:12])["latency"], first)
    assert problems[1].parent_values["latency"] == problems[0].parent_values["latency"]
    assert len(meter.calls) == calls
    new = set(X[12:].sum(axis=1)) - set(X[:12].sum(axis=1))
    problems[1].measured(X)
    assert meter.candidates == len(np.unique(X.sum(axis=1)))
    assert len(meter.calls) == calls + len(new)


def test_a_surrogate_learns_latencies_as_other_quantities(digits: Data, meter: Meter) -> None:
    problem = SmallPixels(digits, **TIMED)
    algorithm = prescreen(NSGA2(pop_size=8, **problem.operators()), warm_up=10)
    result = minimize(problem, algorithm, ("n_gen", 4), seed=1)
    assert meter.candidates == problem.known_latencies.fresh - 1
    front = Front.from_result(problem, result)
    expected = [problem.stopwatch.milliseconds(problem.network(x)) for x in front.X]
    assert front.columns["latency"].tolist() == expected
    assert front.best("latency").place == front.columns["latency"].argmin()


def test_a_run_keeps_latencies_in_its_folder(meter: Meter, tmp_path: Path) -> None:
    options = {"parent_widths": [8, 8], "parent_images": 500}
    settings = Settings(
        "ecomp", "nsga2", 4, Budget(generations=1), options, front=("accuracy", "latency")
    )
    display = Relay(lambda *_: None)
    run = Run.create(tmp_path / "run", settings)
    problem = run.prepare(display)
    found = problem.measured(problem.random(4, np.random.default_rng(0)))
    assert "latency" in found
    assert problem.known_latencies.path == tmp_path / "run" / "latency.sqlite"
    calls = len(meter.calls)
    again = Run.open(tmp_path / "run").prepare(display)
    again.measured(again.random(4, np.random.default_rng(0)))
    assert len(meter.calls) == calls
    assert again.known_latencies.fresh == 0


def test_a_run_refuses_latency_before_anything_is_trained(tmp_path: Path) -> None:
    settings = Settings(
        "layer-vector",
        "nsga2",
        4,
        Budget(generations=1),
        data="nowhere",
        constraints=["latency<=50%"],
    )
    run = Run.create(tmp_path / "run", settings)
    with pytest.raises(PruneError, match="LayerVector does not measure latencies: pruned weights"):
        run.execute(Relay(lambda *_: None))
    assert not (tmp_path / "run").exists()
