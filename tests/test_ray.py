"""A real cluster of several nodes, on this machine."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from pymoo_prune import Budget, Data, PruneError
from pymoo_prune.engines import make_algorithm
from pymoo_prune.executors import Ray, cluster, dispatch
from pymoo_prune.search import search
from tests.tiny_problem import Pixels
from tests.unruly_problem import Unruly, measured_by, until_all_work

ray = pytest.importorskip("ray")
# Ray's own code warns of what it does itself.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning"
)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A head without processors, and two nodes of one each."""
    with pytest.MonkeyPatch.context() as patch:
        # Polite workers starve on a busy machine.
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("RAY_DISABLE_IMPORT_WARNING", "1")
        found = import_module("ray.cluster_utils").Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0}
        )
        try:
            yield found
        finally:
            ray.shutdown()
            found.shutdown()


@pytest.fixture(scope="module")
def two(nodes: Any) -> list[Any]:
    return [nodes.add_node(num_cpus=1) for _ in range(2)]


def test_a_cluster_measures_the_same_and_survives_the_loss_of_a_node(
    nodes: Any, two: list[Any], digits: Data, tmp_path: Any
) -> None:
    problem = Unruly(digits, folder=str(tmp_path))
    X = problem.random(60, np.random.default_rng(0))
    algorithm = make_algorithm("nsga2", problem, 12)
    here = search(problem, algorithm, Budget(generations=3), seed=1)
    whole = problem.measured(X)
    with Ray(nodes.address, time_limit=60.0) as crew:
        algorithm = make_algorithm("nsga2", problem, 12)
        there = search(problem, algorithm, Budget(generations=3), seed=1, executor=crew)
        assert np.array_equal(here.X, there.X)
        assert crew.workers == 2  # as many as the cluster has processors
        until_all_work(crew, problem, X, 2)
        problem.slow(0.1)
        removed = False

        def watch() -> None:
            nonlocal removed
            if not removed and len(set(problem.begun())) == 2:
                nodes.remove_node(two[0], allow_graceful=False)
                nodes.add_node(num_cpus=1)
                removed = True

        order, values, failures = measured_by(crew, problem.for_workers(), X, watch)
        assert removed
        assert sorted(order) == list(range(len(X)))
        assert failures == {}
        assert all(np.array_equal(values[name], whole[name]) for name in whole)
        assert crew.restarted >= 1

        problem.plan(X[3], "raise")
        with pytest.raises(ZeroDivisionError, match="no luck"):
            measured_by(crew, problem, X[:6])
    assert not ray.is_initialized()


def test_nodes_with_another_version_are_refused(
    nodes: Any, two: list[Any], digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = Pixels(digits)
    monkeypatch.setattr(dispatch, "version", lambda name: "99.0")
    with (
        Ray(nodes.address, workers=1) as crew,
        pytest.raises(PruneError, match=r"has 99\.0; install"),
    ):
        next(crew.measure(problem, problem.random(2, np.random.default_rng(0)), 0))


def test_a_cluster_that_is_not_there_is_told(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Pixels(digits)
    X = problem.random(2, np.random.default_rng(0))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}", "nonsense"):
        with (
            Ray(address) as crew,
            pytest.raises(PruneError, match=f"no Ray cluster at '{address}'"),
        ):
            next(crew.measure(problem, X, 0))


def test_without_ray_one_is_told_how_to_get_it(
    digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(cluster, "import_module", missing)
    problem = Pixels(digits)
    with pytest.raises(PruneError, match=r"pip install 'pymoo-prune\[ray\]'"):
        next(Ray().measure(problem, problem.random(2, np.random.default_rng(0)), 0))
