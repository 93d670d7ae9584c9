"""Damaged stores, full disks, and rows that changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pymoo_prune import Store, StoreError
from pymoo_prune.chromosomes import digests
from tests.support.stores import NAMES, VERSIONS, Counting, count, filled, measured, rows
from tests.support.tiny_problem import full_disk

# Damage.


def garbage(content: bytes) -> bytes:
    return np.random.default_rng(0).bytes(len(content))


def cut_short(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    """Every page but the first has its header inverted."""
    changed = bytearray(content)
    for page in range(4096, len(content), 4096):
        for place in range(page, page + 64):
            changed[place] ^= 0xFF
    return bytes(changed)


def another_database(content: bytes) -> bytes:
    return b"SQLite format 3\0" + bytes(len(content) - 16)


@pytest.mark.parametrize("damage", [garbage, cut_short, flipped, another_database])
def test_damage_is_found_when_the_file_is_opened(
    path: Path, damage: Callable[[bytes], bytes]
) -> None:
    filled(path)
    path.write_bytes(damage(path.read_bytes()))
    before = path.read_bytes()
    for attempt in (lambda: Store(path, NAMES, "f1", VERSIONS), lambda: Store.existing(path)):
        with pytest.raises(StoreError, match="damaged") as caught:
            attempt()
        assert str(path) in str(caught.value)
    assert path.read_bytes() == before


def test_a_database_of_something_else_is_no_store(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE people (name TEXT)")
    db.close()
    with pytest.raises(StoreError, match="or is not a store"):
        Store.existing(path)


# A full disk.


def test_a_full_database_says_so_and_stays_usable(store: Store, path: Path) -> None:
    X = rows(*range(4))
    measured(store, X, digests(X), "batch 0", Counting())
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    many = rows(*range(2_000))
    with pytest.raises(StoreError, match="free some space"):
        measured(store, many, digests(many), "batch 0", Counting())
    kept = count(path)
    assert kept >= 4
    store._db.execute("PRAGMA max_page_count = 1000000")
    measure = Counting()
    values = measured(store, many, digests(many), "batch 0", measure)
    assert sum(map(len, measure.asked)) == 2_000 - kept
    assert np.array_equal(values["macs"], many[:, 0] * 10.0)


def test_a_full_disk_says_so_and_loses_nothing(store: Store, path: Path) -> None:
    X = rows(*range(4))
    measured(store, X, digests(X), "batch 0", Counting())
    size = sum(file.stat().st_size for file in path.parent.iterdir())
    many = rows(*range(2_000))
    with full_disk(size + 8_192), pytest.raises(StoreError, match="free some space"):
        measured(store, many, digests(many), "batch 0", Counting())
    kept = count(path)
    assert 4 <= kept < 2_000
    measure = Counting()  # the same store, once there is space again
    values = measured(store, many, digests(many), "batch 0", measure)
    assert sum(map(len, measure.asked)) == 2_000 - kept
    assert np.array_equal(values["macs"], many[:, 0] * 10.0)


# Rows that changed, and what is no store.


CHANGES = (
    "UPDATE measurements SET macs = macs + 1 WHERE digest = (SELECT digest FROM history LIMIT 1)",
    "UPDATE measurements SET accuracy = 'abc' WHERE digest = (SELECT digest FROM history LIMIT 1)",
    "UPDATE measurements SET failure = 'no' WHERE digest = (SELECT digest FROM history LIMIT 1)",
    "UPDATE measurements SET images = 'batch 1'",
    "UPDATE measurements SET checksum = NULL",
    "UPDATE history SET generation = 2 WHERE number = 3",
    "UPDATE history SET digest = x'00' WHERE number = 3",
    "ALTER TABLE measurements RENAME COLUMN macs TO macz",
    "UPDATE about SET value = '[\"accuracy\", \"macz\"]' WHERE key = 'quantities'",
    "UPDATE about SET value = '[1, 2]' WHERE key = 'quantities'",
    "UPDATE about SET value = '[]' WHERE key = 'versions'",
    "UPDATE about SET value = '{' WHERE key = 'versions'",
    "CREATE TRIGGER mine AFTER INSERT ON about BEGIN DELETE FROM history; END",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE TABLE mine (a)",
)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_row_or_table_is_a_named_error(path: Path, change: str) -> None:
    filled(path)
    with sqlite3.connect(path) as db:
        db.execute(change)
    db.close()
    with pytest.raises(StoreError, match=r"damaged") as caught:
        Store.existing(path)
    assert str(path) in str(caught.value)
    with pytest.raises(StoreError):
        Store(path, NAMES, "f1", VERSIONS)


def test_every_flipped_byte_is_an_error_or_changes_nothing(path: Path) -> None:
    filled(path, 60)
    whole = path.read_bytes()
    store = Store.existing(path)
    expected = {name: column.tobytes() for name, column in store.evaluations().items()}
    store.close()
    for place in np.random.default_rng(0).integers(0, len(whole), 300).tolist():
        changed = bytearray(whole)
        changed[place] ^= 0x15
        path.write_bytes(changed)
        try:
            store = Store.existing(path)
            found = {name: column.tobytes() for name, column in store.evaluations().items()}
            store.generation_means()
            store.close()
        except StoreError:
            continue
        assert found == expected, place


def test_stores_without_checksums_go_on_without(path: Path) -> None:
    filled(path)
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE history DROP COLUMN checksum")
        db.executescript("""
            ALTER TABLE measurements RENAME TO newer;
            CREATE TABLE measurements (images TEXT, digest BLOB, "accuracy" REAL, "macs" REAL,
                failure TEXT, PRIMARY KEY (images, digest)) WITHOUT ROWID;
            INSERT INTO measurements SELECT images, digest, accuracy, macs, failure FROM newer;
            DROP TABLE newer;
        """)
    db.close()
    store = Store(path, NAMES, "f1", VERSIONS)
    X = rows(*range(390, 410))
    store.follow(400, 2, "batch 0", digests(X))
    measured(store, X, digests(X), "batch 0", Counting())
    store.close()
    store = Store.existing(path)
    assert len(store.evaluations()["macs"]) == 420
    store.close()


def test_a_store_without_evaluations_has_no_means(store: Store) -> None:
    assert {name: len(column) for name, column in store.generation_means().items()} == {
        "generation": 0, "accuracy": 0, "macs": 0,
    }  # fmt: skip
