from __future__ import annotations

import copy
import itertools
import pickle
import random
import signal
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pymoo_prune import Budget, Data, PruneError
from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.engines import ENGINES, make_algorithm
from pymoo_prune.executors import (
    Answer,
    Dispatcher,
    Done,
    InProcess,
    Processes,
    Ray,
    Ready,
    Worker,
    joining,
    pack,
)
from pymoo_prune.executors import dispatch as dispatch_module
from pymoo_prune.executors import job as job_module
from pymoo_prune.executors.job import Job
from pymoo_prune.executors.work import Lost, Raised, Workbench, WorkerTraceback
from pymoo_prune.objectives import Measurements, gathered
from pymoo_prune.problem import CHUNK, Portions, PruningProblem
from pymoo_prune.search import Found, search
from tests.support.timed_problem import SmallPixels
from tests.support.tiny_problem import Pixels, PixelsInBatches
from tests.support.unruly_problem import measured_by


@pytest.fixture(scope="module")
def problem(digits: Data) -> Pixels:
    return Pixels(digits)


@pytest.fixture(scope="module")
def X(problem: Pixels) -> Array:  # noqa: N802
    return problem.random(60, np.random.default_rng(0))


def found_by(problem: Any, **options: Any) -> Found:
    engine = options.pop("engine", "nsga2")
    surrogate = options.pop("surrogate", None)
    algorithm = make_algorithm(engine, problem, 12, surrogate=surrogate)
    return search(problem, algorithm, Budget(generations=4), seed=3, **options)


def same(one: Found, other: Found) -> bool:
    values = ((one.measurements[n], other.measurements[n]) for n in one.measurements)
    columns = [(one.X, other.X), (one.numbers, other.numbers), *values]
    return all(np.array_equal(a, b) for a, b in columns)


# In this process.


def test_in_process_parts_are_chunks_in_order(problem: Pixels, X: Array) -> None:
    parts = list(InProcess().measure(problem, X[: CHUNK + 5], 0))
    assert [list(part.rows) for part in parts] == [list(range(16)), list(range(16, 21))]
    whole = problem.measured(X[: CHUNK + 5])
    found = gathered(parts, problem.quantities, CHUNK + 5)
    assert all(np.array_equal(found[name], whole[name]) for name in problem.quantities)


def test_the_final_measurement_is_the_careful_one(digits: Data, X: Array) -> None:
    problem = PixelsInBatches(digits)
    (searched,), (final,) = (list(InProcess().measure(problem, X[:4], b)) for b in (2, None))
    assert np.array_equal(searched.measured["accuracy"], problem.measured(X[:4], 2)["accuracy"])
    assert np.array_equal(final.measured["accuracy"], problem.measured(X[:4])["accuracy"])
    assert not np.array_equal(searched.measured["accuracy"], final.measured["accuracy"])


# The dispatcher, with workers in this process that fail as planned.


class Here(Worker):
    """A worker in this process; `Crew` answers for it."""

    def __init__(self, crew: Crew, number: int) -> None:
        super().__init__()
        self.crew, self.number = crew, number
        self.asked: tuple[Array, int | None] | None = None
        self.said = False

    def give(self, X: Array, batch: int | None) -> None:
        assert self.asked is None
        self.asked = (X, batch)
        self.crew.sizes.append(len(X))

    def start(self) -> None:
        if self.crew.on_start is not None:
            self.crew.on_start(self.number)
        self.crew.started.append(self.number)

    def stop(self) -> None:
        self.crew.stopped.append(self.number)


class Crew(Dispatcher):
    """Workers without processes; a list and deadly candidates decide which are lost."""

    def __init__(self, workers: int, fates: list[bool] | None = None, **options: Any) -> None:
        super().__init__(workers, **options)
        self.fates = iter(fates or [])
        self.deadly: set[bytes] = set()
        self.started: list[int] = []
        self.stopped: list[int] = []
        self.sizes: list[int] = []
        self.numbers = itertools.count()
        self.random = random.Random(0)  # noqa: S311
        self.fails_to_start = False
        self.says: Answer | None = None
        self.seconds: float | None = None
        self.on_start: Callable[[int], None] | None = None

    def _publish(self, problem: PruningProblem) -> None:
        self.bench = Workbench(1)
        self.bench.take(lambda: pack(problem).copied())

    def _withdraw(self) -> None:
        pass

    def _needs(self) -> str:
        return "each needs luck"

    def _hire(self) -> Worker:
        return Here(self, next(self.numbers))

    def _answers(self, timeout: float) -> Iterator[tuple[Worker, Answer]]:
        workers = [worker for worker in self._staff if isinstance(worker, Here)]
        self.random.shuffle(workers)
        for worker in workers:
            if self.fails_to_start:
                yield worker, Lost("did not start")
            elif not worker.said:
                worker.said = True
                yield worker, self.says or self.bench.take(lambda: pack(self.bench.problem))
            elif worker.asked is not None:
                (X, batch), worker.asked = worker.asked, None
                deadly = any(x.tobytes() in self.deadly for x in X)
                if deadly or next(self.fates, False):
                    yield worker, Lost("was killed by SIGKILL")
                else:
                    answer = self.bench.measure(X, batch)
                    if self.seconds is not None and isinstance(answer, Done):
                        answer = answer._replace(seconds=self.seconds)
                    yield worker, answer


@pytest.mark.slow
@settings(max_examples=40)
@given(st.integers(1, 4), st.lists(st.booleans(), max_size=12), st.integers(1, 40))
def test_every_candidate_comes_once_whichever_worker_is_lost(
    problem: Pixels, X: Array, workers: int, fates: list[bool], n: int
) -> None:
    crew = Crew(workers, fates)
    order, values, failures = measured_by(crew, problem.for_workers(), X[:n])
    assert sorted(order) == list(range(n))
    whole = problem.measured(X[:n])
    well = [row for row in range(n) if row not in failures]
    for name, column in values.items():
        assert np.array_equal(column[well], whole[name][well])
        assert np.isnan(column[list(failures)]).all()
    assert crew.restarted == len(crew.stopped) <= sum(fates)
    crew.close()


def test_the_candidate_that_kills_workers_is_found_and_others_measured(
    problem: Pixels, X: Array
) -> None:
    crew = Crew(2)
    crew.deadly = {X[7].tobytes(), X[30].tobytes()}
    order, values, failures = measured_by(crew, problem.for_workers(), X)
    assert sorted(order) == list(range(len(X)))
    reason = "given up after 3 tries: its worker was killed by SIGKILL"
    assert failures == {7: reason, 30: reason}
    well = np.setdiff1d(np.arange(len(X)), [7, 30])
    assert np.array_equal(values["accuracy"][well], problem.measured(X)["accuracy"][well])
    assert max(crew.sizes) > 1
    assert crew.restarted == 6


def test_where_no_candidate_may_fail_the_candidate_is_named(problem: Pixels, X: Array) -> None:
    crew = Crew(2)
    crew.deadly = {X[3].tobytes()}
    name = digests(X[3:4])[0].hex()
    with pytest.raises(PruneError, match=f"candidate {name} was given up after 3 tries"):
        measured_by(crew, problem, X)


def test_chunks_are_about_a_second_and_never_more_than_a_share(
    problem: Pixels, X: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = Crew(3)
    measured_by(crew, problem, X)
    assert crew.sizes[:3] == [1, 1, 1]  # the cost is not known yet
    left = len(X) - 3
    for size in crew.sizes[3:]:
        assert 1 <= size <= -(-left // 3)
        left -= size
    assert left == 0
    crew.sizes.clear()
    monkeypatch.setattr(Crew, "_learn", lambda self, job, seconds: None)
    crew._seconds[False] = 0.3
    measured_by(crew, problem, X)
    assert max(crew.sizes) == 3
    crew._seconds[False] = 5.0
    crew.sizes.clear()
    measured_by(crew, problem, X)
    assert set(crew.sizes) == {1}


@pytest.mark.parametrize(
    ("together", "workers", "sizes"),
    [
        (8, 2, [8, 8, 8, 8, 8, 8, 8, 4]),
        (128, 3, [20, 20, 20]),  # every worker has some
        (1, 2, [1] * 60),
    ],
)
def test_what_is_one_program_comes_together_however_long_it_takes(
    problem: Pixels, X: Array, together: int, workers: int, sizes: list[int]
) -> None:
    stacked = copy.copy(problem)
    stacked.portions = Portions(together=together)
    crew = Crew(workers)
    crew.seconds = 100.0
    measured_by(crew, stacked, X[:1])
    measured_by(crew, stacked, X)
    assert crew.sizes == [1, *sizes]


def test_an_abandoned_measurement_does_not_mix_with_the_next(problem: Pixels, X: Array) -> None:
    crew = Crew(2)
    first = crew.measure(problem, X[:20], 0)
    next(first)
    order, values, _ = measured_by(crew, problem, X[20:50])
    del first
    assert sorted(order) == list(range(30))
    assert np.array_equal(values["accuracy"], problem.measured(X[20:50])["accuracy"])


def test_a_measurement_does_not_go_on_with_workers_that_were_given_others(
    problem: Pixels, digits: Data, X: Array
) -> None:
    crew = Crew(2)
    for interrupt in (
        lambda: measured_by(crew, Pixels(digits, seed=1), X[20:30]),
        lambda: next(crew.measure(problem, X[20:30], 0)),
        crew.close,
    ):
        first = crew.measure(problem, X[:20], 0)
        next(first)
        interrupt()
        with pytest.raises(PruneError, match="each search an executor of its own"):
            next(first)
        order, values, _ = measured_by(crew, problem, X[30:50])
        assert sorted(order) == list(range(20))
        assert np.array_equal(values["accuracy"], problem.measured(X[30:50])["accuracy"])


def test_an_interrupted_start_leaves_no_worker_running(problem: Pixels, X: Array) -> None:
    crew = Crew(3)

    def interrupt(number: int) -> None:
        if number == 1:
            raise KeyboardInterrupt

    crew.on_start = interrupt
    with pytest.raises(KeyboardInterrupt):
        measured_by(crew, problem, X)
    assert (crew.started, crew.stopped) == ([0], [1])
    order, _, _ = measured_by(crew, problem, X)
    assert sorted(order) == list(range(len(X)))
    assert crew.started == [0, 2, 3]
    crew.close()
    assert sorted(crew.stopped) == [0, 1, 2, 3]


def test_the_status_counts_workers_and_shows_their_pace(
    problem: Pixels, X: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = Crew(3, [False] * 4 + [True])
    said: list[str] = []
    assert crew.status() == "0 of 3 workers ready"
    monkeypatch.setattr(Job, "pace", 12.34)
    with crew.watched(lambda: said.append(crew.status())):
        measured_by(crew, problem, X)
    assert said[0] == "0 of 3 workers ready, 12 evaluations/s"
    assert "3 workers, 3 busy, 12 evaluations/s" in said
    assert "2 of 3 workers ready, 2 busy, 1 restarted, 12 evaluations/s" in said
    assert crew.status() == "3 workers, 1 restarted, 12 evaluations/s"
    times = len(said)
    monkeypatch.setattr(Job, "pace", 0.034)
    measured_by(crew, problem, X[:1])
    assert len(said) == times  # the watch is over
    assert crew.status().endswith(", 0.03 evaluations/s")
    monkeypatch.setattr(Job, "pace", 12_345.6)
    assert crew.status().endswith(", 12,346 evaluations/s")
    monkeypatch.setattr(Job, "pace", 0.0)
    assert crew.status() == "3 workers, 1 restarted"
    assert Crew(1).status() == "0 of 1 worker ready"


def test_the_pace_counts_from_the_first_chunk_handed_out_to_the_last_one_done(
    problem: Pixels, X: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(job_module.time, "monotonic", lambda: now)
    job = Job(problem, X[:6], 0)
    assert job.pace == 0.0
    now = 200.0
    assert job.take(4) == [0, 1, 2, 3]
    now = 202.0
    job.done([0, 1, 2, 3], problem.measured(X[:4]), 1.0)
    assert job.pace == 2.0
    job.take(2)
    now = 206.0
    assert job.pace == 4 / 6
    job.done([4, 5], problem.measured(X[4:6]), 1.0)
    now = 300.0
    assert job.pace == 1.0


class Talking(Pixels):
    """The tiny problem; it prints the pixels of each candidate."""

    def measure(self, X: Array) -> Measurements:
        for x in X:
            print(f"{x.sum()} pixels")
        return super().measure(X)


def test_the_driver_prints_what_workers_print(
    digits: Data, X: Array, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = Talking(digits)
    answer = Workbench(1)
    answer.take(lambda: pack(problem))
    done = answer.measure(X[:2], 0)
    assert capsys.readouterr().out == ""
    assert done[2] == f"{X[0].sum()} pixels\n{X[1].sum()} pixels\n"
    measured_by(Crew(2), problem, X)
    lines = capsys.readouterr().out.splitlines()
    assert sorted(lines) == sorted(f"{x.sum()} pixels" for x in X)


def test_workers_that_end_at_once_are_not_replaced_forever(problem: Pixels, X: Array) -> None:
    crew = Crew(2, time_limit=60.0, patience=0.0)  # this process could keep no time limit
    crew.fails_to_start = True
    with pytest.raises(PruneError, match=r"are ready: the last one did not start; each needs luck"):
        measured_by(crew, problem, X)
    assert next(crew.numbers) <= 4


def test_workers_that_end_at_once_are_started_again_while_patience_lasts(
    problem: Pixels, X: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch_module, "PAUSES", (0.001, 0.002))
    crew = Crew(2, time_limit=60.0)
    crew.fails_to_start = True

    def better(number: int) -> None:
        crew.fails_to_start = number < 20

    crew.on_start = better
    order, values, failures = measured_by(crew, problem, X)
    assert sorted(order) == list(range(len(X)))
    assert not failures
    assert np.array_equal(values["accuracy"], problem.measured(X)["accuracy"])
    assert crew.restarted >= 20


def test_a_worker_that_does_not_start_waits_longer_each_time(problem: Pixels, X: Array) -> None:
    crew = Crew(1, time_limit=60.0, patience=0.5)
    crew.fails_to_start = True
    with pytest.raises(PruneError, match="are ready: the last one did not start"):
        measured_by(crew, problem, X)
    # After 0, 0.25 and 0.75 seconds; the patience ended before.
    assert crew.started == [0, 1, 2]


def test_others_go_on_while_one_does_not_start(
    problem: Pixels, X: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch_module, "PAUSES", (0.0, 0.0))
    crew = Crew(2, patience=0.0)
    crew._size = lambda job: 1  # type: ignore[method-assign]
    answers = crew._answers

    def broken(timeout: float) -> Iterator[tuple[Worker, Answer]]:
        for worker, answer in answers(timeout):
            first = isinstance(worker, Here) and worker.number == 0
            yield worker, answer if first else Lost("did not start")

    crew._answers = broken  # type: ignore[method-assign]
    order, _, failures = measured_by(crew, problem, X[:12])
    assert sorted(order) == list(range(12))
    assert not failures
    assert crew.restarted > 3  # its pauses grow, and the search goes on


@pytest.mark.parametrize("silent", [False, True])
def test_without_workers_this_process_measures_and_says_so(
    problem: Pixels, X: Array, silent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = Crew(2, patience=0.0)
    if silent:
        monkeypatch.setattr(dispatch_module, "START_TIMEOUT", -1.0)
    crew.fails_to_start = not silent
    with pytest.warns(RuntimeWarning, match="so that this process measures alone from now on; for"):
        order, values, failures = measured_by(crew, problem, X)
    assert sorted(order) == list(range(len(X)))
    assert not failures
    for name, column in problem.measured(X).items():
        assert np.array_equal(values[name], column)
    assert crew.status() == "no workers: measured in this process"
    assert sorted(crew.stopped) == sorted(crew.started)
    order, _, _ = measured_by(crew, problem, X[:5])  # without another warning
    assert sorted(order) == list(range(5))


def test_what_was_lost_with_a_worker_is_not_measured_in_this_process(
    problem: Pixels, X: Array
) -> None:
    crew = Crew(1, [True], patience=0.0)

    def broken(number: int) -> None:
        crew.fails_to_start = number > 0

    crew.on_start = broken
    with pytest.raises(PruneError, match="are ready: the last one did not start; each needs luck"):
        measured_by(crew, problem, X)


def test_a_second_interrupt_waits_until_all_workers_are_ended(problem: Pixels, X: Array) -> None:
    crew = Crew(3)
    measured_by(crew, problem, X)
    stop = Here.stop

    def pressed(worker: Here) -> None:
        signal.raise_signal(signal.SIGINT)
        stop(worker)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Here, "stop", pressed)
        with pytest.raises(KeyboardInterrupt):
            crew.close()
    assert sorted(crew.stopped) == sorted(crew.started) == [0, 1, 2]


def test_a_measurement_without_ready_workers_is_given_up(
    problem: Pixels, X: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch_module, "START_TIMEOUT", -1.0)
    with pytest.raises(PruneError, match="no worker is ready after 0 s; each needs luck"):
        measured_by(Crew(1, time_limit=60.0), problem, X)


def test_waiting_begins_when_the_last_ready_worker_is_lost(
    problem: Pixels, X: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The dispatcher reads the clock three times in a turn.
    clock = itertools.count(step=dispatch_module.START_TIMEOUT / 6)
    monkeypatch.setattr(dispatch_module.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(Crew, "_size", lambda crew, job: 1)
    crew = Crew(1, [False] * 4 + [True])
    order, _, _ = measured_by(crew, problem, X[:6])
    assert sorted(order) == list(range(6))
    assert crew.restarted == 1


def test_workers_of_another_version_are_refused(problem: Pixels, X: Array) -> None:
    crew = Crew(1)
    crew.says = Ready("0.0.1", problem.fingerprint)
    with pytest.raises(PruneError, match=r"has pymoo-prune 0.0.1, but the search has \d"):
        measured_by(crew, problem, X)
    crew = Crew(1)
    crew.says = Ready(dispatch_module.version("pymoo-prune"), "beef")
    with pytest.raises(PruneError, match=f"beef, but the search's has {problem.fingerprint}"):
        measured_by(crew, problem, X)


def test_a_problem_that_workers_cannot_unpack_is_refused(problem: Pixels, X: Array) -> None:
    crew = Crew(1)
    crew.says = Raised(AttributeError("Can't get attribute 'Own'"), "the traceback")
    message = r"cannot unpack the problem: Can't get attribute 'Own'; .* put it into a file"
    with pytest.raises(PruneError, match=message) as caught:
        measured_by(crew, problem, X)
    assert isinstance(caught.value.__cause__, WorkerTraceback)
    assert "the traceback" in str(caught.value.__cause__)


def test_latencies_are_not_measured_by_workers(digits: Data, X: Array) -> None:
    problem = SmallPixels(digits, objectives=["accuracy", "latency"])
    with pytest.raises(PruneError, match="one candidate at a time on a quiet machine"):
        measured_by(Crew(1), problem, X)


@pytest.mark.parametrize("kind", [Processes, Ray])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers and threads must be at least 1, but they are 0 and 1"),
        ({"workers": 1, "threads": 0}, "they are 1 and 0"),
        ({"workers": 1, "time_limit": 0.0}, "must be above 0 seconds, but it is 0.0"),
        ({"workers": 1, "time_limit": float("nan")}, "must be above 0 seconds"),
        ({"workers": 1, "patience": -1.0}, "patience must be a number of seconds, at least 0"),
        ({"workers": 1, "patience": float("nan")}, "at least 0, but it is nan"),
    ],
)
def test_impossible_numbers_of_workers_and_limits_are_refused(
    kind: type[Dispatcher], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(PruneError, match=message):
        kind(**options)


# The constraint for lost candidates changes nothing where none is lost.


@pytest.mark.slow
@pytest.mark.parametrize("engine", sorted({*ENGINES} - {"own", "age-moea", "age-moea2"}))
@pytest.mark.parametrize("constraints", [(), ("accuracy>=0.5",)])
def test_searches_for_workers_find_the_same(
    digits: Data, engine: str, constraints: tuple[str, ...]
) -> None:
    if engine == "moead" and constraints:
        pytest.skip("it handles no constraints")
    objectives = ["accuracy"] if engine == "ga" else ["accuracy", "pixels"]
    one = Pixels(digits, constraints=constraints, objectives=objectives)
    assert same(found_by(one, engine=engine), found_by(one, engine=engine, executor=Crew(2)))


@pytest.mark.parametrize("surrogate", ["ridge", "rbf"])
def test_surrogates_choose_the_same_with_workers(digits: Data, surrogate: str) -> None:
    one = Pixels(digits)
    options = {"engine": "nsga2", "surrogate": surrogate}
    assert same(found_by(one, **options), found_by(one, executor=Crew(2), **options))


def test_a_problem_for_workers_is_the_same_problem(problem: Pixels, X: Array) -> None:
    twin = problem.for_workers()
    assert (twin.fingerprint, twin.n_ieq_constr) == (problem.fingerprint, 1)
    assert (problem.n_ieq_constr, problem.marks_failures, problem.loses) == (0, False, False)
    assert twin.score(problem.measured(X))["G"].tolist() == [[0.0]] * len(X)
    assert "G" not in problem.score(problem.measured(X))
    assert twin.with_goals(["pixels"]).n_ieq_constr == 1


# Ray, replaced by a stub that notes calls.


@pytest.mark.parametrize(
    "address",
    [
        *("", "host", "host:", ":6379", "host:abc", "host:0", "host:99999", "http://host:80"),
        *(
            "ray://host",
            "ray://",
            "host:" + "9" * 9_999,
            "ray://host:10001/path",
            "two words:6379",
            "host:6379 ",
        ),
    ],
)
def test_malformed_addresses_are_refused(address: str) -> None:
    with pytest.raises(PruneError, match="must read HOST:PORT, such as") as caught:
        Ray(address)
    assert str(caught.value).endswith(f"but it is {address!r}")


@pytest.mark.parametrize(
    "address", ["host:6379", "10.0.0.1:1", "a-b.c_d:65535", "[::1]:6379", "ray://host:10001"]
)
def test_well_formed_addresses_are_kept(address: str) -> None:
    assert Ray(address).address == address


def test_without_ray_the_message_says_how_to_install_it(
    problem: Pixels, X: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(joining, "import_module", missing)
    told = pytest.raises(PruneError, match=r"pip install 'pymoo-prune\[ray\]'")
    with told:
        next(Ray().measure(problem, X, 0))
    with told, Ray():  # before anything is trained
        raise AssertionError


class NoRay(SimpleNamespace):
    """The part of Ray that hires workers: notes what is asked for, and never answers."""

    def __init__(self, *nodes: dict[str, float]) -> None:
        there = [{"Alive": True, "Resources": node} for node in nodes]
        gone = {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}
        super().__init__(
            cloudpickle=SimpleNamespace(CloudPickler=pickle.Pickler),
            is_initialized=lambda: True,
            nodes=lambda: [*there, gone],
            put=lambda thing: thing,
            remote=lambda kind: self,
            wait=lambda references, num_returns, timeout: ([], references),
            kill=lambda actor: None,
            available_resources=dict,
            cluster_resources=lambda: {"CPU": 4.0, "GPU": 1.0},
        )
        self.asked: list[dict[str, int]] = []

    def options(self, **needs: int) -> SimpleNamespace:
        self.asked.append(needs)
        ask = SimpleNamespace(remote=lambda *_: object())
        return SimpleNamespace(remote=lambda *_: SimpleNamespace(take_copy=ask))


class Elsewhere:
    """A problem of which only the device of its data is known."""

    measures_latency, fingerprint = False, "beef"

    def __init__(self, device: str) -> None:
        images = SimpleNamespace(device=torch.device(device))
        self.data_set = SimpleNamespace(train=SimpleNamespace(images=images))


@pytest.mark.parametrize(
    ("device", "threads", "workers", "needs"),
    [
        ("cpu", 1, 7, {"num_cpus": 1, "num_gpus": 0}),
        ("cpu", 2, 2, {"num_cpus": 2, "num_gpus": 0}),  # seven processors, but three and three
        ("cuda", 1, 3, {"num_cpus": 1, "num_gpus": 1}),
        ("cuda:0", 2, 2, {"num_cpus": 2, "num_gpus": 1}),
        ("cpu", 8, 1, {"num_cpus": 8, "num_gpus": 0}),  # no room yet, but nodes may join
    ],
)
def test_workers_ask_for_threads_and_for_a_gpu_where_the_data_is_on_one(
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    threads: int,
    workers: int,
    needs: dict[str, int],
) -> None:
    ray = NoRay({"CPU": 3.0, "GPU": 2.0, "memory": 1e9}, {"CPU": 3.0, "GPU": 1.0}, {"CPU": 1.0})
    monkeypatch.setattr(joining, "import_module", lambda name: ray)
    monkeypatch.setattr(dispatch_module, "START_TIMEOUT", -1.0)
    gpu = r", 1 GPU \(0 of 1 are free in the cluster\)" if needs["num_gpus"] else ""
    message = rf"each needs {threads} CPU \(0 of 4 are free in the cluster\){gpu}, and pymoo-prune"
    crew = Ray(threads=threads)
    with pytest.raises(PruneError, match=message):
        next(crew.measure(Elsewhere(device), np.zeros((2, 3), dtype=bool), 0))  # type: ignore[arg-type]
    assert ray.asked == [needs] * workers
    assert crew.status() == f"0 of {workers} worker{'s' * (workers > 1)} ready"


def test_a_gpu_that_workers_would_not_find_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "import_module", lambda name: NoRay())
    with pytest.raises(PruneError, match=r"is on cuda:1, but each worker .* the device as cuda"):
        next(Ray().measure(Elsewhere("cuda:1"), np.zeros((1, 3), dtype=bool), 0))  # type: ignore[arg-type]


def test_pauses_grow_while_others_work(problem: Pixels, X: Array) -> None:
    crew = Crew(2, patience=0.0)
    crew._failed_starts = 2
    crew._staff = [Here(crew, 0)]
    crew._staff[0].ready = True
    before = time.monotonic()
    crew._failed_to_start("did not start")
    assert crew._next_start - before >= 1.0
    assert 0.9 < crew._timeout() <= 1.0  # no turning in circles until then
    rows = [0]
    job = Job(problem, X[:1], 0)
    crew._staff[0].begin(job, job.take(1), float("inf"))
    list(crew._heard(job, crew._staff[0], Done(problem.measured(X[rows]), 0.1, "")))
    assert crew._failed_starts == 3, "another worker's answer changes nothing"
