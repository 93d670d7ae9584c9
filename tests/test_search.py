from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.optimize import minimize

from pymoo_prune import (
    Budget,
    Data,
    Front,
    Measurements,
    PruneError,
    Store,
    StoredEvaluator,
    WeightedSum,
)
from pymoo_prune import search as search_module
from pymoo_prune.engines import ENGINES, make_algorithm
from pymoo_prune.errors import NothingFoundError
from pymoo_prune.genome import Array, digests
from pymoo_prune.indicators import nondominated
from pymoo_prune.networks import FeedForward
from pymoo_prune.objectives import Measured
from pymoo_prune.operators import Generational, TruncationSelection
from pymoo_prune.racing import Racing
from pymoo_prune.search import Archive, Found, Step, search
from pymoo_prune_problems import EComp
from tests.tiny_problem import AllFailing, FailingPixels, Pixels, PixelsInBatches, threads

SUM = WeightedSum({"accuracy": 1.0, "pixels": 0.5})


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    with threads(1):
        yield


@pytest.fixture(scope="module")
def problem(digits: Data) -> Pixels:
    return Pixels(digits)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "evaluations.sqlite"


def opened(path: Path, problem: Pixels | EComp) -> Store:
    return Store(path, tuple(problem.quantities), problem.fingerprint, {})


def found_by(problem: Any, budget: Budget, *, engine: str = "nsga2", **options: Any) -> Found:
    algorithm = make_algorithm(engine, problem, 8)
    return search(problem, algorithm, budget, seed=options.pop("seed", 3), **options)


def same(one: Found, other: Found) -> bool:
    return digests(one.X) == digests(other.X) and all(
        np.array_equal(one.measurements[n], other.measurements[n]) for n in one.measurements
    )


# Budgets.


def test_generations_count_the_first_population(problem: Pixels) -> None:
    steps: list[Step] = []
    found = found_by(problem, Budget(generations=3), on_generation=steps.append)
    assert [step.generation for step in steps] == [1, 2, 3]
    assert [step.evaluated for step in steps] == [8, 16, 24]
    assert [step.done for step in steps] == pytest.approx([1 / 3, 2 / 3, 1])
    assert found.last.generation == 3


@pytest.mark.parametrize(("evaluations", "asked"), [(1, 8), (16, 16), (17, 24)])
def test_evaluations_end_a_search_with_the_generation_that_uses_them_up(
    problem: Pixels, evaluations: int, asked: int
) -> None:
    assert found_by(problem, Budget(evaluations=evaluations)).last.evaluated == asked


def test_the_first_limit_counts(problem: Pixels) -> None:
    found = found_by(problem, Budget(generations=2, evaluations=1_000, seconds=1_000))
    assert found.last.generation == 2


def test_time_ends_a_search(digits: Data) -> None:
    problem = Pixels(digits, pause=0.02)
    found = found_by(problem, Budget(generations=1_000, seconds=0.15))
    assert 0.15 <= found.last.seconds < 1
    assert 2 <= found.last.generation <= 9


def test_the_working_time_of_an_interrupted_run_counts(problem: Pixels, path: Path) -> None:
    store = opened(path, problem)
    found_by(problem, Budget(generations=2), store=store)
    store._db.execute("UPDATE generations SET elapsed = 3600 * generation")
    ended = found_by(problem, Budget(seconds=7_200), store=store)
    assert (ended.last.generation, ended.last.seconds) == (2, 7_200)
    assert ended.last.replayed
    steps: list[Step] = []
    found_by(problem, Budget(seconds=7_200.05), store=store, on_generation=steps.append)
    assert [step.replayed for step in steps[:3]] == [True, True, False]
    assert all(7_200 < step.seconds < 7_210 for step in steps[2:])
    store.close()


@pytest.mark.parametrize("limit", [3.5, 4.0, 5.5, 6.0])
def test_a_replay_ends_a_time_budget_at_the_same_generation(
    problem: Pixels, path: Path, limit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(path, problem)
    ticks = itertools.count()  # a second passes between any two looks at the clock
    monkeypatch.setattr(search_module.time, "perf_counter", lambda: float(next(ticks)))
    first = found_by(problem, Budget(seconds=limit), store=store)
    again = found_by(problem, Budget(seconds=limit), store=store)
    assert again.last.generation == first.last.generation
    assert same(first, again)
    store.close()


@pytest.mark.parametrize("limits", [{}, {"generations": 0}, {"seconds": -1.0}, {"evaluations": 0}])
def test_a_budget_without_a_limit_above_zero_is_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(PruneError, match="needs a limit"):
        Budget(**limits)


# What is found.


def dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other


@given(
    st.integers(1, 3).flatmap(
        lambda k: st.lists(st.tuples(*[st.integers(0, 4)] * k), min_size=1, max_size=25)
    )
)
def test_nondominated_is_what_the_definition_says(table: list[tuple[int, ...]]) -> None:
    expected = [
        not any(dominates(other, row) for other in table) and row not in table[:place]
        for place, row in enumerate(table)
    ]
    assert nondominated(np.array(table, dtype=float)).tolist() == expected


def evaluations(path: Path, *names: str) -> list[tuple[Any, ...]]:
    """Every evaluation: number, digest, and the named measurements."""
    with sqlite3.connect(path) as db:
        rows = db.execute(
            f"SELECT number, digest, {', '.join(names)} FROM history "  # noqa: S608
            "JOIN measurements USING (images, digest) ORDER BY number"
        ).fetchall()
    db.close()
    return rows


@pytest.mark.parametrize("constraints", [(), ("pixels<=0.5", "accuracy>=0.3")])
def test_the_archive_is_the_best_of_everything_that_was_evaluated(
    digits: Data, path: Path, constraints: tuple[str, ...]
) -> None:
    problem = Pixels(digits, constraints=constraints)
    store = opened(path, problem)
    found = found_by(problem, Budget(generations=8), store=store)
    store.close()
    rows = evaluations(path, "accuracy", "parameters", "pixels")
    if constraints:
        assert any(row[4] > 0.5 or row[2] < 0.3 for row in rows)
        rows = [row for row in rows if row[4] <= 0.5 and row[2] >= 0.3]
    costs = [(-row[2], row[3]) for row in rows]
    best = [
        row
        for place, row in enumerate(rows)
        if not any(dominates(other, costs[place]) for other in costs)
        and costs[place] not in costs[:place]
    ]
    assert len(best) > 3
    order = np.argsort(found.numbers)
    assert found.numbers[order].tolist() == [row[0] for row in best]
    assert [digests(found.X)[k] for k in order] == [row[1] for row in best]
    assert found.measurements["accuracy"][order].tolist() == [row[2] for row in best]
    assert found.measurements["parameters"][order].tolist() == [row[3] for row in best]


def test_when_no_candidate_keeps_the_constraints_the_nearest_miss_is_named(digits: Data) -> None:
    problem = Pixels(digits, constraints=["accuracy>=0.99", "pixels<=0.5"])
    found = found_by(problem, Budget(generations=2))
    with pytest.raises(PruneError, match=r"the nearest misses accuracy>=0.99"):
        Front.from_candidates(problem, found.X, found.measurements)


def test_the_seed_decides(problem: Pixels, untouched_global_generators: None) -> None:
    budget = Budget(generations=4)
    first = found_by(problem, budget)
    assert same(first, found_by(problem, budget))
    assert not same(first, found_by(problem, budget, seed=4))


def test_a_store_changes_nothing(problem: Pixels, path: Path) -> None:
    store = opened(path, problem)
    plain = found_by(problem, Budget(generations=4))
    kept = found_by(problem, Budget(generations=4), store=store)
    replayed = found_by(problem, Budget(generations=4), store=store)
    assert same(plain, kept)
    assert same(plain, replayed)
    assert store.fresh == len({row[3] for row in store.history()})
    assert store.hits == 2 * 32 - store.fresh
    store.close()


def test_an_unrecorded_search_keeps_evaluations_and_leaves_the_history_alone(
    problem: Pixels, path: Path
) -> None:
    store = opened(path, problem)
    found_by(problem, Budget(generations=2), store=store)
    history, fresh = store.history(), store.fresh
    found_by(problem, Budget(generations=2), engine="random", store=store, recorded=False)
    assert store.history() == history
    assert store.fresh > fresh
    assert store.elapsed(3) is None
    store.close()


def test_another_search_on_the_same_store_is_refused(problem: Pixels, path: Path) -> None:
    store = opened(path, problem)
    found_by(problem, Budget(generations=2), store=store)
    with pytest.raises(PruneError, match="departs from the recorded one at evaluation 0"):
        found_by(problem, Budget(generations=2), store=store, seed=4)
    store.close()


# Engines.


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
        from pymoo_prune.indicators import hypervolume

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


# Changing batches.


@pytest.fixture(scope="module")
def changing(digits: Data) -> PixelsInBatches:
    return PixelsInBatches(digits)


@pytest.mark.parametrize("engine", ["nsga2", "spea2", "random"])
def test_survivors_are_measured_again_on_each_generations_images(
    changing: PixelsInBatches, path: Path, engine: str
) -> None:
    store = opened(path, changing)
    found = found_by(changing, Budget(generations=4), engine=engine, store=store)
    history = store.history()
    store.close()
    assert {(generation, images) for _, generation, images, _ in history} == {
        (generation, f"batch {generation - 1}") for generation in (1, 2, 3, 4)
    }
    per_generation = np.bincount([row[1] for row in history])[1:]
    assert per_generation.tolist() == [8, 16, 16, 16]
    survivors = found.last.algorithm.pop
    expected = changing.measure_on(survivors.get("X"), 3)
    for name in changing.quantities:
        assert np.array_equal(survivors.get(name).astype(float), expected[name]), name
    assert np.array_equal(survivors.get("F"), changing.score(expected)["F"])


def test_the_front_of_changing_batches_is_measured_on_all_of_them(
    changing: PixelsInBatches, path: Path
) -> None:
    store = opened(path, changing)
    found = found_by(changing, Budget(generations=3), store=store)
    expected = changing.measure_finally(found.X)
    assert digests(found.X) == digests(found.last.algorithm.pop.get("X"))
    assert np.array_equal(found.measurements["accuracy"], expected["accuracy"])
    fresh = store.fresh
    again = found_by(changing, Budget(generations=3), store=store)
    assert store.fresh == fresh  # the final measurements are kept too
    assert same(found, again)
    store.close()


def test_constraints_are_judged_on_the_new_images(digits: Data) -> None:
    problem = PixelsInBatches(digits, constraints=["accuracy>=0.6"])
    found = found_by(problem, Budget(generations=4))
    survivors = found.last.algorithm.pop
    expected = problem.measure_on(survivors.get("X"), 3)["accuracy"]
    assert np.allclose(survivors.get("G")[:, 0], 0.6 - expected)
    assert np.allclose(survivors.get("CV")[:, 0], np.maximum(0.6 - expected, 0))


# Candidates that fail.


class FailingInBatches(FailingPixels, PixelsInBatches):
    """Some fail in the search, and others when they are measured on all batches."""

    def measure_finally(self, X: Array) -> Measured:
        each = [self.measure_on(X, batch) for batch in range(self.BATCHES)]
        values = {name: np.mean([m[name] for m in each], axis=0) for name in self.quantities}
        failures = {row: "too dark in the end" for row, x in enumerate(X) if self.fails_finally(x)}
        values["accuracy"][list(failures)] = np.nan
        return Measured(values, failures)

    def fails_finally(self, x: Array) -> bool:
        return self.fails(x) or not x[20]


class RacedAndFailing(FailingPixels):
    """Three slices; who keeps an even number of pixels may fail on the second one only."""

    racing = Racing((60, 60, 120), 0.5)

    def measure_on(self, X: Array, batch: int) -> Measurements:
        ends = np.cumsum([0, *self.racing.slices])
        self.number = batch
        return self._measure(X, slice(ends[batch], ends[batch + 1]))

    def fails(self, x: Array) -> bool:
        return super().fails(x) and (x.sum() % 2 == 1 or self.number == 1)

    def measure_finally(self, X: Array) -> Measurements:
        self.number = 3
        return self._measure(X, slice(sum(self.racing.slices)))


@pytest.mark.parametrize("engine", [n for n in ENGINES if n not in {"own", "moead"}])
def test_a_search_goes_on_without_who_failed(digits: Data, path: Path, engine: str) -> None:
    objectives: Any = SUM if engine == "ga" else ("accuracy", "parameters")
    problem = FailingPixels(digits, objectives=objectives)
    store = opened(path, problem)
    found = found_by(problem, Budget(generations=8), engine=engine, store=store)
    rows = evaluations(path, "accuracy", "parameters", "pixels", "failure")
    reasons = dict(store.failures())
    store.close()
    assert found.last.generation == 8
    assert len(rows) == 64
    failed = {row[1] for row in rows if row[5] is not None}
    assert failed == {row[1] for row in rows if row[2] is None} == found.failures.keys()
    assert found.failures == reasons
    assert 0 < len(failed) < 64
    assert not failed & set(digests(found.X))
    # The archive is what it would be if those who failed had never been asked for.
    numbers, *columns = np.array([(row[0], *row[2:5]) for row in rows if row[5] is None]).T
    values = dict(zip(("accuracy", "parameters", "pixels"), columns, strict=True))
    best = nondominated(problem.goals.costs(values))
    assert sorted(found.numbers) == numbers[best].tolist()
    assert all(np.isfinite(column).all() for column in found.measurements.values())


@pytest.mark.parametrize("constraints", [(), ("accuracy>=0.99", "pixels<=0.2")])
def test_the_archive_never_holds_who_failed(digits: Data, constraints: tuple[str, ...]) -> None:
    problem = FailingPixels(digits, constraints=constraints)
    X = problem.random(60, np.random.default_rng(2))
    fails = np.array([problem.fails(x) for x in X])
    archive = Archive(problem)
    archive.add(X[fails], problem.measured(X[fails]), 0)
    assert archive.X is None
    archive.add(X, problem.measured(X), int(fails.sum()))
    archive.add(X[fails], problem.measured(X[fails]), 90)
    assert len(archive.X) > 0
    assert not any(problem.fails(x) for x in archive.X)
    if constraints:  # nobody keeps them: the nearest miss of those that were measured
        plain = Archive(Pixels(digits, constraints=constraints))
        plain.add(X[~fails], plain.problem.measured(X[~fails]), 0)
        assert digests(archive.X) == digests(plain.X)


@pytest.mark.parametrize("problem_class", [FailingPixels, FailingInBatches, RacedAndFailing])
def test_a_resumed_search_with_failures_is_the_uninterrupted_one(
    digits: Data, path: Path, problem_class: type[FailingPixels]
) -> None:
    raced = problem_class is RacedAndFailing
    problem = problem_class(digits, objectives=SUM if raced else ("accuracy", "parameters"))

    def run(generations: int, store: Store | None = None) -> tuple[Found, list[Any]]:
        algorithm = make_algorithm("ga" if raced else "nsga2", problem, 12)
        if raced:
            algorithm.survival = Generational()
            algorithm.mating.selection = TruncationSelection(0.5)
        populations: list[Any] = []
        found = search(
            problem,
            algorithm,
            Budget(generations=generations),
            seed=3,
            store=store,
            on_generation=lambda step: populations.append(step.algorithm.pop.get("F", "G", "X")),
        )
        return found, populations

    plain, steps = run(5)
    store = opened(path, problem)
    run(2, store)
    store.close()
    store = opened(path, problem)
    for _ in range(2):  # with some in the store, and with all of them
        resumed, again = run(5, store)
        assert same(plain, resumed)
        assert plain.failures == resumed.failures
        assert len(plain.failures) > 0
        for one, other in zip(steps, again, strict=True):
            for a, b in zip(one, other, strict=True):
                assert np.array_equal(a, b)
    store.close()


def test_changing_batches_end_without_who_failed_there_or_in_the_end(
    digits: Data, path: Path
) -> None:
    problem = FailingInBatches(digits)
    store = opened(path, problem)
    found = found_by(problem, Budget(generations=2), store=store)
    again = found_by(problem, Budget(generations=2))
    assert same(found, again)
    pop = found.last.algorithm.pop.get("X")
    kept = [x for x in pop if not problem.fails_finally(x)]
    assert 0 < len(kept) < len([x for x in pop if not problem.fails(x)])
    assert digests(found.X) == digests(np.array(kept))
    assert {"too dark in the end", "the training diverged: its last loss is nan"} == set(
        found.failures.values()
    )
    assert found.failures == again.failures == dict(store.failures())
    assert (found.numbers == -1).all()
    assert np.array_equal(
        found.measurements["accuracy"], problem.measured_finally(found.X)["accuracy"]
    )
    store.close()


def test_when_all_fail_the_most_frequent_reason_is_named(digits: Data, path: Path) -> None:
    problem = AllFailing(digits)
    store = opened(path, problem)
    message = (
        r"^all 24 candidates failed, for example: the training diverged: its last loss is nan; "
        "nothing can be reported$"
    )
    for _ in range(2):
        with pytest.raises(NothingFoundError, match=message):
            found_by(problem, Budget(generations=3), store=store)
    assert len(store.history()) == len(store.failures()) == 24
    store.close()


def test_when_all_fail_in_the_last_generation_or_in_the_end_that_is_said(digits: Data) -> None:
    class Dark(FailingInBatches):
        def fails_finally(self, x: Array) -> bool:
            return True

    class Darker(FailingInBatches):
        LEAST = 65

    with pytest.raises(
        PruneError, match=r"^all \d candidates that were measured again failed, .* in"
    ):
        found_by(Dark(digits), Budget(generations=2))
    with pytest.raises(PruneError, match="all 8 candidates of the last generation failed, for ex"):
        found_by(Darker(digits), Budget(generations=2))


def test_who_fails_in_a_race_loses_it_and_keeps_the_reason(digits: Data) -> None:
    problem = RacedAndFailing(digits, objectives=SUM)
    algorithm = make_algorithm("ga", problem, 30)
    algorithm.survival = Generational()
    algorithm.mating.selection = TruncationSelection(0.5)
    found = search(problem, algorithm, Budget(generations=1), seed=0)
    pop = found.last.algorithm.pop
    failed = pop.get("failure") != ""
    assert 0 < failed.sum() < 30
    assert np.array_equal(np.isnan(pop.get("accuracy").astype(float)), failed)
    assert (pop.get("G")[:, 0] > 0).tolist() == failed.tolist()
    first = np.array([x.sum() < problem.LEAST and x.sum() % 2 == 1 for x in pop.get("X")])
    assert 0 < first.sum() < failed.sum()  # some failed on the second slice
    # Who failed on the first slice has the last places.
    assert sorted(pop.get("place")[first]) == list(range(30 - first.sum(), 30))
    assert not set(digests(pop.get("X")[failed])) & set(digests(found.X))
    chosen = TruncationSelection(0.5).do(
        problem, pop, 200, 2, to_pop=False, random_state=np.random.default_rng(0)
    )
    assert not failed[np.unique(chosen)].any()


# pymoo alone.


def test_plain_minimize_leaves_out_who_failed(digits: Data) -> None:
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


def test_plain_minimize_does_the_same(problem: Pixels) -> None:
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
    expected = changing.measure_finally(front.X)
    assert np.array_equal(front.columns["accuracy"], expected["accuracy"])
