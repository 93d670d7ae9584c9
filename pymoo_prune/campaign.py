"""A comparison in one folder: every method, once for each seed, each run in a folder of its own."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from multiprocessing import active_children, get_context
from multiprocessing.connection import Connection
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
from rich.console import Console

from pymoo_prune.baselines import simple_series
from pymoo_prune.compare import Method, check_design, file_name, recorded_trial
from pymoo_prune.comparison import Comparison, Trial, size_bounds, union_front
from pymoo_prune.errors import DataError, NothingFoundError, PruneError, StoreError
from pymoo_prune.files import write_text
from pymoo_prune.finish import Series
from pymoo_prune.front import ACCURACIES, EVALUATION
from pymoo_prune.machine import processor, versions
from pymoo_prune.objectives import Goals, Values, objectives_text
from pymoo_prune.problem import PruningProblem
from pymoo_prune.progress import REFRESH, Board, Display, Relay
from pymoo_prune.registry import find_problem
from pymoo_prune.run import LATENCIES, PARENT, STORE, Run
from pymoo_prune.settings import Settings
from pymoo_prune.store import Store

PLAN, RUNS, RESULTS = "comparison.json", "runs", "results.json"
NOTHING = "nothing.txt"
"""In the folder of a run that found no network: why."""
FORMAT = 1

Reports: TypeAlias = "Queue[tuple[str, str, float, str]]"
"""The run, its phase, the share of it that is done, and a text."""


class Campaign:
    """A comparison folder.

    Args:
        folder: Where it is.
        settings: What all runs share; the engine and its seed are those of each run.
        methods: As `Method.parse` takes them.
        seeds: Of the engines.
        bounds: As `Comparison` takes them.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        methods: Sequence[str],
        seeds: Sequence[int],
        bounds: Sequence[str] | None = None,
    ) -> None:
        check_design(methods, seeds)
        self.folder, self.settings = folder, settings
        self.methods = [Method.parse(text) for text in methods]
        self.seeds, self.bounds = list(seeds), bounds

    @classmethod
    def create(
        cls,
        folder: Path | str,
        settings: Settings,
        methods: Sequence[str],
        seeds: Sequence[int],
        bounds: Sequence[str] | None = None,
    ) -> Self:
        """A new comparison, or one that is there with more methods or seeds.

        Runs that are done stay; a folder whose runs have other settings is refused.
        """
        folder = Path(folder)
        wanted = cls(folder, settings, methods, seeds, bounds)
        if cls.is_one(folder):
            before = cls.open(folder)
            wanted._check_same(before)
            if not (folder / RUNS).is_dir():  # what was planned may not even be possible
                return wanted
            names = dict.fromkeys([m.name for m in (*before.methods, *wanted.methods)])
            numbers = sorted({*before.seeds, *wanted.seeds})
            return cls(folder, settings, list(names), numbers, bounds or before.bounds)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            msg = f"{folder} is there already, and is no comparison; give another --output"
            raise StoreError(msg)
        folder.mkdir(parents=True, exist_ok=True)
        wanted._write_plan()
        return wanted

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """A comparison that is there."""
        folder = Path(folder)
        if not cls.is_one(folder):
            msg = f"{folder} is not a comparison: there is no {PLAN} in it"
            raise StoreError(msg)
        try:
            plan = json.loads((folder / PLAN).read_text(encoding="utf-8"))
            if plan["format"] != FORMAT:
                msg = f"it has format {plan['format']}, but this version reads format {FORMAT}"
                raise PruneError(msg)
            settings = Settings.from_json(json.dumps(plan["settings"]))
            return cls(folder, settings, plan["methods"], plan["seeds"], plan["bounds"])
        except (ValueError, KeyError, TypeError) as error:
            msg = f"{folder / PLAN} cannot be read: {error}"
            raise StoreError(msg) from error

    @staticmethod
    def is_one(folder: Path | str) -> bool:
        """Whether a folder holds a comparison."""
        return (Path(folder) / PLAN).is_file()

    def _check_same(self, before: Campaign) -> None:
        ours, theirs = (json.loads(one.settings.to_json()) for one in (self, before))
        different = [name for name in ours if ours[name] != theirs.get(name)]
        if different:
            parts = [f"{n} is {theirs.get(n)!r} there and {ours[n]!r} here" for n in different]
            msg = (
                f"{self.folder} compares runs with other settings: {', '.join(parts)}; give the "
                "same settings to add methods or seeds, or another --output"
            )
            raise StoreError(msg)

    def _write_plan(self) -> None:
        plan = {
            "format": FORMAT,
            "settings": json.loads(self.settings.to_json()),
            "methods": [method.name for method in self.methods],
            "seeds": self.seeds,
            "bounds": self.bounds,
        }
        write_text(self.folder / PLAN, json.dumps(plan, indent=2) + "\n")

    # Doing it.

    def execute(self, console: Console, *, jobs: int = 1, download: bool = False) -> Comparison:
        """Makes every run that is not done, and the baselines at what they found.

        Args:
            console: Shows progress.
            jobs: Runs at once, each in a process of its own, but one where latencies are measured;
                results do not depend on it, unless time is the budget.
            download: Whether to fetch the data set.
        """
        if jobs < 1:
            msg = f"jobs must be at least 1, but it is {jobs}"
            raise PruneError(msg)
        display = Display(console)
        problem, twins = self._prepare(display, download=download)
        if jobs > 1 and any(twin.measures_latency for twin in twins):
            console.print("one run at a time: others would disturb the latencies")
            jobs = 1
        self._write_plan()
        runs = self._runs(problem, twins)
        pending = {name: run for name, run in runs.items() if not _is_done(run)}
        if pending:
            (self.folder / RESULTS).unlink(missing_ok=True)
        with Board(console, len(pending)) as board:
            if jobs == 1 or len(pending) < 2:
                for name, run in pending.items():
                    with _named(name):
                        board.finish(name, _execute(run, partial(board.update, name)))
            else:
                _execute_at_once(pending, board, jobs)
        if not self.complete:
            self._conclude(problem, display)
        return self.comparison()

    def _prepare(
        self, display: Display, *, download: bool
    ) -> tuple[PruningProblem, list[PruningProblem]]:
        """The problem, and its twin for each method: what cannot be searched is refused here."""
        try:
            # The parent is trained once, and is that of all runs.
            problem = Run(self.folder, self.settings).prepare(display, download=download)
            size_bounds(self.bounds or (), problem.quantities, problem.parent_values)
            twins = []
            for method in self.methods:
                twin = problem.with_goals(method.goal(problem), front=problem.goals.names)
                method.engine(twin, self.settings.pop_size)
                twins.append(twin)
        except DataError:
            raise  # once the files are there, resume goes on
        except PruneError:
            self._forget_if_empty()
            raise
        return problem, twins

    def _forget_if_empty(self) -> None:
        """Removes a folder in which nothing happened: mended settings may want the same place."""
        if [path.name for path in self.folder.iterdir()] == [PLAN]:
            (self.folder / PLAN).unlink()
            self.folder.rmdir()

    def _runs(self, problem: PruningProblem, twins: Sequence[PruningProblem]) -> dict[str, Run]:
        """All runs by name; their folders are made, with the parent, where they are not there."""
        made = {}
        for method, twin in zip(self.methods, twins, strict=True):
            for seed in self.seeds:
                settings = replace(
                    self.settings,
                    algorithm=method.algorithm,
                    surrogate=method.surrogate,
                    objectives=twin.goals.objectives,
                    front=problem.goals.names,
                    seed=seed,
                    problem_seed=problem.seed,
                    latencies=f"../../{LATENCIES}",
                    baselines=False,
                )
                made[f"{method.name}, seed {seed}"] = self._run(method, seed, settings)
        return made

    def _run(self, method: Method, seed: int, settings: Settings) -> Run:
        folder = self.run_folder(method, seed)
        if not folder.exists():
            part = folder.with_name(f".part-{folder.name}")
            shutil.rmtree(part, ignore_errors=True)
            Run.create(part, settings)
            if (self.folder / PARENT).is_dir():
                shutil.copytree(self.folder / PARENT, part / PARENT, copy_function=_link)
            part.rename(folder)  # a folder half made would be taken for whole
        return Run.open(folder)

    def run_folder(self, method: Method, seed: int) -> Path:
        """Where a run is."""
        return self.folder / RUNS / f"{file_name(method.name)}-{seed}"

    def _conclude(self, problem: PruningProblem, display: Display) -> None:
        """Writes what all runs share, with the baselines at the sizes that they found."""
        goals = Goals(problem.quantities, problem.goals.names)
        others = simple_series(
            problem,
            union_front(self.trials(), goals),
            seed=problem.seed,
            images=self.settings.finish_images,
            display=display,
        )
        results = {
            "goals": list(goals.names),
            "parent": dict(problem.parent_values),
            "baselines": {
                one.name: {name: column.tolist() for name, column in one.columns.items()}
                for one in others
            },
            "versions": versions(),
            "processor": processor(),
        }
        write_text(self.folder / RESULTS, json.dumps(results, indent=2) + "\n")

    # What it leaves.

    @property
    def complete(self) -> bool:
        """Whether every run is done, and they were compared."""
        return (self.folder / RESULTS).is_file()

    def results(self) -> dict[str, Any]:
        """What all runs share: goals, the parent's measurements, baselines, versions."""
        if not self.complete:
            msg = (
                f"{self.folder} is not finished; 'pymoo-prune resume {self.folder}' goes on with it"
            )
            raise StoreError(msg)
        try:
            found: dict[str, Any] = json.loads((self.folder / RESULTS).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            msg = f"{self.folder / RESULTS} cannot be read: {error}; remove it, and resume"
            raise StoreError(msg) from error
        return found

    def comparison(self) -> Comparison:
        """What the runs found, side by side."""
        results, problem = self.results(), find_problem(self.settings.problem)
        goals = problem.goals_for(results["goals"], self.settings.constraints)
        others = [
            Series(name, {n: np.array(values) for n, values in columns.items()})
            for name, columns in results["baselines"].items()
        ]
        return Comparison(
            self.trials(),
            others,
            goals=goals,
            quantities={**goals.quantities, **ACCURACIES, **EVALUATION},
            parent=results["parent"],
            bounds=self.bounds,
        )

    def trials(self) -> list[Trial]:
        """All runs."""
        return [
            trial_of(Run.open(self.run_folder(method, seed)), method.name)
            for method in self.methods
            for seed in self.seeds
        ]


def trial_of(run: Run, method: str) -> Trial:
    """A finished run as one of many.

    Args:
        run: A run; one that found nothing counts.
        method: What it is called.
    """
    columns: Mapping[str, Values] = {}
    summary: Mapping[str, Any] = {}
    if not _found_nothing(run):
        (front, *_), summary = run.results()
        columns = front.columns
    store = Store.existing(run.folder / STORE)
    try:
        return recorded_trial(
            store,
            columns,
            method=method,
            seed=run.settings.seed,
            generations=summary.get("generations"),
            evaluations=summary.get("evaluations"),
            goal=objectives_text(run.settings.objectives or summary.get("goals", ())),
            origin=str(run.folder),
        )
    finally:
        store.close()


def _found_nothing(run: Run) -> bool:
    return (run.folder / NOTHING).is_file()


def _execute(run: Run, report: Callable[[str, float, str], None]) -> str:
    """Makes a run; returns what there is to say of it."""
    try:
        front = run.execute(Relay(report))
    except NothingFoundError as error:
        # So that it is not searched again: nothing will be found then either.
        write_text(run.folder / NOTHING, f"{error}\n")
        return str(error)
    return f"{len(front)} networks"


# Several runs at once, each in a process.


class _Worker:
    """What a process knows of the one that started it."""

    reports: Reports | None = None

    @classmethod
    def begin(cls, reports: Reports, alive: Connection) -> None:
        """Called once in each process."""
        cls.reports = reports
        threading.Thread(target=cls.end_with, args=(alive,), daemon=True).start()

    @staticmethod
    def end_with(alive: Connection) -> None:
        """Ends this process when the other end is closed: by an error, Ctrl-C or kill -9."""
        with suppress(EOFError, OSError):
            alive.recv()
        os._exit(1)  # what was measured is in the store

    @classmethod
    def execute(cls, name: str, folder: Path) -> str:
        """Makes one run."""
        reports = cls.reports
        assert reports is not None  # noqa: S101 - begin was called
        return _execute(Run.open(folder), lambda *state: reports.put((name, *state)))


def _execute_at_once(pending: Mapping[str, Run], board: Board, jobs: int) -> None:
    context = get_context("spawn")  # threads of torch do not survive a fork
    reports: Reports = context.Queue()
    alive, hold = context.Pipe(duplex=False)
    ended = threading.Event()

    def show() -> None:
        while not ended.is_set():
            with suppress(queue.Empty):
                board.update(*reports.get(timeout=REFRESH))

    shower = threading.Thread(target=show, daemon=True)
    shower.start()
    pool = ProcessPoolExecutor(
        min(jobs, len(pending)), context, initializer=_Worker.begin, initargs=(reports, alive)
    )
    others = set(active_children())
    try:
        with _deaf_to_ctrl_c():  # it is for this process, which ends the others
            futures = {
                pool.submit(_Worker.execute, name, run.folder): name
                for name, run in pending.items()
            }
        for future in as_completed(futures):
            with _named(futures[future]):
                board.finish(futures[future], future.result())
    finally:
        hold.close()  # ends what still works
        for process in set(active_children()) - others:  # and what has not begun to listen
            process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)
        ended.set()
        shower.join(2 * REFRESH)  # a process that was killed in the middle of a report may block it


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Processes that are started meanwhile never hear it, not even while they import.

    They inherit that it is blocked. Here it is not lost, but heard in the end: a process that is
    half started would complain.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    heard: list[int] = []
    # Another thread may take what is blocked in this one.
    handler = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if heard:
        raise KeyboardInterrupt


@contextmanager
def _named(run: str) -> Iterator[None]:
    """Errors say in which run they happened."""
    try:
        yield
    except BrokenProcessPool as error:  # all that wait are told at once: nobody knows whose it was
        msg = (
            "the process of a run ended without a word (was there enough memory?); what was "
            "measured is kept: resume, with fewer --jobs"
        )
        raise PruneError(msg) from error
    except (PruneError, OSError) as error:
        msg = f"{run}: {error}"
        raise PruneError(msg) from error


def _is_done(run: Run) -> bool:
    return run.complete or _found_nothing(run)


def _link(source: str, target: str) -> None:
    """Another name for a file that nobody writes again; a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
