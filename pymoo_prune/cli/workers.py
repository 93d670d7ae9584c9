"""Where candidates are measured: what `--workers`, `--ray` and their options make."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, nullcontext

from pymoo_prune.errors import PruneError
from pymoo_prune.executors import Executor, InProcess, Processes, Ray
from pymoo_prune.machine import cores


def has_workers(options: argparse.Namespace) -> bool:
    """Whether the options ask for workers."""
    return options.workers is not None or options.ray is not None


def refuse_workers(options: argparse.Namespace) -> None:
    """Refuses the options of workers for a comparison."""
    if has_workers(options) or options.time_limit is not None or options.patience is not None:
        msg = (
            "--workers, --ray, --time-limit and --patience are for the candidates of one run, but "
            "a comparison makes whole runs at once, each in a process: give --jobs"
        )
        raise PruneError(msg)


def threads_for_workers(options: argparse.Namespace) -> int | None:
    """Threads of each worker, as given; without workers, None unless given.

    By default, processes share the cores of this machine, and a Ray worker has one thread.
    """
    if options.threads is not None or not has_workers(options):
        threads: int | None = options.threads
        return threads
    here = options.workers if options.ray is None else cores()
    return max(1, cores() // max(here, 1))


def processes(count: int | None) -> AbstractContextManager[Executor | None]:
    """Processes that share the cores of this machine; None is the process of the search."""
    if count is None:
        return nullcontext()
    return Processes(count, threads=max(1, cores() // max(count, 1)))


def executor_of(options: argparse.Namespace, threads: int) -> Executor:
    """The executor that the options ask for.

    Args:
        options: The options of a command that searches.
        threads: Torch's threads in each worker.
    """
    limit, patience = options.time_limit, options.patience
    given = {} if patience is None else {"patience": patience}
    if options.ray is not None:
        where, count = options.ray or None, options.workers
        return Ray(where, workers=count, threads=threads, time_limit=limit, **given)
    if options.workers is not None:
        return Processes(options.workers, threads=threads, time_limit=limit, **given)
    if patience is not None:
        msg = "--patience is for workers: give --workers N or --ray with it"
        raise PruneError(msg)
    if limit is not None:
        msg = "--time-limit needs workers that can be ended: give --workers 1, or more"
        raise PruneError(msg)
    return InProcess()
