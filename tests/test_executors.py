from __future__ import annotations

import itertools
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pymoo_prune import Budget, Data, PruneError, Store, StoreError
from pymoo_prune.cli import main
from pymoo_prune.engines import ENGINES, make_algorithm
from pymoo_prune.executors import InProcess, Processes, gathered
from pymoo_prune.executors import dispatch as dispatch_module
from pymoo_prune.executors.dispatch import Dispatcher, Worker
from pymoo_prune.executors.parcel import pack, read, unpack, write
from pymoo_prune.executors.work import Answer, Lost, Ready, Workbench, WorkerTraceback
from pymoo_prune.files import LOCK, locked
from pymoo_prune.genome import Array, digests
from pymoo_prune.problem import CHUNK, PruningProblem
from pymoo_prune.search import Found, search
from pymoo_prune.testing import check_packing
from tests.timed_problem import SmallPixels
from tests.tiny_problem import Pixels, PixelsInBatches, ecomp_run, pixels_run, threads
from tests.unruly_problem import Unruly, measured_by, until_all_work

LIMIT = 5.0
"""Seconds that nobody takes who does not hang, on the busiest machine."""
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    with threads(1):
        yield


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
    assert np.array_equal(final.measured["accuracy"], problem.measured_finally(X[:4])["accuracy"])
    assert not np.array_equal(searched.measured["accuracy"], final.measured["accuracy"])


# The dispatcher, with workers that are here and whose fates are known.


class Here(Worker):
    """A worker that does what it is told to when it is asked."""

    def __init__(self, crew: Crew, number: int) -> None:
        super().__init__()
        self.crew, self.number = crew, number
        self.asked: tuple[Array, int | None] | None = None
        self.said = False

    def give(self, X: Array, batch: int | None) -> None:
        assert self.asked is None
        self.asked = (X, batch)
        self.crew.sizes.append(len(X))

    def stop(self) -> None:
        self.crew.stopped.append(self.number)


class Crew(Dispatcher):
    """Workers without processes; they are lost as a list says, and by candidates that kill."""

    def __init__(self, workers: int, fates: list[bool] | None = None, **options: Any) -> None:
        super().__init__(workers, **options)
        self.fates = iter(fates or [])
        self.deadly: set[bytes] = set()
        self.stopped: list[int] = []
        self.sizes: list[int] = []
        self.numbers = itertools.count()
        self.random = random.Random(0)  # noqa: S311
        self.stillborn = False
        self.says: Ready | None = None

    def _publish(self, problem: PruningProblem) -> None:
        self.bench = Workbench(1)
        self.bench.take(lambda: pack(problem).copied())

    def _hire(self) -> Worker:
        return Here(self, next(self.numbers))

    def _answers(self, timeout: float) -> Iterator[tuple[Worker, Answer]]:
        workers = [worker for worker in self._staff if isinstance(worker, Here)]
        self.random.shuffle(workers)
        for worker in workers:
            if self.stillborn:
                yield worker, Lost("was born dead")
            elif not worker.said:
                worker.said = True
                yield worker, self.says or self.bench.take(lambda: pack(self.bench.problem))
            elif worker.asked is not None:
                (X, batch), worker.asked = worker.asked, None
                deadly = any(x.tobytes() in self.deadly for x in X)
                if deadly or next(self.fates, False):
                    yield worker, Lost("was killed by SIGKILL")
                else:
                    yield worker, self.bench.measure(X, batch)


@settings(max_examples=40)
@given(st.integers(1, 4), st.lists(st.booleans(), max_size=12), st.integers(1, 40))
def test_every_candidate_comes_once_whoever_is_lost(
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


def test_the_guilty_is_found_and_everybody_else_is_measured(problem: Pixels, X: Array) -> None:
    crew = Crew(2)
    crew.deadly = {X[7].tobytes(), X[30].tobytes()}
    order, values, failures = measured_by(crew, problem.for_workers(), X)
    assert sorted(order) == list(range(len(X)))
    reason = "given up after 3 tries: its worker was killed by SIGKILL"
    assert failures == {7: reason, 30: reason}
    well = np.setdiff1d(np.arange(len(X)), [7, 30])
    assert np.array_equal(values["accuracy"][well], problem.measured(X)["accuracy"][well])
    assert max(crew.sizes) > 1
    assert crew.status() == "2 workers, 6 restarted"


def test_where_nobody_may_fail_the_candidate_is_named(problem: Pixels, X: Array) -> None:
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
    assert crew.sizes[:3] == [1, 1, 1]  # nothing is known of the cost
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


def test_an_abandoned_measurement_does_not_mix_with_the_next(problem: Pixels, X: Array) -> None:
    crew = Crew(2)
    first = crew.measure(problem, X[:20], 0)
    next(first)
    order, values, _ = measured_by(crew, problem, X[20:50])
    del first
    assert sorted(order) == list(range(30))
    assert np.array_equal(values["accuracy"], problem.measured(X[20:50])["accuracy"])


def test_workers_that_end_at_once_are_not_replaced_forever(problem: Pixels, X: Array) -> None:
    crew = Crew(2)
    crew.stillborn = True
    with pytest.raises(PruneError, match=r"before they are ready: the last one was born .*if __n"):
        measured_by(crew, problem, X)
    assert next(crew.numbers) <= 4


def test_who_waits_for_workers_forever_is_told(
    problem: Pixels, X: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch_module, "PATIENCE", -1.0)
    with pytest.raises(PruneError, match="no worker is ready after 0 s"):
        measured_by(Crew(1), problem, X)


def test_workers_of_another_version_are_refused(problem: Pixels, X: Array) -> None:
    crew = Crew(1)
    crew.says = Ready("0.0.1", problem.fingerprint)
    with pytest.raises(PruneError, match=r"has pymoo-prune 0.0.1, but the search has \d"):
        measured_by(crew, problem, X)
    crew = Crew(1)
    crew.says = Ready(dispatch_module.version("pymoo-prune"), "beef")
    with pytest.raises(PruneError, match=f"beef, but the search's has {problem.fingerprint}"):
        measured_by(crew, problem, X)


def test_latencies_are_not_measured_by_workers(digits: Data, X: Array) -> None:
    problem = SmallPixels(digits, objectives=["accuracy", "latency"])
    with pytest.raises(PruneError, match="one candidate at a time on a quiet machine"):
        measured_by(Crew(1), problem, X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers and threads must be at least 1, but they are 0 and 1"),
        ({"workers": 1, "threads": 0}, "they are 1 and 0"),
        ({"workers": 1, "time_limit": 0.0}, "must be above 0 seconds, but it is 0.0"),
        ({"workers": 1, "time_limit": float("nan")}, "must be above 0 seconds"),
    ],
)
def test_executors_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(PruneError, match=message):
        Processes(**options)


# A place for who was lost changes nothing where nobody was.


@pytest.mark.parametrize("engine", sorted({*ENGINES} - {"own", "age-moea", "age-moea2"}))
@pytest.mark.parametrize("constraints", [(), ("accuracy>=0.5",)])
def test_searches_for_workers_find_the_same(
    digits: Data, engine: str, constraints: tuple[str, ...]
) -> None:
    if engine == "moead" and constraints:
        pytest.skip("it knows no constraints")
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


# Parcels.


class Furniture:
    """All that problems keep."""

    def __init__(self) -> None:
        big = torch.arange(2 * 3 * 128 * 128, dtype=torch.float32).reshape(2, 3, 128, 128)
        self.plain, self.other = big, big.to(memory_format=torch.channels_last)
        self.thin = torch.zeros(20_000, 1, 1, 8).to(memory_format=torch.channels_last)
        self.small, self.half = torch.arange(3), big.bfloat16()
        self.view = big[1:]
        self.parameter = nn.Parameter(big[0].clone())
        self.again = self.plain
        self.numbers = np.arange(50_000)
        self.backwards = np.asfortranarray(np.arange(60_000.0).reshape(200, 300))
        self.lock, self.relock = threading.Lock(), threading.RLock()


def test_a_parcel_brings_everything_as_it_was(tmp_path: Path) -> None:
    sent = Furniture()
    parcel = pack(sent)
    assert sum(memoryview(array).nbytes for array in parcel.arrays) > 1_000_000
    assert len(parcel.core) < 1_500_000  # another layout, bfloat16, small ones
    with (tmp_path / "parcel").open("w+b") as file:
        write(parcel, file)
        mapped = read(file.fileno())
    for copy in (unpack(parcel.copied()), unpack(mapped)):
        for name in ("plain", "other", "thin", "small", "half", "view", "parameter"):
            one, other = getattr(sent, name), getattr(copy, name)
            assert torch.equal(one, other), name
            assert (one.dtype, one.stride()) == (other.dtype, other.stride()), name
            assert type(one) is type(other)
            assert one.requires_grad == other.requires_grad
        assert copy.again is copy.plain
        assert np.array_equal(copy.numbers, sent.numbers)
        assert np.array_equal(copy.backwards, sent.backwards)
        assert copy.backwards.flags.f_contiguous
        assert copy.plain.data_ptr() % 16 == 0
        assert not copy.lock.locked()
        with copy.relock, copy.relock, copy.lock:
            pass


def test_who_writes_to_a_parcel_has_pages_of_its_own(tmp_path: Path) -> None:
    sent = Furniture()
    with (tmp_path / "parcel").open("w+b") as file:
        write(pack(sent), file)
        one, other, late = (unpack(read(file.fileno())) for _ in range(3))
    one.plain[:], one.numbers[:] = -1, -1
    for copy in (other, late, unpack(pack(sent))):
        assert torch.equal(copy.plain, sent.plain)
        assert np.array_equal(copy.numbers, sent.numbers)


def test_what_cannot_be_sent_is_told(digits: Data) -> None:
    class Local(Pixels):
        pass

    with pytest.raises(PruneError, match=r"Local cannot be sent to workers: .*; its class must be"):
        pack(Local(digits))
    problem = Pixels(digits)
    problem.progress = lambda: None  # type: ignore[attr-defined]
    with pytest.raises(PruneError, match=r"Pixels cannot be sent to workers: .*lambda"):
        pack(problem)


def test_the_contract_notices_problems_that_change_on_the_way(
    digits: Data, X: Array, tmp_path: Path
) -> None:
    check_packing(Pixels(digits), X)
    problem = Pixels(digits)
    problem.progress = lambda: None  # type: ignore[attr-defined]
    with pytest.raises(AssertionError, match="cannot be sent to workers"):
        check_packing(problem, X)
    with pytest.raises(AssertionError, match="workers measure another accuracy"):
        check_packing(Forgetful(digits), X)


class Forgetful(Pixels):
    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "weight": -self.weight}


# Real processes.


@pytest.fixture(scope="module")
def unruly(digits: Data, tmp_path_factory: pytest.TempPathFactory) -> Unruly:
    return Unruly(digits, folder=str(tmp_path_factory.mktemp("unruly")))


@pytest.fixture(scope="module")
def crew() -> Iterator[Processes]:
    with Processes(2, time_limit=LIMIT) as crew:
        yield crew


def test_processes_measure_the_same_and_leave_the_same(
    crew: Processes, unruly: Unruly, X: Array, tmp_path: Path
) -> None:
    rows = []
    for name, executor in (("here", None), ("there", crew)):
        path = tmp_path / f"{name}.sqlite"
        store = Store(path, tuple(unruly.quantities), unruly.fingerprint, {})
        rows.append((found_by(unruly, store=store, executor=executor), tables(path)))
        store.close()
    assert same(rows[0][0], rows[1][0])
    assert rows[0][1] == rows[1][1]
    assert len(set(unruly.begun()) - {str(os.getpid())}) >= 1
    until_all_work(crew, unruly, X, 2)
    assert crew.status().startswith("2 workers")


def tables(path: Path) -> list[list[tuple[Any, ...]]]:
    with sqlite3.connect(path) as db:
        found = [
            db.execute(sql).fetchall()
            for sql in (
                "SELECT * FROM measurements ORDER BY images, digest",
                "SELECT * FROM history ORDER BY number",
            )
        ]
    db.close()
    return found


def test_candidates_that_end_or_stop_their_workers_are_given_up(
    crew: Processes, unruly: Unruly, X: Array
) -> None:
    unruly.forget()
    whole = unruly.measured(X)
    before = crew.restarted
    unruly.plan(X[20], "exit")
    unruly.plan(X[40], "hang")
    unruly.plan(X[5], "kill", times=1)
    order, values, failures = measured_by(crew, unruly.for_workers(), X)
    unruly.forget()
    assert sorted(order) == list(range(len(X)))
    assert failures == {
        20: "given up after 3 tries: its worker ended with exit code 7",
        40: f"given up after 3 tries: its worker took longer than the time limit of {LIMIT:g} s",
    }
    well = np.setdiff1d(np.arange(len(X)), [20, 40])
    for name, column in values.items():
        assert np.array_equal(column[well], whole[name][well])
    # Some may have been in one chunk: then one death was for all of them.
    assert crew.restarted - before >= 5
    assert f"2 workers, {crew.restarted} restarted" == crew.status()


def test_an_error_in_measure_stops_everything_and_shows_where(
    crew: Processes, unruly: Unruly, X: Array
) -> None:
    unruly.forget()
    unruly.plan(X[40], "raise")
    with pytest.raises(ZeroDivisionError, match="no luck with") as caught:
        measured_by(crew, unruly, X)
    cause = caught.value.__cause__
    assert isinstance(cause, WorkerTraceback)
    assert "in a worker:" in str(cause)
    assert "unruly_problem.py" in str(cause)
    assert unruly.planned(X[40]) == "raise 999"  # it was tried once
    unruly.forget()
    order, _, failures = measured_by(crew, unruly, X)  # and it goes on with what is sound
    assert (sorted(order), failures) == (list(range(len(X))), {})


def test_processes_end_with_their_executor(crew: Processes, unruly: Unruly, X: Array) -> None:
    measured_by(crew, unruly, X[:4])
    pids = [worker.process.pid for worker in crew._staff]  # type: ignore[attr-defined]
    crew.close()
    assert not any(alive(pid) for pid in pids)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# Real runs.


def started(arguments: list[str], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "pymoo_prune.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def asked_for(folder: Path) -> int:
    try:
        with sqlite3.connect(folder / "evaluations.sqlite") as db:
            return int(db.execute("SELECT COUNT(*) FROM measurements").fetchone()[0])
    except sqlite3.Error:
        return 0


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def waited_for(condition: Any, process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None
        time.sleep(0.005)


def test_a_run_survives_its_workers_and_its_driver(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, folder, temporary = tmp_path / "whole", tmp_path / "killed", tmp_path / "tmp"
    temporary.mkdir()
    more = ["--generations", "5", "--set", "pause=0.03"]
    process = started([*pixels_run(folder, *more), "--workers", "2"], TMPDIR=str(temporary))
    waited_for(lambda: asked_for(folder) >= 10, process)
    workers = [pid for pid in children(process.pid) if b"spawn_main" in command_of(pid)]
    assert len(workers) == 2
    assert list(temporary.iterdir()) == []
    os.kill(workers[0], signal.SIGKILL)
    waited_for(lambda: asked_for(folder) >= 20, process)
    lock = json.loads((folder / LOCK).read_text())
    assert lock["process"] == process.pid
    assert main(["resume", str(folder)]) == 2
    error = capsys.readouterr().err
    assert f"is being worked on by process {process.pid} on {lock['host']}; wait for" in error
    process.kill()
    process.communicate()
    waited_for(lambda: not any(alive(pid) for pid in workers))
    assert main(["resume", str(folder), "--workers", "1"]) == 0
    assert main(pixels_run(whole, *more)) == 0
    assert (folder / "front.csv").read_bytes() == (whole / "front.csv").read_bytes()
    assert tables(folder / "evaluations.sqlite") == tables(whole / "evaluations.sqlite")
    assert not (folder / LOCK).exists()


def command_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_two_drivers_cannot_work_in_one_folder(tmp_path: Path) -> None:
    refused = pytest.raises(StoreError, match=f"process {os.getpid()} on ")
    with locked(tmp_path), refused, locked(tmp_path):
        raise AssertionError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / LOCK).write_text('{"process": 1, "host": "elsewhere"}')  # as kill -9 leaves it
    with locked(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["process"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_a_profile_names_the_most_expensive_operators(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert main(ecomp_run(folder, "--profile", "--generations", "2")) == 0
    trace = json.loads((folder / "profile.json").read_text())
    assert any(event.get("name") == "aten::addmm" for event in trace["traceEvents"])
    table = (folder / "profile.txt").read_text()
    assert table.count("aten::") >= 5
    assert "Self CPU" in table


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "ecomp", "--time-limit", "3"], "--time-limit needs workers"),
        (["run", "ecomp", "--profile", "--workers", "2"], "--profile sees what is done in this"),
        (["run", "ecomp", "--workers", "0"], "workers and threads must be at least 1"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert main([*arguments, "--output", str(folder)]) == 2
    assert message in capsys.readouterr().err
    assert not folder.exists()
