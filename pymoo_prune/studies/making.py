"""Makes the runs on instances of the suite, several at once, each in a process."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, suppress
from pathlib import Path
from typing import Self, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from pymoo_prune.comparing import process_pool
from pymoo_prune.data import load_data
from pymoo_prune.errors import DataError, PruneError
from pymoo_prune.executors import interrupts_blocked
from pymoo_prune.files import PART
from pymoo_prune.studies.failures import read_failures, write_failures
from pymoo_prune.studies.files import RUNS_FOLDER
from pymoo_prune.studies.instances import Ended, Job, make_run
from pymoo_prune.studies.plan import Plan
from pymoo_prune.studies.reading import problem_folder
from pymoo_prune.suite import problem

FEW, SOON = 4, 2.0
"""After so many runs and seconds it is said how long the rest takes."""
Outcomes: TypeAlias = Generator[tuple[Job, Ended], None, None]


def missing_jobs(folder: Path, plan: Plan) -> list[Job]:
    """Runs on instances that are not made yet, without methods that failed.

    Args:
        folder: The study's folder.
        plan: The study's plan.
    """
    jobs = []
    for on in plan.instances:
        place = problem_folder(folder, on.name)
        failures = read_failures(place)
        for method in plan.methods:
            for seed in plan.seeds if method not in failures else ():
                path = place / RUNS_FOLDER / plan.run_file(method, seed)
                if not path.exists():
                    jobs.append(Job(on, method, seed, place, path))
    return jobs


def make_all(jobs: Sequence[Job], console: Console, *, at_once: int) -> dict[str, str]:
    """Makes runs; methods that cannot search a problem leave their reason in its folder.

    Args:
        jobs: The runs.
        console: Shows progress.
        at_once: How many runs at once.

    Returns:
        What problems lack on this machine, such as images, by the problem's name.
    """
    for folder in dict.fromkeys(job.path.parent for job in jobs):
        _remove_parts(folder)
    outcomes = _one_by_one if at_once == 1 or len(jobs) == 1 else _at_once
    lacking: dict[str, str] = {}
    made = outcomes(jobs, at_once, lambda job: _skips(job, lacking))
    with closing(made), _Bars(console, jobs) as bars:
        for job, ended in made:
            text = ""
            if ended.lacking and job.on.name not in lacking:
                lacking[job.on.name] = ended.lacking
                text = f"{job.on.name} is left out: {ended.lacking}"
            failures = read_failures(job.folder)
            if ended.failure and job.method not in failures:
                write_failures(job.folder, failures | {job.method: ended.failure})
                text = f"{job.on.name}: no results of {job.method}: {ended.failure}"
            bars.finish(job, text)
    return lacking


def fetch_images(jobs: Sequence[Job]) -> None:
    """Fetches the images of live instances, where they are missing and can be had.

    Args:
        jobs: The runs.
    """
    definitions = [problem(name).definition for name in dict.fromkeys(job.on.name for job in jobs)]
    live = [one.live for one in definitions if one.live is not None and not one.table]
    for name in dict.fromkeys(one.data for one in live):
        with suppress(DataError):  # the runs say what they lack
            load_data(name, download=True)


def _skips(job: Job, lacking: Mapping[str, str]) -> bool:
    """Whether a run need not be made, because another one like it failed."""
    return job.on.name in lacking or job.method in read_failures(job.folder)


def _one_by_one(jobs: Sequence[Job], at_once: int, skips: Callable[[Job], bool]) -> Outcomes:
    assert at_once >= 1  # noqa: S101 - checked by the study
    for job in jobs:
        yield job, Ended() if skips(job) else make_run(job)


def _at_once(jobs: Sequence[Job], at_once: int, skips: Callable[[Job], bool]) -> Outcomes:
    with process_pool(min(at_once, len(jobs)), _begin) as pool:
        with interrupts_blocked():  # Ctrl-C is for this process, which ends the others
            futures: dict[Future[Ended], Job] = {pool.submit(make_run, job): job for job in jobs}
        for future in as_completed(futures):
            job = futures[future]
            if future.cancelled():
                yield job, Ended()
                continue
            try:
                ended = future.result()
            except BrokenProcessPool as error:
                msg = (
                    "the process of a run ended without an error message (was there enough "
                    "memory?); runs that were done are kept: resume, with fewer --jobs"
                )
                raise PruneError(msg) from error
            yield job, ended
            if ended.failure or ended.lacking:
                for other, its in futures.items():
                    if not other.done() and its.on == job.on and skips(its):
                        other.cancel()


def _begin() -> None:
    """Called once in each process: imports what every run needs."""


def _remove_parts(folder: Path) -> None:
    """Removes files of runs that were killed; this process has the study's lock."""
    for path in folder.glob(f"{PART}*"):
        path.unlink(missing_ok=True)


class _Bars:
    """Shows the runs as one bar; without a terminal, a line for each problem."""

    def __init__(self, console: Console, jobs: Sequence[Job]) -> None:
        self.console, self.total, self.done, self.said = console, len(jobs), 0, False
        self.left: dict[str, int] = {}
        for job in jobs:
            self.left[job.on.name] = self.left.get(job.on.name, 0) + 1
        self.began = time.perf_counter()
        self._bar = Progress(
            TextColumn("{task.description:<44}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=max(self.total, 1), text="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def finish(self, job: Job, text: str = "") -> None:
        """Shows that a run is done.

        Args:
            job: The run.
            text: What is to be said of it.
        """
        self.done += 1
        if self.done == 1:  # processes have begun
            self.began = time.perf_counter()
        seconds = time.perf_counter() - self.began
        rest = seconds / max(self.done - 1, 1) * (self.total - self.done)
        what = f"{job.on.name}: {job.method}, seed {job.seed}"
        self._bar.update(
            self._task, completed=self.done, description=what, text=f"{duration(rest)} left"
        )
        if not self.said and self.done > FEW and seconds >= SOON and self.done < self.total:
            self.said = True
            self._say(f"about {duration(rest)} to go")
        if text:
            self._say(text)
        self.left[job.on.name] -= 1
        if self.left[job.on.name] == 0:
            self._say(f"{job.on.name}: done ({self.done:,} of {self.total:,} runs)")

    def _say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """A time in words, roughly."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6_000 else f"{seconds / 3600:.1f} h"
