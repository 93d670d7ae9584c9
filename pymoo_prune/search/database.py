"""Connections to a store's SQLite file, and advice for its errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pymoo_prune.errors import StoreError


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into errors that say what to do.

    Args:
        path: The database file.
    """
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        if "full" in text or "disk I/O" in text:
            advice = "free some space on the disk and resume the run; what was done is kept"
        elif "UNIQUE" in text:
            advice = "another process works on the same run; wait until that has ended"
        elif "readonly" in text:
            advice = "it was opened for reading, or is not yours to write; work on a copy"
        elif "locked" in text:
            advice = "another process writes to it; wait until that has ended"
        elif isinstance(error, sqlite3.OperationalError) and "unable to open" in text:
            advice = "check that the folder exists and can be written to"
        else:
            advice = "the file is damaged; restore it from a copy, or start a new run"
        msg = f"{path}: {text}; {advice}"
        raise StoreError(msg) from error


def connected(path: Path) -> sqlite3.Connection:
    """A connection that reads and writes; the file is made if it is not there."""
    return _careful(sqlite3.connect(path, isolation_level=None))


def reading(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing on disk.

    Without a log beside it, the file is complete and no process writes to it. SQLite may then take
    it to be immutable, and adds no files to the folder.
    """
    log = path.with_name(f"{path.name}-wal")
    options = "mode=ro" if log.exists() else "mode=ro&immutable=1"
    place = f"{path.absolute().as_uri()}?{options}"
    return _careful(sqlite3.connect(place, uri=True, isolation_level=None))


def _careful(db: sqlite3.Connection) -> sqlite3.Connection:
    """The connection, in which a file's own views and triggers can call nothing dangerous."""
    db.execute("PRAGMA trusted_schema = OFF")
    return db
