"""The worker's side: unpacks a problem, measures chunks, and answers."""

from __future__ import annotations

import io
import pickle
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from importlib.metadata import version
from typing import NamedTuple

import torch

from pymoo_prune.chromosomes import Array
from pymoo_prune.executors.parcel import Parcel, unpack
from pymoo_prune.measuring import is_about_memory
from pymoo_prune.objectives import Measured
from pymoo_prune.problem import PruningProblem


class Ready(NamedTuple):
    """A worker has the problem.

    Attributes:
        version: The worker's version of pymoo-prune.
        fingerprint: The fingerprint of the worker's problem.
    """

    version: str
    fingerprint: str


class Done(NamedTuple):
    """A chunk is measured.

    Attributes:
        measured: The measurements, in the order of the chunk.
        seconds: The time that they took.
        printed: Output of the problem's code meanwhile; the driver prints it.
    """

    measured: Measured
    seconds: float
    printed: str = ""


class Raised(NamedTuple):
    """An error in the problem's code, which would happen again on any worker.

    Attributes:
        error: The error, or a RuntimeError with its text if it cannot be pickled.
        text: The traceback.
    """

    error: Exception
    text: str


class Lost(NamedTuple):
    """A worker has ended, or cannot go on.

    Attributes:
        reason: What happened to it, as the rest of a sentence that begins with "its worker".
    """

    reason: str


Answer = Ready | Done | Raised | Lost


class WorkerTraceback(Exception):  # noqa: N818 - not an error, but a traceback
    """The traceback of an error in a worker, as the cause of the error that is raised here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        """The traceback, which begins on a new line."""
        return f"in a worker:\n{self.text}"


class Workbench:
    """Measures chunks of one problem.

    Args:
        threads: Threads of torch.
        path: Folders that are added to `sys.path`.
    """

    def __init__(self, threads: int, path: Sequence[str] = ()) -> None:
        torch.set_num_threads(threads)
        sys.path.extend(place for place in path if place not in sys.path)
        self.problem: PruningProblem | None = None

    def take(self, open_parcel: Callable[[], Parcel]) -> Answer:
        """Unpacks the problem.

        Args:
            open_parcel: Returns the parcel with the problem.
        """

        def ready() -> Ready:
            self.problem = unpack(open_parcel())
            return Ready(version("pymoo-prune"), self.problem.fingerprint)

        return _answered(ready)

    def take_copy(self, parcel: Parcel) -> Answer:
        """Unpacks the problem from a parcel whose memory is read-only.

        Args:
            parcel: The parcel.
        """
        return self.take(parcel.copied)

    def measure(self, X: Array, batch: int | None) -> Answer:
        """Measures a chunk.

        Args:
            X: Chromosomes, (n, n_var).
            batch: The search batch; None for the final measurement.
        """
        problem = self.problem
        assert problem is not None  # noqa: S101 - a worker that is not ready gets nothing

        def done() -> Done:
            began = time.perf_counter()
            with redirect_stdout(io.StringIO()) as output:
                measured = problem.measured(X, batch)
            return Done(measured, time.perf_counter() - began, output.getvalue())

        return _answered(done)


def _answered(work: Callable[[], Answer]) -> Answer:
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - the driver must hear of any error
        if is_about_memory(error):  # elsewhere, or alone, there may be enough
            return Lost(f"ran out of memory ({' '.join(str(error).split())})")
        text = traceback.format_exc()
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 - can the driver unpickle it?
        except Exception:  # noqa: BLE001
            error = RuntimeError(f"{type(error).__name__}: {error}")
        return Raised(error, text)
