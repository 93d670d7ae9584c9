"""From algorithms to a paper's tables: a study over twelve instances, from nothing to its pages.

Twelve instances of the suite, six methods, eleven seeds, 2,000 evaluations: made by two processes
of one thread, with tables, pictures and pages. Then the same call again, which adds nothing. Then
the report alone of a study made of the same runs over and over: 24 instances, eight methods and 21
seeds, its time and its memory in a process of its own.

Target: at most 1 hour; the second call under 20 s; the report under 60 s and 2 GB
"""

from __future__ import annotations

import resource
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console

from benchmarks.harness import Outcome
from pymoo_prune.standings import Course, Standings, StudyReport, Task
from pymoo_prune.studies import Study, study

INSTANCES = (
    "resnet8-digits-levels", "resnet8-digits-levels-macs", "resnet8-digits-levels-bounded",
    "four-layers-fashion-levels", "simplecnn-digits-widths", "simplecnn-digits-widths-parameters",
    "three-layers-digits-widths", "three-layers-fashion-widths", "three-layers-digits-widths-five",
    "two-layers-digits-neurons", "mlp-digits-neurons", "deep-digits-levels",
)  # fmt: skip
"""Ten tables and two live networks; two, three and five objectives, and a constraint."""
METHODS = ("nsga2", "nsga3", "sms-emoa", "moead", "spea2", "random")
LARGE = (24, 8, 21)
"""Instances, methods and seeds of the large report."""


def run(quick: bool) -> Outcome:
    """The figure is the hours that the study takes."""
    instances, methods = (INSTANCES[:2], METHODS[:3]) if quick else (INSTANCES, METHODS)
    seeds, evaluations = (2, 200) if quick else (11, 2_000)
    folder = Path(tempfile.mkdtemp(prefix="compare-suite-"))
    try:
        times, bytes_left = [], 0
        for _ in range(2):
            began = perf_counter()
            made = study(
                instances, methods, folder / "study", seeds=seeds, evaluations=evaluations,
                jobs=2, console=Console(),
            )  # fmt: skip
            made.results().report().write(made.folder, html=True)
            times.append(perf_counter() - began)
        bytes_left = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            large = pool.submit(large_report, made.folder, folder / "large", quick).result()
    finally:
        shutil.rmtree(folder)
    runs = len(instances) * len(methods) * seeds
    rows = [
        (f"study of {runs:,} runs, pages included", f"{times[0]:,.0f} s"),
        ("the same call again", f"{times[1]:.1f} s"),
        (f"report of {large['runs']:,} runs", f"{large['seconds']:.1f} s"),
        ("its memory", f"{large['gigabytes']:.2f} GB"),
        ("the study's folder", f"{bytes_left / 1e6:,.0f} MB"),
    ]
    return Outcome(
        times[0] / 3600,
        f"hours for {len(instances)} instances, {len(methods)} methods, {seeds} seeds and "
        f"{evaluations:,} evaluations",
        [("a study from nothing to its pages", ("what", "cost"), rows)],
        {
            "seconds_of_calls": times,
            "large_report": large,
            "bytes": bytes_left,
            "instances": instances,
            "methods": methods,
            "seeds": seeds,
            "evaluations": evaluations,
            "threads": "two processes of one",
        },
    )


def large_report(made: Path, folder: Path, quick: bool) -> dict[str, Any]:
    """Time and memory of a report of more runs, which are those of a study under other names.

    Args:
        made: The study's folder.
        folder: Where the report goes.
        quick: Whether fewer runs will do.
    """
    wanted = (3, 3, 4) if quick else LARGE
    tasks = multiplied(Study.open(made).tasks(), *wanted)
    methods = [f"method {place}" for place in range(wanted[1])]
    began = perf_counter()
    StudyReport(Standings(tasks, methods), "a large study").write(folder, html=True)
    return {
        "runs": wanted[0] * wanted[1] * wanted[2],
        "seconds": perf_counter() - began,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


def multiplied(tasks: Sequence[Task], problems: int, methods: int, seeds: int) -> list[Task]:
    """As many problems, methods and seeds as are wanted, of the runs that are there."""
    found = []
    for place in range(problems):
        task = tasks[place % len(tasks)]
        courses = [
            _as(task.courses[(method * seeds + seed + place) % len(task.courses)], method, seed)
            for method in range(methods)
            for seed in range(seeds)
        ]
        name = f"{task.name}, {place // len(tasks) + 1}"
        found.append(replace(task, name=name, courses=tuple(courses), missing={}, page=""))
    return found


def _as(course: Course, method: int, seed: int) -> Course:
    costs = None if course.costs is None else course.costs.copy()
    return replace(course, method=f"method {method}", seed=seed, costs=costs)
