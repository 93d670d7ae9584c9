"""Genes for filters and branches: the meaning of each bit, and which are inherited together.

A filter is a channel, which is kept or removed as a whole. The filters of a group are in one layer,
or in several layers whose channels are added. A piece is a branch of a network, residual or of an
Inception module, that can be dropped whole, which makes the network less deep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pymoo_prune.chromosomes.arrays import Array, Booleans, Counts, Floats, Integers
from pymoo_prune.errors import PruneError


@dataclass(frozen=True)
class FilterGenes:
    """The meaning of genes in a chromosome of filters and pieces: a bit each, 1 if it lives.

    The filters come first, group after group, then the pieces.

    Attributes:
        sizes: Filters in each group.
        blocks: The block of each group, any whole number; a block is inherited together.
        piece_blocks: The block of each piece.
        alternatives: Sets of pieces, as indices among the pieces; at least one piece of each set
            must live. A piece may be in several sets.
        steps: The step of each group, which keeps a multiple of it, or all of its filters; none
            where groups keep any number.
    """

    sizes: tuple[int, ...]
    blocks: tuple[int, ...]
    piece_blocks: tuple[int, ...] = ()
    alternatives: tuple[tuple[int, ...], ...] = ()
    steps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.sizes or not are_whole(self.sizes) or min(self.sizes) < 1:
            msg = (
                "sizes must be whole numbers of at least 1, for at least one group, but they are "
                f"{self.sizes}"
            )
            raise PruneError(msg)
        if len(self.blocks) != len(self.sizes) or not are_whole(self.blocks):
            msg = (
                f"blocks must be {len(self.sizes)} whole numbers, one a group, but they are "
                f"{self.blocks}"
            )
            raise PruneError(msg)
        if not are_whole(self.piece_blocks):
            msg = (
                f"piece_blocks must be whole numbers, one a piece, but they are {self.piece_blocks}"
            )
            raise PruneError(msg)
        for pieces in self.alternatives:
            if not pieces or not are_whole(pieces) or not set(pieces) <= set(range(self.n_pieces)):
                msg = (
                    "each set of alternatives must have at least one piece, all of them indices "
                    f"below {self.n_pieces}, but one is {pieces}"
                )
                raise PruneError(msg)
        whole = are_whole(self.steps) and min(self.steps, default=1) >= 1
        if not whole or len(self.steps) not in (0, len(self.sizes)):
            msg = (
                f"steps must be {len(self.sizes)} whole numbers of at least 1, one a group, or "
                f"none, but they are {self.steps}"
            )
            raise PruneError(msg)

    @cached_property
    def n_filters(self) -> int:
        """The number of filters."""
        return int(sum(self.sizes))

    @property
    def n_pieces(self) -> int:
        """The number of pieces."""
        return len(self.piece_blocks)

    @property
    def n_var(self) -> int:
        """Genes of a chromosome."""
        return self.n_filters + self.n_pieces

    @cached_property
    def starts(self) -> Integers:
        """The first gene of each group, (groups,)."""
        return np.cumsum((0, *self.sizes[:-1]), dtype=np.int64)

    @cached_property
    def filter_groups(self) -> Integers:
        """The group of each filter, (n_filters,)."""
        return np.repeat(np.arange(len(self.sizes), dtype=np.int64), self.sizes)

    @cached_property
    def group_steps(self) -> Integers:
        """The step of each group, (groups,); 1 where a group keeps any number."""
        return np.asarray(self.steps or (1,) * len(self.sizes), dtype=np.int64)

    @cached_property
    def widths(self) -> tuple[Integers, ...]:
        """The numbers of filters that each group may keep, ascending."""
        return tuple(
            np.minimum(np.arange(step, size + step, step, dtype=np.int64), size)
            for size, step in zip(self.sizes, self.group_steps.tolist(), strict=True)
        )

    @cached_property
    def gene_blocks(self) -> Integers:
        """The block of each gene, (n_var,)."""
        blocks = np.asarray(self.blocks, dtype=np.int64)[self.filter_groups]
        return np.concatenate([blocks, np.asarray(self.piece_blocks, dtype=np.int64)])

    def filters(self, X: ArrayLike) -> Booleans:
        """The filters of chromosomes.

        Args:
            X: (..., n_var) booleans.

        Returns:
            (..., n_filters), a view of X.
        """
        return self._checked(X)[..., : self.n_filters]

    def pieces(self, X: ArrayLike) -> Booleans:
        """The pieces of chromosomes.

        Args:
            X: (..., n_var) booleans.

        Returns:
            (..., n_pieces), a view of X.
        """
        return self._checked(X)[..., self.n_filters :]

    def counts(self, X: ArrayLike) -> Counts:
        """Live filters of each group.

        Args:
            X: (..., n_var) booleans.

        Returns:
            (..., groups).
        """
        found: Counts = np.add.reduceat(self.filters(X), self.starts, axis=-1, dtype=np.int64)
        return found

    def fitted(self, counts: Counts) -> Counts:
        """The nearest numbers of filters that groups may keep; the larger of two that are as near.

        Args:
            counts: (..., groups).

        Returns:
            (..., groups). The numbers of groups whose step is 1 stay as they are.
        """
        if not self.steps:
            return counts
        sizes, steps = np.asarray(self.sizes), self.group_steps
        few = np.minimum(counts, sizes)
        below = few // steps * steps
        above = np.minimum(below + steps, sizes)
        near = np.where((below > 0) & (few - below < above - few), below, above)
        return np.where(steps > 1, near, counts)

    def ranks(self, *keys: Array) -> Integers:
        """The rank of each filter in its group; the filter with the lowest key has rank 0.

        Args:
            keys: (..., n_filters), or shapes that broadcast to it. The last key decides, the one
                before it among equals, and so on, as in `numpy.lexsort`; finally the lower index.

        Returns:
            (..., n_filters).
        """
        order = np.lexsort(np.broadcast_arrays(*keys, self.filter_groups), axis=-1)
        ranks = np.empty(order.shape, dtype=np.int64)
        # Sorting keeps the groups in order: a place among all filters gives one in the group.
        places = np.arange(self.n_filters) - self.starts[self.filter_groups]
        np.put_along_axis(ranks, order, np.broadcast_to(places, order.shape), axis=-1)
        return ranks

    def repaired(self, X: ArrayLike, strengths: ArrayLike) -> Booleans:
        """Chromosomes in which no group and no set of alternatives is empty.

        An empty group gets its strongest filter back. A set of alternatives without a living piece
        gets its strongest piece back. Among equals, the lower index is taken. A group with a step
        gets its strongest dead filters back, or loses its weakest live ones, until it has the
        nearest number that it may keep (`fitted`).

        Args:
            X: (..., n_var) booleans.
            strengths: The strength of each filter and piece, (n_var,).

        Returns:
            A changed copy, (..., n_var).
        """
        fixed = self._checked(X).copy()
        strong = check_strengths(strengths, self.n_var)
        strongest = np.flatnonzero(self.ranks(-strong[: self.n_filters]) == 0)
        fixed[..., strongest] |= self.counts(fixed) == 0
        if self.steps:
            filters, counts = self.filters(fixed), self.fitted(self.counts(fixed))
            ranks = self.ranks(-strong[: self.n_filters], ~filters)  # live filters come first
            filters[...] = ranks < counts[..., self.filter_groups]
        for pieces in self.alternatives:
            places = self.n_filters + np.sort(pieces)
            best = places[strong[places].argmax()]
            fixed[..., best] |= ~fixed[..., places].any(axis=-1)
        return fixed

    def fill_alternatives(self, X: Booleans, sources: Booleans) -> Booleans:
        """Copies sets of alternatives without a living piece from a source.

        Args:
            X: (..., n_var).
            sources: Chromosomes of the same shape.

        Returns:
            `X`, changed in place.
        """
        pieces, others = self.pieces(X), self.pieces(sources)
        for alternatives in self.alternatives:
            places = list(alternatives)
            # Pieces are only added, so another set that shares some cannot become empty.
            dead = ~pieces[..., places].any(axis=-1, keepdims=True)
            pieces[..., places] |= dead & others[..., places]
        return X

    def _checked(self, X: ArrayLike) -> Booleans:
        """Checks chromosomes; returns them as an array, (..., n_var)."""
        rows = np.asarray(X)
        if rows.shape[-1:] != (self.n_var,) or rows.dtype != bool:
            msg = (
                f"chromosomes must be {self.n_var} booleans each ({self.n_filters} filters and "
                f"{self.n_pieces} pieces), but they are {rows.dtype} of shape {rows.shape}"
            )
            raise PruneError(msg)
        return rows


def are_whole(numbers: Sequence[Any]) -> bool:
    """Whether all values are whole numbers, Python's or numpy's."""
    return all(isinstance(number, Integral) for number in numbers)


def check_strengths(strengths: ArrayLike, *lengths: int) -> Floats:
    """Checks how strong each gene is; returns the strengths as a new array.

    Args:
        strengths: Numbers, one for each gene.
        lengths: The lengths that are allowed.

    Returns:
        (length,), with one of the lengths.
    """
    array = np.array(strengths, dtype=np.float64)
    if array.ndim != 1 or len(array) not in lengths:
        wanted = " or ".join(str(length) for length in sorted(set(lengths)))
        msg = f"strengths must be {wanted} numbers, but they have shape {array.shape}"
        raise PruneError(msg)
    if not np.isfinite(array).all():
        msg = f"strengths must be finite, but number {np.isfinite(array).argmin()} is not"
        raise PruneError(msg)
    return array
