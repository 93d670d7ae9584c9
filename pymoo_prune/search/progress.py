"""Progress of a run on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import RLock
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from pymoo_prune.executors import Executor
from pymoo_prune.objectives import failed_rows, hypervolume
from pymoo_prune.problem import PruningProblem
from pymoo_prune.search.notebook import CellLine
from pymoo_prune.search.searching import Step

REFRESH = 0.5
"""Seconds between two updates in a terminal; elsewhere a line appears every ten seconds."""


class Display:
    """Shows phases of a run: a bar in a terminal, one line in a notebook, else occasional lines.

    Args:
        console: Where to print.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._cell = CellLine()

    def phase(self, name: str) -> AbstractContextManager[Callable[[float, str], None]]:
        """Shows a phase of the run; gives a function of the share done and a text."""
        if _in_notebook(self.console):
            return self._cell.phase(name, every=REFRESH)
        return self._phase(name)

    @contextmanager
    def _phase(self, name: str) -> Iterator[Callable[[float, str], None]]:
        interval = REFRESH if self.console.is_terminal else 10.0
        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:3.0f} %"),
            TextColumn("{task.fields[text]}"),
        )
        last = time.perf_counter()
        with Progress(
            *columns, console=self.console, transient=True, disable=not self.console.is_terminal
        ) as bar:
            task = bar.add_task(name, total=1.0, text="")

            def update(done: float, text: str = "") -> None:
                nonlocal last
                if time.perf_counter() - last < interval:
                    return
                last = time.perf_counter()
                bar.update(task, completed=done, text=text)
                if not self.console.is_terminal:
                    self.console.print(f"{name}: {100 * done:.0f} %  {text}", highlight=False)

            yield update


def _in_notebook(console: Console) -> bool:
    return console.is_jupyter and not console.quiet


class Relay(Display):
    """Passes progress on to where many runs are shown at once.

    Args:
        report: Called with the phase, the share done and a text, at most every `REFRESH` seconds.
    """

    def __init__(self, report: Callable[[str, float, str], None]) -> None:
        super().__init__(Console(quiet=True))
        self.report = report

    @contextmanager
    def phase(self, name: str) -> Iterator[Callable[[float, str], None]]:
        """Reports a phase of the run; yields a function of the share done and a text."""
        last = -REFRESH

        def update(done: float, text: str = "") -> None:
            nonlocal last
            if time.perf_counter() - last >= REFRESH:
                last = time.perf_counter()
                self.report(name, done, text)

        update(0.0)
        yield update


class Board:
    """Shows many runs at once: a bar for each run under way, and one for all of them.

    Args:
        console: Where to print. Without a terminal, only a line for each run that is done; in a
            notebook, one line for all.
        total: The number of runs.
    """

    def __init__(self, console: Console, total: int) -> None:
        self.console, self.total, self.done = console, total, 0
        self.began = time.perf_counter()
        self._bars = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:3.0f} %"),
            TextColumn("{task.fields[text]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._all = self._bars.add_task("all runs", total=total, text="")
        self._tasks: dict[str, TaskID] = {}
        self._finished: set[str] = set()
        self._cell = CellLine()
        self._lock = RLock()  # progress of runs and their ends arrive in different threads

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def update(self, run: str, phase: str, done: float, text: str) -> None:
        """Shows the progress of a run; ignores what arrives after the run is done."""
        with self._lock:
            if run in self._finished:
                return
            if run not in self._tasks:
                self._tasks[run] = self._bars.add_task(run, total=1.0, text="")
            self._bars.update(self._tasks[run], completed=done, text=f"{phase} {text}")

    def finish(self, run: str, text: str) -> None:
        """Shows that a run is done."""
        with self._lock:
            self._finished.add(run)
            if run in self._tasks:
                self._bars.remove_task(self._tasks.pop(run))
        self.done += 1
        seconds = time.perf_counter() - self.began
        left = seconds / self.done * (self.total - self.done)
        self._bars.update(self._all, completed=self.done, text=f"{left:.0f} s left")
        line = f"{self.done} of {self.total}  {run}: {text}"
        if _in_notebook(self.console):
            self._cell.show(f"{line} · {left:.0f} s left" if left else line)
        else:
            self.console.print(line, highlight=False, markup=False)


class SearchReporter:
    """Turns steps of a search into a line of text, computed only when it is shown.

    Args:
        problem: The problem.
        update: Shows the share done and a text.
    """

    def __init__(self, problem: PruningProblem, update: Callable[[float, str], None]) -> None:
        self.problem, self.update = problem, update
        self.step: Step | None = None
        self.shown = 0.0

    def __call__(self, step: Step) -> None:
        """Shows a step, unless something was shown a moment ago."""
        self.step = step
        self.refresh(step.evaluator.executor)

    def refresh(self, executor: Executor) -> None:
        """Shows the last step again, with the workers' status, unless that was a moment ago."""
        if time.perf_counter() - self.shown < REFRESH:
            return
        self.shown = time.perf_counter()
        if self.step is None:
            self.update(0.0, executor.status())
        else:
            self.update(self.step.done, self.text(self.step))

    def text(self, step: Step) -> str:
        """Generation, evaluations, known and failed ones, quality, workers and time left."""
        store = step.evaluator.store
        known = 0 if store is None else store.hits
        failed = len(step.evaluator.failures)
        left = step.seconds * (1 - step.done) / max(step.done, 1e-9)
        parts = [
            f"generation {step.generation}",
            f"{step.evaluated:,} evaluations",
            f"{known:,} known",
            *([f"{failed:,} failed"] if failed else []),
            *self._quality(step),
            *([workers] if (workers := step.evaluator.executor.status()) else []),
            f"{left:.0f} s left" if not step.replayed else "replaying",
        ]
        return " · ".join(parts)

    def _quality(self, step: Step) -> list[str]:
        goals, population = self.problem.goals, step.algorithm.pop
        values = {n: population.get(n).astype(float) for n in goals.quantities}
        measured = ~failed_rows(values)
        if not measured.any():
            return []
        if goals.n_obj == 1:
            return [f"best fitness {-population[measured].get('F').min():.4f}"]
        values = {n: column[measured] for n, column in values.items()}
        quantity, first = goals.quantities[goals.names[0]], values[goals.names[0]]
        best = first[(quantity.sign * first).argmin()]
        volume = hypervolume(goals.unit_costs(values, self.problem.parent_values))
        return [f"best {quantity.label} {quantity.format(best)}", f"hypervolume {volume:.4f}"]
