"""Progress in a notebook: one line below a cell, however long a search takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

MOST_PHASES = 4
"""Phases that the line still names when they are over."""


class CellLine:
    """A line below the cell that runs, whose text is replaced; the next cell gets a new one."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._cell: int | None = None
        self._over: list[str] = []

    def show(self, text: str) -> None:
        """Shows a text in place of the last one."""
        # A notebook has IPython; it is not needed elsewhere.
        from IPython.core.getipython import get_ipython  # noqa: PLC0415
        from IPython.display import display  # noqa: PLC0415

        shell = get_ipython()
        cell = None if shell is None else shell.execution_count
        if self._handle is None or cell != self._cell:
            self._cell = cell
            self._over.clear()
            self._handle = display(  # type: ignore[no-untyped-call]
                {"text/plain": text}, raw=True, display_id=True
            )
        else:
            self._handle.update({"text/plain": text}, raw=True)

    @contextmanager
    def phase(self, name: str, *, every: float) -> Iterator[Callable[[float, str], None]]:
        """Shows a phase; yields a function of the share done and a text.

        Args:
            name: The phase.
            every: Seconds between two updates, at least.
        """
        began = last = time.perf_counter()
        self.show(f"{name} …")

        def update(done: float, text: str = "") -> None:
            nonlocal last
            if time.perf_counter() - last >= every:
                last = time.perf_counter()
                self.show(f"{name}: {100 * done:.0f} %  {text}")

        yield update
        self._over.append(f"{name} {time.perf_counter() - began:.1f} s")
        before = "… · " if len(self._over) > MOST_PHASES else ""
        self.show(f"done: {before}{' · '.join(self._over[-MOST_PHASES:])}")
