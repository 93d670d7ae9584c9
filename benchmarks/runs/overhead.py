"""What do store, digests, extras and display cost a generation of EComp?

The same search is run with all of them and taken apart: the paper's arithmetic is selection,
recombination, mutation and measuring. The rest of the time is theirs, pymoo's own bookkeeping
included. Checks are a part of it, and shown on their own: checksums of rows, and the commit that
waits for the disk every ten seconds. A command that reads the run checks the database and the
digests of its files, here with 20 MB of finished networks.

Target: under 5; checks below 1 % of a generation and .2 s a command
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from rich.console import Console

from benchmarks.ecomp import setting as ecomp_setting
from benchmarks.harness import Outcome
from pymoo_prune.engines import make_algorithm
from pymoo_prune.files import Digests
from pymoo_prune.machine import versions
from pymoo_prune.search import Budget, Display, SearchReporter, Step, Store, schema, search, settle
from pymoo_prune.search.store import SYNC_SECONDS
from pymoo_prune_problems import EComp

FINISHED_BYTES = 20_000_000
"""Finished networks of a run; by default at most 64 MB are kept."""


def run(quick: bool) -> Outcome:
    """The figure is the spine's share of a generation, in percent, on one thread."""
    generations = 15 if quick else EComp.GENERATIONS + 1
    repeats = 1 if quick else 3
    torch.set_num_threads(1)
    shares, totals, works, checks, commands = [], [], [], [], []
    for seed in range(repeats):
        total, work, checking, command = one_search(seed, generations)
        shares.append(1 - work / total)
        checks.append(100 * (checking / total + synced() / SYNC_SECONDS))
        commands.append(command)
        totals.append(1e3 * total / generations)
        works.append(1e3 * work / generations)
    rows = [
        (
            *(str(seed), f"{totals[seed]:.1f}", f"{works[seed]:.1f}"),
            *(f"{100 * shares[seed]:.2f} %", f"{checks[seed]:.3f} %", f"{commands[seed]:.3f}"),
        )
        for seed in range(repeats)
    ]
    head = (
        "seed",
        "a generation, ms",
        "the paper's arithmetic, ms",
        "spine",
        "checks",
        "command, s",
    )
    return Outcome(
        100 * median(shares),
        f"% of a generation; checks {median(checks):.2f} % and {median(commands):.3f} s a command",
        [(f"{generations} generations of 100 networks", head, rows)],
        {
            "generations": generations,
            "ms": totals,
            "arithmetic_ms": works,
            "checks_percent": checks,
            "command_seconds": commands,
            "threads": 1,
        },
    )


def one_search(seed: int, generations: int) -> tuple[float, float, float, float]:
    """Seconds of a search, of the paper's arithmetic, of checks, and of a command's checks."""
    problem = ecomp_setting.problem(seed=seed)
    algorithm = make_algorithm("own", problem, EComp.POPULATION)
    clock, checks = Clock(), Clock()
    mating = algorithm.mating
    for part, method in (
        (mating.selection, "_do"),
        (mating.crossover, "_do"),
        (mating.mutation, "_do"),
        (problem, "_measured_on"),
        (problem.encoding, "initial"),
    ):
        clock.watch(part, method)
    measured = problem._measured_on  # noqa: SLF001 - the approximation is bound to the unwatched one
    assert problem.approximation is not None
    problem.approximation = replace(problem.approximation, measure=measured)
    # The sampling is bound to the unwatched method already.
    algorithm.initialization.sampling.make = problem.encoding.initial
    with tempfile.TemporaryDirectory() as folder, terminal() as console:
        store = Store(
            Path(folder) / "evaluations.sqlite",
            tuple(problem.quantities),
            problem.fingerprint,
            versions(),
        )
        checks.watch(store, "_checksum")
        history = schema.history_checksum
        checks.watch(schema, "history_checksum")
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
        schema.history_checksum = history
        store.close()
        settle(store.path)
        command = checked(Path(folder))
    return *marks[-1], checks.seconds, command


def checked(folder: Path) -> float:
    """Seconds that a command takes to check a run's database, and the digests of its files."""
    (folder / "finished.npz").write_bytes(bytes(FINISHED_BYTES))
    digests = Digests(folder, "")
    digests.write(["finished.npz"], {})
    began = perf_counter()
    digests.check("finished.npz")
    Store.existing(folder / "evaluations.sqlite").close()
    return perf_counter() - began


def synced() -> float:
    """Seconds that the disk takes for a page of a log, in the median."""
    seconds = []
    with tempfile.TemporaryFile(dir=".") as file:
        for _ in range(20):
            file.write(bytes(4096))
            file.flush()
            began = perf_counter()
            os.fsync(file.fileno())
            seconds.append(perf_counter() - began)
    return median(seconds)


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
