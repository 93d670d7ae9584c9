"""Ctrl-C while child processes start or end: it takes effect a moment later."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Blocks SIGINT while children start or end: a child inherits the block.

    In this process, Ctrl-C takes effect at the end of the block: a child that is half started
    would print an error, and one that is half ended would stay.
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
    if heard and callable(handler):  # where Ctrl-C is ignored, it stays so
        handler(signal.SIGINT, None)
