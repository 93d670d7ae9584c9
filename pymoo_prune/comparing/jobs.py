"""Runs made one after the other, or several at once, each in a process of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.queues import Queue
from pathlib import Path
from typing import TypeAlias

from rich.console import Console

from pymoo_prune.comparing.processes import CONTEXT, process_pool
from pymoo_prune.comparing.runs import make_run
from pymoo_prune.errors import DataError, PruneError, StoreError, UntrustedCode
from pymoo_prune.executors import interrupts_blocked
from pymoo_prune.runs import Given, Run
from pymoo_prune.search import REFRESH, Board

Reports: TypeAlias = "Queue[tuple[str, str, float, str]]"
"""The run, its phase, the share of it that is done, and a text."""


def make_runs(
    runs: Mapping[str, Run],
    console: Console,
    *,
    jobs: int,
    failed: Callable[[str, Exception], None] | None = None,
) -> None:
    """Makes runs, or goes on with them.

    Args:
        runs: The runs, by name.
        console: Shows progress.
        jobs: How many runs at once.
        failed: Called with the name of a run whose method raised an error, and the error; the
            other runs go on. None ends with the first error.
    """
    with Board(console, len(runs)) as board:
        if jobs > 1 and len(runs) > 1:
            _make_at_once(runs, board, jobs, failed)
            return
        for name, run in runs.items():
            update = partial(board.update, name)
            with _named(name):
                board.finish(name, _ended(partial(make_run, run, update), name, failed))


def _make_at_once(
    runs: Mapping[str, Run],
    board: Board,
    jobs: int,
    failed: Callable[[str, Exception], None] | None,
) -> None:
    reports: Reports = CONTEXT.Queue()
    with (
        _shown(reports, board),
        process_pool(min(jobs, len(runs)), _Worker.begin, reports) as pool,
    ):
        with interrupts_blocked():  # Ctrl-C is for this process, which ends the others
            futures = {
                pool.submit(_Worker.make, name, run.folder, run.given): name
                for name, run in runs.items()
            }
        for future in as_completed(futures):
            name = futures[future]
            with _named(name):
                board.finish(name, _ended(future.result, name, failed))


def _ended(
    result: Callable[[], str], name: str, failed: Callable[[str, Exception], None] | None
) -> str:
    """How a run ended, in words."""
    try:
        return result()
    except Exception as error:
        if failed is None or not is_of_method(error):
            raise
        failed(name, error)
        return first_line(error)


def is_of_method(error: Exception) -> bool:
    """Whether an error is one of a method, and not of files, data, trust or a killed process."""
    others = (StoreError, DataError, UntrustedCode, OSError, BrokenProcessPool)
    return not isinstance(error, others)


def first_line(error: Exception) -> str:
    """An error in one line, with its type where that is not the plugin's own."""
    text = str(error).strip().partition("\n")[0]
    if isinstance(error, PruneError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class _Worker:
    """A process that makes runs; it reports to the process that started it."""

    reports: Reports | None = None

    @classmethod
    def begin(cls, reports: Reports) -> None:
        """Called once in each process."""
        cls.reports = reports

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
