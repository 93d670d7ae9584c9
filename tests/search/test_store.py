"""What a store keeps: measurements and failures, chunk by chunk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymoo_prune import Measurements, PruneError, Store, StoreError
from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.objectives import STANDARD, check_measurements
from pymoo_prune.problem import CHUNK
from tests.support.stores import NAMES, VERSIONS, Counting, Failing, count, filled, measured, rows


def test_known_candidates_are_not_measured_again(store: Store) -> None:
    measure, X = Counting(), rows(4, 7)
    first = measured(store, X, digests(X), "batch 0", measure)
    more = rows(7, 9, 4)
    second = measured(store, more, digests(more), "batch 0", measure)
    assert measure.asked == [[4, 7], [9]]
    assert (store.fresh, store.hits) == (3, 2)
    assert first["macs"].tolist() == [40, 70]
    assert second["macs"].tolist() == [70, 90, 40]
    assert second["accuracy"].tolist() == [1 / 10, 1 / 12, 1 / 7]


def test_a_candidate_twice_in_a_population_is_measured_once(store: Store) -> None:
    measure, X = Counting(), rows(4, 7, 4, 4)
    values = measured(store, X, digests(X), "batch 0", measure)
    assert measure.asked == [[4, 7]]
    assert values["macs"].tolist() == [40, 70, 40, 40]


def test_other_images_are_another_measurement(store: Store) -> None:
    measure, X = Counting(), rows(4)
    measured(store, X, digests(X), "batch 0", measure)
    measured(store, X, digests(X), "batch 1", measure)
    assert measure.asked == [[4], [4]]


def test_everything_is_there_after_opening_again(path: Path) -> None:
    filled(path, 40)
    measure, X = Counting(), rows(*range(40))
    store = Store(path, NAMES, "f1", VERSIONS)
    measured(store, X, digests(X), "batch 0", measure)
    assert measure.asked == []
    assert store.elapsed(1) == 1.0
    assert store.elapsed(2) is None
    assert [row[3] for row in store.history()] == digests(X)
    store.close()


def test_large_populations_are_looked_up_in_parts(store: Store) -> None:
    X = rows(*range(1_201))
    measured(store, X, digests(X), "batch 0", Counting())
    measure = Counting()
    values = measured(store, X[::-1], digests(X[::-1]), "batch 0", measure)
    assert measure.asked == []
    assert np.array_equal(values["macs"], X[::-1, 0] * 10.0)


def test_chunks_are_committed_one_by_one(store: Store, path: Path) -> None:
    class Failing(Counting):
        def __call__(self, X: Array) -> Measurements:
            if self.asked:
                raise RuntimeError("power cut")
            return super().__call__(X)

    X = rows(*range(CHUNK + 5))
    with pytest.raises(RuntimeError, match="power cut"):
        measured(store, X, digests(X), "batch 0", Failing())
    assert count(path) == CHUNK  # for another process too, while this one still has it open
    measure = Counting()
    measured(store, X, digests(X), "batch 0", measure)
    assert measure.asked == [list(range(CHUNK, CHUNK + 5))]


def test_a_wrong_measurement_is_refused_before_it_is_kept(store: Store, path: Path) -> None:
    def measure(X: Array) -> Measurements:
        values = {"accuracy": np.where(X[:, 0] == 5, np.nan, 0.5), "macs": X[:, 0] * 1.0}
        quantities = {name: STANDARD[name] for name in NAMES}
        return check_measurements(values, quantities, len(X))

    X = rows(4, 5)
    with pytest.raises(PruneError, match="candidate 1 is nan"):
        measured(store, X, digests(X), "batch 0", measure)
    assert count(path) == 0
    nothing = dict.fromkeys(NAMES, np.full(2, np.nan))
    with pytest.raises(StoreError, match="CHECK"):  # the table itself refuses it too
        measured(store, X, digests(X), "batch 0", lambda X: nothing)
    assert count(path) == 0


@pytest.mark.parametrize("n", [7, 2 * CHUNK + 3])
def test_failures_come_back_with_their_reasons(path: Path, n: int) -> None:
    X = rows(*range(1, n + 1))
    fails = {row: f"{row + 1} diverged" for row in range(n) if (row + 1) % 3 == 0}
    store = Store(path, NAMES, "f1", VERSIONS)
    first = measured(store, X, digests(X), "batch 0", Failing())
    again = measured(store, X, digests(X), "batch 0", Counting())
    store.close()
    store = Store(path, NAMES, "f1", VERSIONS)
    measure = Counting()
    twice = np.concatenate([X, X[::-1]])
    opened = measured(store, twice, digests(twice), "batch 0", measure)
    assert measure.asked == []
    for found in (first, again):
        assert found.failures == fails
        assert np.flatnonzero(np.isnan(found["accuracy"])).tolist() == list(fails)
        assert np.flatnonzero(np.isnan(found["macs"])).tolist() == list(range(5, n, 6))
        for name in NAMES:
            assert np.array_equal(found[name], opened[name][:n], equal_nan=True)
    assert opened.failures == fails | {2 * n - 1 - row: fails[row] for row in fails}
    assert sorted(store.failures()) == sorted((digests(X)[row], fails[row]) for row in fails)
    store.close()


def test_candidates_that_failed_on_some_images_are_measured_on_others(store: Store) -> None:
    X = rows(3, 4)
    assert measured(store, X, digests(X), "batch 0", Failing()).failures == {0: "3 diverged"}
    assert measured(store, X, digests(X), "batch 1", Counting()).failures == {}
    assert store.failures() == [(digests(X)[0], "3 diverged")]


def test_an_interruption_keeps_failures_with_their_measurements(store: Store) -> None:
    class Interrupted(Failing):
        def __call__(self, X: Array) -> Measurements:
            if self.asked:
                raise KeyboardInterrupt
            return super().__call__(X)

    X = rows(*range(1, CHUNK + 5))
    with pytest.raises(KeyboardInterrupt):
        measured(store, X, digests(X), "batch 0", Interrupted())
    first = [row for row in range(CHUNK) if (row + 1) % 3 == 0]
    assert sorted(store.failures()) == sorted(
        (digests(X)[row], f"{row + 1} diverged") for row in first
    )
    found = measured(store, X, digests(X), "batch 0", Failing())
    assert list(found.failures) == [row for row in range(len(X)) if (row + 1) % 3 == 0]


@given(
    st.lists(
        st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 2), min_size=1, max_size=40
    )
)
def test_numbers_come_back_to_the_last_bit(table: list[tuple[float, float]]) -> None:
    values = np.array(table)
    X = rows(*range(len(values)))
    store = Store(":memory:", NAMES, "f1", VERSIONS)
    kept = measured(
        store, X, digests(X), "b", lambda X: dict(zip(NAMES, values[X[:, 0]].T, strict=True))
    )
    found = measured(store, X, digests(X), "b", Counting())
    store.close()
    for place, name in enumerate(NAMES):
        assert found[name].tobytes() == kept[name].tobytes()  # as read, and as just measured
        assert np.array_equal(found[name], values[:, place])
