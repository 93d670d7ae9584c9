"""How long do reports and comparisons of runs with 10,000 evaluations take, and how much memory?

EComp is run twice for 10,000 evaluations. Then `report`, `report --html` and `compare` of both
folders are timed as commands, Python's start included. The figure is the slowest.

Target: at most 10 s, and 1 GB
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.harness import Outcome

COMMAND = (sys.executable, "-m", "pymoo_prune.cli")


def run(quick: bool) -> Outcome:
    """The figure is the slowest command's median, in seconds, the start of Python included."""
    generations, repeats = (10, 1) if quick else (100, 3)
    with tempfile.TemporaryDirectory() as folder:
        runs = [str(Path(folder) / f"seed-{seed}") for seed in range(2)]
        for seed, path in enumerate(runs):
            search = ("run", "ecomp", "--generations", f"{generations}", "--seed", f"{seed}")
            call([*search, "--finish", "0", "--threads", "1", "--output", path])
        commands = {
            "report": ["report", runs[0]],
            "report --html": ["report", runs[0], "--html"],
            "compare, two runs": ["compare", *runs, "--output", str(Path(folder) / "compared")],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        gigabytes: dict[str, float] = {}
        for name, command in commands.items():
            for _ in range(repeats):
                began = perf_counter()
                gigabytes[name] = max(call(command), gigabytes.get(name, 0.0))
                seconds[name].append(perf_counter() - began)
    rows = [
        (name, f"{median(times):.1f}", f"{max(times):.1f}", f"{gigabytes[name]:.2f}")
        for name, times in seconds.items()
    ]
    head = ("command", "median, s", "slowest", "GB")
    return Outcome(
        max(median(times) for times in seconds.values()),
        f"s, {max(gigabytes.values()):.2f} GB",
        [(f"{100 * generations:,} evaluations a run", head, rows)],
        {"generations": generations, "times": seconds, "gigabytes": gigabytes, "threads": 1},
    )


def call(arguments: list[str]) -> float:
    """Runs a command; returns its largest memory in GB."""
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL) as process:  # noqa: S603
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, arguments
    return 1024 * used.ru_maxrss / 1e9  # Linux counts in kilobytes
