"""What all benchmarks share: the list, timing, tables, and the file of results."""

from __future__ import annotations

import importlib
import json
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pymoo_prune.files import write_text
from pymoo_prune.machine import processor, versions

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Benchmark:
    """One benchmark: its module has `run(quick) -> Outcome`."""

    module: str
    description: str


BENCHMARKS = {
    "dense-connectivity-fidelity": Benchmark(
        "benchmarks.dense_connectivity.fidelity", "cheap fitness, against an epoch from scratch"
    ),
    "dense-connectivity-surrogate": Benchmark(
        "benchmarks.dense_connectivity.surrogate", "evaluations that a surrogate spares"
    ),
    "dense-connectivity-tables": Benchmark(
        "benchmarks.dense_connectivity.tables", "Table II: the paper's GA, against random search"
    ),
    "dense-connectivity-training": Benchmark(
        "benchmarks.dense_connectivity.training", "a training image: small or masked, precisions"
    ),
    "device-evaluation": Benchmark(
        "benchmarks.executors.device_evaluation",
        "evaluations a second: one core, one by one, in stacks",
    ),
    "distilled-filters-evaluation": Benchmark(
        "benchmarks.distilled_filters.evaluation", "one candidate, against the plain way"
    ),
    "distilled-filters-phases": Benchmark(
        "benchmarks.distilled_filters.phases", "distillation in the search, against after it"
    ),
    "distilled-filters-quality": Benchmark(
        "benchmarks.distilled_filters.quality", "searched filters, against L1 and torch-pruning"
    ),
    "distilled-filters-recovery": Benchmark(
        "benchmarks.distilled_filters.recovery", "what each repair is worth, and what it costs"
    ),
    "distilled-filters-tables": Benchmark(
        "benchmarks.distilled_filters.tables", "Tables I and II, and tickets under perturbations"
    ),
    "ecomp-generation": Benchmark(
        "benchmarks.ecomp.generation", "one generation of EComp, against one network at a time"
    ),
    "ecomp-faithful": Benchmark(
        "benchmarks.ecomp.faithful", "ten runs of four weightings, against the authors' ten runs"
    ),
    "ecomp-quality": Benchmark(
        "benchmarks.ecomp.quality", "hypervolume of keep-masks with refit, against L1 and random"
    ),
    "executor-faults": Benchmark(
        "benchmarks.executors.faults", "workers and drivers killed at random, against undisturbed"
    ),
    "executor-scaling": Benchmark(
        "benchmarks.executors.scaling", "two workers against one, and what the driver costs"
    ),
    "layer-vector-evaluation": Benchmark(
        "benchmarks.layer_vector.evaluation", "one evaluation, against the hand-written loop"
    ),
    "layer-vector-quality": Benchmark(
        "benchmarks.layer_vector.quality", "searched allocations, against magnitude pruning"
    ),
    "layer-vector-rules": Benchmark(
        "benchmarks.layer_vector.rules", "the GA with its rules, against the same GA without"
    ),
    "layer-vector-tables": Benchmark(
        "benchmarks.layer_vector.tables", "Tables I to III with the paper's four networks"
    ),
    "report-scale": Benchmark(
        "benchmarks.runs.report_scale", "reports and comparisons of runs with 10,000 evaluations"
    ),
    "spine-overhead": Benchmark(
        "benchmarks.runs.overhead", "what store, digests, extras and display cost a generation"
    ),
    "spine-resume": Benchmark(
        "benchmarks.runs.resume", "runs killed twenty times and resumed, against undisturbed ones"
    ),
}


@dataclass(frozen=True)
class Outcome:
    """What a benchmark found.

    Attributes:
        figure: The number that it is about.
        unit: Its unit.
        target: What was aimed at, as text.
        tables: Title, head and rows of what is printed.
        details: All figures and settings, for the file.
    """

    figure: float
    unit: str
    target: str
    tables: Sequence[tuple[str, Sequence[str], Sequence[Sequence[str]]]]
    details: dict[str, Any] = field(default_factory=dict)


def run_benchmark(name: str, *, quick: bool) -> None:
    """Runs, prints, and (at full size) writes `results/NAME.json`."""
    began = time.perf_counter()
    run: Callable[[bool], Outcome] = importlib.import_module(BENCHMARKS[name].module).run
    outcome = run(quick)
    console = Console()
    for title, head, rows in outcome.tables:
        table = Table(title=title, title_justify="left")
        for place, column in enumerate(head):
            table.add_column(column, justify="left" if place == 0 else "right")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    if not quick:
        record = {
            "figure": outcome.figure,
            "unit": outcome.unit,
            "target": outcome.target,
            **outcome.details,
            "seconds": round(time.perf_counter() - began, 1),
            "hardware": processor(),
            "versions": versions(),
            "commit": _commit(),
        }
        RESULTS.mkdir(exist_ok=True)
        write_text(RESULTS / f"{name}.json", json.dumps(record, indent=2) + "\n")
    size = " [reduced size]" if quick else ""
    print(f"{name}: {outcome.figure:.4g} {outcome.unit} (target {outcome.target}){size}")


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        found = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=True, cwd=RESULTS.parent
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


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
