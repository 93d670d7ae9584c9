"""A store whose search has ended: its bytes depend on what was found, not on how often it stopped.

Working seconds, which are never the same twice, move out of the database into a file beside it.
Then the database is written once more, whole and in order.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import lru_cache
from pathlib import Path

from pymoo_prune.errors import StoreError
from pymoo_prune.files import write_text, writing
from pymoo_prune.search.database import connected, explained

HEAD = "generation,seconds"


def times_of(path: Path) -> Path:
    """The file with the working seconds of a store's search."""
    return path.with_name(f"{path.stem}-times.csv")


def elapsed(db: sqlite3.Connection, path: Path, generation: int) -> float | None:
    """Seconds of search up to the end of a generation, or None if it is not recorded.

    Args:
        db: A connection to the store.
        path: The store's file.
        generation: The generation.
    """
    query = "SELECT elapsed FROM generations WHERE generation = ?"
    row = db.execute(query, (generation,)).fetchone()
    if row is None:
        return None
    return float(row[0]) or _read(times_of(path)).get(generation, 0.0)


def settle(path: Path, times: Path | None = None) -> None:
    """Moves seconds into their file, and writes the database anew.

    A process that is killed meanwhile leaves a store with all of them. While another process reads
    the store, it stays as it is.

    Args:
        path: The store's file, which is closed.
        times: A new file for the seconds; None is the one beside the store, which may have some:
            then both files wait for the disk.
    """
    durable, times = times is None, times or times_of(path)
    with explained(path), closing(connected(path)) as db:
        rows = dict(db.execute("SELECT generation, elapsed FROM generations WHERE elapsed <> 0"))
        known = _read(times) if durable else {}
        write_text(times, _text({**known, **rows}), sync=durable)
        db.execute("UPDATE generations SET elapsed = 0 WHERE elapsed <> 0")
        try:
            db.execute("PRAGMA journal_mode = DELETE")  # a log beside it would be of the old file
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                return
            raise
        with writing(path, sync=durable) as part:
            db.execute("VACUUM INTO ?", (str(part),))
            db.close()
            with closing(connected(part)) as copy:  # VACUUM counts how often it was called
                copy.execute("PRAGMA journal_mode = MEMORY")  # a killed process would leave a file
                copy.execute("PRAGMA schema_version = 1")


def _text(seconds: Mapping[int, float]) -> str:
    lines = [f"{generation},{seconds[generation]!r}" for generation in sorted(seconds)]
    return "\n".join([HEAD, *lines]) + "\n"


def _read(path: Path) -> Mapping[int, float]:
    """Seconds by generation; none where the file is not there."""
    try:
        about = path.stat()
        return _parsed(path, about.st_mtime_ns, about.st_size)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        msg = (
            f"{path} cannot be read: {error}; restore it from a copy, or remove it: the times of "
            "the search are then unknown, and only one with a time budget needs them to go on"
        )
        raise StoreError(msg) from error


@lru_cache(maxsize=4)  # a replay asks once for each generation
def _parsed(path: Path, written: int, size: int) -> Mapping[int, float]:  # noqa: ARG001
    head, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    if head != HEAD:
        msg = f"it begins with {head[:40]!r}"
        raise ValueError(msg)
    pairs = (line.split(",") for line in lines)
    return {int(generation): float(seconds) for generation, seconds in pairs}
