"""Searches that go on: a replay, and what was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pymoo_prune import ReplayError, Store, StoreError
from pymoo_prune.chromosomes import digests
from tests.support.stores import NAMES, VERSIONS, Counting, Failing, measured, rows


def test_a_replay_that_follows_adds_nothing_twice(store: Store) -> None:
    first, second = digests(rows(1, 2, 3)), digests(rows(4, 5))
    store.follow(0, 1, "batch 0", first)
    store.follow(3, 2, "batch 1", second)
    recorded = store.history()
    assert recorded == [
        *((number, 1, "batch 0", key) for number, key in enumerate(first)),
        *((number, 2, "batch 1", key) for number, key in enumerate(second, 3)),
    ]
    store.follow(0, 1, "batch 0", first)
    store.follow(3, 2, "batch 1", second)
    assert store.history() == recorded
    store.follow(5, 3, "batch 2", first)
    assert len(store.history()) == 8


@pytest.mark.parametrize(
    ("images", "values", "place"),
    [("batch 0", (1, 9, 3), 1), ("batch 0", (2, 1, 3), 0), ("batch 1", (1, 2, 3), 0)],
)
def test_a_replay_that_departs_is_refused(
    path: Path, images: str, values: tuple[int, ...], place: int
) -> None:
    store = Store(path, NAMES, "f1", VERSIONS)
    store.follow(0, 1, "batch 0", digests(rows(1, 2, 3)))
    store.close()
    store = Store(path, NAMES, "f1", {**VERSIONS, "numpy": "3.0"})
    recorded = store.history()
    with pytest.raises(ReplayError, match=r"numpy 2.0 then, 3.0 now") as caught:
        store.follow(0, 1, images, digests(rows(*values)))
    assert f"evaluation {place} (generation 1)" in str(caught.value)
    assert "pymoo 0.6.2 then, 0.6.2 now" in str(caught.value)
    assert store.history() == recorded
    store.close()


def test_two_processes_on_one_run_are_told_so(path: Path, store: Store) -> None:
    other = Store(path, NAMES, "f1", VERSIONS)
    keys = digests(rows(1, 2))

    def overtake(sql: str) -> None:
        if sql.startswith("BEGIN"):  # between its look at the record and its entry
            store.follow(0, 1, "batch 0", keys)

    other._db.set_trace_callback(overtake)
    with pytest.raises(StoreError, match="another process works on the same run"):
        other.follow(0, 1, "batch 0", keys)
    other._db.set_trace_callback(None)
    assert len(other.history()) == 2
    store._db.execute("BEGIN IMMEDIATE")
    other._db.execute("PRAGMA busy_timeout = 50")
    with pytest.raises(StoreError, match="another process writes to it"):
        other.finish_generation(2, 1.0)
    store._db.execute("ROLLBACK")
    other.finish_generation(2, 1.0)
    other.close()


def test_generation_means_are_over_all_that_was_asked_for(store: Store) -> None:
    asked = [(1, "batch 0", (3, 5, 5)), (2, "batch 1", (8, 3)), (2, "batch 0", (40,))]
    number = 0
    for generation, images, values in asked:
        X = rows(*values)
        store.follow(number, generation, images, digests(X))
        measured(store, X, digests(X), images, Counting())
        number += len(values)
    means = store.generation_means()
    assert means["generation"].tolist() == [1, 2]
    assert np.allclose(means["macs"], [10 * np.mean([3, 5, 5]), 10 * np.mean([8, 3, 40])])
    expected = [np.mean([1 / 6, 1 / 8, 1 / 8]), np.mean([1 / 11, 1 / 6, 1 / 43])]
    assert np.allclose(means["accuracy"], expected, rtol=1e-15)


def test_evaluations_are_all_that_was_asked_for_in_order(store: Store) -> None:
    asked = [(1, "batch 0", (9, 5, 5)), (2, "batch 1", (8, 9)), (2, "batch 0", (5,))]
    number = 0
    for generation, images, values in asked:
        X = rows(*values)
        store.follow(number, generation, images, digests(X))
        measured(store, X, digests(X), images, Counting())
        number += len(values)
    X = rows(40)
    measured(store, X, digests(X), "batch 0", Counting())  # by a search that is not recorded
    found = store.evaluations()
    assert list(found) == ["generation", *NAMES]
    assert found["generation"].tolist() == [1, 1, 1, 2, 2, 2]
    assert found["macs"].tolist() == [90, 50, 50, 80, 90, 50]
    assert found["accuracy"].tolist() == [1 / 12, 1 / 8, 1 / 8, 1 / 11, 1 / 12, 1 / 8]
    assert len(store.history()) == len(found["generation"])


def test_evaluations_have_nan_for_what_could_not_be_measured(store: Store) -> None:
    X = rows(3, 4, 6)
    store.follow(0, 1, "batch 0", digests(X))
    measured(store, X, digests(X), "batch 0", Failing())
    found = store.evaluations()
    np.testing.assert_array_equal(np.isnan(found["accuracy"]), [True, False, True])
    np.testing.assert_array_equal(found["macs"], [30, 40, np.nan])  # known measurements stay


def test_an_empty_store_has_no_evaluations(store: Store) -> None:
    for name, column in store.evaluations().items():
        assert column.shape == (0,), name


def test_means_leave_out_failed_candidates(store: Store) -> None:
    for generation, values in enumerate([(3, 4, 5), (6, 9), (7,)], 1):
        X = rows(*values)
        store.follow(10 * generation, generation, "batch 0", digests(X))
        measured(store, X, digests(X), "batch 0", Failing())
    means = store.generation_means()
    expected = [np.mean([1 / 7, 1 / 8]), np.nan, 1 / 10]
    np.testing.assert_allclose(means["accuracy"], expected, rtol=1e-15)
    np.testing.assert_allclose(means["macs"], [40, 90, 70])
