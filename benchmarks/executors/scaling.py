"""What do workers gain, and what do they cost? Two workers of one thread, against one.

The same candidates of a ResNet-20's layer vector are measured by one process and by two, in turns.
A check comes first: both give what no worker at all gives. Then two workers search the layer vector
with a population of 1,000, and a problem whose measurements cost nothing: all the processor time
that the driver takes, for engine, archive, digests, store and messages, is its own share. A table
says what driver, SQLite, a pipe and Ray cost.

Target: at least 1.7; driver at most 3 % of the time
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.executors.stand_ins import GENES, Crowd, Free, Watch
from benchmarks.harness import Outcome, median_seconds
from benchmarks.layer_vector import setting as layer_vector_setting
from pymoo_prune import Budget, Measurements, PruneError, PruningProblem, Store, load_data
from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.engines import make_algorithm
from pymoo_prune.executors import Dispatcher, Executor, InProcess, Processes, Ray
from pymoo_prune.objectives import Measured, Part, gathered
from pymoo_prune.problem import CHUNK
from pymoo_prune.search import search
from pymoo_prune_problems import LayerVector

POPULATION = 1_000


def run(quick: bool) -> Outcome:
    """The figure is how many times faster two workers are than one."""
    torch.set_num_threads(1)
    problem = LayerVector(
        layer_vector_setting.data(),
        parent=layer_vector_setting.parent(),
        search_images=50 if quick else 200,
    )
    # Once a run, with its first population; workers get the result.
    began = time.perf_counter()
    make_algorithm("nsga2", problem, 10).initialization.sampling(problem, 10)
    prepared = time.perf_counter() - began
    one, two = layer_vectors(problem, 16 if quick else 64, repeats=1 if quick else 3)
    whole = whole_search(problem, population=20 if quick else POPULATION, generations=2)
    free = Free(load_data("digits"))
    costs = driver(free, generations=3 if quick else 20) | messages(free, 20 if quick else 300)
    costs |= crowded(free, 1_000 if quick else 10_000)
    share = 100 * whole["driver's share"]
    rows = [
        ("one worker, s", f"{one:.2f}"),
        ("two workers, s", f"{two:.2f}"),
        ("prepared before, once a run, s", f"{prepared:.2f}"),
    ]
    return Outcome(
        one / two,
        f"times faster with two workers; driver {share:.2f} % of the time",
        [
            ("layer vector, ResNet-20 on FashionMNIST, one thread each", ("", ""), rows),
            (
                "its search by NSGA-II with two workers",
                ("", ""),
                [(name, f"{value:,.4g}") for name, value in whole.items()],
            ),
            (
                f"a problem that costs nothing, population {POPULATION:,}, {GENES:,} genes",
                ("", ""),
                [(name, f"{value:,.1f}") for name, value in costs.items()],
            ),
        ],
        {
            "threads": 1,
            "one_worker_s": one,
            "two_workers_s": two,
            "prepared_s": prepared,
            "search": whole,
            "costs": costs,
        },
    )


class Searched(NamedTuple):
    """A search that is over.

    Attributes:
        store: Still open; its file goes with it.
        watch: Its workers and their time.
        seconds: Its time by the clock.
        own: Processor time of the driver, in seconds.
    """

    store: Store
    watch: Watch
    seconds: float
    own: float


@contextmanager
def searched(problem: PruningProblem, *, population: int, generations: int) -> Iterator[Searched]:
    """A search by NSGA-II with two workers and a store on disk."""
    with tempfile.TemporaryDirectory() as folder, Processes(2) as executor:
        check_same(problem, problem.random(4, np.random.default_rng(1)), executor)
        path = Path(folder) / "evaluations.sqlite"
        store = Store(path, tuple(problem.quantities), problem.fingerprint)
        watch = Watch(executor)
        began, own = time.perf_counter(), time.process_time()
        search(
            problem,
            make_algorithm("nsga2", problem, population),
            Budget(generations=generations),
            seed=0,
            store=store,
            executor=watch,
        )
        seconds, own = time.perf_counter() - began, time.process_time() - own
        try:
            yield Searched(store, watch, seconds, own)
        finally:
            store.close()


def whole_search(problem: PruningProblem, *, population: int, generations: int) -> dict[str, float]:
    """The driver's and the workers' shares of a search's time."""
    with searched(problem, population=population, generations=generations) as done:
        seconds, own, worked = done.seconds, done.own, done.watch.worked
    return {
        "population": population,
        "evaluations": population * generations,
        "seconds": seconds,
        "evaluations a second": population * generations / seconds,
        "driver, s of processor time": own,
        "driver's share": own / seconds,
        "workers' share, of two": worked / (2 * seconds),
    }


def layer_vectors(problem: PruningProblem, n: int, *, repeats: int) -> tuple[float, float]:
    """Seconds of n candidates with one worker and with two, medians."""
    X = problem.random(n, np.random.default_rng(0))
    with Processes(1) as one, Processes(2) as two:
        check_same(problem, X[:4], one, two)
        times: dict[Executor, list[float]] = {one: [], two: []}
        for _ in range(repeats):
            for executor, found in times.items():
                began = time.perf_counter()
                list(executor.measure(problem, X, 0))
                found.append(time.perf_counter() - began)
    return median(times[one]), median(times[two])


def check_same(problem: PruningProblem, X: Array, *executors: Dispatcher) -> None:
    """Raises unless all measure the same to the last bit; it also starts all workers."""
    found = [
        gathered(executor.measure(problem, X, 0), problem.quantities, len(X))
        for executor in (InProcess(), *executors)
    ]
    for name in problem.quantities:
        if not all(np.array_equal(one[name], found[0][name]) for one in found):
            msg = f"{name} differs with workers"
            raise PruneError(msg)
    for executor in executors:
        all_ready(executor, problem, X)


def all_ready(executor: Dispatcher, problem: PruningProblem, X: Array) -> None:
    """Measures a little until all workers are there and prepared."""
    while executor.ready < executor.workers:
        list(executor.measure(problem, X, 0))
    list(executor.measure(problem, X, 0))


def driver(problem: PruningProblem, *, generations: int) -> dict[str, float]:
    """The driver's costs of an evaluation."""
    names, n = tuple(problem.quantities), generations * POPULATION
    with searched(problem, population=POPULATION, generations=generations) as done:
        store = done.store
        X = problem.random(n, np.random.default_rng(2))
        known = gathered(InProcess().measure(problem, X, 0), names, n)
        keys = digests(X)
        began = time.perf_counter()
        for start in range(0, n, POPULATION):
            rows = slice(start, start + POPULATION)
            values = {name: column[rows] for name, column in known.items()}
            store.follow(n + start, generations + 1, "batch 0", keys[rows])
            written(store, keys[rows], values)
        writing = time.perf_counter() - began
        store.close()
        size = store.path.stat().st_size
    waited = done.watch.seconds
    return {
        "search, µs per evaluation": 1e6 * done.seconds / n,
        "driver, µs per evaluation": 1e6 * (waited + writing) / n,
        "of that chunks and pipes, µs": 1e6 * waited / n,
        "of that digests in SQLite, µs": 1e6 * writing / n,
        "SQLite, bytes per evaluation": size / store.fresh,
    }


def written(store: Store, keys: list[bytes], values: Measurements) -> None:
    """Writes what is known already, chunk by chunk."""
    missing = store.missing("batch 0", keys)
    with store.writing("batch 0") as keep:
        for start in range(0, len(missing), CHUNK):
            rows = missing[start : start + CHUNK]
            chunk = Measured({name: column[rows] for name, column in values.items()}, {})
            keep([keys[row] for row in rows], Part(range(len(rows)), chunk, 0.0))


def crowded(problem: PruningProblem, workers: int) -> dict[str, float]:
    """Each worker's cost for the driver, which polls all of them."""
    X = problem.random(2 * workers, np.random.default_rng(4))
    with Crowd(problem, workers) as crowd:
        list(crowd.measure(problem, X[:workers], 0))
        began = time.process_time()
        list(crowd.measure(problem, X, 0))
        seconds = time.process_time() - began
    return {f"chunks of one to {workers:,} workers, µs": 1e6 * seconds / len(X)}


def messages(problem: PruningProblem, n: int) -> dict[str, float]:
    """The time to send one candidate and to get its measurements."""
    X = problem.random(1, np.random.default_rng(3))
    found = {}
    executors: dict[str, Executor] = {"a pipe": Processes(1)}
    if find_spec("ray") is not None:  # an optional dependency
        executors["Ray"] = Ray(workers=1)
    for name, executor in executors.items():
        with executor:
            seconds = median_seconds(
                lambda e=executor: list(e.measure(problem, X, 0)),  # type: ignore[misc]
                repeats=n,
                warm_up=10,
            )
        found[f"a chunk of one through {name}, µs"] = 1e6 * seconds
    return found
