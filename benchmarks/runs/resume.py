"""Does a run survive? Killed with SIGKILL at random moments and resumed, against one left alone.

The same run is made twice in processes of its own: once undisturbed, once killed twenty times at
random moments (while it trains, searches, retrains, compares) and resumed each time. Then every
evaluation, their order, the front's numbers and its chromosomes are compared. Keep-masks and the
paper's GA.

Target: 0
"""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Outcome
from benchmarks.processes import EVALUATIONS, count, finish, rows_of, same_results, start
from pymoo_prune.runs import SETTINGS_FILE, STORE_FILE

KILLS = 20
RUNS = {
    "masks, NSGA-II": ["--generations", "40", "--pop-size", "60"],
    "weights, the paper's GA": ["--preset", "paper", "--generations", "40"],
}


def run(quick: bool) -> Outcome:
    """The figure is the number of differences found."""
    kills = 2 if quick else KILLS
    rows, differences, details = [], 0, {}
    for name, arguments in RUNS.items():
        with tempfile.TemporaryDirectory() as folder:
            alone, killed = Path(folder) / "alone", Path(folder) / "killed"
            began = time.perf_counter()
            finish(start(["run", "ecomp", *arguments, "--output", str(alone)]))
            seconds = time.perf_counter() - began
            moments = disturb(killed, arguments, kills, count(alone, "history"))
            found = compare(alone, killed)
        differences += sum(not same for same in found.values())
        details[name] = {"kills": kills, "moments": moments, "same": found}
        verdicts = ("same" if same else "DIFFERENT" for same in found.values())
        rows.append((name, str(kills), f"{seconds:.1f}", *verdicts))
    head = ("run", "kills", "undisturbed, s", *found)
    return Outcome(
        differences,
        f"differences after {kills} kills each",
        [("killed and resumed against left alone", head, rows)],
        {"runs": details},
    )


def disturb(folder: Path, arguments: list[str], kills: int, evaluations: int) -> list[str]:
    """Starts, kills and resumes; returns where the run was each time.

    Two kills fall before the search and four after it; the others when a random number of
    evaluations is reached, in rising order, so that each start gets a little further.
    """
    chance = random.Random(0)  # noqa: S311 - moments, not secrets
    before, after = min(2, kills - 1), min(4, kills - 1)
    within = sorted(chance.randrange(evaluations) for _ in range(kills - before - after))
    moments = []
    for wanted in [None] * before + within + [evaluations] * after:
        known = (folder / SETTINGS_FILE).is_file()
        again = ["resume", str(folder)]
        process = start(again if known else ["run", "ecomp", *arguments, "--output", str(folder)])
        if wanted is None:
            wait(process, chance.uniform(1.0, 3.0))
        else:
            while count(folder, "history") < wanted and process.poll() is None:
                time.sleep(0.002)
            # Within a generation, or while networks are retrained and baselines measured.
            wait(process, chance.uniform(0.0, 3.0 if wanted == evaluations else 0.1))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        moments.append(moment(folder))
    finish(start(["resume", str(folder)]))
    return moments


def wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Waits, unless the process ends before."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)


def moment(folder: Path) -> str:
    """How far a run is."""
    if not (folder / STORE_FILE).is_file():
        return "before the search"
    evaluations, generations = (count(folder, table) for table in ("history", "generations"))
    return f"{evaluations} evaluations, {generations} generations done"


def compare(alone: Path, killed: Path) -> dict[str, bool]:
    """Which parts of two run folders are the same."""
    same = rows_of(alone, EVALUATIONS) == rows_of(killed, EVALUATIONS)
    return {"evaluations": same, **same_results(alone, killed)}
