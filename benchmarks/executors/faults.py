"""Do workers and drivers that are killed at random change anything?

The same run is made without workers and undisturbed, and with two workers. Workers of the second
are killed 50 times and its driver 10 times (SIGKILL), whenever a random number of measurements is
there and a random moment has passed; killed drivers are resumed. Then evaluations, order, front and
chromosomes are compared.

Target: 0

Found at 2849bb3: no evaluation is lost, and none is doubled.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from benchmarks.harness import Outcome
from benchmarks.processes import EVALUATIONS, ORDER, count, finish, rows_of, same_results, start
from pymoo_prune.errors import PruneError

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
        moments = disturb(killed, settings, kills, count(alone, "measurements"))
        found = compare(alone, killed)
    done = Counter(who for who, _ in moments)
    rows = [(name, str(value)) for name, value in found.items()]
    text = f"{done[WORKER]} kills of workers and {done[DRIVER]} of the driver"
    return Outcome(
        sum(found.values()),
        f"differences after {text}",
        [(f"{text}, against undisturbed and without workers", ("", "differences"), rows)],
        {"kills": dict(done), "moments": moments, "differences": found},
    )


def disturb(
    folder: Path, settings: list[str], kills: dict[str, int], total: int
) -> list[tuple[str, int]]:
    """Starts, kills and resumes; returns which process was killed, at how many measurements."""
    chance = random.Random(0)  # noqa: S311 - moments, not secrets
    victims = [who for who, times in kills.items() for _ in range(times)]
    chance.shuffle(victims)
    # Up to nine tenths: a process that is killed must have work left.
    wanted = sorted(chance.randrange(total * 9 // 10) for _ in victims)
    process = start(["run", *settings, *WORKERS, "--output", str(folder)])
    moments: list[tuple[str, int]] = []
    for who, measurements in zip(victims, wanted, strict=True):
        while count(folder, "measurements") < measurements or not workers_of(process):
            if process.poll() is not None:
                finish(process)
                msg = f"the run has ended after {len(moments)} kills, before it could be disturbed"
                raise PruneError(msg)
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 0.3))
        moments.append((who, count(folder, "measurements")))
        if who == DRIVER:
            process.kill()
            process.communicate()
            process = start(["resume", str(folder), *WORKERS])
        else:
            with suppress(ProcessLookupError, IndexError):  # the worker has just been replaced
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
    """The command that started a process; empty if the process is gone."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def compare(alone: Path, killed: Path) -> dict[str, int]:
    """How many things differ: lost and doubled evaluations, their order, and what was found."""
    one, other = (Counter(rows_of(folder, EVALUATIONS)) for folder in (alone, killed))
    once, twice = (
        Counter(row[-2:] for row in rows_of(folder, ORDER))  # its images, and its digest
        for folder in (alone, killed)
    )
    return {
        "lost": (one - other).total(),
        "doubled": (twice - once).total(),
        "not in the other": (other - one).total(),
        **{name: int(not same) for name, same in same_results(alone, killed).items()},
    }
