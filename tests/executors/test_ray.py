"""A real cluster of several nodes, on this machine."""

from __future__ import annotations

import http.server
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymoo_prune import Budget, Data, PruneError
from pymoo_prune.chromosomes import Array
from pymoo_prune.cli import main
from pymoo_prune.engines import make_algorithm
from pymoo_prune.executors import Ray, dispatch, joining
from pymoo_prune.search import Found, search
from tests.support.running import (
    ROOT,
    contents,
    finished,
    measurements,
    python,
    started,
    waited_for,
)
from tests.support.tiny_problem import Pixels, ecomp_run, pixels_run
from tests.support.unruly_problem import Unruly, measured_by, until_all_work

ray = pytest.importorskip("ray")
# Ray's own code causes these warnings.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning"
    ),
]


@pytest.fixture(scope="module")
def quiet() -> Iterator[Path]:
    """Settings of Ray for tests; its files are in a separate folder with a short name."""
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder,
    ):
        patch.setenv("RAY_TMPDIR", folder)
        # Workers find this repository's tests before those that other packages install.
        patch.setenv("PYTHONPATH", str(ROOT))
        # Workers with a low priority starve on a busy machine.
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_DISABLE_IMPORT_WARNING", "1")
        patch.setenv("GRPC_ENABLE_FORK_SUPPORT", "0")
        yield Path(folder)


@pytest.fixture(scope="module")
def door() -> int:
    """A port for drivers from outside."""
    return free_port()


@pytest.fixture(scope="module")
def nodes(quiet: Path, door: int) -> Iterator[Any]:
    """A head with one processor."""
    head = {"num_cpus": 1, "ray_client_server_port": door}
    lean = {"no_monitor": True, "include_dashboard": False}
    found = import_module("ray.cluster_utils").Cluster(
        initialize_head=True, head_node_args=head | lean
    )
    try:
        yield found
    finally:
        ray.shutdown()
        found.shutdown()


@pytest.fixture(scope="module")
def problem(digits: Data) -> Pixels:
    return Pixels(digits)


@pytest.fixture(scope="module")
def X(problem: Pixels) -> Array:  # noqa: N802
    return problem.random(60, np.random.default_rng(0))


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def found_by(problem: Pixels, crew: Ray | None = None) -> Found:
    algorithm = make_algorithm("nsga2", problem, 12)
    return search(problem, algorithm, Budget(generations=3), seed=1, executor=crew)


def actors(nodes: Any) -> int:
    """The number of living actors in a cluster."""
    table = nodes.global_state.actor_table(None)
    return sum(actor["State"] != "DEAD" for actor in table.values())


# The executor.


def test_a_cluster_measures_the_same_and_survives_the_loss_of_a_node(
    nodes: Any, digits: Data, X: Array, tmp_path: Path
) -> None:
    class Own(Unruly):
        """A class that is in no module: it is sent along."""

    Own.__qualname__ = "Own"
    problem = Own(digits, folder=str(tmp_path))
    second = nodes.add_node(num_cpus=1)
    here = found_by(problem)
    whole = problem.measured(X)
    with Ray(nodes.address, time_limit=60.0) as crew:
        there = found_by(problem, crew)
        assert np.array_equal(here.X, there.X)
        assert crew.workers == 2  # as many as the cluster has processors
        until_all_work(crew, problem, X, 2)
        problem.slow(0.1)
        removed = False

        def watch() -> None:
            nonlocal removed
            if not removed and len(set(problem.begun())) == 2:
                nodes.remove_node(second, allow_graceful=False)
                removed = True

        order, values, failures = measured_by(crew, problem.for_workers(), X, watch)
        assert removed
        assert sorted(order) == list(range(len(X)))
        assert failures == {}
        assert all(np.array_equal(values[name], whole[name]) for name in whole)
        assert crew.restarted == 1
        assert crew.status().startswith("1 of 2 workers ready, 1 restarted, ")

        problem.plan(X[3], "raise")
        with pytest.raises(ZeroDivisionError, match="no luck"):
            measured_by(crew, problem, X[:6])
    assert not ray.is_initialized()


def test_a_wait_for_room_is_shown_and_given_up_in_the_end(
    nodes: Any, problem: Pixels, X: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "START_TIMEOUT", 0.5)
    said = set()
    message = r"no worker is ready after \d s; each needs 64 CPU \(. of . are free in the cluster\)"
    with (
        Ray(nodes.address, threads=64) as crew,
        crew.watched(lambda: said.add(crew.status())),
        pytest.raises(PruneError, match=message),
    ):
        next(crew.measure(problem, X[:2], 0))
    assert said == {"0 of 1 worker ready"}


# From the command line.


def test_a_run_on_a_cluster_leaves_what_one_without_workers_leaves(
    nodes: Any, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    assert main(ecomp_run(here)) == 0
    assert main(ecomp_run(there, "--ray", nodes.address, "--workers", "1")) == 0
    assert contents(there) == contents(here)
    assert not ray.is_initialized()
    assert actors(nodes) == 0


def test_a_driver_that_is_killed_leaves_no_actors_and_other_workers_go_on(
    nodes: Any, tmp_path: Path
) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    more = ["--generations", "5", "--set", "pause=0.03"]
    process = started(pixels_run(folder, *more, "--ray", nodes.address, "--workers", "1"))
    waited_for(lambda: measurements(folder) >= 10, process)
    assert actors(nodes) == 1
    process.kill()
    process.communicate()
    waited_for(lambda: actors(nodes) == 0)
    assert main(["resume", str(folder), "--workers", "2"]) == 0
    assert main(pixels_run(whole, *more)) == 0
    assert contents(folder) == contents(whole)


def test_a_cluster_that_a_run_starts_ends_with_it(
    quiet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there, files = tmp_path / "here", tmp_path / "there", quiet / "own"
    files.mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(files))
    seen: list[int] = []
    hire = Ray._hire

    def looking(crew: Ray) -> Any:
        seen.extend(processes_with(files))
        return hire(crew)

    monkeypatch.setattr(Ray, "_hire", looking)
    assert main(pixels_run(there, "--ray", "--workers", "1")) == 0
    assert len(seen) >= 3  # Ray's own, for a cluster
    assert processes_with(files) == []
    assert main(pixels_run(here)) == 0
    assert contents(there) == contents(here)


def processes_with(files: Path) -> list[int]:
    """Processes of Ray that keep their files somewhere."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(files) in command:
            found.append(int(place.name))
    return found


# From outside the cluster, with a class that is in no module.

SCRIPT = """
import sys
import numpy as np
from pymoo_prune import load_data
from pymoo_prune.executors import Ray
from pymoo_prune.objectives import gathered
from tests.support.tiny_problem import Pixels

class Own(Pixels):
    def measure(self, X):
        found = super().measure(X)
        return {**found, "accuracy": found["accuracy"] / 2}

problem = Own(load_data("digits"))
X = problem.random(6, np.random.default_rng(0))
with Ray(sys.argv[1], workers=1) as crew:
    there = gathered(crew.measure(problem, X, 0), problem.quantities, len(X))
print(there["accuracy"].tolist() == problem.measured(X)["accuracy"].tolist())
"""


def test_a_problem_of_a_notebook_goes_to_a_cluster_from_outside(nodes: Any, door: int) -> None:
    pytest.importorskip("grpc")
    assert finished(python("-c", SCRIPT, f"ray://127.0.0.1:{door}")) == "True\n"


# Addresses.


@contextmanager
def silent() -> Iterator[int]:
    """A server that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def web() -> Iterator[int]:
    """A server that speaks HTTP/1."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


@contextmanager
def no_server() -> Iterator[int]:
    yield free_port()


@pytest.mark.parametrize("scheme", ["", "ray://"])
@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (no_server, r"'{}': .*refused; HOST:PORT takes the port of"),
        (silent, r"'{}': .*timed out; HOST:PORT takes the port of"),
        (web, r"'{}', but something else; HOST:PORT takes the port of"),
    ],
)
def test_a_missing_cluster_is_reported(
    server: Any, reason: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "CONNECTING", 1.0)
    with server() as port:
        address = f"{scheme}127.0.0.1:{port}"
        with (
            pytest.raises(PruneError, match="there is no Ray cluster at " + reason.format(address)),
            Ray(address),
        ):
            raise AssertionError


def test_a_cluster_with_another_ray_is_refused(nodes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = ray.__version__
    monkeypatch.setattr(ray, "__version__", "0.1")
    message = rf"cannot be joined: Version mismatch: .* Ray: {theirs} .* Ray: 0\.1 "
    with pytest.raises(PruneError, match=message), Ray(nodes.address):
        raise AssertionError


@contextmanager
def stranger() -> Iterator[int]:
    """A server that greets as a cluster does, but is none."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            connection.recv(100)
            connection.sendall(joining._SETTINGS)
            connection.close()

        threading.Thread(target=greet, daemon=True).start()
        yield server.getsockname()[1]


def test_a_cluster_that_does_not_go_on_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "CONNECTING", 1.0)
    end = threading.Event()
    message = r"cannot be joined: no answer within 1 s; HOST:PORT takes .*; .* RAY_AUTH_MODE=token"
    with stranger() as port, pytest.raises(PruneError, match=message):
        joining.join_cluster(f"127.0.0.1:{port}", end.wait)
    end.set()
