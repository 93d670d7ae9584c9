"""Do workers and drivers that are killed at random change anything?

The same run is made without workers and undisturbed, and with two workers. Of the second, workers
and the driver are killed (SIGKILL) again and again, whenever a random number of measurements is
there and a random moment has passed; killed drivers are resumed. Then everything is compared.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from benchmarks.harness import Outcome
from pymoo_prune.errors import PruneError
from pymoo_prune.run import CHROMOSOMES, FRONT, STORE

WORKERS = ["--workers", "2"]
WORKER, DRIVER = "worker", "driver"


def run(quick: bool) -> Outcome:
    """The figure is the number of differences found, lost and doubled evaluations included."""
    kills = {WORKER: 3, DRIVER: 1} if quick else {WORKER: 50, DRIVER: 10}
    settings = [
        *("ecomp", "--generations", "4" if quick else "60", "--pop-size", "30" if quick else "60"),
        *("--threads", "1", "--set", "recovery=refit+steps:10", "--finish", "0"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        alone, killed = Path(folder) / "alone", Path(folder) / "killed"
        finish(start(["run", *settings, "--output", str(alone)]))
        moments = disturb(killed, settings, kills, len(evaluations(alone)))
        found = compare(alone, killed)
    done = Counter(who for who, _ in moments)
    rows = [(name, str(value)) for name, value in found.items()]
    text = f"{done[WORKER]} kills of workers and {done[DRIVER]} of the driver"
    return Outcome(
        sum(found.values()),
        f"differences after {text}",
        "0",
        [(f"{text}, against undisturbed and without workers", ("", "differences"), rows)],
        {"kills": dict(done), "moments": moments, "differences": found},
    )


def start(arguments: list[str]) -> subprocess.Popen[bytes]:
    """A process of the command line."""
    command = [sys.executable, "-m", "pymoo_prune.cli", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603


def finish(process: subprocess.Popen[bytes]) -> None:
    """Waits for the end, which must be a good one."""
    _, errors = process.communicate()
    if process.returncode != 0:
        msg = f"the run ended with {process.returncode}: {errors.decode()[-500:]}"
        raise PruneError(msg)


def disturb(
    folder: Path, settings: list[str], kills: dict[str, int], total: int
) -> list[tuple[str, int]]:
    """Starts, kills and resumes; returns who was killed, and how many measurements there were."""
    chance = random.Random(0)  # noqa: S311 - moments, not secrets
    victims = [who for who, times in kills.items() for _ in range(times)]
    chance.shuffle(victims)
    # Up to nine tenths: whoever is killed must have something left to do.
    wanted = sorted(chance.randrange(total * 9 // 10) for _ in victims)
    process = start(["run", *settings, *WORKERS, "--output", str(folder)])
    moments: list[tuple[str, int]] = []
    for who, measurements in zip(victims, wanted, strict=True):
        while len(evaluations(folder)) < measurements or not workers_of(process):
            if process.poll() is not None:
                finish(process)
                msg = f"the run has ended after {len(moments)} kills, before it could be disturbed"
                raise PruneError(msg)
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 0.3))
        moments.append((who, len(evaluations(folder))))
        if who == DRIVER:
            process.kill()
            process.communicate()
            process = start(["resume", str(folder), *WORKERS])
        else:
            with suppress(ProcessLookupError, IndexError):  # it has just been replaced
                os.kill(chance.choice(workers_of(process)), signal.SIGKILL)
    finish(process)
    return moments


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    """Processes that measure."""
    with suppress(OSError):
        text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        children = [int(child) for child in text.split()]
        return [one for one in children if b"spawn_main" in command_of(one)]
    return []


def command_of(process: int) -> bytes:
    """What it was started with; nothing if it is gone."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def evaluations(folder: Path) -> list[Any]:
    """Everything that was measured."""
    return rows_of(folder, "SELECT * FROM measurements ORDER BY images, digest")


def rows_of(folder: Path, query: str) -> list[Any]:
    """Rows of a run's store; none where there is no store yet."""
    if not (folder / STORE).is_file():
        return []
    try:
        with closing(sqlite3.connect(folder / STORE)) as database:
            return database.execute(query).fetchall()
    except sqlite3.Error:  # it is being made
        return []


def compare(alone: Path, killed: Path) -> dict[str, int]:
    """How many things differ: lost and doubled evaluations, their order, and what was found."""
    one, other = Counter(evaluations(alone)), Counter(evaluations(killed))
    keys = Counter(row[:2] for row in other.elements())
    order = "SELECT * FROM history ORDER BY number"
    files = {
        name: (alone / name).read_bytes() != (killed / name).read_bytes()
        for name in (FRONT, CHROMOSOMES)
    }
    return {
        "lost": len(one - other),
        "doubled": sum(times > 1 for times in keys.values()),
        "not in the other": len(other - one),
        "order": int(rows_of(alone, order) != rows_of(killed, order)),
        **{name: int(different) for name, different in files.items()},
    }
