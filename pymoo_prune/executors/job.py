"""Candidates that are to be measured: each is waiting, with one worker, or done."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence

import numpy as np

from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Measured, Part
from pymoo_prune.problem import PruningProblem

AIM = 1.0
"""Seconds of work in a chunk: long beside what sending it costs, short if it is lost."""
TRIES = 3
"""How often a candidate is tried: in a chunk, then alone, and once more."""


class Job:
    """Candidates that are to be measured, and what became of them.

    Args:
        problem: What they are candidates of.
        X: Chromosomes.
        batch: The search batch; None for the final measurement.

    Attributes:
        fresh: Rows that nobody has begun.
        again: Rows that were lost with a worker, and wait for another one.
        left: How many rows are not done.
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
        """Candidates a second, from the first that was handed out to now, or to the last."""
        seconds = (self._ended or time.monotonic()) - self._began
        return (len(self.X) - self.left) / max(seconds, 1e-9)

    def take(self, size: int) -> list[int]:
        """The next chunk; who was in one that was lost comes alone, so that the guilty is found."""
        self._began = self._began or time.monotonic()
        if self.again:
            return [self.again.popleft()]
        return [self.fresh.popleft() for _ in range(min(size, len(self.fresh)))]

    def done(self, rows: Sequence[int], measured: Measured, seconds: float) -> Part:
        """Rows that were measured, in the order of their measurements."""
        self.left -= len(rows)
        if not self.left:
            self._ended = time.monotonic()
        return Part(rows, measured, seconds)

    def lost(self, rows: Sequence[int], reason: str) -> Iterator[Part]:
        """Puts rows back; who was tried often enough has failed.

        Args:
            rows: What a worker had.
            reason: What became of it, as the rest of a sentence that begins with "its worker".
        """
        self._tries.update(rows)
        for row in rows:
            if self._tries[row] < TRIES:
                self.again.append(row)
            else:
                yield self.done([row], self._failed(row, reason), AIM)

    def _failed(self, row: int, reason: str) -> Measured:
        text = f"given up after {TRIES} tries: its worker {reason}"
        if not self.problem.marks_failures:
            name = digests(self.X[row : row + 1])[0].hex()
            msg = (
                f"candidate {name} was {text}; this search has no place for candidates that fail: "
                "let the problem say can_fail = True, and take an engine that knows constraints"
            )
            raise PruneError(msg)
        missing = {name: np.full(1, np.nan) for name in self.problem.quantities}
        return Measured(missing, {0: text})
