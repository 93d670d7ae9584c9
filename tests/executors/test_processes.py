"""Real processes and real runs, some of which are killed."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pytest

from pymoo_prune import Budget, Data, PruneError, Store, StoreError
from pymoo_prune.chromosomes import Array
from pymoo_prune.cli import main
from pymoo_prune.engines import make_algorithm
from pymoo_prune.executors import Processes
from pymoo_prune.executors.processes import Messages, _Process, _Shared
from pymoo_prune.executors.work import Lost, WorkerTraceback
from pymoo_prune.files import LOCK, locked
from pymoo_prune.search import search
from tests.support.running import (
    alive,
    children,
    command_of,
    contents,
    finished,
    half_an_answer,
    measurements,
    python,
    started,
    tables,
    waited_for,
)
from tests.support.tiny_problem import Pixels, ecomp_run, full_disk, pixels_run
from tests.support.unruly_problem import Unruly, measured_by, until_all_work

pytestmark = pytest.mark.slow

LIMIT = 5.0
"""Seconds; only a worker that hangs takes longer, even on a busy machine."""


@pytest.fixture(scope="module")
def X(digits: Data) -> Array:  # noqa: N802
    return Pixels(digits).random(60, np.random.default_rng(0))


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
        algorithm, budget = make_algorithm("nsga2", unruly, 12), Budget(generations=4)
        found = search(unruly, algorithm, budget, seed=3, store=store, executor=executor)
        store.close()
        rows.append((found.X.tolist(), found.numbers.tolist(), tables(path)))
    assert rows[0] == rows[1]
    assert len(set(unruly.begun()) - {str(os.getpid())}) >= 1
    until_all_work(crew, unruly, X, 2)
    assert crew.status().startswith("2 workers, ")


def test_candidates_that_end_or_stop_their_workers_are_given_up(
    crew: Processes, unruly: Unruly, X: Array
) -> None:
    unruly.forget()
    whole = unruly.measured(X)
    before = crew.restarted
    unruly.plan(X[20], "exit")
    unruly.plan(X[40], "hang")
    unruly.plan(X[5], "kill", times=1)
    unruly.plan(X[10], "memory", times=1)
    unruly.plan(X[30], "memory")
    order, values, failures = measured_by(crew, unruly.for_workers(), X)
    unruly.forget()
    assert sorted(order) == list(range(len(X)))
    reason = failures.pop(30)
    assert reason.startswith("given up after 3 tries: its worker ran out of memory (")
    assert "allocate" in reason
    assert failures == {
        20: "given up after 3 tries: its worker ended with exit code 7",
        40: f"given up after 3 tries: its worker took longer than the time limit of {LIMIT:g} s",
    }
    well = np.setdiff1d(np.arange(len(X)), [20, 30, 40])
    for name, column in values.items():
        assert np.array_equal(column[well], whole[name][well])
    # Several may have been in one chunk: then they were lost with one worker.
    assert crew.restarted - before >= 5
    assert f", {crew.restarted} restarted, " in crew.status()


def test_the_driver_prints_what_a_process_prints(
    crew: Processes, unruly: Unruly, X: Array, capsys: pytest.CaptureFixture[str]
) -> None:
    unruly.plan(X[3], "print", times=1)
    measured_by(crew, unruly, X[:5])
    unruly.forget()
    assert capsys.readouterr().out.startswith("measuring ")


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
    order, _, failures = measured_by(crew, unruly, X)  # and it goes on with healthy candidates
    assert (sorted(order), failures) == (list(range(len(X))), {})


def test_processes_end_with_their_executor(crew: Processes, unruly: Unruly, X: Array) -> None:
    measured_by(crew, unruly, X[:4])
    pids = [worker.process.pid for worker in crew._staff]  # type: ignore[attr-defined]
    crew.close()
    assert not any(alive(pid) for pid in pids)


def a_worker(target: Callable[..., object], *arguments: object) -> tuple[_Process, Messages]:
    """A worker with another target than usual, and the queue of its messages."""
    messages: Messages = SimpleQueue()
    worker = _Process(_Shared(0), 1, messages)
    worker.process = get_context("spawn").Process(target=target, args=(worker._theirs, *arguments))
    return worker, messages


def test_a_worker_that_ends_in_the_middle_of_an_answer_is_lost() -> None:
    worker, messages = a_worker(half_an_answer)
    worker.start()
    assert messages.get(timeout=60.0) == (worker, None)
    assert worker.answer(None) == Lost("was killed by SIGKILL")
    worker.stop()
    assert worker.pipe.closed


@pytest.mark.parametrize("half", [False, True])
def test_a_worker_that_is_stopped_in_the_middle_of_a_message_is_not_waited_for(half: bool) -> None:
    worker, messages = a_worker(Connection.poll, None)
    answer = b"\0\0\0\5ready"
    os.write(
        worker._theirs.fileno(), answer[:-2] if half else answer
    )  # as if the process had sent it
    worker.start()
    os.kill(worker.process.pid or 0, signal.SIGSTOP)
    worker.give(np.zeros((1, 1 << 24), dtype=bool), 0)  # more than a pipe holds
    if not half:
        assert messages.get(timeout=60.0) == (worker, b"ready")
        waited_for(worker._chunks.empty)  # it is being sent
    assert messages.empty()
    worker.stop()
    assert messages.get(timeout=60.0) == (worker, None)
    assert worker.pipe.closed


def test_a_worker_that_was_never_started_can_be_stopped() -> None:
    worker = _Process(_Shared(0), 1, SimpleQueue())
    worker.stop()
    assert worker.pipe.closed
    assert worker._theirs.closed


FIRST = """
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from pymoo_prune.executors.processes import _Process, _Shared

worker = _Process(_Shared(0), 1, SimpleQueue())
worker.process = get_context("spawn").Process(target=Connection.poll, args=(worker._theirs, None))
worker.start()
print(Path(f"/proc/{worker.process.pid}/status").read_text())
worker.stop()
"""


def test_the_first_worker_blocks_ctrl_c_while_it_starts() -> None:
    status = dict(line.split(":", 1) for line in finished(python("-c", FIRST)).splitlines() if line)
    assert int(status["SigBlk"], 16) >> (signal.SIGINT - 1) & 1


SCRIPT = """
import numpy as np
from pymoo_prune import load_data
from pymoo_prune.executors import Processes
from pymoo_prune.objectives import gathered
from tests.support.tiny_problem import Pixels

class Own(Pixels):
    def measure(self, X):
        found = super().measure(X)
        return {**found, "accuracy": found["accuracy"] / 2}

if __name__ == "__main__":
    problem = Own(load_data("digits"))
    X = problem.random(6, np.random.default_rng(0))
    with Processes(1) as crew:
        there = gathered(crew.measure(problem, X, 0), problem.quantities, len(X))
    print(there["accuracy"].tolist() == problem.measured(X)["accuracy"].tolist())
"""


def test_a_problem_of_a_script_is_found_there(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    assert finished(python(str(path))) == "True\n"


def test_a_problem_of_a_notebook_is_refused(
    digits: Data, X: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Own(Pixels):
        pass

    Own.__module__, Own.__qualname__ = "__main__", "Own"
    monkeypatch.setattr(sys.modules["__main__"], "Own", Own, raising=False)
    with (
        Processes(1) as crew,
        pytest.raises(PruneError, match=r"unpack the problem: Can't get attribute 'Own' .* file"),
    ):
        next(crew.measure(Own(digits), X, 0))


def test_a_disk_without_room_for_the_problem_is_named(
    digits: Data, X: Array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    message = rf"{tmp_path} has no room for the problem: .*; set TMPDIR to a folder that has"
    with full_disk(1_000), Processes(1) as crew, pytest.raises(PruneError, match=message):
        next(crew.measure(Pixels(digits), X, 0))


def test_workers_that_end_at_once_are_explained() -> None:
    assert "under 'if __name__ == \"__main__\":'" in Processes(1)._needs()


def test_a_run_survives_its_workers_and_its_driver(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, folder, temporary = tmp_path / "whole", tmp_path / "killed", tmp_path / "tmp"
    temporary.mkdir()
    more = ["--generations", "5", "--set", "pause=0.03"]
    process = started([*pixels_run(folder, *more), "--workers", "2"], TMPDIR=str(temporary))
    waited_for(lambda: measurements(folder) >= 10, process)
    workers = [pid for pid in children(process.pid) if b"spawn_main" in command_of(pid)]
    assert len(workers) == 2
    assert list(temporary.iterdir()) == []
    os.kill(workers[0], signal.SIGKILL)
    waited_for(lambda: measurements(folder) >= 20, process)
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
    assert contents(folder) == contents(whole)
    assert not (folder / LOCK).exists()


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
        (["run", "ecomp", "--profile", "--workers", "2"], "--profile traces this process only"),
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
