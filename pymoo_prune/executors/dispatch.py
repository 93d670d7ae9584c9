"""Hands chunks of candidates to workers, and goes on when these die, leave or hang."""

from __future__ import annotations

import sys
import time
from abc import abstractmethod
from collections.abc import Iterator
from importlib.metadata import version
from typing import NoReturn

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import PruneError
from pymoo_prune.executors.base import Executor
from pymoo_prune.executors.job import AIM, TRIES, Job
from pymoo_prune.executors.staff import Worker
from pymoo_prune.executors.work import Answer, Done, Lost, Raised, Ready, WorkerTraceback
from pymoo_prune.objectives import Part
from pymoo_prune.problem import PruningProblem

PATIENT = 10.0
"""How many times as long as it should take a chunk may take, besides one candidate's limit."""
LOOK = 1.0
"""Seconds between two looks at workers that say nothing."""
PATIENCE = 300.0
"""Seconds in which a worker must be ready where none is."""


class Dispatcher(Executor):
    """An executor with workers.

    It serves one search at a time: a measurement ends before the next begins.

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
        self._job: Job | None = None
        self._fingerprint = ""
        self._seconds: dict[bool, float] = {}  # of a candidate, in the search and in the end
        self._stillborn = 0
        self._waiting_since = 0.0

    # What processes and clusters write.

    @abstractmethod
    def _publish(self, problem: PruningProblem) -> None:
        """Puts the problem where workers that are hired from now on find it."""

    @abstractmethod
    def _withdraw(self) -> None:
        """Takes back what was published, if anything was."""

    @abstractmethod
    def _hire(self) -> Worker:
        """A new worker, to be started."""

    @abstractmethod
    def _answers(self, timeout: float) -> Iterator[tuple[Worker, Answer]]:
        """What workers say, within some seconds; nothing if they say nothing."""

    @abstractmethod
    def _needs(self) -> str:
        """What workers need in order to start, as a sentence."""

    # What they share.

    @property
    def ready(self) -> int:
        """How many workers are there and have the problem."""
        return sum(worker.ready for worker in self._staff)

    @property
    def busy(self) -> int:
        """How many workers measure at the moment."""
        return sum(worker.job is not None for worker in self._staff)

    def status(self) -> str:
        """How many workers there are, work, and had to be replaced; and how fast they are.

        The pace is that of the measurement that is going on, or of the last one.
        """
        who = f"{self.workers} worker{'s' * (self.workers > 1)}"
        pace = 0.0 if self._job is None else self._job.pace
        parts = [who if self.ready == self.workers else f"{self.ready} of {who} ready"]
        parts += [f"{self.busy} busy"] if self.busy else []
        parts += [f"{self.restarted} restarted"] if self.restarted else []
        parts += [f"{pace:,.{0 if pace >= 10 else 2}f} evaluations/s"] if pace else []
        return ", ".join(parts)

    def close(self) -> None:
        """Ends all workers."""
        self._clear()

    def measure(self, problem: PruningProblem, X: Array, batch: int | None) -> Iterator[Part]:
        """Measures candidates, in parts of about a second of work."""
        self._prepare(problem)
        job = self._job = Job(problem, X, batch)
        try:
            while job.left:
                self._hire_missing()
                self._hand_out(job)
                if self._watcher is not None:
                    self._watcher()
                for part in self._parts(job):
                    yield part
                    self._check_turn(job)
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
            self._clear()
            self._publish(problem)
            self._fingerprint = problem.fingerprint
        for worker in [worker for worker in self._staff if worker.job is not None]:
            self._dismiss(worker)  # busy with what somebody has given up
        self._waiting_since = time.monotonic()

    def _clear(self) -> None:
        """As if there had been no problem yet."""
        self._job, self._fingerprint = None, ""
        self._seconds.clear()
        while self._staff:
            self._dismiss(self._staff[-1])
        self._withdraw()

    def _check_turn(self, job: Job) -> None:
        """Refuses to go on with a measurement whose workers were taken away meanwhile."""
        if self._job is not job:
            msg = (
                "these workers were let go, or given other candidates, before a measurement had "
                "ended; end it first, or give each search an executor of its own"
            )
            raise PruneError(msg)

    def _hire_missing(self) -> None:
        while len(self._staff) < self.workers:
            worker = self._hire()
            try:
                self._staff.append(worker)
                worker.start()
            except BaseException:  # Ctrl-C too: nobody may be forgotten who runs
                self._dismiss(worker)
                raise
        now = time.monotonic()
        if self.ready:
            self._waiting_since = now
        elif (waited := now - self._waiting_since) > PATIENCE:
            msg = f"no worker is ready after {waited:.0f} s; {self._needs()}"
            raise PruneError(msg)

    def _hand_out(self, job: Job) -> None:
        for worker in self._staff:
            if worker.ready and worker.job is None and job.waiting:
                rows = job.take(self._size(job))
                worker.begin(job, rows, self._deadline(job, len(rows)))
                worker.give(job.X[rows], job.batch)

    def _deadline(self, job: Job, n: int) -> float:
        """The limit, and time for the others of a chunk: if it is too short, they come alone."""
        if self.time_limit is None:
            return float("inf")
        others = PATIENT * (n - 1) * self._seconds.get(job.batch is None, 0.0)
        return time.monotonic() + self.time_limit + others

    def _size(self, job: Job) -> int:
        """How many candidates a chunk has: a second's work, and smaller ones towards the end."""
        seconds = self._seconds.get(job.batch is None)
        if seconds is None:
            return 1
        # What a GPU measures as one program takes as long with fewer.
        together = min(job.problem.portions.together, -(-len(job.X) // self.workers))
        share = -(-len(job.fresh) // self.workers)
        # Half a share leaves something to those who are done sooner; but not less than what
        # is best measured together.
        size = max(-(-share // 2), min(job.problem.portions.chunk, share))
        return max(together, min(size, int(AIM / max(seconds, 1e-9))))

    def _parts(self, job: Job) -> Iterator[Part]:
        """What is done, or given up, by now."""
        for worker, answer in self._answers(self._timeout()):
            yield from self._heard(job, worker, answer)
        yield from self._overdue(job)

    def _timeout(self) -> float:
        next_deadline = min(worker.deadline for worker in self._staff)
        return min(LOOK, max(next_deadline - time.monotonic(), 0.0))

    def _heard(self, job: Job, worker: Worker, answer: Answer) -> Iterator[Part]:
        match answer:
            case Ready():
                self._check(answer)
                worker.ready, self._stillborn = True, 0
            case Done(measured, seconds, printed):
                rows, self._stillborn = worker.end(), 0
                self._learn(job, seconds / len(rows))
                sys.stdout.write(printed)
                yield job.done(rows, measured, seconds)
            case Raised():
                self._raise(worker, answer)
            case Lost(reason):
                yield from self._replace(job, worker, reason)

    def _learn(self, job: Job, seconds: float) -> None:
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

    def _raise(self, worker: Worker, answer: Raised) -> NoReturn:
        if worker.ready:
            raise answer.error from WorkerTraceback(answer.text)
        msg = (
            f"a worker cannot take the problem in: {answer.error}; its class and all that it keeps "
            "must come from modules that workers can import, of the same versions. What is defined "
            "in a notebook cannot be imported: put it into a file"
        )
        raise PruneError(msg) from WorkerTraceback(answer.text)

    def _overdue(self, job: Job) -> Iterator[Part]:
        now = time.monotonic()
        for worker in [worker for worker in self._staff if worker.deadline <= now]:
            reason = f"took longer than the time limit of {self.time_limit:g} s"
            yield from self._replace(job, worker, reason)

    def _replace(self, job: Job, worker: Worker, reason: str) -> Iterator[Part]:
        rows = worker.end()
        self._dismiss(worker)
        self.restarted += 1
        if not worker.ready:
            self._stillborn += 1
            if self._stillborn >= TRIES:
                msg = f"workers end before they are ready: the last one {reason}; {self._needs()}"
                raise PruneError(msg)
        yield from job.lost(rows, reason)

    def _dismiss(self, worker: Worker) -> None:
        if worker in self._staff:
            self._staff.remove(worker)
        worker.stop()
