"""Workers on many machines, through Ray."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

import torch

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import PruneError
from pymoo_prune.executors.dispatch import PATIENCE, Dispatcher
from pymoo_prune.executors.joining import check_address, imported_ray, join_cluster, one_line
from pymoo_prune.executors.parcel import pack
from pymoo_prune.executors.staff import Worker
from pymoo_prune.executors.work import Answer, Lost, Raised, Workbench
from pymoo_prune.problem import PruningProblem


class _Actor(Worker):
    """An actor, and the last question that it was asked.

    Args:
        ray: The module.
        create: Creates a `Workbench` as an actor.
        parcel: The problem, in Ray's object store.
    """

    def __init__(self, ray: Any, create: Callable[[], Any], parcel: Any) -> None:
        super().__init__()
        self._ray, self._create, self._parcel = ray, create, parcel
        self._actor: Any = None
        self.asked: Any = None

    def start(self) -> None:
        with _in_reach():
            self._actor = self._create()
            self.asked = self._actor.take_copy.remote(self._parcel)

    def give(self, X: Array, batch: int | None) -> None:
        with _in_reach():
            self.asked = self._actor.measure.remote(X, batch)

    def answer(self) -> Answer:
        """Returns its answer, which has come, or says that it is lost."""
        asked, self.asked = self.asked, None
        with _in_reach():
            try:
                answer: Answer = self._ray.get(asked)
            except self._ray.exceptions.RayTaskError as error:
                return Raised(RuntimeError(str(error).strip().splitlines()[-1]), str(error))
            except self._ray.exceptions.RayError as error:
                name = type(error).__name__
                return Lost(f"was lost with its node or its process ({name})")
        return answer

    def stop(self) -> None:
        if self._actor is not None:
            with suppress(Exception):  # it may be gone, and the cluster with it
                self._ray.kill(self._actor)


class Ray(Dispatcher):
    """Workers of a Ray cluster, each an actor; `pip install 'pymoo-prune[ray]'` brings Ray.

    Args:
        address: The cluster's address: HOST:PORT for a driver on one of its machines,
            ray://HOST:PORT for a driver elsewhere. None joins the cluster that runs on this
            machine, or starts one.
        workers: The number of workers; None is as many as the cluster has room for.
        threads: Threads of torch in each worker; each reserves this number of processors.
        time_limit: Seconds for one candidate, as for every `Dispatcher`.
        patience: As for every `Dispatcher`, but this process measures nothing itself.
    """

    measures_here = False

    def __init__(
        self,
        address: str | None = None,
        *,
        workers: int | None = None,
        threads: int = 1,
        time_limit: float | None = None,
        patience: float = PATIENCE,
    ) -> None:
        count = 1 if workers is None else workers
        super().__init__(count, threads=threads, time_limit=time_limit, patience=patience)
        if address is not None:
            check_address(address)
        self.address, self._wanted = address, workers
        self._ray: Any = None
        self._parcel: Any = None
        self._ours = self._on_gpu = False

    def __enter__(self) -> Self:
        """Joins the cluster, so that a missing one is noticed before anything is trained."""
        self._connect()
        return self

    def close(self) -> None:
        """Ends all actors; leaves the cluster, unless the program had joined it before."""
        super().close()
        if self._ours:
            self._ray.shutdown()
            self._ours = False

    def _connect(self) -> None:
        self._ray = imported_ray()
        if self._ray.is_initialized():
            return
        options = {"log_to_driver": False, "logging_level": "ERROR"}
        if self.address is None:
            try:
                self._ray.init(**options)
            except (OSError, RuntimeError, ValueError) as error:
                msg = f"Ray cannot be started or joined here: {one_line(error)}"
                raise PruneError(msg) from error
        else:
            join_cluster(self.address, lambda: self._ray.init(self.address, **options))
        self._ours = True

    def _publish(self, problem: PruningProblem) -> None:
        self._connect()
        device = problem.data_set.train.images.device
        _check_index(device)
        self._on_gpu = device.type == "cuda"
        self._parcel = self._ray.put(pack(problem, self._ray.cloudpickle.CloudPickler))
        if self._wanted is None:
            self.workers = max(1, self._room())

    def _withdraw(self) -> None:
        self._parcel = None

    @property
    def _each(self) -> dict[str, int]:
        """The resources that a worker reserves, by Ray's names."""
        return {"CPU": self.threads, "GPU": int(self._on_gpu)}

    def _room(self) -> int:
        """The number of workers that fit; each needs all its resources on one machine."""
        each = {name: n for name, n in self._each.items() if n}
        there = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        return sum(min(int(one.get(name, 0) // n) for name, n in each.items()) for one in there)

    def _needs(self) -> str:
        free, whole = self._ray.available_resources(), self._ray.cluster_resources()
        needs = ", ".join(
            f"{n} {name} ({free.get(name, 0):g} of {whole.get(name, 0):g} are free in the cluster)"
            for name, n in self._each.items()
            if n
        )
        return f"each needs {needs}, and pymoo-prune where it runs"

    def _hire(self) -> Worker:
        needs = {"num_cpus": self._each["CPU"], "num_gpus": self._each["GPU"]}
        kind = self._ray.remote(Workbench).options(**needs)
        return _Actor(self._ray, lambda: kind.remote(self.threads, sys.path), self._parcel)

    def _answers(self, timeout: float) -> Iterator[tuple[Worker, Answer]]:
        waiting = {
            worker.asked: worker
            for worker in self._staff
            if isinstance(worker, _Actor) and worker.asked is not None
        }
        references = list(waiting)
        with _in_reach():
            self._ray.wait(references, num_returns=1, timeout=timeout)
            # All answers that have come by now.
            ready, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        for reference in ready:
            yield waiting[reference], waiting[reference].answer()


@contextmanager
def _in_reach() -> Iterator[None]:
    """Turns a lost connection into an error that says what to do."""
    try:
        yield
    except OSError as error:
        msg = (
            f"the Ray cluster does not answer any more: {one_line(error)}; a run can be resumed, "
            "there or with other workers"
        )
        raise PruneError(msg) from error


def _check_index(device: torch.device) -> None:
    """Refuses other GPUs than number 0: each worker sees one GPU, as number 0."""
    if device.type == "cuda" and device.index not in (None, 0):
        msg = (
            f"the data is on {device}, but each worker of a Ray cluster has one GPU, which is "
            "cuda:0 there; give the device as cuda, and choose one by CUDA_VISIBLE_DEVICES"
        )
        raise PruneError(msg)
