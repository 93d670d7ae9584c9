"""What all benchmarks share: running, timing, tables, and the file of results."""

from __future__ import annotations

import importlib
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.catalogue import MODULES, RESULTS, commit, described, result
from benchmarks.quick import choose
from benchmarks.rows import chosen
from pymoo_prune.errors import PruneError
from pymoo_prune.files import write_text
from pymoo_prune.machine import processor, versions

OWN = {"figure", "unit", "target", "seconds", "hardware", "versions", "commit"}
"""What every result file has besides its benchmark's details."""


@dataclass(frozen=True)
class Outcome:
    """What a benchmark found.

    Attributes:
        figure: The number that it is about.
        unit: Its unit.
        tables: Title, head and rows of what is printed.
        details: All figures and settings, for the file.
        seconds: How long it took, where rows were made before; None is the time of this run.
    """

    figure: float
    unit: str
    tables: Sequence[tuple[str, Sequence[str], Sequence[Sequence[str]]]]
    details: dict[str, Any] = field(default_factory=dict)
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Refuses details that the file's own entries would replace; `--quick` notices it too."""
        if twice := OWN & self.details.keys():
            msg = f"details need other names than {', '.join(sorted(twice))}"
            raise PruneError(msg)


def run_benchmark(name: str, *, quick: bool, only: str | None = None) -> None:
    """Runs and prints; writes `results/NAME.json`, if anything was made at full size.

    Args:
        name: One of `MODULES`.
        quick: Whether it runs at its reduced size.
        only: The rows that are made, joined by commas; None is all.
    """
    began = time.perf_counter()
    choose(quick)
    result(name)  # a damaged file is found before anything long begins
    module = importlib.import_module(MODULES[name])
    run: Callable[..., Outcome] = module.run
    target = described(name).target
    rows = None if only is None else rows_of(name, module, only, quick=quick)
    outcome = run(quick) if rows is None else run(quick, rows)
    console = Console()
    for title, head, cells in outcome.tables:
        table = Table(title=title, title_justify="left")
        for place, column in enumerate(head):
            table.add_column(column, justify="left" if place == 0 else "right")
        for row in cells:
            table.add_row(*row)
        console.print(table)
    if not quick and rows != []:
        record = {
            "figure": outcome.figure,
            "unit": outcome.unit,
            "target": target,
            **outcome.details,
            "seconds": round(outcome.seconds or time.perf_counter() - began, 1),
            "hardware": processor(),
            "versions": versions(),
            "commit": commit(),
        }
        RESULTS.mkdir(exist_ok=True)
        write_text(RESULTS / f"{name}.json", json.dumps(record, indent=2) + "\n")
    size = " [reduced size]" if quick else ""
    print(f"{name}: {outcome.figure:.4g} {outcome.unit} (target {target}){size}")


def rows_of(name: str, module: Any, only: str, *, quick: bool) -> list[str]:
    """The rows of a benchmark that are made, before anything long begins.

    Args:
        name: The benchmark's name.
        module: Its module; `ROWS` are the names of its rows, where it has any.
        only: As the user chose them.
        quick: Whether it runs at its reduced size.
    """
    if not hasattr(module, "ROWS"):
        msg = f"{name} has no rows to choose from; leave --only out"
        raise PruneError(msg)
    if quick:
        msg = "--only chooses rows at full size; leave it out with --quick"
        raise PruneError(msg)
    return chosen(only, module.ROWS)


def median_seconds(work: Callable[[], Any], *, repeats: int, warm_up: int = 1) -> float:
    """The median time of some work, after warming up."""
    for _ in range(warm_up):
        work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation, as tables show them."""
    if len(values) < 2:
        return f"{values[0]:.4f}"
    return f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"
