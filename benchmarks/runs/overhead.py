"""What do store, digests, extras and display cost a generation of EComp?

The same search is run with all of them and taken apart: the paper's arithmetic is selection,
recombination, mutation and measuring. The rest of the time is theirs, pymoo's own bookkeeping
included.

Target: under 5
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from rich.console import Console

from benchmarks.ecomp import setting as ecomp_setting
from benchmarks.harness import Outcome
from pymoo_prune.engines import make_algorithm
from pymoo_prune.machine import versions
from pymoo_prune.search import Budget, Display, SearchReporter, Step, Store, search
from pymoo_prune_problems import EComp


def run(quick: bool) -> Outcome:
    """The figure is the spine's share of a generation, in percent, on one thread."""
    generations = 15 if quick else EComp.GENERATIONS + 1
    repeats = 1 if quick else 3
    torch.set_num_threads(1)
    shares, totals, works = [], [], []
    for seed in range(repeats):
        total, work = one_search(seed, generations)
        shares.append(1 - work / total)
        totals.append(1e3 * total / generations)
        works.append(1e3 * work / generations)
    rows = [
        (str(seed), f"{totals[seed]:.1f}", f"{works[seed]:.1f}", f"{100 * shares[seed]:.2f} %")
        for seed in range(repeats)
    ]
    head = ("seed", "a generation, ms", "the paper's arithmetic, ms", "spine")
    return Outcome(
        100 * median(shares),
        "% of a generation",
        [(f"{generations} generations of 100 networks", head, rows)],
        {"generations": generations, "ms": totals, "arithmetic_ms": works, "threads": 1},
    )


def one_search(seed: int, generations: int) -> tuple[float, float]:
    """Seconds of a search in all, and in the paper's arithmetic."""
    problem = ecomp_setting.problem(seed=seed)
    algorithm = make_algorithm("own", problem, EComp.POPULATION)
    clock = Clock()
    mating = algorithm.mating
    for part, method in (
        (mating.selection, "_do"),
        (mating.crossover, "_do"),
        (mating.mutation, "_do"),
        (problem, "measure_on"),
        (problem.encoding, "initial"),
    ):
        clock.watch(part, method)
    # The sampling is bound to the unwatched method already.
    algorithm.initialization.sampling.make = problem.encoding.initial
    with tempfile.TemporaryDirectory() as folder, terminal() as console:
        store = Store(
            Path(folder) / "evaluations.sqlite",
            tuple(problem.quantities),
            problem.fingerprint,
            versions(),
        )
        with Display(console).phase("search") as update:
            report = SearchReporter(problem, update)
            # Up to the last generation: measuring the winners on all batches comes after.
            marks = [(0.0, 0.0)]

            def note(step: Step) -> None:
                report(step)
                marks.append((perf_counter() - began, clock.seconds))

            budget = Budget(generations=generations)
            began = perf_counter()
            search(problem, algorithm, budget, seed=seed, store=store, on_generation=note)
        store.close()
    return marks[-1]


class Clock:
    """Adds up the time spent in some methods."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def watch(self, owner: Any, name: str) -> None:
        """Times one method of one object."""
        method: Callable[..., Any] = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            began = perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                self.seconds += perf_counter() - began

        setattr(owner, name, timed)


@contextmanager
def terminal() -> Iterator[Console]:
    """A console that draws its bar as in a terminal, into memory."""
    yield Console(file=io.StringIO(), force_terminal=True, width=120)
