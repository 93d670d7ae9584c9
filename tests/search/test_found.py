"""The result of a search, with and without a store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymoo_prune import Budget, Data, Front, PruneError
from pymoo_prune.chromosomes import digests
from pymoo_prune.objectives import nondominated
from pymoo_prune.search import search
from tests.support.running import query
from tests.support.searches import dominates, evaluations, found_by, opened, same
from tests.support.studies import Asking
from tests.support.tiny_problem import Pixels


@given(
    st.integers(1, 3).flatmap(
        lambda k: st.lists(st.tuples(*[st.integers(0, 4)] * k), min_size=1, max_size=25)
    )
)
def test_nondominated_follows_the_definition(table: list[tuple[int, ...]]) -> None:
    expected = [
        not any(dominates(other, row) for other in table) and row not in table[:place]
        for place, row in enumerate(table)
    ]
    assert nondominated(np.array(table, dtype=float)).tolist() == expected


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


def test_the_first_generation_is_the_first_where_engines_ask_themselves(
    digits: Data, path: Path
) -> None:
    problem = Pixels(digits)
    store = opened(path, problem)
    engine = Asking(pop_size=8, **problem.operators())
    found = search(problem, engine, Budget(evaluations=40), seed=0, store=store)
    store.close()
    assert found.first.numbers.tolist() == list(range(8))
    generations = [row[1] for row in query(path.parent, "SELECT * FROM history ORDER BY number")]
    assert generations == sorted(generations)
    assert set(generations) == set(range(1, found.last.generation + 1))
