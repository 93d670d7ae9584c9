"""Runs in processes of their own, which tests watch and kill."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def python(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Python with this repository on its path, and one thread."""
    paths = os.pathsep.join(map(str, [ROOT, ROOT / "problems"]))
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def started(arguments: list[str], **environment: str) -> subprocess.Popen[str]:
    """The command line."""
    return python("-m", "pymoo_prune.cli", *arguments, **environment)


def finished(process: subprocess.Popen[str]) -> str:
    """Waits for a good end; returns what was printed."""
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return out


def waited_for(
    condition: Callable[[], object], process: subprocess.Popen[str] | None = None
) -> None:
    """Waits until something is so, while a process lives."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.005)


def measurements(folder: Path) -> int:
    """How many there are in a run's store."""
    try:
        with sqlite3.connect(folder / "evaluations.sqlite") as db:
            found = db.execute("SELECT COUNT(*) FROM measurements").fetchone()[0]
        db.close()
    except sqlite3.Error:  # it is being made
        return 0
    return int(found)


def tables(path: Path) -> list[list[tuple[Any, ...]]]:
    """What a store has: measurements, and the order in which they were asked for."""
    with sqlite3.connect(path) as db:
        found = [
            db.execute(sql).fetchall()
            for sql in (
                "SELECT * FROM measurements ORDER BY images, digest",
                "SELECT * FROM history ORDER BY number",
            )
        ]
    db.close()
    return found


def contents(folder: Path) -> tuple[bytes, bytes, list[list[tuple[Any, ...]]]]:
    """What must be the same in two folders of one run: front, chromosomes and store."""
    front, chromosomes = ((folder / name).read_bytes() for name in ("front.csv", "front.npz"))
    return front, chromosomes, tables(folder / "evaluations.sqlite")


def alive(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """Processes that a process started and that are there."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def command_of(pid: int) -> bytes:
    """What a process was started with; nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def half_an_answer(pipe: Connection) -> None:
    """What a process does that is killed while it answers."""
    os.write(pipe.fileno(), (1_000_000).to_bytes(4, "big") + b"what comes")
    os.kill(os.getpid(), signal.SIGKILL)
