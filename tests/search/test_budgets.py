"""Budgets end searches."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from pymoo_prune import Budget, Data, PruneError, StoreError
from pymoo_prune.engines import ENGINES
from pymoo_prune.search import Step, settle, times_of
from pymoo_prune.search import budget as search_module
from tests.support.searches import found_by, opened, same
from tests.support.tiny_problem import Pixels, PixelsInBatches


def test_generations_count_the_first_population(problem: Pixels) -> None:
    steps: list[Step] = []
    found = found_by(problem, Budget(generations=3), on_generation=steps.append)
    assert [step.generation for step in steps] == [1, 2, 3]
    assert [step.evaluated for step in steps] == [8, 16, 24]
    assert [step.done for step in steps] == pytest.approx([1 / 3, 2 / 3, 1])
    assert found.last.generation == 3


@pytest.mark.parametrize("evaluations", [1, 5, 16, 17, 27])
@pytest.mark.parametrize("engine", [name for name in ENGINES if name not in {"own", "ga"}])
def test_a_budget_of_evaluations_is_used_up_to_the_last_one_and_no_more(
    problem: Pixels, path: Path, engine: str, evaluations: int
) -> None:
    store = opened(path, problem)
    found = found_by(problem, Budget(evaluations=evaluations), engine=engine, store=store)
    asked = store.history()
    store.close()
    assert found.last.evaluated == len(asked) == evaluations
    assert found.numbers.max() < evaluations
    assert found.last.done == 1


def test_where_generations_have_images_of_their_own_the_last_one_is_whole(digits: Data) -> None:
    problem = PixelsInBatches(digits)
    found = found_by(problem, Budget(evaluations=20), engine="nsga2")
    assert found.last.evaluated % 8 == 0
    assert found.last.evaluated >= 20


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


def test_a_time_budget_needs_the_times_of_its_record(problem: Pixels, path: Path) -> None:
    timed = Budget(generations=2, seconds=1_000)
    store = opened(path, problem)
    found_by(problem, timed, store=store)
    store.close()
    settle(path)
    times_of(path).rename(path.with_name("kept"))
    store = opened(path, problem)
    with pytest.raises(StoreError, match=r"evaluations-times\.csv has no time of generation 1"):
        found_by(problem, timed, store=store)
    assert found_by(problem, Budget(generations=2), store=store).last.replayed
    path.with_name("kept").rename(times_of(path))
    assert found_by(problem, timed, store=store).last.replayed
    store.close()


@pytest.mark.parametrize("limits", [{}, {"generations": 0}, {"seconds": -1.0}, {"evaluations": 0}])
def test_a_budget_without_a_limit_above_zero_is_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(PruneError, match="needs a limit"):
        Budget(**limits)
