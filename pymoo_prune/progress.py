"""What a person sees while a run works."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import moocore
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from pymoo_prune.objectives import failed_rows
from pymoo_prune.problem import PruningProblem
from pymoo_prune.search import Step

REFRESH = 0.5
"""Seconds between two looks at the search in a terminal; elsewhere a line every ten."""


class Display:
    """Shows phases of a run, with a bar in a terminal and with now and then a line elsewhere.

    Args:
        console: Where to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def phase(self, name: str) -> Iterator[Callable[[float, str], None]]:
        """A phase of the run; gives a function to be called with the share done and a text."""
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


class SearchReporter:
    """Turns steps of a search into a line of text, computed only when it is shown.

    Args:
        problem: What is searched.
        update: Shows the share done and a text.
    """

    def __init__(self, problem: PruningProblem, update: Callable[[float, str], None]) -> None:
        self.problem, self.update = problem, update
        self.shown = 0.0

    def __call__(self, step: Step) -> None:
        """Shows a step, unless one was shown a moment ago."""
        if time.perf_counter() - self.shown < REFRESH:
            return
        self.shown = time.perf_counter()
        self.update(step.done, self.text(step))

    def text(self, step: Step) -> str:
        """Generation, evaluations, known and failed ones, the best, hypervolume and time left."""
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
        volume = hypervolume(goals.unit_costs(values, self.problem.parent_measurements()))
        return [f"best {quantity.label} {quantity.format(best)}", f"hypervolume {volume:.4f}"]


def hypervolume(unit_costs: np.ndarray) -> float:
    """The share of the unit cube that is dominated, with (1, ..., 1) as reference point."""
    inside = unit_costs[(unit_costs < 1).all(axis=1)]
    if len(inside) == 0:
        return 0.0
    return float(moocore.hypervolume(inside, ref=np.ones(unit_costs.shape[1])))
