"""Letters: what a layer may become: its kept share, its pattern, and its bits."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from pymoo_prune.errors import PruneError

FEWEST_BITS, MOST_BITS, FLOAT_BITS = 2, 8, 32
"""Bits of a rounded weight, and of one that stays a float."""
DEFAULT_LETTERS = "1,0.7,0.5,0.35,0.25,0.18,0.12,0.08,0.05,0.035,0.025@32,8,6,5,4,3,2"


class Pattern(ABC):
    """Which places of a layer may live together.

    Weights are seen as rows, one for each filter; in a row the channels of one place of the kernel
    are neighbours. `rows` and `back` change between this form and the layer's.
    """

    def refusal(self, weight: Tensor) -> str:  # noqa: ARG002
        """Why a layer cannot have this pattern; empty if it can.

        Args:
            weight: The layer's weights.
        """
        return ""

    @abstractmethod
    def mask(self, scores: Tensor, alive: Tensor, share: float) -> Tensor:
        """True where weights stay, (filters, inputs).

        Args:
            scores: What is missed if a weight goes, (filters, inputs).
            alive: Weights that are not 0 in the parent, (filters, inputs).
            share: The share of these that stays.
        """


@dataclass(frozen=True)
class Single(Pattern):
    """Any weights."""

    def mask(self, scores: Tensor, alive: Tensor, share: float) -> Tensor:
        """The highest scores of the layer stay, at least one."""
        if share >= 1:
            return alive.clone()
        return _highest(scores.masked_fill(~alive, -1.0), int(alive.sum()), share) & alive

    def __str__(self) -> str:
        return ""


@dataclass(frozen=True)
class Blocks(Pattern):
    """Whole blocks of neighbouring input channels.

    Attributes:
        size: Weights in a block.
    """

    size: int

    def refusal(self, weight: Tensor) -> str:
        """Blocks must divide the input channels."""
        channels = weight.shape[1]
        return f"blocks of {self.size} do not divide {channels} inputs" * (channels % self.size > 0)

    def mask(self, scores: Tensor, alive: Tensor, share: float) -> Tensor:
        """The blocks with the highest sums of scores stay, at least one."""
        shape = len(scores), -1, self.size
        there = alive.reshape(shape).any(dim=2)
        sums = (scores * alive).reshape(shape).sum(dim=2).masked_fill(~there, -1.0)
        kept = there if share >= 1 else _highest(sums, int(there.sum()), share) & there
        return kept.repeat_interleave(self.size, dim=1) & alive

    def __str__(self) -> str:
        return f"x{self.size}"


@dataclass(frozen=True)
class Filters(Pattern):
    """Whole filters: all weights of an output channel, or none."""

    def mask(self, scores: Tensor, alive: Tensor, share: float) -> Tensor:
        """The filters with the highest sums of scores stay, at least one."""
        there = alive.any(dim=1)
        sums = (scores * alive).sum(dim=1).masked_fill(~there, -1.0)
        kept = there if share >= 1 else _highest(sums, int(there.sum()), share) & there
        return kept[:, None] & alive

    def __str__(self) -> str:
        return "f"


@dataclass(frozen=True)
class NOfM(Pattern):
    """At most n of m neighbouring input channels.

    Attributes:
        n: Weights that stay in each group.
        m: The size of a group.
    """

    n: int
    m: int

    def refusal(self, weight: Tensor) -> str:
        """Groups must divide the input channels."""
        channels = weight.shape[1]
        return f"groups of {self.m} do not divide {channels} inputs" * (channels % self.m > 0)

    def mask(self, scores: Tensor, alive: Tensor, share: float) -> Tensor:  # noqa: ARG002
        """The n highest scores of each group stay."""
        groups = scores.masked_fill(~alive, -1.0).reshape(len(scores), -1, self.m)
        best = groups.topk(self.n, dim=2).indices
        kept = torch.zeros_like(groups, dtype=torch.bool).scatter(2, best, value=True)
        return kept.reshape(scores.shape) & alive

    def __str__(self) -> str:
        return f"{self.n}:{self.m}"


def _highest(scores: Tensor, count: int, share: float) -> Tensor:
    kept = max(1, round(share * count))
    order = torch.argsort(scores.flatten(), descending=True, stable=True)
    found = torch.zeros(scores.numel(), dtype=torch.bool, device=scores.device)
    found[order[:kept]] = True
    return found.reshape(scores.shape)


@dataclass(frozen=True)
class Letter:
    """What a layer may become.

    Attributes:
        share: The share of the weights that stays, at most; above 0.
        bits: Bits of a weight: 2 to 8 with a scale for each filter, or 32.
        pattern: Which weights may stay together.
        inputs: Bits of an input of the layer: 2 to 8 with one step, or 32.
    """

    share: float = 1.0
    bits: int = FLOAT_BITS
    pattern: Pattern = field(default_factory=Single)
    inputs: int = FLOAT_BITS

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            msg = f"a letter keeps a share above 0 and at most 1, but it is {self.share}"
            raise PruneError(msg)
        for kind, bits in (("weights", self.bits), ("inputs", self.inputs)):
            if bits != FLOAT_BITS and not FEWEST_BITS <= bits <= MOST_BITS:
                msg = (
                    f"a letter's {kind} have {FEWEST_BITS} to {MOST_BITS} bits, or {FLOAT_BITS}, "
                    f"not {bits}"
                )
                raise PruneError(msg)

    @property
    def of_weights(self) -> Letter:
        """What the letter says of the weights: the same with inputs as they come."""
        return replace(self, inputs=FLOAT_BITS)

    def refusal(self, weight: Tensor, *, called: bool = True) -> str:
        """Why a layer cannot have this letter; empty if it can.

        Args:
            weight: The layer's weights.
            called: Whether the layer is run; of others, a network takes the weights alone.
        """
        if self.inputs != FLOAT_BITS and not called:
            return "the network never calls it, so that it has no inputs to round"
        return self.pattern.refusal(weight)

    def check(self, name: str, weight: Tensor, *, called: bool = True) -> None:
        """Refuses a layer that cannot have this letter.

        Args:
            name: The layer's path.
            weight: Its weights.
            called: See `refusal`.
        """
        reason = self.refusal(weight, called=called)
        if reason:
            msg = f"layer {name!r} cannot have the letter {str(self)!r}: {reason}"
            raise PruneError(msg)

    def __str__(self) -> str:
        kept = str(self.pattern) if isinstance(self.pattern, NOfM) else f"{self.share:g}"
        inputs = "" if self.inputs == FLOAT_BITS else f"/{self.inputs}"
        return f"{kept}{'' if ':' in kept else self.pattern}@{self.bits}{inputs}"


def parse_letters(text: str) -> tuple[Letter, ...]:
    """Letters from text: each word is kept shares, an at sign, and bits; all pairs are meant.

    Args:
        text: For example "1,0.5,0.25@32,4 2:4@8 0.25x4@3": 32 or 4 bits for single weights, two of
            four inputs, and blocks of four. "1,0.5@8,4/8" has inputs of eight bits besides, and
            "0.5f@8" half of the filters.

    Returns:
        The letters, each once, in the order of the text.
    """
    found: dict[Letter, None] = {}
    for word in text.split():
        kept, at, numbers = word.partition("@")
        weights, slash, inputs = numbers.partition("/")
        if not at:
            raise _unreadable(word)
        bits = _bits(weights, word)
        rounded = _bits(inputs, word) if slash else [FLOAT_BITS]
        for one, own, other in product(kept.split(","), bits, rounded):
            share, pattern = _kept(one, word)
            found[Letter(share, own, pattern, other)] = None
    if not found:
        msg = f"there are no letters; write, for example, {DEFAULT_LETTERS!r}"
        raise PruneError(msg)
    return tuple(found)


def _bits(text: str, word: str) -> list[int]:
    numbers = text.split(",")
    if not all(re.fullmatch(r"\d+", one) for one in numbers):
        raise _unreadable(word)
    return [int(one) for one in numbers]


def _kept(text: str, word: str) -> tuple[float, Pattern]:
    if found := re.fullmatch(r"(\d+):(\d+)", text):
        n, m = int(found[1]), int(found[2])
        if not 0 < n < m:
            msg = f"in {word!r}, {text} must keep at least 1 of more inputs than it keeps"
            raise PruneError(msg)
        return n / m, NOfM(n, m)
    found = re.fullmatch(r"(\d*\.?\d+)(?:x(\d+)|(f))?", text)
    if found is None:
        raise _unreadable(word)
    if found[3]:
        return float(found[1]), Filters()
    size = int(found[2] or 1)
    if size < 1:
        msg = f"in {word!r}, blocks must have at least 1 weight"
        raise PruneError(msg)
    return float(found[1]), Single() if size == 1 else Blocks(size)


def _unreadable(word: str) -> PruneError:
    msg = (
        f"{word!r} names no letters; write shares, N:M, SHARExBLOCK or SHAREf, then @ and bits, "
        "for example '1,0.5@8,4', '2:4@8', '0.25x4@4' or '0.5f@8'; after a slash, bits of the "
        "inputs: '1@8/8'"
    )
    return PruneError(msg)


def letters_of_layers(
    letters: Sequence[Letter],
    weights: dict[str, Tensor],
    *,
    skip: bool = False,
    called: Collection[str] | None = None,
) -> list[tuple[Letter, ...]]:
    """The letters of each layer.

    Args:
        letters: The letters that layers are to have.
        weights: Each layer's weights, by path.
        skip: Whether a layer goes without the letters that it cannot have.
        called: The layers that are run; None for all.

    Raises:
        PruneError: A layer cannot have a letter, or has only one.
    """
    found = []
    for name, weight in weights.items():
        run = called is None or name in called
        if not skip:
            for letter in letters:
                letter.check(name, weight, called=run)
        own = tuple(one for one in letters if not one.refusal(weight, called=run))
        if len(own) < 2:
            has = f"only {own[0]}" if own else "none"
            msg = f"layer {name!r} has {has} of the letters; each layer needs two to choose from"
            raise PruneError(msg)
        found.append(own)
    return found


def rows(tensor: Tensor) -> Tensor:
    """Weights as rows, (filters, inputs): the channels of one place of the kernel are neighbours.

    Args:
        tensor: Of a layer's shape, (filters, channels, *kernel).
    """
    return tensor.movedim(1, -1).reshape(len(tensor), -1)


def back(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """The inverse of `rows`.

    Args:
        tensor: (filters, inputs).
        shape: The layer's, (filters, channels, *kernel).
    """
    filters, channels, *kernel = shape
    found: Any = tensor.reshape(filters, *kernel, channels).movedim(-1, 1)
    return found.contiguous()  # type: ignore[no-any-return]
