from __future__ import annotations

import errno
import os
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from pymoo_prune import PruneError
from pymoo_prune.measuring import Memory, Stacks, is_about_memory, stack_size

CPU = torch.device("cpu")


class Gigabytes(Memory):
    """The memory of an imaginary GPU: the bytes of one candidate, and the free bytes."""

    def __init__(self, each: int, free: int) -> None:
        super().__init__(CPU)
        self.each, self.there, self.cleared = each, free, 0

    def taken_by(self, work: Callable[[], object]) -> int:
        work()
        return self.each

    def free(self) -> int:
        return self.there

    def clear(self) -> None:
        self.cleared += 1


def recorded(seen: list[list[int]]) -> Callable[[Sequence[int]], list[int]]:
    def program(places: Sequence[int]) -> list[int]:
        seen.append(list(places))
        return [place * place for place in places]

    return program


@pytest.mark.parametrize("filled", [True, False])
def test_every_candidate_gets_its_result(filled: bool) -> None:
    seen: list[list[int]] = []
    assert Stacks(3, None, filled=filled).run(5, recorded(seen)) == [0, 1, 4, 9, 16]
    # Stacks are filled with the last candidate, whose extra results do not count.
    assert seen == [[0, 1, 2], [3, 4, 4] if filled else [3, 4]]
    assert Stacks(3, None, filled=filled).run(0, recorded(seen)) == []
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("each", "free", "size"),
    [
        (1, 1_000, 32),  # more room than candidates
        (10, 300, 16),  # room for 24 in four fifths of it: a power of two
        (10, 100, 8),
        (10, 20, 1),
        (10, 5, 1),  # the program itself will fail for lack of memory
        (0, 0, 1),
    ],
)
def test_memory_is_asked_for_before_it_is_used(each: int, free: int, size: int) -> None:
    seen: list[list[int]] = []
    stacks = Stacks(32, Gigabytes(each, free), filled=True)
    stacks.run(40, recorded(seen))
    assert seen[0] == [0]  # measures the memory of one
    assert {len(places) for places in seen[1:]} == {size}
    assert stacks.size == size
    seen.clear()
    stacks.run(40, recorded(seen))
    assert {len(places) for places in seen} == {size}  # measured once


def test_a_cheaper_probe_may_measure_the_memory_of_a_candidate() -> None:
    seen: list[list[int]] = []
    asked: list[bool] = []
    stacks = Stacks(4, Gigabytes(1, 100), filled=False)
    stacks.run(4, recorded(seen), probe=lambda: asked.append(True))
    assert asked == [True]
    assert seen == [[0, 1, 2, 3]]


def test_stacks_shrink_where_memory_is_too_little_after_all() -> None:
    memory = Gigabytes(1, 100)
    tried: list[int] = []
    last: list[Any] = []

    class Large:
        pass

    def program(places: Sequence[int]) -> list[int]:
        assert all(one() is None for one in last), "what failed is there still"
        large = Large()
        last.append(weakref.ref(large))
        tried.append(len(places))
        if len(places) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [-place for place in places]

    stacks = Stacks(8, memory, filled=True)
    with pytest.warns(UserWarning, match="memory is too little") as warned:
        assert stacks.run(5, program) == [0, -1, -2, -3, -4]
    assert [str(one.message) for one in warned] == [
        "memory is too little for 8 candidates at once; trying 4",
        "memory is too little for 4 candidates at once; trying 2",
    ]
    assert tried == [1, 8, 4, 2, 2, 2]
    assert memory.cleared == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stacks.run(5, program)  # the smaller size is kept


def test_memory_that_is_too_little_for_one() -> None:
    def never(places: Sequence[int]) -> list[int]:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    for memory in (None, Gigabytes(1, 100)):
        with pytest.raises(PruneError, match="too little for a single candidate; take fewer"):
            Stacks(1, memory, filled=True).run(3, never)


def test_other_errors_are_passed_on() -> None:
    def wrong(places: Sequence[int]) -> list[int]:
        raise RuntimeError("shapes differ")

    for memory in (None, Gigabytes(1, 100)):
        with pytest.raises(RuntimeError, match="shapes differ"):
            Stacks(4, memory, filled=True).run(3, wrong)


@pytest.mark.parametrize(
    ("error", "about"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling"), True),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), True),  # from mmap or fork
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), False),
        (RuntimeError("shapes differ"), False),
    ],
)
def test_errors_about_memory_are_recognised(error: Exception, about: bool) -> None:
    assert is_about_memory(error) == about


def test_sizes() -> None:
    assert stack_size(None, CPU, 32) == 1
    assert stack_size(None, torch.device("cuda"), 32) == 32
    assert stack_size(7, CPU, 32) == 7
    with pytest.raises(PruneError, match="together must be at least 1, but it is 0"):
        stack_size(0, CPU, 32)
    assert Stacks.on(CPU, 4).memory is None
    assert isinstance(Stacks.on(torch.device("cuda"), 4).memory, Memory)


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_the_memory_of_a_gpu() -> None:
    memory = Memory(torch.device("cuda"))
    taken = memory.taken_by(lambda: torch.ones(2**20, device="cuda").sum().item())
    assert 4 * 2**20 <= taken < 5 * 2**20
    assert memory.free() > taken
