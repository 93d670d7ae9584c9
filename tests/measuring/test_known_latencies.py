"""Files of known latencies: nothing but that is read, written or run."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pymoo_prune import StoreError
from pymoo_prune.measuring import KnownLatencies

TABLE = "CREATE TABLE latencies (digest BLOB PRIMARY KEY, milliseconds REAL NOT NULL) WITHOUT ROWID"
ENDLESS = (
    "WITH RECURSIVE endless (number) AS (SELECT 0 UNION ALL SELECT number + 1 FROM endless) "
    "SELECT x'00' AS digest, number AS milliseconds FROM endless"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "latency.sqlite"


def made(path: Path, *statements: str) -> bytes:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        (["CREATE TABLE mine (a)"], "it holds the table 'mine'"),
        ([TABLE, "CREATE TABLE mine (a)"], "it holds the table 'mine'"),
        ([f"CREATE VIEW latencies AS {ENDLESS}"], "it holds the view 'latencies'"),
        ([TABLE, f"CREATE VIEW more AS {ENDLESS}"], "it holds the view 'more'"),
        (
            [
                TABLE,
                "CREATE TRIGGER more AFTER INSERT ON latencies BEGIN DELETE FROM latencies; END",
            ],
            "it holds the trigger 'more'",
        ),
        (["CREATE TABLE latencies (digest BLOB, millisecond REAL)"], "it holds the table 'latenc"),
        ([TABLE.replace("REAL", "TEXT")], "it holds the table 'latencies'"),
    ],
)
def test_other_files_are_refused_and_left_alone(
    path: Path, statements: list[str], reason: str
) -> None:
    before = made(path, *statements)
    for use in (lambda: KnownLatencies(path).get(b"a"), lambda: KnownLatencies(path).keep(b"a", 1)):
        with pytest.raises(StoreError, match=reason) as caught:
            use()
        assert str(path) in str(caught.value)
        assert "which no file of latencies has" in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("value", ["'slow'", "x'01'", "-1.0", "9e999"])
def test_values_that_are_no_latencies_are_named(path: Path, value: str) -> None:
    made(path, TABLE, f"INSERT INTO latencies VALUES (x'61', {value})")  # noqa: S608
    with pytest.raises(StoreError, match=r"latency.sqlite: a latency in it is .*; a damaged file"):
        KnownLatencies(path).get(b"a")


def test_damaged_pages_are_named(path: Path) -> None:
    known = KnownLatencies(path)
    for number in range(400):
        known.keep(number.to_bytes(16, "big"), 1.0 + number)
    content = bytearray(path.read_bytes())
    content[-4000:-3000] = bytes(1000)
    path.write_bytes(content)
    for number in (0, 200, 399):
        with pytest.raises(StoreError, match=r"latency.sqlite: .*; a damaged file must be"):
            KnownLatencies(path).get(number.to_bytes(16, "big"))


def test_an_empty_file_is_used(path: Path) -> None:
    path.touch()
    assert KnownLatencies(path).get(b"a") is None
    assert path.read_bytes() == b""
    assert KnownLatencies(path).keep(b"a", 2.5) == 2.5
    assert KnownLatencies(path).get(b"a") == 2.5


def test_files_of_older_versions_are_read(path: Path) -> None:
    made(path, TABLE.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))
    assert KnownLatencies(path).keep(b"a", 2.5) == 2.5
    assert KnownLatencies(path).get(b"a") == 2.5
