"""Latencies that were measured before, in memory and in a file."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pymoo_prune.errors import StoreError, check_path

PATIENCE = 60.0
"""Seconds to wait for another process that writes to the same file."""
_TABLE = (
    "CREATE TABLE latencies (digest BLOB PRIMARY KEY, milliseconds REAL NOT NULL) WITHOUT ROWID"
)


class KnownLatencies:
    """Latencies measured before, by digest: in memory, and in a file if there is one.

    Several processes may use one file at once. The first latency written for a digest counts, and
    the other processes take it over. A file is used only if it holds the table of latencies and
    nothing else: what other files hold is neither run nor changed.

    Args:
        path: The database file, made when the first latency is kept; None for memory alone.

    Attributes:
        fresh: The number of latencies that were measured.
        hits: The number of look-ups that found a known latency.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = None if path is None else check_path("path", path)
        self.fresh = self.hits = 0
        self._memory: dict[bytes, float] = {}
        self._looked = False

    def get(self, key: bytes) -> float | None:
        """A latency in milliseconds; None if it is not known."""
        if key not in self._memory and self.path is not None and self.path.exists():
            with self._database(self.path) as db:
                if _has_table(db):
                    self._read(db, key)
        self.hits += key in self._memory
        return self._memory.get(key)

    def keep(self, key: bytes, milliseconds: float) -> float:
        """Keeps a measured latency, unless another process kept one first.

        Returns:
            The latency that counts from now on.
        """
        self.fresh += 1
        if self.path is not None:
            with self._database(self.path) as db:
                db.execute("BEGIN IMMEDIATE")
                if not _has_table(db):
                    db.execute(_TABLE)
                values = (key, milliseconds)
                db.execute("INSERT OR IGNORE INTO main.latencies VALUES (?, ?)", values)
                db.execute("COMMIT")
                self._read(db, key)
        return self._memory.setdefault(key, milliseconds)

    def _read(self, db: sqlite3.Connection, key: bytes) -> None:
        # Qualified: SQLite takes the name of an unknown column to be a text.
        query = "SELECT latencies.milliseconds FROM main.latencies WHERE latencies.digest = ?"
        for (milliseconds,) in db.execute(query, (key,)):
            number = isinstance(milliseconds, float) and math.isfinite(milliseconds)
            if not number or milliseconds < 0:
                msg = f"a latency in it is {milliseconds!r}"
                raise sqlite3.DatabaseError(msg)
            self._memory.setdefault(key, milliseconds)

    @contextmanager
    def _database(self, path: Path) -> Iterator[sqlite3.Connection]:
        """The file, opened for a moment: copies of this object and other processes share it."""
        try:
            db = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
            # No WAL: several processes cannot switch to it at once, and little is written.
            with closing(db):
                db.execute("PRAGMA trusted_schema = OFF")
                _has_table(db)
                if not self._looked:
                    damage = db.execute("PRAGMA quick_check(1)").fetchone()[0]
                    if damage != "ok":
                        raise sqlite3.DatabaseError(" ".join(str(damage).split()))
                    self._looked = True
                yield db
        except sqlite3.Error as error:
            msg = (
                f"{path}: {error}; check that the folder can be written to and has space; a "
                "damaged file must be restored from a copy, or the search started anew"
            )
            raise StoreError(msg) from error


def _has_table(db: sqlite3.Connection) -> bool:
    """Whether a file has the table of latencies; an empty file has none.

    Raises:
        sqlite3.DatabaseError: It holds something else, such as a view, which would run.
    """
    found = db.execute("SELECT type, name, sql FROM main.sqlite_master").fetchall()
    for kind, name, sql in found:
        if " ".join(str(sql).split()) != _TABLE:
            msg = f"it holds the {kind} {name!r}, which no file of latencies has"
            raise sqlite3.DatabaseError(msg)
    return bool(found)
