"""Does every command survive? Each killed with SIGKILL at random moments, begun again, compared.

Runs of the papers' problems are made, exported, turned into tickets and reported, once undisturbed
and once with every command killed again and again, each in a process of its own. A command that was
killed is given once more as a user gives it: `run` goes on with `resume`. Then whole folders are
compared, file by file, besides what names measured time or the folder itself. At full size there
are 1,000 kills.

Target: 0
"""

from __future__ import annotations

import hashlib
import random
import signal
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Outcome
from benchmarks.processes import EVALUATIONS, finish, rows_of, same_results, start
from benchmarks.runs.resume import wait
from pymoo_prune.errors import PruneError
from pymoo_prune.runs import SETTINGS_FILE

KILLS = 1_000
SMALL = ["--threads", "1", "--pop-size", "8", "--generations", "3", "--finish", "300"]
PROBLEMS = {
    "ecomp": ["--set", "parent_widths=[16,16]", "--set", "parent_images=6000"],
    "layer-vector": ["--set", "parent_images=2000"],
    "dense-connectivity": ["--set", "parent_images=2000"],
    "distilled-filters": ["--set", "parent_images=2000"],
}
"""Options that make each problem's run short."""
TIMED = ("summary.json", "digests.json", "report.md", "network.json", "ticket.md", "lock.json")
"""Files that name measured time, versions of these files, or the folder."""
PICTURES = (".png", ".svg")


def run(quick: bool) -> Outcome:
    """The figure is the number of differences and of commands that are refused afterwards."""
    problems = ["ecomp"] if quick else list(PROBLEMS)
    commands = 4
    kills = max(1, (4 if quick else KILLS) // (len(problems) * commands))
    chance = random.Random(0)  # noqa: S311 - moments, not secrets
    rows, wrong = [], []
    for problem in problems:
        with tempfile.TemporaryDirectory() as place:
            alone, killed = Path(place) / "alone", Path(place) / "killed"
            seconds = [timed(command) for command in commands_of(problem, alone)]
            for command, whole in zip(commands_of(problem, killed), seconds, strict=True):
                wrong += disturbed(command, whole, kills, killed, chance)
            different = differing(alone, killed)
        wrong += [f"{problem}: {name} differs" for name in different]
        rows.append((problem, str(kills * commands), f"{sum(seconds):.1f}", str(len(different))))
    head = ("problem", "kills", "undisturbed, s", "files that differ")
    return Outcome(
        len(wrong),
        f"differences after {kills * commands * len(problems):,} kills",
        [("run, export, ticket and report, killed and begun again", head, rows)],
        {"kills": kills * commands * len(problems), "wrong": wrong},
    )


def commands_of(problem: str, folder: Path) -> list[list[str]]:
    """The commands, in their order."""
    ticket = ["ticket", str(folder), "--images", "300", "--batch-sizes", "1"]
    return [
        ["run", problem, *SMALL, *PROBLEMS[problem], "--output", str(folder)],
        ["export", str(folder)],
        ticket,
        ["report", str(folder), "--html"],
    ]


def timed(command: list[str]) -> float:
    """The seconds of an undisturbed command."""
    began = time.perf_counter()
    finish(start(command))
    return time.perf_counter() - began


def disturbed(
    command: list[str], seconds: float, kills: int, folder: Path, chance: random.Random
) -> list[str]:
    """Kills a command several times, then lets it end; what goes wrong, as lines."""
    for _ in range(kills):
        process = start(again(command, folder))
        wait(process, chance.uniform(0.3, 1.0) * seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    try:
        finish(start(again(command, folder)))
    except PruneError as error:
        return [f"{command[0]}: {error}"]
    return []


def again(command: list[str], folder: Path) -> list[str]:
    """A command as a user gives it after a kill."""
    begun = command[0] == "run" and (folder / SETTINGS_FILE).is_file()
    return ["resume", str(folder)] if begun else command


def differing(one: Path, other: Path) -> list[str]:
    """The files of two runs' folders that differ, besides those that must."""
    ours, theirs = digests_in(one), digests_in(other)
    found = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    found += [name for name, same in same_results(one, other).items() if not same]
    if rows_of(one, EVALUATIONS) != rows_of(other, EVALUATIONS):
        found.append("evaluations")
    return found


def digests_in(folder: Path) -> dict[str, str]:
    """The digests of the files of a folder, by name; databases are compared by their rows."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.name not in TIMED
        and not path.name.startswith((".part-", "evaluations.sqlite"))
        and path.suffix not in (*PICTURES, ".html")
    }
