"""Where candidates are measured: what `--workers`, `--ray` and `--time-limit` make."""

from __future__ import annotations

import argparse

from pymoo_prune.errors import PruneError
from pymoo_prune.executors import Executor, InProcess, Processes, Ray
from pymoo_prune.machine import cores


def has_workers(options: argparse.Namespace) -> bool:
    """Whether the options ask for workers."""
    return options.workers is not None or options.ray is not None


def refuse_workers(options: argparse.Namespace) -> None:
    """Refuses the options of workers for a comparison."""
    if has_workers(options) or options.time_limit is not None:
        msg = (
            "--workers, --ray and --time-limit are for the candidates of one run, but a comparison "
            "makes whole runs at once, each in a process: give --jobs"
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


def executor_of(options: argparse.Namespace, threads: int) -> Executor:
    """The executor that the options ask for.

    Args:
        options: The options of a command that searches.
        threads: Torch's threads in each worker.
    """
    limit = options.time_limit
    if options.ray is not None:
        return Ray(options.ray or None, workers=options.workers, threads=threads, time_limit=limit)
    if options.workers is not None:
        return Processes(options.workers, threads=threads, time_limit=limit)
    if limit is not None:
        msg = "--time-limit needs workers that can be ended: give --workers 1, or more"
        raise PruneError(msg)
    return InProcess()
