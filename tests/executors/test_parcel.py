from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pymoo_prune import Data, PruneError
from pymoo_prune.executors import pack, unpack
from pymoo_prune.executors.parcel import ALIGNMENT, read, write
from pymoo_prune.testing import check_packing
from tests.support.tiny_problem import Pixels


class Furniture:
    """Everything that problems may keep."""

    def __init__(self) -> None:
        big = torch.arange(2 * 3 * 128 * 128, dtype=torch.float32).reshape(2, 3, 128, 128)
        self.plain, self.other = big, big.to(memory_format=torch.channels_last)
        self.thin = torch.zeros(20_000, 1, 1, 8).to(memory_format=torch.channels_last)
        self.small, self.half = torch.arange(3), big.bfloat16()
        self.view = big[1:]
        self.parameter = nn.Parameter(big[0].clone())
        self.again = self.plain
        self.numbers = np.arange(50_000)
        self.backwards = np.asfortranarray(np.arange(60_000.0).reshape(200, 300))
        self.lock, self.relock = threading.Lock(), threading.RLock()


def test_a_parcel_brings_everything_as_it_was(tmp_path: Path) -> None:
    sent = Furniture()
    parcel = pack(sent)
    assert sum(array.nbytes for array in parcel.arrays) > 1_000_000
    assert len(parcel.core) < 1_500_000  # another layout, bfloat16, small ones
    with (tmp_path / "parcel").open("w+b") as file:
        write(parcel, file)
        mapped = read(file.fileno())
    for copy in (unpack(parcel.copied()), unpack(mapped)):
        for name in ("plain", "other", "thin", "small", "half", "view", "parameter"):
            one, other = getattr(sent, name), getattr(copy, name)
            assert torch.equal(one, other), name
            assert (one.dtype, one.stride()) == (other.dtype, other.stride()), name
            assert type(one) is type(other)
            assert one.requires_grad == other.requires_grad
        assert copy.again is copy.plain
        assert np.array_equal(copy.numbers, sent.numbers)
        assert np.array_equal(copy.backwards, sent.backwards)
        assert copy.backwards.flags.f_contiguous
        assert copy.plain.data_ptr() % ALIGNMENT == 0
        assert not copy.lock.locked()
        with copy.relock, copy.relock, copy.lock:
            pass


def test_writing_to_a_parcel_copies_its_pages(tmp_path: Path) -> None:
    sent = Furniture()
    with (tmp_path / "parcel").open("w+b") as file:
        write(pack(sent), file)
        one, other, late = (unpack(read(file.fileno())) for _ in range(3))
    one.plain[:], one.numbers[:] = -1, -1
    for copy in (other, late, unpack(pack(sent))):
        assert torch.equal(copy.plain, sent.plain)
        assert np.array_equal(copy.numbers, sent.numbers)


def test_problems_that_cannot_be_sent_are_refused(digits: Data) -> None:
    class Local(Pixels):
        pass

    with pytest.raises(PruneError, match=r"Local cannot be sent to workers: .*; its class must be"):
        pack(Local(digits))
    problem = Pixels(digits)
    problem.progress = lambda: None  # type: ignore[attr-defined]
    with pytest.raises(PruneError, match=r"Pixels cannot be sent to workers: .*lambda"):
        pack(problem)


def test_the_contract_notices_problems_that_change_on_the_way(
    digits: Data,
) -> None:
    problem = Pixels(digits)
    X = problem.random(60, np.random.default_rng(0))
    check_packing(problem, X)
    problem.progress = lambda: None  # type: ignore[attr-defined]
    with pytest.raises(AssertionError, match="cannot be sent to workers"):
        check_packing(problem, X)
    with pytest.raises(AssertionError, match="workers measure another accuracy"):
        check_packing(Forgetful(digits), X)


class Forgetful(Pixels):
    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "weight": -self.weight}
