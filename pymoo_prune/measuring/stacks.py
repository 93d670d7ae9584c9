"""Candidates that are measured as one program, as many at once as memory has room for.

A GPU is busy with one large computation and idles between many small ones, so candidates go through
it in stacks. How large a stack may be is asked before memory is taken; where that was not enough,
for example because somebody else took some, the stack becomes smaller instead of failing.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Sequence
from typing import Self, TypeVar

import torch

from pymoo_prune.errors import PruneError

Result = TypeVar("Result")
Program = Callable[[Sequence[int]], Sequence[Result]]
"""Takes the places of candidates, and gives a result for each."""

SHARE = 0.8
"""Of the memory that is free: allocators lose some between their blocks."""
TOO_LITTLE_MEMORY = (
    *("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED"),
    "Cannot allocate memory",
)
"""What plain RuntimeErrors of torch say, and the operating system."""


class Memory:
    """The memory of a GPU.

    Args:
        device: The GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def taken_by(self, work: Callable[[], object]) -> int:
        """Bytes that some work takes at its peak, besides what was taken before."""
        torch.cuda.synchronize(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        work()
        torch.cuda.synchronize(self.device)
        return torch.cuda.max_memory_allocated(self.device) - before

    def free(self) -> int:
        """Bytes that can be had: what is free, and what torch keeps without using it."""
        free, _ = torch.cuda.mem_get_info(self.device)
        kept = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        return free + kept

    def clear(self) -> None:
        """Gives back what a failure left behind."""
        gc.collect()  # what refers to itself
        torch.cuda.empty_cache()


class Stacks:
    """Runs candidates in stacks.

    Args:
        size: Candidates at once, at most.
        memory: Of the device; None does not ask, and waits for what fails.
        filled: Whether the last stack is filled up with candidates that do not count. Rounding
            depends on a stack's size; so filled, it does not depend on how many come together.
    """

    def __init__(self, size: int, memory: Memory | None, *, filled: bool) -> None:
        self.size, self.memory, self.filled = size, memory, filled
        self._asked = memory is None

    @classmethod
    def on(cls, device: torch.device, size: int, *, filled: bool = True) -> Self:
        """Stacks for a device.

        Args:
            device: Only a GPU's memory is asked for.
            size: Candidates at once, at most.
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
        """Results of all candidates.

        Args:
            n: How many there are.
            program: Computes some of them at once.
            probe: Takes the memory of one; the program with the first, unless given.
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
        """What the program gives; nothing, and nothing left behind, if memory is too little."""
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
        """Looks what one candidate takes, and how often that is free."""
        assert self.memory is not None  # noqa: S101 - or nobody asks
        try:
            each = self.memory.taken_by(probe)
        except (RuntimeError, MemoryError) as error:
            if not is_about_memory(error):
                raise
            self.size = 1  # the program will say it
        else:
            room = int(SHARE * self.memory.free()) // max(each, 1)
            if room < self.size:
                # A power of two: runs with about as much memory then have stacks of one size.
                self.size = 1 << max(room.bit_length() - 1, 0)
        self._asked = True

    def _shrink(self, tried: int) -> None:
        self.size = (tried + 1) // 2
        msg = f"memory is too little for {tried} candidates at once; trying {self.size}"
        warnings.warn(msg, stacklevel=4)  # who has called whoever runs stacks
        if self.memory is not None:
            self.memory.clear()
        else:
            gc.collect()


def stack_size(together: int | None, device: torch.device, usual: int) -> int:
    """How many candidates go together.

    Args:
        together: As it was asked for; None is 1 on a processor, whose caches a stack would leave.
        device: Where they are measured.
        usual: On a GPU, unless asked for otherwise.
    """
    if together is not None and together < 1:
        raise PruneError(f"together must be at least 1, but it is {together}")
    return together or (1 if device.type == "cpu" else usual)


def is_about_memory(error: Exception) -> bool:
    """Whether it says that there is too little memory."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(text in str(error) for text in TOO_LITTLE_MEMORY)
