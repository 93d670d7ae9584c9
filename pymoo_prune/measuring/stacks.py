"""Runs candidates in stacks: as one program, with as many candidates as memory has room for.

A GPU is busy in one large computation but idles between many small ones, so it runs candidates in
stacks. The size of a stack is chosen from the free memory. If that turns out to be too little, for
example because another process took some, the stack becomes smaller instead of failing.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Sequence
from typing import Self, TypeVar

import torch

from pymoo_prune.errors import PruneError, check_whole

Result = TypeVar("Result")
Program = Callable[[Sequence[int]], Sequence[Result]]
"""Takes the places of candidates, and returns a result for each."""

SHARE = 0.8
"""The share of free memory that stacks may take: allocators lose some between blocks."""
MOST_TOGETHER = 1_024
"""The most candidates in a stack; the gain ends far below."""
TOO_LITTLE_MEMORY = (
    *("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED"),
    "Cannot allocate memory",
)
"""Texts in plain RuntimeErrors, from torch and from the operating system."""


class Memory:
    """The memory of a GPU.

    Args:
        device: The GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def taken_by(self, work: Callable[[], object]) -> int:
        """The bytes that some work takes at its peak, on top of those taken before."""
        torch.cuda.synchronize(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        work()
        torch.cuda.synchronize(self.device)
        return torch.cuda.max_memory_allocated(self.device) - before

    def free(self) -> int:
        """The bytes that can be used: free ones, and those that torch keeps but does not use."""
        free, _ = torch.cuda.mem_get_info(self.device)
        kept = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        return free + kept

    def clear(self) -> None:
        """Releases the memory that a failed attempt left behind."""
        gc.collect()  # objects that refer to themselves
        torch.cuda.empty_cache()


class Stacks:
    """Runs candidates in stacks.

    Args:
        size: The largest number of candidates at once.
        memory: The device's memory. None: its free memory is not looked up, and stacks shrink only
            when they fail.
        filled: Whether the last stack is filled with copies of its last candidate. Rounding depends
            on a stack's size; with full stacks it does not depend on the number of candidates.
    """

    def __init__(self, size: int, memory: Memory | None, *, filled: bool) -> None:
        self.size, self.memory, self.filled = size, memory, filled
        self._asked = memory is None

    @classmethod
    def on(cls, device: torch.device, size: int, *, filled: bool = True) -> Self:
        """Stacks for a device.

        Args:
            device: The device; only a GPU's free memory is looked up.
            size: The largest number of candidates at once.
            filled: See `Stacks`.
        """
        return cls(size, Memory(device) if device.type == "cuda" else None, filled=filled)

    def run(
        self,
        n: int,
        program: Program[Result],
        *,
        probe: Callable[[], object] | None = None,
    ) -> list[Result]:
        """Runs all candidates and returns their results.

        Args:
            n: The number of candidates.
            program: Computes a stack of candidates.
            probe: Takes as much memory as one candidate. Default: the program, with the first one.
        """
        if n and not self._asked:
            self._ask(probe or (lambda: program([0])))
        done: list[Result] = []
        while len(done) < n:
            places = list(range(n))[len(done) : len(done) + self.size]
            filled = places + places[-1:] * (self.size - len(places) if self.filled else 0)
            found = self._tried(program, filled)
            if found is None:
                self._shrink(len(filled))
            else:
                done += found[: len(places)]
        return done

    def _tried(self, program: Program[Result], places: Sequence[int]) -> list[Result] | None:
        """The program's results; None if memory is too little, so that the error can be freed."""
        try:
            return list(program(places))
        except (RuntimeError, MemoryError) as error:
            if not is_about_memory(error):
                raise
            if len(places) == 1:
                msg = (
                    "memory is too little for a single candidate; take fewer images, or a device "
                    f"with more memory: {error}"
                )
                raise PruneError(msg) from error
            return None

    def _ask(self, probe: Callable[[], object]) -> None:
        """Measures the memory of one candidate, and sets how many fit into free memory."""
        assert self.memory is not None  # noqa: S101 - run() asks only then
        try:
            each = self.memory.taken_by(probe)
        except (RuntimeError, MemoryError) as error:
            if not is_about_memory(error):
                raise
            self.size = 1  # the program will fail, with a clear message
        else:
            room = int(SHARE * self.memory.free()) // max(each, 1)
            if room < self.size:
                # A power of two, so that runs with about equal memory have stacks of the same size.
                self.size = 1 << max(room.bit_length() - 1, 0)
        self._asked = True

    def _shrink(self, tried: int) -> None:
        self.size = (tried + 1) // 2
        msg = f"memory is too little for {tried} candidates at once; trying {self.size}"
        warnings.warn(msg, stacklevel=4)  # the line that called the caller of run()
        if self.memory is not None:
            self.memory.clear()
        else:
            gc.collect()


def stack_size(together: int | None, device: torch.device, usual: int) -> int:
    """The number of candidates in a stack.

    Args:
        together: The number that the user asked for. None: 1 on a processor, since a stack exceeds
            its caches, and `usual` on a GPU.
        device: Where candidates are measured.
        usual: The usual number on a GPU.
    """
    why = "a stack is one program, and its memory grows with it"
    check_whole("together", together, least=1, most=MOST_TOGETHER, why=why, none=True)
    return together or (1 if device.type == "cpu" else usual)


def is_about_memory(error: Exception) -> bool:
    """Whether an error says that memory is too little."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(text in str(error) for text in TOO_LITTLE_MEMORY)
