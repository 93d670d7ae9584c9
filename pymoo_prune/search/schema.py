"""The tables of a store's database, and checks that a file has these and no damaged row.

Each row of measurements and of the history has a checksum. Files of older versions have none, and
are read without.
"""

from __future__ import annotations

import json
import math
import sqlite3
import struct
from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

from pymoo_prune.errors import PruneError, shown
from pymoo_prune.search import chromosomes

CHECKSUM = "checksum"
ABOUT = {"key": "TEXT", "value": "TEXT"}
HISTORY = {"number": "INTEGER", "generation": "INTEGER", "images": "TEXT", "digest": "BLOB"}
GENERATIONS = {"generation": "INTEGER", "elapsed": "REAL"}
CHROMOSOMES = {
    "digest": "BLOB", "genes": "INTEGER", "dtype": "TEXT", "packing": "TEXT", "data": "BLOB",
}  # fmt: skip
MEASUREMENTS = "measurements"

Checksum = Callable[[str, bytes, Sequence[float | None], str | None], int]
"""(images, digest, values, failure) -> the checksum of a row of measurements."""


def names_of(quantities: Any) -> tuple[str, ...]:
    """Names of quantities; what are none is refused."""
    names = isinstance(quantities, Sequence) and not isinstance(quantities, str)
    if not names or not all(isinstance(name, str) for name in quantities):
        msg = f"quantities must be a list of names, but they are {shown(quantities)}"
        raise PruneError(msg)
    return tuple(quantities)


def quoted(name: str) -> str:
    """A column's name in SQL; a string literal can never be meant."""
    return f'"{name.replace(chr(34), chr(34) * 2)}"'


def columns_of(quantities: Sequence[str]) -> str:
    """The columns of measurements in SQL, which cannot be anything but columns."""
    return ", ".join(f"{MEASUREMENTS}.{quoted(name)}" for name in quantities)


def create_tables(db: sqlite3.Connection, quantities: Sequence[str]) -> None:
    """Makes the tables that are not there.

    Args:
        db: A connection in a transaction.
        quantities: Names of what is measured.
    """
    columns = ", ".join(f"{quoted(name)} REAL" for name in quantities)
    complete = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in quantities)
    db.execute(
        f"CREATE TABLE IF NOT EXISTS measurements (images TEXT, digest BLOB, {columns}, "
        f"failure TEXT, checksum INTEGER, CHECK (failure IS NOT NULL OR ({complete})), "
        "PRIMARY KEY (images, digest)) WITHOUT ROWID"
    )
    db.execute(
        "CREATE TABLE IF NOT EXISTS history (number INTEGER PRIMARY KEY, "
        "generation INTEGER NOT NULL, images TEXT NOT NULL, digest BLOB NOT NULL, checksum INTEGER)"
    )
    db.execute(
        "CREATE TABLE IF NOT EXISTS generations (generation INTEGER PRIMARY KEY, "
        "elapsed REAL NOT NULL)"
    )
    db.execute(chromosomes.TABLE)


def check_objects(db: sqlite3.Connection) -> None:
    """Refuses a file with anything but a store's tables: its views and triggers would run.

    Args:
        db: A connection.

    Raises:
        sqlite3.DatabaseError: There is something else.
    """
    known = {"about", MEASUREMENTS, "history", "generations", "chromosomes"}
    for kind, name, table, sql in db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"):
        own_index = kind == "index" and sql is None and table in known
        own_table = (
            kind == "table" and name in known and str(sql).startswith(f"CREATE TABLE {name}")
        )
        if not (own_index or own_table):
            msg = f"it holds a {kind} {name!r}, which no store has"
            raise sqlite3.DatabaseError(msg)


def check_columns(db: sqlite3.Connection, quantities: Sequence[str]) -> bool:
    """Refuses a file with other columns.

    Args:
        db: A connection.
        quantities: Names of what is measured.

    Returns:
        Whether rows have checksums.

    Raises:
        sqlite3.DatabaseError: A table has other columns.
    """
    measured = {
        "images": "TEXT", "digest": "BLOB", **dict.fromkeys(quantities, "REAL"), "failure": "TEXT",
    }  # fmt: skip
    tables = {MEASUREMENTS: measured, "history": HISTORY, "generations": GENERATIONS}
    found = {name: _columns(db, name) for name in (*tables, "chromosomes")}
    for name in (MEASUREMENTS, "history"):
        if CHECKSUM in found[MEASUREMENTS]:
            tables[name] = {**tables[name], CHECKSUM: "INTEGER"}
    if found["chromosomes"]:  # older versions kept none
        tables["chromosomes"] = CHROMOSOMES
    for name, columns in tables.items():
        if list(found[name].items()) != list(columns.items()):
            msg = f"the columns of its table {name} are not {', '.join(columns)}"
            raise sqlite3.DatabaseError(msg)
    return CHECKSUM in found[MEASUREMENTS]


def _columns(db: sqlite3.Connection, table: str) -> dict[str, str]:
    return {row[1]: row[2] for row in db.execute(f"PRAGMA table_info({table})")}


def measurement_checksum(quantities: int) -> Checksum:
    """What computes the checksums of rows of measurements.

    Args:
        quantities: How many values a row has.
    """
    pack = struct.Struct(f"<{quantities}d").pack

    def checksum(
        images: str, digest: bytes, values: Sequence[float | None], failure: str | None
    ) -> int:
        # SQLite reads NaN as NULL; a NaN has many bit patterns.
        numbers = [math.nan if one is None or math.isnan(one) else one for one in values]
        return crc32(f"{images}\0{failure}".encode(), crc32(pack(*numbers), crc32(digest)))

    return checksum


def history_checksum(number: int, generation: int, images: str, digest: bytes) -> int:
    """The checksum of a row of the history."""
    return crc32(f"{number} {generation} {images}".encode(), crc32(digest))


def check_rows(db: sqlite3.Connection, quantities: Sequence[str]) -> None:
    """Refuses a file with a row that is not the one that was written.

    Args:
        db: A connection to a store whose rows have checksums.
        quantities: Names of what is measured.

    Raises:
        sqlite3.DatabaseError: A row is damaged.
    """
    checksum = measurement_checksum(len(quantities))
    columns = f"images, digest, {columns_of(quantities)}, failure, checksum"
    rows = db.execute(f"SELECT {columns} FROM measurements")  # noqa: S608 - columns are quoted
    _check(MEASUREMENTS, rows, lambda row: checksum(row[0], row[1], row[2:-2], row[-2]))
    rows = db.execute("SELECT number, generation, images, digest, checksum FROM history")
    _check("history", rows, lambda row: history_checksum(*row[:-1]))


def _check(table: str, rows: sqlite3.Cursor, checksum: Callable[[tuple[Any, ...]], int]) -> None:
    for row in rows:
        try:
            whole = checksum(row) == row[-1]
        except (struct.error, TypeError, AttributeError):  # a value of another type
            whole = False
        if not whole:
            msg = f"a row of its table {table} is not the one that was written"
            raise sqlite3.DatabaseError(msg)


def texts_in(text: str, kind: type[list[str] | dict[str, str]]) -> Any:
    """A list or an object of texts, from JSON.

    Args:
        text: The JSON.
        kind: Which of both.
    """
    found = json.loads(text)
    values = found.values() if isinstance(found, dict) else found
    if not isinstance(found, kind) or not all(isinstance(one, str) for one in values):
        what = "an object" if kind is dict else "a list"
        msg = f"{text[:80]!r} must be {what} of texts"
        raise ValueError(msg)
    return found
