"""Runs in processes of their own, which tests watch and kill."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from pymoo_prune.search import Display

ROOT = Path(__file__).resolve().parents[2]

HISTORY = "SELECT * FROM history ORDER BY number"
"""Everything that a search asked for, in its order."""

MEASUREMENTS = "SELECT * FROM measurements ORDER BY images, digest"
"""Everything that was measured."""

GENES = "SELECT * FROM chromosomes ORDER BY digest"
"""The chromosomes that are kept, packed."""


def python(*arguments: str, apart: bool = False, **environment: str) -> subprocess.Popen[str]:
    """Python with this repository on its path, and one thread; `apart` from our own processes."""
    paths = os.pathsep.join(map(str, [ROOT, ROOT / "problems"]))
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=apart,
    )


def started(
    arguments: Sequence[str], *, apart: bool = False, **environment: str
) -> subprocess.Popen[str]:
    """The command line."""
    return python("-m", "pymoo_prune.cli", *arguments, apart=apart, **environment)


def quiet() -> Display:
    """A display that shows nothing."""
    return Display(Console(quiet=True))


def finished(process: subprocess.Popen[str]) -> str:
    """Waits for a good end; returns what was printed."""
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return out


def waited_for(
    condition: Callable[[], object], process: subprocess.Popen[str] | None = None
) -> None:
    """Waits until a condition holds, while a process lives."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.005)


def stopped_when(
    process: subprocess.Popen[str], reached: Callable[[], bool], with_signal: signal.Signals
) -> tuple[str, str]:
    """Sends a signal as soon as the run has come so far; what the process printed."""
    deadline = time.monotonic() + 120
    while process.poll() is None and not reached():
        assert time.monotonic() < deadline, "the run does not get there"
        time.sleep(0.002)
    process.send_signal(with_signal)
    return process.communicate(timeout=60)


def query(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a run's store; a change to the store is kept."""
    path = folder / "evaluations.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        return database.execute(sql).fetchall()


def asked(folder: Path) -> int:
    """How many evaluations the search asked for."""
    try:
        return int(query(folder, "SELECT COUNT(*) FROM history")[0][0])
    except sqlite3.Error:
        return 0


def measurements(folder: Path) -> int:
    """How many there are in a run's store."""
    try:
        return int(query(folder, "SELECT COUNT(*) FROM measurements")[0][0])
    except sqlite3.Error:  # it is being made
        return 0


def tables(path: Path) -> list[list[tuple[Any, ...]]]:
    """A store's measurements, and the order in which they were asked for."""
    with closing(sqlite3.connect(path)) as database:
        return [database.execute(sql).fetchall() for sql in (MEASUREMENTS, HISTORY)]


def contents(folder: Path) -> tuple[bytes, bytes, list[list[tuple[Any, ...]]]]:
    """The parts that must be the same in two folders of one run: front, chromosomes and store."""
    front, chromosomes = ((folder / name).read_bytes() for name in ("front.csv", "front.npz"))
    return front, chromosomes, tables(folder / "evaluations.sqlite")


def assert_same_run(one: Path, other: Path) -> None:
    """Same history, same measurements and chromosomes to the last bit, same front."""
    for sql in (HISTORY, MEASUREMENTS, "SELECT generation FROM generations ORDER BY generation"):
        rows = query(one, sql)
        assert len(rows) > 0
        assert rows == query(other, sql), sql
    assert query(one, GENES) == query(other, GENES)
    assert (one / "front.csv").read_bytes() == (other / "front.csv").read_bytes()
    with np.load(one / "front.npz") as first, np.load(other / "front.npz") as second:
        assert first.files == second.files
        for name in first.files:
            assert first[name].tobytes() == second[name].tobytes()
    summaries = [json.loads((run / "summary.json").read_text()) for run in (one, other)]
    assert summaries[0] == summaries[1]


def files_in(folder: Path) -> dict[str, bytes]:
    """All files of a folder, besides those with measured times."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.stem.endswith("times")
    }


def disk_events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """What waits for the disk, and what is moved to its place, in order, by final names."""
    events: list[tuple[str, Path]] = []
    sync, move = os.fsync, Path.replace

    def final(path: Path) -> Path:
        return path.with_name(re.sub(r"^(\.part-\d+-\w{8}-\w{16}-)+", "", path.name))

    def syncing(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        sync(descriptor)
        events.append(("sync", final(path)))

    def moving(path: Path, target: Path | str) -> Path:
        events.append(("move", final(Path(target))))
        return move(path, target)

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(Path, "replace", moving)
    return events


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
    """The command that started a process; empty if the process is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def half_an_answer(pipe: Connection) -> None:
    """Kills its own process in the middle of an answer."""
    os.write(pipe.fileno(), (1_000_000).to_bytes(4, "big") + b"what comes")
    os.kill(os.getpid(), signal.SIGKILL)
