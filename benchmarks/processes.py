"""Runs as a user makes them, in processes that can be killed; and what their folders hold then."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from pymoo_prune.errors import PruneError
from pymoo_prune.runs import CHROMOSOMES_FILE, FRONT_TABLE, STORE_FILE

EVALUATIONS = "SELECT * FROM measurements ORDER BY images, digest"
"""Everything that was measured."""
ORDER = "SELECT * FROM history ORDER BY number"
"""Everything that the search asked for, in its order."""


def start(arguments: list[str]) -> subprocess.Popen[bytes]:
    """A process of the command line."""
    command = [sys.executable, "-m", "pymoo_prune.cli", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603


def finish(process: subprocess.Popen[bytes]) -> None:
    """Waits for the end; an exit code other than 0 is an error."""
    _, errors = process.communicate()
    if process.returncode != 0:
        msg = f"the run ended with {process.returncode}: {errors.decode()[-500:]}"
        raise PruneError(msg)


def rows_of(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """Rows of a run's store."""
    with closing(sqlite3.connect(folder / STORE_FILE)) as database:
        return database.execute(query).fetchall()


def count(folder: Path, table: str) -> int:
    """How many rows a table of a run's store has; 0 while there is no store, or no table, yet."""
    if not (folder / STORE_FILE).is_file():
        return 0
    try:
        return int(rows_of(folder, f"SELECT COUNT(*) FROM {table}")[0][0])  # noqa: S608 - ours
    except sqlite3.Error:
        return 0


def same_results(one: Path, other: Path) -> dict[str, bool]:
    """Whether two runs asked for the same in the same order, and found the same."""
    files = {
        name: (one / name).read_bytes() == (other / name).read_bytes()
        for name in (FRONT_TABLE, CHROMOSOMES_FILE)
    }
    return {"order": rows_of(one, ORDER) == rows_of(other, ORDER), **files}
