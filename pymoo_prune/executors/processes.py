"""Workers that are processes of this machine."""

from __future__ import annotations

import os
import pickle
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import get_context, parent_process, reduction, resource_tracker
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO, TypeAlias, cast

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import PruneError
from pymoo_prune.executors.dispatch import Dispatcher
from pymoo_prune.executors.interrupts import interrupts_blocked
from pymoo_prune.executors.parcel import pack, read, write
from pymoo_prune.executors.staff import Worker
from pymoo_prune.executors.work import Answer, Lost, Workbench
from pymoo_prune.problem import PruningProblem

STOPPING = 5.0
"""The longest wait for a worker that is ended."""
_SPAWN = get_context("spawn")  # threads of torch do not survive a fork

Messages: TypeAlias = "SimpleQueue[tuple[_Process, bytes | None]]"
"""Messages of processes; None where a process has ended."""


class _Shared:
    """An open file without a name, on its way to a process that is being started.

    The system removes it when the last process that has it open ends, in whatever way.

    Args:
        descriptor: The file's descriptor.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __reduce__(self) -> Any:
        return _received, (reduction.DupFd(self.descriptor),)


def _received(descriptor: Any) -> _Shared:
    return _Shared(descriptor.detach())


class _Process(Worker):
    """A process, a pipe to it, and a thread that writes and reads there.

    A process may stop in the middle of a message. Then only its thread waits for it.

    Args:
        parcel: The file with the problem.
        threads: Threads of torch.
        messages: Where its messages go; the last one is None.
    """

    def __init__(self, parcel: _Shared, threads: int, messages: Messages) -> None:
        super().__init__()
        self.pipe, self._theirs = _SPAWN.Pipe()
        # Daemons end when the driver exits normally; `_end_with_driver` is for a driver that dies.
        self.process = _SPAWN.Process(
            target=_serve, args=(self._theirs, parcel, threads), daemon=True
        )
        self._chunks: SimpleQueue[bytes | None] = SimpleQueue()
        self._messages = messages
        self._thread = threading.Thread(target=self._correspond, daemon=True)

    def start(self) -> None:
        resource_tracker.ensure_running()  # started with the first process, it would unblock SIGINT
        with interrupts_blocked():  # Ctrl-C goes to all processes of a terminal
            self.process.start()
            self._thread.start()
        self._theirs.close()

    def give(self, X: Array, batch: int | None) -> None:
        self._chunks.put(pickle.dumps((X, batch)))

    def _correspond(self) -> None:
        try:
            with suppress(EOFError, OSError), self.pipe:
                self._messages.put((self, self.pipe.recv_bytes()))
                while (chunk := self._chunks.get()) is not None:
                    self.pipe.send_bytes(chunk)
                    self._messages.put((self, self.pipe.recv_bytes()))
        finally:
            self._messages.put((self, None))

    def answer(self, message: bytes | None) -> Answer:
        """Unpacks a message; where there is none, says how the process ended."""
        if message is not None:
            answer: Answer = pickle.loads(message)  # noqa: S301 - from a process of ours
            return answer
        self.process.join(5.0)
        code = self.process.exitcode
        if code is None:
            return Lost("does not answer any more")
        if code < 0:
            return Lost(f"was killed by {signal.Signals(-code).name}")
        return Lost(f"ended with exit code {code}")

    def stop(self) -> None:
        if self.process.pid is not None:
            self.process.kill()  # it has nothing to save
            self.process.join(STOPPING)
        with suppress(ValueError):  # the system has not ended it yet: it waits for a device
            self.process.close()
        self._theirs.close()
        self._chunks.put(None)
        if not self._thread.is_alive():  # otherwise the thread closes it
            self.pipe.close()


class Processes(Dispatcher):
    """Workers on this machine, each a process.

    The problem goes to a file that all workers map into memory, so that large arrays exist once.
    Where networks are on a GPU, all workers share it.
    """

    _file: BinaryIO | None = None
    _messages: Messages

    def _publish(self, problem: PruningProblem) -> None:
        if not hasattr(reduction, "DupFd"):
            msg = "workers in processes need Linux or macOS; on Windows, use a Ray cluster"
            raise PruneError(msg)
        parcel = pack(problem)
        self._messages = SimpleQueue()
        self._file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - _withdraw closes
        try:
            write(parcel, self._file)
        except OSError as error:
            place = tempfile.gettempdir()
            msg = f"{place} has no room for the problem: {error}; set TMPDIR to a folder that has"
            raise PruneError(msg) from error

    def _withdraw(self) -> None:
        if self._file is not None:
            self._file.close()  # the system keeps it until the last process has closed it
        self._file = None

    def _needs(self) -> str:
        return (
            "their output is above; a script must start its search under "
            "'if __name__ == \"__main__\":', and each worker needs memory for what is not shared"
        )

    def _hire(self) -> Worker:
        assert self._file is not None  # noqa: S101 - published before
        return _Process(_Shared(self._file.fileno()), self.threads, self._messages)

    def _answers(self, timeout: float) -> Iterator[tuple[Worker, Answer]]:
        with suppress(Empty):
            worker, message = self._messages.get(timeout=timeout)
            while True:
                if worker in self._staff:  # otherwise it was dismissed before
                    yield worker, worker.answer(message)
                worker, message = self._messages.get_nowait()


def _serve(pipe: Connection, parcel: _Shared, threads: int) -> None:
    """A worker's loop: unpacks the problem, then measures chunk after chunk."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver
    threading.Thread(target=_end_with_driver, daemon=True).start()
    bench = Workbench(threads)
    with suppress(EOFError, OSError):  # the driver has ended, or has dismissed this worker
        pipe.send(bench.take(lambda: read(parcel.descriptor)))
        while True:
            pipe.send(bench.measure(*pipe.recv()))


def _end_with_driver() -> None:
    """Ends this process when the driver has ended, also by kill -9."""
    driver = parent_process()
    assert driver is not None  # noqa: S101 - this runs in a worker
    driver.join()
    os._exit(1)
