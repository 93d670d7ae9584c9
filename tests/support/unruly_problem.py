"""A problem whose measuring ends its process, hangs or raises, as often as a test wants it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pymoo_prune import Data, Measurements
from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.executors import Executor
from tests.support.tiny_problem import Pixels


class Unruly(Pixels):
    """The tiny problem; what happens to a candidate stands in a file that is named by it.

    A file says what happens: "exit", "kill", "hang", "raise", "memory" or "print", and how often.
    Every candidate that is begun gets a line in `begun`, with the process that began it.
    """

    def __init__(self, data: Data, *, folder: str, **options: Any) -> None:
        super().__init__(data, **options)
        self.folder = Path(folder)

    def plan(self, x: Array, what: str, times: int = 1_000) -> None:
        """Says what happens to a candidate, and how often."""
        (self.folder / digests(x[None])[0].hex()).write_text(f"{what} {times}")

    def planned(self, x: Array) -> str:
        """What is still to happen to a candidate."""
        return (self.folder / digests(x[None])[0].hex()).read_text()

    def slow(self, seconds: float) -> None:
        """Lets every candidate take so long."""
        (self.folder / "slow").write_text(str(seconds))

    def forget(self) -> None:
        """Forgets all plans: every candidate can be measured."""
        for path in self.folder.iterdir():
            path.unlink()

    def begun(self) -> list[str]:
        """Processes that began a candidate, in order."""
        path = self.folder / "begun"
        return path.read_text().split() if path.exists() else []

    def measure(self, X: Array) -> Measurements:
        for digest in digests(X):
            with (self.folder / "begun").open("a") as file:
                file.write(f"{os.getpid()}\n")
            self._act(self.folder / digest.hex())
            with suppress(FileNotFoundError):
                time.sleep(float((self.folder / "slow").read_text()))
        return super().measure(X)

    @staticmethod
    def _act(path: Path) -> None:
        if not path.exists():
            return
        what, times = path.read_text().split()
        if int(times) == 0:
            return
        path.write_text(f"{what} {int(times) - 1}")
        if what == "exit":
            os._exit(7)
        elif what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif what == "hang":
            time.sleep(1_000)
        elif what == "memory":
            torch.empty(1 << 60)  # more than there is
        elif what == "print":
            print(f"measuring {path.name}")
        elif what == "raise":
            msg = f"no luck with {path.name}"
            raise ZeroDivisionError(msg)


def measured_by(
    executor: Executor, problem: Pixels, X: Array, watch: Callable[[], None] = lambda: None
) -> tuple[list[int], dict[str, Any], Mapping[int, str]]:
    """All rows in the order in which they came, the values in the order of X, and failures."""
    order: list[int] = []
    values = {name: np.full(len(X), np.inf) for name in problem.quantities}
    failures: dict[int, str] = {}
    for part in executor.measure(problem, X, 0):
        watch()
        order += part.rows
        for name, column in part.measured.items():
            values[name][list(part.rows)] = column
        failures |= {part.rows[row]: reason for row, reason in part.measured.failures.items()}
    return order, values, failures


def until_all_work(executor: Executor, problem: Unruly, X: Array, workers: int) -> None:
    """Measures until so many workers took part: one may be ready much sooner than another."""
    problem.forget()
    while len(set(problem.begun())) < workers:
        list(executor.measure(problem, X, 0))
    problem.forget()
