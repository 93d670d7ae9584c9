"""A worker, as the driver sees it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from pymoo_prune.chromosomes import Array


class Worker(ABC):
    """A worker, as the driver sees it.

    Attributes:
        ready: Whether it has the problem.
        job: The job that it works on; None if it is idle.
        rows: The rows of the job that it measures.
        deadline: When it must be done, by `time.monotonic`.
    """

    def __init__(self) -> None:
        self.ready = False
        self.job: object = None
        self.rows: list[int] = []
        self.deadline = float("inf")

    def begin(self, job: object, rows: list[int], deadline: float) -> None:
        """Notes the rows that it measures from now on."""
        self.job, self.rows, self.deadline = job, rows, deadline

    def end(self) -> list[int]:
        """Notes that it is idle; returns the rows that it had."""
        rows = self.rows
        self.begin(None, [], float("inf"))
        return rows

    @abstractmethod
    def start(self) -> None:
        """Starts it; when it has the problem, it answers `Ready`."""

    @abstractmethod
    def give(self, X: Array, batch: int | None) -> None:
        """Gives it a chunk. If the worker has ended, its next answer says so."""

    @abstractmethod
    def stop(self) -> None:
        """Ends it, also if it is busy or was never started."""
