"""Hands chunks of candidates to workers, and goes on when these die, leave or hang."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import NoReturn

import numpy as np

from pymoo_prune.errors import PruneError
from pymoo_prune.executors.base import Executor, Part
from pymoo_prune.executors.work import Answer, Done, Lost, Raised, Ready, WorkerTraceback
from pymoo_prune.genome import Array, digests
from pymoo_prune.objectives import Measured
from pymoo_prune.problem import CHUNK, PruningProblem

AIM = 1.0
"""Seconds of work in a chunk: long beside what sending it costs, short if it is lost."""
TRIES = 3
"""How often a candidate is tried: in a chunk, then alone, and once more."""
PATIENT = 10.0
"""How many times as long as it should take a chunk may take, besides one candidate's limit."""
LOOK = 1.0
"""Seconds between two looks at workers that say nothing."""
PATIENCE = 300.0
"""Seconds in which the first worker must be ready."""


class Worker(ABC):
    """A worker, as the driver sees it.

    Attributes:
        ready: Whether it has the problem.
        job: Whose candidates it measures at the moment, if it does.
        rows: Which of them.
        deadline: When it must be done with that.
    """

    def __init__(self) -> None:
        self.ready = False
        self.job: object = None
        self.rows: list[int] = []
        self.deadline = float("inf")

    def begin(self, job: object, rows: list[int], deadline: float) -> None:
        """Notes what it measures from now on."""
        self.job, self.rows, self.deadline = job, rows, deadline

    def end(self) -> list[int]:
        """Notes that it is idle; returns what it measured."""
        rows = self.rows
        self.begin(None, [], float("inf"))
        return rows

    @abstractmethod
    def give(self, X: Array, batch: int | None) -> None:
        """Gives it a chunk. If it is no more, its next answer says so."""

    @abstractmethod
    def stop(self) -> None:
        """Ends it, whatever it does."""


class _Job:
    """Candidates that are to be measured: each is waiting, with one worker, or done.

    Args:
        problem: What they are candidates of.
        X: Chromosomes.
        batch: The search batch; None for the final measurement.
    """

    def __init__(self, problem: PruningProblem, X: Array, batch: int | None) -> None:
        self.problem, self.X, self.batch = problem, X, batch
        self.fresh = deque(range(len(X)))
        self.again: deque[int] = deque()
        self.tries: Counter[int] = Counter()
        self.left = len(X)

    @property
    def waiting(self) -> bool:
        return bool(self.fresh or self.again)

    def take(self, size: int) -> list[int]:
        """The next chunk; who was in one that was lost comes alone, so that the guilty is found."""
        if self.again:
            return [self.again.popleft()]
        return [self.fresh.popleft() for _ in range(min(size, len(self.fresh)))]

    def done(self, rows: Sequence[int], measured: Measured, seconds: float) -> Part:
        self.left -= len(rows)
        return Part(rows, measured, seconds)

    def lost(self, rows: Sequence[int], reason: str) -> Iterator[Part]:
        """Puts candidates back; who was tried often enough has failed."""
        self.tries.update(rows)
        for row in rows:
            if self.tries[row] < TRIES:
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


class Dispatcher(Executor):
    """An executor with workers.

    Args:
        workers: How many.
        threads: Of torch, in each.
        time_limit: Seconds for one candidate; whoever takes longer is lost with the worker. The
            first candidate of a worker includes what the problem prepares once. None waits.
    """

    loses = True

    def __init__(self, workers: int, *, threads: int = 1, time_limit: float | None = None) -> None:
        if workers < 1 or threads < 1:
            msg = f"workers and threads must be at least 1, but they are {workers} and {threads}"
            raise PruneError(msg)
        if time_limit is not None and not time_limit > 0:
            msg = f"a time limit must be above 0 seconds, but it is {time_limit}"
            raise PruneError(msg)
        self.workers, self.threads, self.time_limit = workers, threads, time_limit
        self.restarted = 0
        self._staff: list[Worker] = []
        self._fingerprint = ""
        self._seconds: dict[bool, float] = {}  # of a candidate, in the search and in the end
        self._stillborn = 0
        self._waiting_since = 0.0

    # What processes and clusters write.

    @abstractmethod
    def _publish(self, problem: PruningProblem) -> None:
        """Puts the problem where workers that are hired from now on find it."""

    @abstractmethod
    def _hire(self) -> Worker:
        """Starts a worker, which answers `Ready` once it has the problem."""

    @abstractmethod
    def _answers(self, timeout: float) -> Iterator[tuple[Worker, Answer]]:
        """What workers say, within some seconds; nothing if they say nothing."""

    # What they share.

    def status(self) -> str:
        """How many workers there are, and how many had to be replaced."""
        text = f"{self.workers} worker{'s' * (self.workers > 1)}"
        return f"{text}, {self.restarted} restarted" if self.restarted else text

    @property
    def ready(self) -> int:
        """How many workers are there and have the problem."""
        return sum(worker.ready for worker in self._staff)

    def close(self) -> None:
        """Ends all workers."""
        for worker in self._staff:
            worker.stop()
        self._staff.clear()

    def measure(self, problem: PruningProblem, X: Array, batch: int | None) -> Iterator[Part]:
        """Measures candidates, in parts of about a second of work."""
        self._prepare(problem)
        job = _Job(problem, X, batch)
        try:
            while job.left:
                self._hire_missing()
                self._hand_out(job)
                for worker, answer in self._answers(self._timeout()):
                    yield from self._heard(job, worker, answer)
                yield from self._overdue(job)
        finally:
            # After an error, or Ctrl-C: nobody waits for what they still do.
            for worker in [worker for worker in self._staff if worker.job is job]:
                self._dismiss(worker)

    def _prepare(self, problem: PruningProblem) -> None:
        if problem.measures_latency:
            msg = (
                "latencies are measured one candidate at a time on a quiet machine, and workers "
                "disturb each other; search without them, or without the latency"
            )
            raise PruneError(msg)
        if problem.fingerprint != self._fingerprint:
            self.close()
            self._publish(problem)
            self._fingerprint = problem.fingerprint
            self._seconds.clear()
        for worker in [worker for worker in self._staff if worker.job is not None]:
            self._dismiss(worker)  # busy with what somebody has given up
        self._waiting_since = time.monotonic()

    def _hire_missing(self) -> None:
        while len(self._staff) < self.workers:
            self._staff.append(self._hire())
        if not self.ready:
            waited = time.monotonic() - self._waiting_since
            if waited > PATIENCE:
                msg = f"no worker is ready after {waited:.0f} s; {self._needs()}"
                raise PruneError(msg)

    def _needs(self) -> str:
        """What workers need in order to start, as a sentence."""
        return "look whether the machine has enough memory, or take fewer"

    def _hand_out(self, job: _Job) -> None:
        for worker in self._staff:
            if worker.ready and worker.job is None and job.waiting:
                rows = job.take(self._size(job))
                worker.begin(job, rows, self._deadline(job, len(rows)))
                worker.give(job.X[rows], job.batch)

    def _deadline(self, job: _Job, n: int) -> float:
        """The limit, and time for the others of a chunk: if it is too short, they come alone."""
        if self.time_limit is None:
            return float("inf")
        others = PATIENT * (n - 1) * self._seconds.get(job.batch is None, 0.0)
        return time.monotonic() + self.time_limit + others

    def _size(self, job: _Job) -> int:
        """How many candidates a chunk has: a second's work, and smaller ones towards the end."""
        seconds = self._seconds.get(job.batch is None)
        if seconds is None:
            return 1
        share = -(-len(job.fresh) // self.workers)
        # Half a share leaves something to those who are done sooner; but not less than what
        # is best measured together.
        size = max(-(-share // 2), min(CHUNK, share))
        return max(1, min(size, int(AIM / max(seconds, 1e-9))))

    def _timeout(self) -> float:
        next_deadline = min(worker.deadline for worker in self._staff)
        return min(LOOK, max(next_deadline - time.monotonic(), 0.0))

    def _heard(self, job: _Job, worker: Worker, answer: Answer) -> Iterator[Part]:
        match answer:
            case Ready():
                self._check(answer)
                worker.ready, self._stillborn = True, 0
            case Done(measured, seconds):
                rows, self._stillborn = worker.end(), 0
                self._learn(job, seconds / len(rows))
                yield job.done(rows, measured, seconds)
            case Raised():
                self._raise(answer)
            case Lost(reason):
                yield from self._replace(job, worker, reason)

    def _learn(self, job: _Job, seconds: float) -> None:
        final = job.batch is None
        self._seconds[final] = (self._seconds.get(final, seconds) + seconds) / 2

    def _check(self, ready: Ready) -> None:
        here = version("pymoo-prune")
        if ready.version != here:
            msg = (
                f"a worker has pymoo-prune {ready.version}, but the search has {here}; install the "
                "same version everywhere"
            )
            raise PruneError(msg)
        if ready.fingerprint != self._fingerprint:
            msg = (
                f"a worker's problem has the fingerprint {ready.fingerprint}, but the search's has "
                f"{self._fingerprint}: its code or its libraries are others there"
            )
            raise PruneError(msg)

    def _raise(self, answer: Raised) -> NoReturn:
        raise answer.error from WorkerTraceback(answer.text)

    def _overdue(self, job: _Job) -> Iterator[Part]:
        now = time.monotonic()
        for worker in [worker for worker in self._staff if worker.deadline <= now]:
            reason = f"took longer than the time limit of {self.time_limit:g} s"
            yield from self._replace(job, worker, reason)

    def _replace(self, job: _Job, worker: Worker, reason: str) -> Iterator[Part]:
        rows = worker.end()
        self._dismiss(worker)
        self.restarted += 1
        if not worker.ready:
            self._stillborn += 1
            if self._stillborn >= TRIES:
                msg = (
                    f"workers end before they are ready: the last one {reason}; what it printed "
                    "stands above. A script must start its search under "
                    "'if __name__ == \"__main__\":', and each worker needs memory for the data"
                )
                raise PruneError(msg)
        yield from job.lost(rows, reason)

    def _dismiss(self, worker: Worker) -> None:
        self._staff.remove(worker)
        worker.stop()
