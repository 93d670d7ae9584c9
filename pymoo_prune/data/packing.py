"""Several inputs, and whole numbers such as the ids of tokens, as one table of real numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import torch
from torch import Tensor

from pymoo_prune.errors import DataError

LARGEST = 2**24
"""float32 holds every whole number up to this one."""


@dataclass(frozen=True)
class Packed:
    """One of the inputs of a network.

    Attributes:
        shape: One item's, which may be () for a single number.
        most: For whole numbers the largest; None for real numbers.
    """

    shape: tuple[int, ...]
    most: int | None = None


@dataclass(frozen=True)
class Packing:
    """How the inputs of a network lie in the columns of a table.

    Attributes:
        parts: The inputs, in the order in which the network takes them.
    """

    parts: tuple[Packed, ...]

    @classmethod
    def of(cls, inputs: Sequence[Tensor]) -> Packing:
        """The packing of some inputs, (n, ...) each."""
        parts = []
        for place, one in enumerate(inputs):
            most = None
            if not one.is_floating_point():
                most = int(one.max()) if one.numel() else 0
                if one.numel() and (most > LARGEST or int(one.min()) < 0):
                    msg = (
                        f"input {place} has whole numbers from {int(one.min())} to {most:,}, but "
                        f"ids must be between 0 and {LARGEST:,}; give other numbers as real ones"
                    )
                    raise DataError(msg)
            parts.append(Packed(tuple(one.shape[1:]), most))
        return cls(tuple(parts))

    @property
    def columns(self) -> list[tuple[int, int]]:
        """The first column of each input, and the one behind its last."""
        ends = [0]
        for part in self.parts:
            ends.append(ends[-1] + prod(part.shape))
        return list(pairwise(ends))

    def packed(self, inputs: Sequence[Tensor]) -> Tensor:
        """Inputs, (n, ...) each, as a table, (n, values)."""
        return torch.cat([one.reshape(len(one), -1).to(torch.float32) for one in inputs], dim=1)

    def unpacked(self, values: Tensor) -> list[Tensor]:
        """The inputs again, (n, ...) each: whole numbers as int64."""
        found = []
        for part, (start, end) in zip(self.parts, self.columns, strict=True):
            one = values[:, start:end].reshape(len(values), *part.shape)
            found.append(one if part.most is None else one.long())
        return found

    def without_ids(self, values: Tensor) -> Tensor:
        """A table with 0 in place of all ids: of random numbers, most are the id of nothing."""
        found = values.clone()
        for part, (start, end) in zip(self.parts, self.columns, strict=True):
            if part.most is not None:
                found[:, start:end] = 0
        return found
