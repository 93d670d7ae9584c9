"""Does every command survive? Each killed with SIGKILL at random moments, begun again, compared.

Stories of commands on digits: runs of the papers' problems, with and without workers, with export,
ticket and report; comparisons, a study of an instance, a reproduction. Each story is told once
undisturbed. Then it is told again and again: every command is killed up to four times at random
moments, and given once more as a user gives it (`resume`, where there is something to resume). In
the end whole folders are compared, file by file and byte by byte; only the files of measured times
may differ. Commands run in forks of a process that has imported everything. At full size there are
1,000 kills, or PYMOO_PRUNE_KILLS; one that was stopped goes on.

Target: 0
"""

from __future__ import annotations

import hashlib
import importlib
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch

from benchmarks.harness import Outcome
from benchmarks.kept import Parts
from pymoo_prune.runs import SETTINGS_FILE

KILLS = 1_000
VARIABLE = "PYMOO_PRUNE_KILLS"
"""How many kills, where not all are wanted."""
EACH = 4
"""The most kills of one command, before it may end."""
LONGEST = 300.0
"""Seconds after which a command hangs."""
NEEDED = (
    "bokeh.embed", "bokeh.layouts", "bokeh.models", "bokeh.plotting", "matplotlib.figure",
    "matplotlib.backends.backend_agg", "pymoo_prune.comparing.page", "pymoo_prune.cli",
    "pymoo_prune.runs.report_page", "pymoo_prune_problems.dense_connectivity.problem",
    "pymoo_prune_problems.distilled_filters.problem", "pymoo_prune_problems.ecomp.reproduction",
    "pymoo_prune_problems.layer_vector.problem", "scipy.stats", "sklearn.datasets",
)  # fmt: skip
"""Modules that commands import, and forks have."""
SMALL = ("--threads", "1", "--pop-size", "6", "--generations", "3", "--finish", "100")
PROBLEMS = {
    "ecomp": ("--set", "parent_widths=[16,16]", "--set", "parent_images=3000"),
    "layer-vector": (
        *("--set", "network=resnet-8", "--set", "parent_epochs=0.05", "--set", "levels=4"),
        *("--set", "search_images=60", "--set", "recovery=none"),
    ),
    "dense-connectivity": (
        *("--set", "depth=10", "--set", "growth=4", "--set", "parent_epochs=0.05"),
        *("--set", "search_images=60", "--set", "train_images=100", "--set", "recovery=none"),
    ),
    "distilled-filters": (
        *("--set", "network=simple-cnn", "--set", "parent_epochs=0.05"),
        *("--set", "search_images=60", "--set", "recovery=refit", "--set", "recovery_images=60"),
    ),
}
"""Options that make each problem's run short."""


@dataclass(frozen=True)
class Story:
    """Commands that a user gives one after the other.

    Attributes:
        name: Its name.
        commands: Their arguments; results are in a folder `r`.
        like: The story whose folders must be the same; empty for its own.
    """

    name: str
    commands: Sequence[Sequence[str]]
    like: str = ""


def stories() -> list[Story]:
    """All stories."""
    found = []
    for problem, options in PROBLEMS.items():
        begin = ("run", problem, *SMALL, *options, "--output", "r")
        after = (
            ("export", "r", "--latency"),
            ("ticket", "r", "--images", "100", "--batch-sizes", "1"),
            ("report", "r", "--html", "--latex"),
        )
        found.append(Story(problem, (begin, *after)))
        workers = (*begin, "--workers", "2")
        found.append(Story(f"{problem}, workers", (workers, *after), like=problem))
        compared = ("compare", problem, "--algorithms", "nsga2", "--seeds", "2", "--jobs", "1")
        compare = (*compared, *SMALL, *options, "--output", "r")
        found.append(Story(f"{problem}, compared", (compare, ("report", "r", "--html"))))
    study = ("compare", "two-layers-digits-neurons", "--algorithms", "nsga2", "spea2", "--seeds")
    more = ("2", "--evaluations", "200", "--jobs", "1", "--output", "r")
    found.append(Story("suite", ((*study, *more), ("report", "r", "--html"))))
    again = ("reproduce", "ecomp", "--data", "digits", "--output", "r")
    return [*found, Story("reproduce", (again,))]


def run(quick: bool) -> Outcome:
    """The figure is the number of files that differ, and of commands that fail afterwards."""
    told = [one for one in stories() if not quick or one.name in ("ecomp", "suite")]
    kills = int(os.environ.get(VARIABLE, 10 if quick else KILLS))
    prepare()
    parts = Parts("kill-everything")
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        undisturbed: dict[str, Undisturbed] = {}
        while sum(one["kills"] for one in rounds) < kills:
            number = len(rounds)
            story = told[number % len(told)]

            def make(story: Story = story, number: int = number) -> dict[str, Any]:
                for name in {story.name, story.like} - {""} - undisturbed.keys():
                    (same,) = (one for one in told if one.name == name)
                    undisturbed[name] = Undisturbed.of(same, Path(place) / f"alone-{number}")
                found = disturbed(story, undisturbed, Path(place) / str(number), number)
                print(f"{number}: {story.name}: {found}", flush=True)
                return found

            rounds.append(make() if quick else parts.of(str(number), make))
    parts.forget()
    return outcome(rounds)


def outcome(rounds: Sequence[dict[str, Any]]) -> Outcome:
    """The figure and the table of all rounds."""
    wrong = [f"{one['story']}: {line}" for one in rounds for line in one["wrong"]]
    kills, differing, told = Counter[str](), Counter[str](), Counter[str]()
    for one in rounds:
        name = one["story"]
        told[name] += 1
        kills[name] += one["kills"]
        differing[name] += len(one["wrong"])
    rows = [(name, str(told[name]), str(kills[name]), str(differing[name])) for name in told]
    return Outcome(
        len(wrong),
        f"differences after {kills.total():,} kills",
        [("killed and begun again", ("story", "told", "kills", "differences"), rows)],
        {"kills": kills.total(), "stories": dict(kills), "wrong": wrong},
    )


# One story.


@dataclass(frozen=True)
class Undisturbed:
    """A story that nothing disturbed.

    Attributes:
        seconds: Of each command.
        files: The digests of the files in the end.
    """

    seconds: Sequence[float]
    files: dict[str, str]

    @classmethod
    def of(cls, story: Story, place: Path) -> Undisturbed:
        """Tells a story in a new folder."""
        place.mkdir()
        seconds = []
        for command in story.commands:
            began = time.perf_counter()
            if (code := ended(forked(command, place), LONGEST)) != 0:
                msg = f"{story.name}: {' '.join(command)} ended with {code}: {said(place)}"
                raise RuntimeError(msg)
            seconds.append(time.perf_counter() - began)
        return cls(seconds, digests_in(place / "r"))


def disturbed(
    story: Story, undisturbed: dict[str, Undisturbed], place: Path, seed: int
) -> dict[str, Any]:
    """Tells a story with kills; how many there were, and what went wrong."""
    place.mkdir()
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    kills, wrong = 0, []
    for command, seconds in zip(story.commands, undisturbed[story.name].seconds, strict=True):
        for left in range(EACH, -1, -1):
            process = forked(again(command, place), place)
            code = ended(process, chance.uniform(0, seconds) if left else LONGEST)
            if code is None:
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
                kills += 1
                wrong += [] if left else [f"{command[0]} hangs"]
                continue
            if code != 0:
                wrong.append(f"{command[0]} ended with {code}: {said(place)}")
            break
    files, expected = digests_in(place / "r"), undisturbed[story.like or story.name].files
    names = {**files, **expected}
    wrong += [f"{name} differs" for name in names if files.get(name) != expected.get(name)]
    return {"story": story.name, "kills": kills, "wrong": wrong}


def again(command: Sequence[str], place: Path) -> Sequence[str]:
    """A command as a user gives it after a kill."""
    begun = (place / "r" / SETTINGS_FILE).is_file()
    if command[0] != "run" or not begun:
        return command
    workers = command[command.index("--workers") :] if "--workers" in command else ()
    return ("resume", "r", *workers)


def digests_in(folder: Path) -> dict[str, str]:
    """The digests of all files of a folder, besides those of measured times."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.stem.endswith("times")
    }


# Processes.


def prepare() -> None:
    """Imports everything, so that forks need not; no thread may be running."""
    torch.set_num_threads(1)
    for name in NEEDED:
        importlib.import_module(name)
    reproduction: Any = importlib.import_module("pymoo_prune_problems.ecomp.reproduction")
    reproduction.EComp.POPULATION = 6  # the paper's own takes minutes
    reproduction.run_weighting.__kwdefaults__["generations"] = 3


def forked(command: Sequence[str], place: Path) -> int:
    """A process of the command line, in a folder; its number."""
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        _serve(command, place)
    return process


def _serve(command: Sequence[str], place: Path) -> NoReturn:
    code = 70
    try:
        os.chdir(place)
        output = os.open("said.txt", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        code = importlib.import_module("pymoo_prune.cli").main(list(command))
    except BaseException:  # noqa: BLE001 - it is printed, and ends this process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def ended(process: int, seconds: float) -> int | None:
    """Waits for a process; its exit code, or None if it still runs after some seconds."""
    deadline = time.perf_counter() + seconds
    while True:
        number, status = os.waitpid(process, os.WNOHANG)
        if number == process:
            return os.waitstatus_to_exitcode(status)
        if time.perf_counter() >= deadline:
            return None
        time.sleep(0.005)


def said(place: Path) -> str:
    """The end of what the last command printed."""
    return " ".join((place / "said.txt").read_text(errors="replace").split())[-300:]
