"""What workers gain, and what they cost: two of one thread against one; and all but measuring.

The same candidates of the layer vector are measured by one process and by two, in turns. Results
are compared with those of no worker at all first. Then the layer vector is searched by two workers
with a population of 1,000, and so is a problem whose measurements cost nothing: all the processor
time that the driver takes, for engine, archive, digests, store and messages, is its own share.
"""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import layer_vector_setting
from benchmarks.harness import Outcome, median_seconds
from pymoo_prune import Budget, Data, Measurements, PruneError, PruningProblem, Store, load_data
from pymoo_prune.engines import make_algorithm
from pymoo_prune.executors import Executor, InProcess, Processes, Ray, gathered
from pymoo_prune.executors.dispatch import Dispatcher
from pymoo_prune.executors.staff import Worker
from pymoo_prune.executors.work import Answer, Done, Ready
from pymoo_prune.genome import Array, digests
from pymoo_prune.operators import (
    BalancedMaskMutation,
    Candidates,
    DigestDuplicates,
    UniformMaskCrossover,
)
from pymoo_prune.search import search
from pymoo_prune_problems import LayerVector

POPULATION, GENES = 1_000, 1_000


class Free(PruningProblem):
    """Masks whose measurements cost nothing; there is no network behind them."""

    def __init__(self, data: Data) -> None:
        super().__init__(
            data, n_var=GENES, objectives=["accuracy", "parameters"], vtype=bool, xl=0, xu=1
        )

    def measure(self, X: Array) -> Measurements:
        """Sums of genes."""
        kept, first = X.mean(axis=1), X[:, : GENES // 2].mean(axis=1)
        return {
            "accuracy": first,
            "accuracy_drop": 1 - first,
            "parameters": GENES * kept,
            "sparsity": 1 - kept,
            "macs": GENES * kept,
        }

    def network(self, x: Array) -> nn.Module:
        """None: nobody asks."""
        raise NotImplementedError

    def operators(self) -> dict[str, Any]:
        """The usual ones of masks."""
        return {
            "sampling": Candidates(self.random),
            "crossover": UniformMaskCrossover([GENES]),
            "mutation": BalancedMaskMutation([GENES]),
            "eliminate_duplicates": DigestDuplicates(),
        }

    def random(self, n: int, generator: np.random.Generator) -> Array:
        """Masks of any density."""
        return generator.random((n, GENES)) < generator.uniform(0.1, 0.9, (n, 1))

    def parent_measurements(self) -> Mapping[str, float]:
        """All genes."""
        whole = self.measure(np.ones((1, GENES), dtype=bool))
        return {name: float(values[0]) for name, values in whole.items()}


def run(quick: bool) -> Outcome:
    """The figure is how many times faster two workers are than one."""
    torch.set_num_threads(1)
    problem = LayerVector(
        layer_vector_setting.data(),
        parent=layer_vector_setting.parent(),
        search_images=50 if quick else 200,
    )
    # Once a run, with its first population; workers are sent what comes of it.
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
        "at least 1.7; at most 3 %",
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


def whole_search(problem: PruningProblem, *, population: int, generations: int) -> dict[str, float]:
    """A search with two workers and a store on disk: who used how much of its time."""
    with tempfile.TemporaryDirectory() as folder, Processes(2) as executor:
        check_same(problem, problem.random(4, np.random.default_rng(1)), executor)
        store = Store(
            Path(folder) / "evaluations.sqlite", tuple(problem.quantities), problem.fingerprint
        )
        measuring = Watch(executor)
        began, own = time.perf_counter(), time.process_time()
        search(
            problem,
            make_algorithm("nsga2", problem, population),
            Budget(generations=generations),
            seed=0,
            store=store,
            executor=measuring,
        )
        seconds, own = time.perf_counter() - began, time.process_time() - own
        store.close()
    return {
        "population": population,
        "evaluations": population * generations,
        "seconds": seconds,
        "evaluations a second": population * generations / seconds,
        "driver, s of processor time": own,
        "driver's share": own / seconds,
        "workers' share, of two": measuring.worked / (2 * seconds),
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
    """An error unless all measure the same to the last bit; it also gets all workers started."""
    found = [
        gathered(executor.measure(problem, X, 0), problem.quantities, len(X))
        for executor in (InProcess(), *executors)
    ]
    for name in problem.quantities:
        if not all(np.array_equal(one[name], found[0][name]) for one in found):
            msg = f"{name} is another one with workers"
            raise PruneError(msg)
    for executor in executors:
        everybody_ready(executor, problem, X)


def everybody_ready(executor: Dispatcher, problem: PruningProblem, X: Array) -> None:
    """Measures a little until all workers are there and have prepared what is prepared once."""
    while executor.ready < executor.workers:
        list(executor.measure(problem, X, 0))
    list(executor.measure(problem, X, 0))


def driver(problem: PruningProblem, *, generations: int) -> dict[str, float]:
    """What the driver does for an evaluation, with two workers and a store on disk."""
    names = tuple(problem.quantities)
    with tempfile.TemporaryDirectory() as folder, Processes(2) as executor:
        check_same(problem, problem.random(64, np.random.default_rng(1)), executor)
        path = Path(folder) / "evaluations.sqlite"
        store = Store(path, names, problem.fingerprint)
        measuring = Watch(executor)
        began = time.perf_counter()
        search(
            problem,
            make_algorithm("nsga2", problem, POPULATION),
            Budget(generations=generations),
            seed=0,
            store=store,
            executor=measuring,
        )
        whole = time.perf_counter() - began
        n = generations * POPULATION
        X = problem.random(n, np.random.default_rng(2))
        known = gathered(InProcess().measure(problem, X, 0), names, n)
        keys = digests(X)
        began = time.perf_counter()
        for start in range(0, n, POPULATION):
            rows = slice(start, start + POPULATION)
            values = {name: column[rows] for name, column in known.items()}
            store.follow(n + start, generations + 1, "batch 0", keys[rows])
            written(store, X[rows], keys[rows], values)
        writing = time.perf_counter() - began
        fresh = store.fresh
        store.close()
        size = path.stat().st_size
    return {
        "search, µs per evaluation": 1e6 * whole / n,
        "driver, µs per evaluation": 1e6 * (measuring.seconds + writing) / n,
        "of that chunks and pipes, µs": 1e6 * measuring.seconds / n,
        "of that digests in SQLite, µs": 1e6 * writing / n,
        "SQLite, bytes per evaluation": size / fresh,
    }


def written(store: Store, X: Array, keys: list[bytes], values: Measurements) -> None:
    """Writes what is known already."""
    row = {key: place for place, key in enumerate(keys)}

    def look_up(chunk: Array) -> Measurements:
        places = [row[key] for key in digests(chunk)]
        return {name: column[places] for name, column in values.items()}

    store.measured(X, keys, "batch 0", look_up)


class Watch(Executor):
    """Another executor, and how long it took.

    Args:
        executor: The other one.

    Attributes:
        seconds: What it took, waiting included.
        worked: What its workers measured, added up.
    """

    loses = True

    def __init__(self, executor: Executor) -> None:
        self.executor, self.seconds, self.worked = executor, 0.0, 0.0

    def measure(self, problem: PruningProblem, X: Array, batch: int | None) -> Any:
        """Measures, with a look at the clock before and after each part."""
        parts = self.executor.measure(problem, X, batch)
        while True:
            began = time.perf_counter()
            part = next(parts, None)
            self.seconds += time.perf_counter() - began
            if part is None:
                return
            self.worked += part.seconds
            yield part


class Pretended(Worker):
    """A worker that is nowhere."""

    X: Array | None = None

    def start(self) -> None:
        """There is nothing to start."""

    def give(self, X: Array, batch: int | None) -> None:  # noqa: ARG002
        """Keeps it."""
        self.X = X

    def stop(self) -> None:
        """There is nothing to stop."""


class Crowd(Dispatcher):
    """Many workers that are nowhere: ten have an answer whenever one looks.

    Args:
        problem: Measures, at no cost.
        workers: How many.
    """

    AT_ONCE, SECONDS = 10, 10.0  # with 10,000 workers ten are done every hundredth of a second

    def __init__(self, problem: PruningProblem, workers: int) -> None:
        super().__init__(workers)
        self.problem = problem
        self.working: deque[Pretended] = deque()

    def _publish(self, problem: PruningProblem) -> None:
        """Nobody needs it."""

    def _withdraw(self) -> None:
        """Nothing is anywhere."""

    def _needs(self) -> str:
        return "nothing"

    def _hire(self) -> Worker:
        self.working.append(Pretended())
        return self.working[-1]

    def _answers(self, timeout: float) -> Iterator[tuple[Worker, Answer]]:  # noqa: ARG002
        for _ in range(min(self.AT_ONCE, len(self.working))):
            worker = self.working.popleft()
            if worker.X is None:
                yield worker, Ready(version("pymoo-prune"), self.problem.fingerprint)
            else:
                yield worker, Done(self.problem.measured(worker.X), self.SECONDS)
            self.working.append(worker)


def crowded(problem: PruningProblem, workers: int) -> dict[str, float]:
    """What each of many workers costs the driver, who looks at all of them again and again."""
    X = problem.random(2 * workers, np.random.default_rng(4))
    with Crowd(problem, workers) as crowd:
        list(crowd.measure(problem, X[:workers], 0))
        began = time.process_time()
        list(crowd.measure(problem, X, 0))
        seconds = time.process_time() - began
    return {f"chunks of one to {workers:,} workers, µs": 1e6 * seconds / len(X)}


def messages(problem: PruningProblem, n: int) -> dict[str, float]:
    """What it takes to send one candidate and to get its measurements."""
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
