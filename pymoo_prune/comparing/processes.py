"""A pool of processes that ends with the block that uses it, however that ends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import active_children, get_context
from multiprocessing.connection import Connection
from typing import Any

CONTEXT = get_context("spawn")
"""Threads of torch do not survive a fork."""


@contextmanager
def process_pool(
    number: int, begin: Callable[..., None], *arguments: Any
) -> Iterator[ProcessPoolExecutor]:
    """A pool of processes; submit work with `interrupts_blocked`, because that starts them.

    The processes end with the block, also after an error or Ctrl-C, and when this process is
    killed.

    Args:
        number: How many processes.
        begin: Called once in each process.
        arguments: Its arguments.
    """
    alive, hold = CONTEXT.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        number, CONTEXT, initializer=_begin, initargs=(alive, begin, arguments)
    )
    others = set(active_children())
    try:
        yield pool
        pool.shutdown(wait=True)  # processes that have nothing to do clean up behind them
    finally:
        hold.close()  # ends processes that still work
        for process in set(active_children()) - others:  # and those that do not listen yet
            process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(alive: Connection, begin: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    begin(*arguments)
    threading.Thread(target=_end_with, args=(alive,), daemon=True).start()


def _end_with(alive: Connection) -> None:
    """Ends this process when the other end is closed: by an error, Ctrl-C or kill -9."""
    with suppress(EOFError, OSError):
        alive.recv()
    os._exit(1)  # what was measured is in files
