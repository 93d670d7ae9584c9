"""Reports and comparisons of runs with ten thousand evaluations: how long they take, and memory."""

from __future__ import annotations

import resource
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
        for name, command in commands.items():
            for _ in range(repeats):
                began = perf_counter()
                call(command)
                seconds[name].append(perf_counter() - began)
    # Of the largest of all processes: the searches and these commands.
    gibibytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    rows = [(name, f"{median(times):.1f}", f"{max(times):.1f}") for name, times in seconds.items()]
    return Outcome(
        max(median(times) for times in seconds.values()),
        f"s, at most {gibibytes:.2f} GiB",
        "at most 10, and 1 GB",
        [(f"{100 * generations:,} evaluations a run", ("command", "median, s", "slowest"), rows)],
        {"generations": generations, "seconds": seconds, "gibibytes": gibibytes, "threads": 1},
    )


def call(arguments: list[str]) -> None:
    subprocess.run([*COMMAND, *arguments], check=True, capture_output=True)  # noqa: S603
