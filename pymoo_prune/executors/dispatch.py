"""Hands chunks of candidates to workers, and replaces workers that die, leave or hang."""

from __future__ import annotations

import sys
import time
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import NoReturn

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import PruneError
from pymoo_prune.executors.base import Executor
from pymoo_prune.executors.interrupts import interrupts_blocked
from pymoo_prune.executors.job import CHUNK_SECONDS, MAX_TRIES, Job
from pymoo_prune.executors.staff import Worker
from pymoo_prune.executors.work import Answer, Done, Lost, Raised, Ready, WorkerTraceback
from pymoo_prune.machine import on_threads
from pymoo_prune.objectives import Part
from pymoo_prune.problem import PruningProblem

CHUNK_SLACK = 10.0
"""A chunk may take one candidate's limit, and this multiple of the others' expected time."""
POLL_SECONDS = 1.0
"""The longest wait for answers before workers and deadlines are checked again."""
START_TIMEOUT = 300.0
"""Seconds without a ready worker after which a measurement is given up."""
PATIENCE = 30.0
"""Seconds in which workers that end before they are ready are started again."""
PAUSES = (0.25, 8.0)
"""Seconds before such a worker is started again: the first pause, and the longest."""


class Dispatcher(Executor):
    """An executor with workers.

    It serves one search at a time: a measurement ends before the next begins.

    Args:
        workers: The number of workers.
        threads: Threads of torch in each worker.
        time_limit: Seconds for one candidate. A worker that takes longer is replaced. The first
            candidate of a worker includes what the problem prepares once. None sets no limit.
        patience: Seconds without a ready worker in which those that end before they are ready are
            started again, at least three times. Then this process measures, with a warning, or the
            search ends: where a time limit must be kept, or candidates were lost with workers.
    """

    loses = True
    measures_here = True
    """Whether this process may measure where no worker becomes ready."""

    def __init__(
        self,
        workers: int,
        *,
        threads: int = 1,
        time_limit: float | None = None,
        patience: float = PATIENCE,
    ) -> None:
        if workers < 1 or threads < 1:
            msg = f"workers and threads must be at least 1, but they are {workers} and {threads}"
            raise PruneError(msg)
        if time_limit is not None and not time_limit > 0:
            msg = f"a time limit must be above 0 seconds, but it is {time_limit}"
            raise PruneError(msg)
        if not 0 <= patience < float("inf"):
            msg = f"patience must be a number of seconds, at least 0, but it is {patience}"
            raise PruneError(msg)
        self.workers, self.threads, self.time_limit = workers, threads, time_limit
        self.patience = patience
        self.restarted = 0
        self._staff: list[Worker] = []
        self._job: Job | None = None
        self._fingerprint = ""
        self._seconds: dict[bool, float] = {}  # of one candidate; key: is it the final measurement?
        self._failed_starts = 0
        self._waiting_since = self._next_start = 0.0
        self._alone = self._has_lost = False

    # Subclasses write these.

    @abstractmethod
    def _publish(self, problem: PruningProblem) -> None:
        """Puts the problem where new workers find it."""

    @abstractmethod
    def _withdraw(self) -> None:
        """Removes the published problem, if there is one."""

    @abstractmethod
    def _hire(self) -> Worker:
        """Returns a new worker, which is not started yet."""

    @abstractmethod
    def _answers(self, timeout: float) -> Iterator[tuple[Worker, Answer]]:
        """Yields answers that come within some seconds; there may be none."""

    @abstractmethod
    def _needs(self) -> str:
        """Says what workers need in order to start, as the end of a message."""

    # Subclasses share these.

    @property
    def ready(self) -> int:
        """The number of workers that have the problem."""
        return sum(worker.ready for worker in self._staff)

    @property
    def busy(self) -> int:
        """The number of workers that measure at the moment."""
        return sum(worker.job is not None for worker in self._staff)

    def status(self) -> str:
        """The numbers of workers, of busy ones and of replacements; and the pace.

        The pace is that of the current measurement, or of the last one.
        """
        if self._alone:
            return "no workers: measured in this process"
        workers = f"{self.workers} worker{'s' * (self.workers > 1)}"
        pace = 0.0 if self._job is None else self._job.pace
        parts = [workers if self.ready == self.workers else f"{self.ready} of {workers} ready"]
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
            while job.left and not self._alone:
                self._hire_missing()
                self._hand_out(job)
                if self._watcher is not None:
                    self._watcher()
                for part in self._parts(job):
                    yield part
                    self._check_turn(job)
            if job.left:
                yield from self._measured_here(job)
        finally:
            # After an error or Ctrl-C: their results are not needed.
            self._dismiss_all([worker for worker in self._staff if worker.job is job])

    def _measured_here(self, job: Job) -> Iterator[Part]:
        rows = job.rest()
        with on_threads(self.threads):
            for part in job.problem.parts(job.X[rows], job.batch):
                yield job.done([rows[row] for row in part.rows], part.measured, part.seconds)
                self._check_turn(job)
                if self._watcher is not None:
                    self._watcher()

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
        # Those that are busy with a measurement that was given up.
        self._dismiss_all([worker for worker in self._staff if worker.job is not None])
        self._waiting_since = time.monotonic()

    def _clear(self) -> None:
        """Ends all workers and forgets the problem."""
        self._job, self._fingerprint = None, ""
        self._failed_starts, self._alone, self._has_lost = 0, False, False
        self._seconds.clear()
        self._dismiss_all(list(self._staff))
        self._withdraw()

    def _check_turn(self, job: Job) -> None:
        """Refuses to go on with a measurement whose workers were ended or reassigned."""
        if self._job is not job:
            msg = (
                "these workers were ended, or given other candidates, before a measurement had "
                "ended; end it first, or give each search an executor of its own"
            )
            raise PruneError(msg)

    def _hire_missing(self) -> None:
        while len(self._staff) < self.workers and time.monotonic() >= self._next_start:
            worker = self._hire()
            try:
                self._staff.append(worker)
                worker.start()
            except BaseException:  # Ctrl-C too: no process may be left running
                self._dismiss(worker)
                raise
        now = time.monotonic()
        if self.ready:
            self._waiting_since = now
        elif (waited := now - self._waiting_since) > START_TIMEOUT:
            self._go_on_alone(f"no worker is ready after {waited:.0f} s")

    def _hand_out(self, job: Job) -> None:
        for worker in self._staff:
            if worker.ready and worker.job is None and job.waiting:
                rows = job.take(self._size(job))
                worker.begin(job, rows, self._deadline(job, len(rows)))
                worker.give(job.X[rows], job.batch)

    def _deadline(self, job: Job, n: int) -> float:
        """When a chunk must be done. If it is late, its candidates are tried again alone."""
        if self.time_limit is None:
            return float("inf")
        others = CHUNK_SLACK * (n - 1) * self._seconds.get(job.batch is None, 0.0)
        return time.monotonic() + self.time_limit + others

    def _size(self, job: Job) -> int:
        """The candidates of the next chunk: a second's work, and less towards the end."""
        seconds = self._seconds.get(job.batch is None)
        if seconds is None:
            return 1
        # A GPU runs a stack as one program, which takes as long with fewer candidates.
        together = min(job.problem.portions.together, -(-len(job.X) // self.workers))
        share = -(-len(job.fresh) // self.workers)
        # Half a share leaves work for workers that are done sooner. A chunk is not smaller than
        # the problem prefers, unless the share is.
        size = max(-(-share // 2), min(job.problem.portions.chunk, share))
        return max(together, min(size, int(CHUNK_SECONDS / max(seconds, 1e-9))))

    def _parts(self, job: Job) -> Iterator[Part]:
        """Yields candidates that are done, or given up, by now."""
        for worker, answer in self._answers(self._timeout()):
            yield from self._heard(job, worker, answer)
            if self._alone:
                return
        yield from self._overdue(job)

    def _timeout(self) -> float:
        next_deadline = min((worker.deadline for worker in self._staff), default=float("inf"))
        if len(self._staff) < self.workers:
            next_deadline = min(next_deadline, max(self._next_start, time.monotonic() + 0.01))
        return min(POLL_SECONDS, max(next_deadline - time.monotonic(), 0.0))

    def _heard(self, job: Job, worker: Worker, answer: Answer) -> Iterator[Part]:
        match answer:
            case Ready():
                self._check(answer)
                worker.ready, self._failed_starts, self._next_start = True, 0, 0.0
            case Done(measured, seconds, printed):
                rows = worker.end()
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
                f"{self._fingerprint}: its code or its libraries differ"
            )
            raise PruneError(msg)

    def _raise(self, worker: Worker, answer: Raised) -> NoReturn:
        if worker.ready:
            raise answer.error from WorkerTraceback(answer.text)
        msg = (
            f"a worker cannot unpack the problem: {answer.error}; its class and all that it keeps "
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
        if worker.ready:
            self._has_lost = True
        else:
            self._failed_to_start(reason)
        yield from job.lost(rows, reason)

    def _failed_to_start(self, reason: str) -> None:
        """Lets some time go by before the next start, or gives workers up."""
        now, (first, longest) = time.monotonic(), PAUSES
        self._next_start = now + min(first * 2.0 ** min(self._failed_starts, 9), longest)
        self._failed_starts += 1
        if self.ready:
            return
        if self._failed_starts >= MAX_TRIES and now - self._waiting_since >= self.patience:
            self._go_on_alone(f"workers end before they are ready: the last one {reason}")

    def _go_on_alone(self, why: str) -> None:
        """From now on this process measures, where that is safe; otherwise an error."""
        if not self.measures_here or self.time_limit is not None or self._has_lost:
            msg = f"{why}; {self._needs()}"
            raise PruneError(msg)
        msg = (
            f"{why}, so that this process measures alone from now on; for workers: {self._needs()}"
        )
        warnings.warn(msg, RuntimeWarning, stacklevel=2)
        self._alone = True
        self._dismiss_all(list(self._staff))

    def _dismiss(self, worker: Worker) -> None:
        if worker in self._staff:
            self._staff.remove(worker)
        worker.stop()

    def _dismiss_all(self, workers: Sequence[Worker]) -> None:
        """Ends workers; a second Ctrl-C waits until all are ended."""
        with interrupts_blocked():
            for worker in workers:
                self._dismiss(worker)
