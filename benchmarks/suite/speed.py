"""Evaluations a second of the suite's instances, one thread, batches of 100.

Every tabular instance is timed through pymoo's `evaluate`, and so is pymoo's ZDT1 beside it, a
synthetic problem. A search of 10,000 evaluations by NSGA-II says which share of its time goes into
the problem. Live instances are timed on random candidates, after 100 that warm caches up.

Target: at least 200,000 a second for the slowest tabular instance; under 5 % of a search's time;
live instances at most 5 ms a candidate in the median
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import numpy as np
import torch
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.optimize import minimize
from pymoo.problems import get_problem

from benchmarks.harness import Outcome, median_seconds
from pymoo_prune.suite import Instance, problem, suite

BATCH = 100


def per_second(instance: Instance, batches: int) -> float:
    """Evaluations a second, the median over batches."""
    X = instance.random(BATCH, np.random.default_rng(0))
    return BATCH / median_seconds(lambda: instance.evaluate(X), repeats=batches, warm_up=3)


def share_of_search(instance: Instance, evaluations: int) -> float:
    """The share of a search's time that the problem takes."""
    spent, whole = 0.0, instance.evaluate

    def timed(*args: object, **kwargs: object) -> object:
        nonlocal spent
        began = time.perf_counter()
        found = whole(*args, **kwargs)
        spent += time.perf_counter() - began
        return found

    instance.evaluate = timed
    began = time.perf_counter()
    minimize(instance, NSGA2(pop_size=100, **instance.operators()), ("n_eval", evaluations), seed=1)
    return spent / (time.perf_counter() - began)


def started(code: str, repeats: int) -> float:
    """Seconds of a fresh Python that runs some code and prints how long that took."""
    timed = f"import time; t = time.perf_counter(); {code}; print(time.perf_counter() - t)"
    command = [sys.executable, "-c", timed]
    times = [
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)  # noqa: S603
        for _ in range(repeats)
    ]
    return statistics.median(times)


def run(quick: bool) -> Outcome:
    torch.set_num_threads(1)
    rows, speeds, shares, live = [], {}, {}, {}
    for definition in suite("tabular"):
        instance = problem(definition.name)
        speeds[definition.name] = per_second(instance, 50 if quick else 2_000)
        shares[definition.name] = share_of_search(instance, 2_000 if quick else 10_000)
        rows.append(
            [definition.name, f"{speeds[definition.name]:,.0f}", f"{shares[definition.name]:.1%}"]
        )
    synthetic = get_problem("zdt1")
    X = np.random.default_rng(0).random((BATCH, synthetic.n_var))
    zdt = BATCH / median_seconds(lambda: synthetic.evaluate(X), repeats=200, warm_up=3)
    rows.append(["ZDT1 of pymoo, for comparison", f"{zdt:,.0f}", ""])
    for definition in suite("live")[:1] if quick else suite("live"):
        instance = problem(definition.name)
        X = instance.random(300, np.random.default_rng(0))
        instance.evaluate(X[:100])
        began = time.process_time()
        instance.evaluate(X[100:])
        live[definition.name] = 1e3 * (time.process_time() - began) / 200
    first = suite("tabular")[0].name
    repeats = 3 if quick else 11
    imported = started("import pymoo_prune.suite", repeats)
    made = (
        f"from pymoo_prune.suite import problem; it = problem({first!r}); it.evaluate(it.xl[None])"
    )
    both = started(made, repeats)
    tables = [
        ("tabular", ["instance", "evaluations a second", "share of a search"], rows),
        ("live", ["instance", "ms a candidate"], [[n, f"{v:.2f}"] for n, v in live.items()]),
        (
            "start",
            ["", "seconds"],
            [
                ["import pymoo_prune.suite", f"{imported:.3f}"],
                [f"and {first} ready", f"{both - imported:.3f}"],
            ],
        ),
    ]
    details = {
        "per_second": speeds,
        "share_of_search": shares,
        "zdt1_per_second": zdt,
        "live_milliseconds": live,
        "live_median": statistics.median(live.values()),
        "import_seconds": imported,
        "ready_seconds": both - imported,
        "threads": 1,
        "batch": BATCH,
    }
    return Outcome(min(speeds.values()), "evaluations a second", tables, details)
