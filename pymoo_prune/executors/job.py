"""The candidates of one measurement: each is waiting, with one worker, or done."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence

import numpy as np

from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Measured, Part
from pymoo_prune.problem import PruningProblem

CHUNK_SECONDS = 1.0
"""Work in a chunk: much longer than sending it takes, but a small loss if a worker dies."""
MAX_TRIES = 3
"""Tries for a candidate: in a chunk, alone, and alone once more."""


class Job:
    """The candidates of one measurement: each is waiting, with one worker, or done.

    Args:
        problem: The problem that they belong to.
        X: Chromosomes, (n, n_var).
        batch: The search batch; None for the final measurement.

    Attributes:
        fresh: Rows that no worker has had.
        again: Rows that were lost with a worker, and wait for another worker.
        left: The number of rows that are not done.
    """

    def __init__(self, problem: PruningProblem, X: Array, batch: int | None) -> None:
        self.problem, self.X, self.batch = problem, X, batch
        self.fresh = deque(range(len(X)))
        self.again: deque[int] = deque()
        self.left = len(X)
        self._tries: Counter[int] = Counter()
        self._began = self._ended = 0.0

    @property
    def waiting(self) -> bool:
        """Whether there are rows that no worker has."""
        return bool(self.fresh or self.again)

    @property
    def pace(self) -> float:
        """Candidates a second, from the first chunk handed out to now, or to the last one done."""
        seconds = (self._ended or time.monotonic()) - self._began
        return (len(self.X) - self.left) / max(seconds, 1e-9)

    def take(self, size: int) -> list[int]:
        """Takes the next chunk. A row from a lost chunk comes alone: it may kill workers."""
        self._began = self._began or time.monotonic()
        if self.again:
            return [self.again.popleft()]
        return [self.fresh.popleft() for _ in range(min(size, len(self.fresh)))]

    def rest(self) -> list[int]:
        """Takes all rows that no worker has."""
        rows = [*self.again, *self.fresh]
        self.again.clear()
        self.fresh.clear()
        return rows

    def done(self, rows: Sequence[int], measured: Measured, seconds: float) -> Part:
        """Notes measured rows, in the order of their measurements."""
        self.left -= len(rows)
        if not self.left:
            self._ended = time.monotonic()
        return Part(rows, measured, seconds)

    def lost(self, rows: Sequence[int], reason: str) -> Iterator[Part]:
        """Puts rows back; after `MAX_TRIES` tries they have failed.

        Args:
            rows: Rows that a worker had.
            reason: What happened to the worker, as the rest of a sentence that begins with "its
                worker".
        """
        self._tries.update(rows)
        for row in rows:
            if self._tries[row] < MAX_TRIES:
                self.again.append(row)
            else:
                yield self.done([row], self._failed(row, reason), CHUNK_SECONDS)

    def _failed(self, row: int, reason: str) -> Measured:
        text = f"given up after {MAX_TRIES} tries: its worker {reason}"
        if not self.problem.marks_failures:
            name = digests(self.X[row : row + 1])[0].hex()
            msg = (
                f"candidate {name} was {text}; this search has no place for candidates that fail: "
                "let the problem say can_fail = True, and take an engine that handles constraints"
            )
            raise PruneError(msg)
        missing = {name: np.full(1, np.nan) for name in self.problem.quantities}
        return Measured(missing, {0: text})
