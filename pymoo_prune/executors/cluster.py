"""Workers on many machines, through Ray."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

from pymoo_prune.errors import PruneError
from pymoo_prune.executors.dispatch import Dispatcher, Worker
from pymoo_prune.executors.parcel import pack
from pymoo_prune.executors.work import Answer, Lost, Raised, Workbench
from pymoo_prune.genome import Array
from pymoo_prune.problem import PruningProblem

CONNECTING = 20.0
"""Seconds in which a cluster must answer."""


class _Actor(Worker):
    """An actor, and what it was asked last.

    Args:
        actor: A `Workbench` somewhere.
        parcel: The problem, in Ray's object store.
    """

    def __init__(self, ray: Any, actor: Any, parcel: Any) -> None:
        super().__init__()
        self.ray, self.actor = ray, actor
        self.asked: Any = actor.take_copy.remote(parcel)

    def give(self, X: Array, batch: int | None) -> None:
        self.asked = self.actor.measure.remote(X, batch)

    def answer(self) -> Answer:
        """What it says; it has an answer, or is lost."""
        asked, self.asked = self.asked, None
        try:
            answer: Answer = self.ray.get(asked)
        except self.ray.exceptions.RayTaskError as error:
            return Raised(RuntimeError(str(error).strip().splitlines()[-1]), str(error))
        except self.ray.exceptions.RayError as error:
            name = type(error).__name__
            return Lost(f"was lost with its node or its process ({name})")
        return answer

    def stop(self) -> None:
        with suppress(Exception):  # it may be gone, and the cluster with it
            self.ray.kill(self.actor)


class Ray(Dispatcher):
    """Workers of a Ray cluster, each an actor; `pip install 'pymoo-prune[ray]'` brings Ray.

    Args:
        address: Of the cluster, HOST:PORT; None joins the one that runs on this machine, or starts
            one.
        workers: How many; None is as many as the cluster has room for.
        threads: Of torch, in each; so many processors are reserved.
        time_limit: Seconds for one candidate, as for every `Dispatcher`.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        workers: int | None = None,
        threads: int = 1,
        time_limit: float | None = None,
    ) -> None:
        super().__init__(workers or 1, threads=threads, time_limit=time_limit)
        self.address, self._wanted = address, workers
        self._ray: Any = None
        self._parcel: Any = None
        self._ours = self._on_gpu = False

    def close(self) -> None:
        """Ends all actors, and leaves the cluster unless this program had joined it before."""
        super().close()
        self._parcel, self._fingerprint = None, ""
        if self._ours:
            self._ray.shutdown()
            self._ours = False

    def _publish(self, problem: PruningProblem) -> None:
        self._connect()
        self._on_gpu = problem.data_set.train.images.device.type == "cuda"
        self._parcel = self._ray.put(pack(problem, self._ray.cloudpickle.CloudPickler).copied())
        if self._wanted is None:
            self.workers = max(1, self._room())

    def _connect(self) -> None:
        self._ray = _ray()
        if self._ray.is_initialized():
            return
        options = {"log_to_driver": False, "logging_level": "ERROR"}
        if self.address is None:
            self._ray.init(**options)
        else:
            _check_address(self.address)
            _join(self.address, lambda: self._ray.init(self.address, **options))
        self._ours = True

    def _room(self) -> int:
        there = self._ray.cluster_resources()
        if self._on_gpu:
            return int(there.get("GPU", 0))
        return int(there.get("CPU", 0)) // self.threads

    def _needs(self) -> str:
        each = f"{self.threads} processors" + (" and a GPU" if self._on_gpu else "")
        return f"each needs {each}, and the cluster has {self._ray.cluster_resources()}"

    def _hire(self) -> Worker:
        gpus = 1 if self._on_gpu else 0
        kind = self._ray.remote(Workbench).options(num_cpus=self.threads, num_gpus=gpus)
        return _Actor(self._ray, kind.remote(self.threads, sys.path), self._parcel)

    def _answers(self, timeout: float) -> Iterator[tuple[Worker, Answer]]:
        waiting = {
            worker.asked: worker
            for worker in self._staff
            if isinstance(worker, _Actor) and worker.asked is not None
        }
        references = list(waiting)
        self._ray.wait(references, num_returns=1, timeout=timeout)
        # All that have come by now.
        ready, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        for reference in ready:
            yield waiting[reference], waiting[reference].answer()


def _ray() -> Any:
    """Ray, imported when it is asked for: that takes a second, and it may not be there."""
    try:
        import_module("ray.cloudpickle")
        return import_module("ray")
    except ImportError as error:
        msg = "workers on many machines need Ray; pip install 'pymoo-prune[ray]'"
        raise PruneError(msg) from error


def _check_address(address: str) -> None:
    """A cluster that is not there is told in seconds; Ray itself would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECTING / 2).close()
    except (OSError, ValueError, OverflowError) as error:
        msg = f"there is no Ray cluster at {address!r}: {error}; it must read HOST:PORT"
        raise PruneError(msg) from error


def _join(address: str, join: Callable[[], Any]) -> None:
    """Joins a cluster, or gives it up."""
    errors: list[Exception] = []

    def attempt() -> None:
        try:
            join()
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(CONNECTING)
    if thread.is_alive() or errors:
        why = errors[0] if errors else f"no answer within {CONNECTING:.0f} s"
        msg = f"the Ray cluster at {address!r} cannot be joined: {why}"
        raise PruneError(msg)
