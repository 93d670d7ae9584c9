"""Runs made one after the other, or several at once, each in a process of its own."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import active_children, get_context
from multiprocessing.connection import Connection
from multiprocessing.queues import Queue
from pathlib import Path
from typing import TypeAlias

from rich.console import Console

from pymoo_prune.comparing.runs import make_run
from pymoo_prune.errors import PruneError
from pymoo_prune.runs import Given, Run
from pymoo_prune.search import REFRESH, Board

Reports: TypeAlias = "Queue[tuple[str, str, float, str]]"
"""The run, its phase, the share of it that is done, and a text."""


def make_runs(runs: Mapping[str, Run], console: Console, *, jobs: int) -> None:
    """Makes runs, or goes on with them.

    Args:
        runs: The runs, by name.
        console: Shows progress.
        jobs: How many runs at once.
    """
    with Board(console, len(runs)) as board:
        if jobs > 1 and len(runs) > 1:
            _make_at_once(runs, board, jobs)
            return
        for name, run in runs.items():
            with _named(name):
                board.finish(name, make_run(run, partial(board.update, name)))


def _make_at_once(runs: Mapping[str, Run], board: Board, jobs: int) -> None:
    context = get_context("spawn")  # threads of torch do not survive a fork
    reports: Reports = context.Queue()
    alive, hold = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        min(jobs, len(runs)), context, initializer=_Worker.begin, initargs=(reports, alive)
    )
    others = set(active_children())
    with _shown(reports, board):
        try:
            with _interrupts_blocked():  # Ctrl-C is for this process, which ends the others
                futures = {
                    pool.submit(_Worker.make, name, run.folder, run.given): name
                    for name, run in runs.items()
                }
            for future in as_completed(futures):
                with _named(futures[future]):
                    board.finish(futures[future], future.result())
        finally:
            hold.close()  # ends processes that still work
            for process in set(active_children()) - others:  # and those that do not listen yet
                process.terminate()
            pool.shutdown(wait=True, cancel_futures=True)


class _Worker:
    """A process that makes runs; it reports to the process that started it, and ends with it."""

    reports: Reports | None = None

    @classmethod
    def begin(cls, reports: Reports, alive: Connection) -> None:
        """Called once in each process."""
        cls.reports = reports
        threading.Thread(target=cls.end_with, args=(alive,), daemon=True).start()

    @staticmethod
    def end_with(alive: Connection) -> None:
        """Ends this process when the other end is closed: by an error, Ctrl-C or kill -9."""
        with suppress(EOFError, OSError):
            alive.recv()
        os._exit(1)  # what was measured is in the store

    @classmethod
    def make(cls, name: str, folder: Path, given: Given) -> str:
        """Makes one run."""
        reports = cls.reports
        assert reports is not None  # noqa: S101 - begin was called
        return make_run(Run.open(folder, given=given), lambda *state: reports.put((name, *state)))


@contextmanager
def _shown(reports: Reports, board: Board) -> Iterator[None]:
    """Shows on the board what processes report during the block."""
    ended = threading.Event()

    def show() -> None:
        while not ended.is_set():
            with suppress(queue.Empty):
                board.update(*reports.get(timeout=REFRESH))

    shower = threading.Thread(target=show, daemon=True)
    shower.start()
    try:
        yield
    finally:
        ended.set()
        shower.join(2 * REFRESH)  # a process killed in the middle of a report may block it


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Blocks SIGINT while children start: they inherit the block, and never see Ctrl-C.

    In this process, Ctrl-C takes effect at the end of the block: a child that is half started
    would print an error.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    heard: list[int] = []
    # Another thread may receive the signal that is blocked in this one.
    handler = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if heard:
        raise KeyboardInterrupt


@contextmanager
def _named(run: str) -> Iterator[None]:
    """Adds the run's name to errors."""
    try:
        yield
    except BrokenProcessPool as error:  # every run that waits gets it: none can be named
        msg = (
            "the process of a run ended without an error message (was there enough memory?); "
            "what was measured is kept: resume, with fewer --jobs"
        )
        raise PruneError(msg) from error
    except PruneError as error:
        msg = f"{run}: {error}"
        raise PruneError(msg) from error
    except OSError as error:
        msg = f"{run}: {error}"
        raise OSError(msg) from error
