"""Searches in which some or all candidates cannot be measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymoo_prune import Budget, Data, Measurements, PruneError, Store
from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.engines import ENGINES, make_algorithm
from pymoo_prune.errors import NothingFoundError
from pymoo_prune.executors import InProcess
from pymoo_prune.executors.job import MAX_TRIES, Job
from pymoo_prune.objectives import Measured, Part, nondominated
from pymoo_prune.operators import Generational, TruncationSelection
from pymoo_prune.problem import Approximation, PruningProblem, Racing
from pymoo_prune.search import Archive, Found, search
from tests.support.searches import SUM, evaluations, found_by, opened, same
from tests.support.tiny_problem import AllFailing, FailingPixels, Pixels, PixelsInBatches


class FailingInBatches(FailingPixels, PixelsInBatches):
    """Some fail in the search, and others when they are measured on all batches."""

    def measure(self, X: Array) -> Measured:
        each = [self._measured_on(X, batch) for batch in range(self.BATCHES)]
        values = {name: np.mean([m[name] for m in each], axis=0) for name in self.quantities}
        failures = {row: "too dark in the end" for row, x in enumerate(X) if self.fails_finally(x)}
        values["accuracy"][list(failures)] = np.nan
        return Measured(values, failures)

    def fails_finally(self, x: Array) -> bool:
        return self.fails(x) or not x[20]


class RacedAndFailing(FailingPixels):
    """Three slices; a candidate with an even number of pixels may fail on the second one only."""

    racing = Racing((60, 60, 120), 0.5)

    def __init__(self, data: Data, **options: Any) -> None:
        super().__init__(data, **options)
        self.approximation = Approximation(self._measured_on, racing=self.racing)

    def _measured_on(self, X: Array, batch: int) -> Measurements:
        ends = np.cumsum([0, *self.racing.slices])
        self.number = batch
        return self._measure(X, slice(ends[batch], ends[batch + 1]))

    def fails(self, x: Array) -> bool:
        return super().fails(x) and (x.sum() % 2 == 1 or self.number == 1)

    def measure(self, X: Array) -> Measurements:
        self.number = 3
        return self._measure(X, slice(sum(self.racing.slices)))


@pytest.mark.slow
@pytest.mark.parametrize("engine", [n for n in ENGINES if n not in {"own", "moead"}])
def test_a_search_goes_on_without_failed_candidates(digits: Data, path: Path, engine: str) -> None:
    objectives: Any = SUM if engine == "ga" else ("accuracy", "parameters")
    problem = FailingPixels(digits, objectives=objectives)
    store = opened(path, problem)
    found = found_by(problem, Budget(generations=8), engine=engine, store=store)
    rows = evaluations(path, "accuracy", "parameters", "pixels", "failure")
    reasons = dict(store.failures())
    store.close()
    assert found.last.generation == 8
    # SparseEA measures a candidate for each of the 64 genes first.
    assert len(rows) == (64 + 7 * 8 if engine == "sparse-ea" else 64)
    failed = {row[1] for row in rows if row[5] is not None}
    assert failed == {row[1] for row in rows if row[2] is None} == found.failures.keys()
    assert found.failures == reasons
    assert 0 < len(failed) < 64
    assert not failed & set(digests(found.X))
    # The archive is the same as without the candidates that failed.
    numbers, *columns = np.array([(row[0], *row[2:5]) for row in rows if row[5] is None]).T
    values = dict(zip(("accuracy", "parameters", "pixels"), columns, strict=True))
    best = nondominated(problem.goals.costs(values))
    assert sorted(found.numbers) == numbers[best].tolist()
    assert all(np.isfinite(column).all() for column in found.measurements.values())


@pytest.mark.parametrize("constraints", [(), ("accuracy>=0.99", "pixels<=0.2")])
def test_the_archive_never_holds_failed_candidates(
    digits: Data, constraints: tuple[str, ...]
) -> None:
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
    if constraints:  # no candidate keeps them: the nearest miss of those that were measured
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


class Losing(InProcess):
    """Loses small candidates in its first measurements, as workers that die do."""

    loses = True

    def __init__(self, measurements: int) -> None:
        self.left = measurements

    def measure(self, problem: PruningProblem, X: Array, batch: int | None) -> Iterator[Part]:
        self.left -= 1
        small = np.flatnonzero((X.sum(axis=1) < 25) & (self.left >= 0))
        job = Job(problem, X, batch)
        for _ in range(MAX_TRIES):
            yield from job.lost(small.tolist(), "ended with signal 9")
        rest = np.setdiff1d(np.arange(len(X)), small)
        yield job.done(rest.tolist(), problem.measured(X[rest], batch), 0.0)


@pytest.mark.parametrize("generations", [1, 3])
def test_a_search_that_lost_candidates_with_workers_goes_on_without_them(
    digits: Data, tmp_path: Path, generations: int
) -> None:
    problem = Pixels(digits)
    whole, parts = opened(tmp_path / "whole", problem), opened(tmp_path / "parts", problem)
    longer, executors = Budget(generations=5), [Losing(generations), Losing(generations)]
    expected = found_by(problem, longer, store=whole, executor=executors[0])
    found_by(problem, Budget(generations=generations), store=parts, executor=executors[1])
    resumed = found_by(problem, longer, store=parts)
    assert len(expected.failures) > 0
    assert whole.history() == parts.history()
    assert same(expected, resumed)
    assert expected.failures == resumed.failures
    whole.close()
    parts.close()


def test_fronts_of_changing_batches_have_no_failed_candidates(digits: Data, path: Path) -> None:
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
    assert np.array_equal(found.measurements["accuracy"], problem.measured(found.X)["accuracy"])
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


def test_when_all_fail_in_the_last_generation_or_in_the_end_the_message_says_so(
    digits: Data,
) -> None:
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


def test_failed_candidates_lose_a_race_and_keep_the_reason(digits: Data) -> None:
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
    # Candidates that failed on the first slice have the last places.
    assert sorted(pop.get("place")[first]) == list(range(30 - first.sum(), 30))
    assert not set(digests(pop.get("X")[failed])) & set(digests(found.X))
    chosen = TruncationSelection(0.5).do(
        problem, pop, 200, 2, to_pop=False, random_state=np.random.default_rng(0)
    )
    assert not failed[np.unique(chosen)].any()
