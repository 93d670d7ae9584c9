"""Chromosomes in a store: exact, small, written with the measurements, and missing in old files."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pymoo_prune import Budget, Data, Store, StoreError
from pymoo_prune.chromosomes import Array, WeightGenome, as_column, digests
from pymoo_prune.objectives import Measured, Part
from pymoo_prune.search.chromosomes import Row, packed
from pymoo_prune.search.record import OLDER, WEIGHTS
from pymoo_prune_problems import EComp
from tests.support.running import GENES
from tests.support.searches import found_by, opened
from tests.support.tiny_problem import FailingPixels, Pixels, full_disk

NAMES = ("accuracy", "macs")


def kept(store: Store, X: Array | None, keys: list[bytes], number: int = 0) -> None:
    """Asks for candidates and keeps them."""
    store.follow(number, 1, "batch 0", keys)
    missing = store.missing("batch 0", keys)
    with store.writing("batch 0") as keep:
        values = Measured({name: np.arange(len(missing)) * 1.0 for name in NAMES}, {})
        part = Part(range(len(missing)), values, 0.0)
        keep([keys[row] for row in missing], part, None if X is None else X[missing])


def came_back(X: Array) -> Array | None:
    store = Store(":memory:", NAMES, "f1")
    kept(store, X, digests(X))
    found = store.record.chromosomes()
    store.close()
    return found


def rows(path: Path, sql: str = GENES) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql).fetchall()


DTYPES = ("?", "u1", "i1", "<u2", "<i2", "<i4", "<i8", "<u8", "<f2", "<f4", "<f8")


@given(
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays.arrays(dtype, st.tuples(st.integers(1, 5), st.integers(1, 90)))
    )
)
def test_chromosomes_come_back_to_the_last_bit(X: Array) -> None:
    found = came_back(X)
    assert found is not None
    assert found.dtype == X.dtype
    assert found.tobytes() == X.tobytes()
    assert digests(found) == digests(X)


def bytes_of(X: Array) -> list[int]:
    return [len(row[-1]) for row in packed(digests(X), X)]


def test_chromosomes_take_few_bytes() -> None:
    generator = np.random.default_rng(0)
    assert bytes_of(generator.random((2, 36)) < 0.5) == [5, 5]
    assert bytes_of(generator.integers(0, 200, (2, 20))) == [20, 20]
    assert bytes_of(generator.integers(-5, 300, (1, 20))) == [40]
    assert bytes_of(generator.random((1, 6))) == [48]
    (sparse,) = bytes_of(np.arange(80_000)[None] % 5_000 == 0)
    assert sparse < 500  # of 10,000 bytes
    dense = generator.random((1, 80_000)) < 0.5
    assert bytes_of(dense) == [10_000]  # zlib saves nothing


def test_a_row_depends_on_its_chromosome_alone() -> None:
    X = np.array([[1, 2], [300, 4], [-1, 70_000]])
    alone = [row for x in X for row in packed(digests(x[None]), x[None])]
    assert list(packed(digests(X), X)) == alone


def test_a_chromosome_is_kept_once(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = Store(path, NAMES, "f1")
    X = np.array([[True, False], [True, True], [True, False]])
    kept(store, X, digests(X))
    for images in ("batch 1", "batch 2"):
        with store.writing(images) as keep:
            values = {name: np.zeros(2) for name in NAMES}
            keep(digests(X[:2]), Part(range(2), Measured(values, {}), 0.0), X[:2])
    found = store.record.chromosomes()
    store.close()
    assert found is not None
    assert np.array_equal(found, X)
    assert len(rows(path)) == 2


def test_chromosomes_are_written_with_their_measurements(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = Store(path, NAMES, "f1")
    X = np.arange(4_000)[:, None] * np.ones((1, 30), dtype=np.int64)
    keys = digests(X)
    size = sum(file.stat().st_size for file in path.parent.iterdir())

    def fill() -> None:
        values = Measured({name: np.zeros(100) for name in NAMES}, {})
        for start in range(0, len(X), 100):
            some = slice(start, start + 100)
            with store.writing("batch 0") as keep:
                keep(keys[some], Part(range(100), values, 1.0), X[some])

    with full_disk(size + 40_000), pytest.raises(StoreError, match="free some space"):
        fill()
    store.close()
    measured = {row[0] for row in rows(path, "SELECT digest FROM measurements")}
    assert 0 < len(measured) < 4_000
    assert {row[0] for row in rows(path)} == measured


def test_ctrl_c_between_two_chromosomes_loses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(keys: list[bytes], X: Array) -> Iterator[Row]:
        yield next(packed(keys, X))
        raise KeyboardInterrupt

    store = Store(":memory:", NAMES, "f1")
    X = np.arange(4)[:, None]
    with monkeypatch.context() as patch:
        patch.setattr("pymoo_prune.search.chromosomes.packed", stopped)
        with pytest.raises(KeyboardInterrupt):
            kept(store, X, digests(X))
    kept(store, X, digests(X))
    found = store.record.chromosomes()
    store.close()
    assert found is not None
    assert np.array_equal(found, X)


def test_objects_are_not_kept_and_the_record_says_so() -> None:
    store = Store(":memory:", NAMES, "f1")
    weights = [np.full((2, 2), n, dtype=np.float32) for n in range(3)]
    X = as_column([WeightGenome.from_content([one], [one[0]]) for one in weights])
    kept(store, X, digests(X))
    assert store.record.chromosomes() is None
    assert store.record.without_chromosomes == WEIGHTS
    store.close()


def test_a_store_of_an_older_version_is_read_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = Store(path, NAMES, "f1")
    X = np.eye(4, dtype=bool)
    kept(store, X[:2], digests(X[:2]))
    store.close()
    rows(path, "DROP TABLE chromosomes")
    old = Store.existing(path)
    assert old.record.chromosomes() is None
    assert old.record.without_chromosomes == OLDER
    assert len(old.evaluations()["macs"]) == 2
    old.close()
    store = Store(path, NAMES, "f1")
    kept(store, X, digests(X))
    assert store.record.chromosomes() is None  # those of the first two are not known
    assert store.record.without_chromosomes == OLDER
    store.close()
    assert {row[0] for row in rows(path)} == set(digests(X[2:]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("UPDATE chromosomes SET data = x'00', packing = 'zlib'", "damaged"),
        ("UPDATE chromosomes SET data = x'0000'", "damaged"),
        ("UPDATE chromosomes SET dtype = 'nonsense'", "damaged"),
        ("UPDATE chromosomes SET data = zeroblob(32)", "not those that were measured"),
    ],
)
def test_damaged_chromosomes_are_told(tmp_path: Path, change: str, message: str) -> None:
    path = tmp_path / "store.sqlite"
    store = Store(path, NAMES, "f1")
    X = np.arange(12.0).reshape(3, 4)
    kept(store, X, digests(X))
    store.close()
    with sqlite3.connect(path) as db:
        db.execute(change)
    db.close()
    with closing(Store.existing(path)) as store, pytest.raises(StoreError, match=message) as told:
        store.record.chromosomes()
    assert str(path) in str(told.value)


# In searches.


def test_a_search_keeps_what_it_asks_for(digits: Data, tmp_path: Path) -> None:
    problem = FailingPixels(digits)
    store = opened(tmp_path / "store.sqlite", problem)
    found_by(problem, Budget(generations=4), store=store)
    X, reasons = store.record.chromosomes(), store.record.reasons()
    assert X is not None
    assert digests(X) == [row[3] for row in store.history()]
    again = problem.measured(X)
    assert np.array_equal(again["accuracy"], store.evaluations()["accuracy"], equal_nan=True)
    assert [bool(reason) for reason in reasons] == [problem.fails(x) for x in X]
    assert any(reasons)
    store.close()


def test_an_interrupted_search_keeps_the_same(digits: Data, tmp_path: Path) -> None:
    problem = Pixels(digits)
    whole, parts = tmp_path / "whole.sqlite", tmp_path / "parts.sqlite"
    store = opened(whole, problem)
    found_by(problem, Budget(generations=5), store=store)
    store.close()
    for generations in (2, 5):
        store = opened(parts, problem)
        found_by(problem, Budget(generations=generations), store=store)
        store.close()
    assert rows(whole) == rows(parts) != []


def test_a_problem_may_keep_none(digits: Data, tmp_path: Path) -> None:
    problem = Pixels(digits)
    problem.keeps_chromosomes = False
    store = opened(tmp_path / "store.sqlite", problem)
    found_by(problem, Budget(generations=2), store=store)
    assert store.record.chromosomes() is None
    assert store.record.without_chromosomes == WEIGHTS
    store.close()


def test_weights_are_not_kept(digits: Data) -> None:
    options: dict[str, Any] = {"parent_widths": (8,), "parent_images": 500}
    assert EComp(digits, **options).keeps_chromosomes
    assert not EComp(digits, encoding="weights", **options).keeps_chromosomes
