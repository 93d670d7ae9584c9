"""Connections in densely connected blocks: which layer reads which outputs, as matrices and genes.

A block of N layers has N + 2 nodes: node 0 is the block's input, nodes 1 to N are its layers, node
N + 1 is its output. Entry (i, j) of its matrix says whether node j reads the output of node i.
Only entries with i < j, the strictly upper triangle, have a meaning. The chain 0 → 1 → ... → N + 1
is always live, so that every layer is on a path from input to output. Blocks may have different
numbers of layers; all matrices are as large as the largest, and the last nodes of the others read
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from pymoo_prune.chromosomes.arrays import Booleans, Floats
from pymoo_prune.errors import PruneError


@dataclass(frozen=True)
class Connections:
    """Converts between connection matrices and genes: one for each connection off the chain.

    Attributes:
        layers: N, the layers of each block; or those of one block after the other.
        blocks: The number of blocks, where all have as many layers.
    """

    layers: int | Sequence[int]
    blocks: int = 3

    def __post_init__(self) -> None:
        if not isinstance(self.layers, int):
            several = tuple(self.layers)
            alike = len(set(several)) == 1
            object.__setattr__(self, "layers", several[0] if alike else several)
            object.__setattr__(self, "blocks", len(several))
        if self.blocks < 1 or min(self.sizes, default=0) < 1:
            msg = f"layers and blocks must be at least 1, but they are {self.layers}, {self.blocks}"
            raise PruneError(msg)

    @classmethod
    def of(cls, matrices: Booleans) -> Self:
        """The codec of matrices with such blocks.

        Args:
            matrices: Of a network, (blocks, nodes, nodes).
        """
        return cls([nodes_of(matrix) - 2 for matrix in matrices])

    @property
    def sizes(self) -> tuple[int, ...]:
        """The layers of each block."""
        layers = self.layers
        return (layers,) * self.blocks if isinstance(layers, int) else tuple(layers)

    @property
    def nodes(self) -> int:
        """Rows and columns of a matrix; shorter blocks leave the last ones empty."""
        return max(self.sizes) + 2

    @cached_property
    def chain(self) -> Booleans:
        """The connections that are always live, (blocks, nodes, nodes)."""
        return self._blocks(1) & ~self._blocks(2)

    @cached_property
    def free(self) -> Booleans:
        """The connections that may be live or dead, (blocks, nodes, nodes): above the chain."""
        return self._blocks(2)

    @property
    def everything(self) -> Booleans:
        """Matrices with all connections live, (blocks, nodes, nodes)."""
        return self.chain | self.free

    def _blocks(self, above: int) -> Booleans:
        """True so far above the diagonal, among the nodes that a block has."""
        there = np.arange(self.nodes) < np.array(self.sizes)[:, None] + 2
        whole = np.triu(np.ones((self.nodes, self.nodes), dtype=bool), k=above)
        found: Booleans = whole & there[:, None, :]
        return found

    @property
    def block_genes(self) -> tuple[int, ...]:
        """Genes of each block."""
        return tuple(layers * (layers + 1) // 2 for layers in self.sizes)

    @property
    def n_var(self) -> int:
        """Genes of a chromosome."""
        return sum(self.block_genes)

    def matrices(self, X: ArrayLike) -> Booleans:
        """Converts chromosomes to matrices.

        Args:
            X: (..., n_var) booleans: block after block, row after row.

        Returns:
            (..., blocks, nodes, nodes), with the chain live.
        """
        rows = np.asarray(X)
        if rows.shape[-1:] != (self.n_var,) or rows.dtype != bool:
            msg = (
                f"chromosomes must be {self.n_var} booleans each ({self.blocks} blocks of "
                f"{self.layers} layers), but they are {rows.dtype} of shape {rows.shape}"
            )
            raise PruneError(msg)
        found = np.zeros((*rows.shape[:-1], self.blocks, self.nodes, self.nodes), dtype=bool)
        found[...] = self.chain
        found[..., self.free] = rows
        return found

    def genes(self, matrices: ArrayLike) -> Booleans:
        """Converts matrices to chromosomes.

        Args:
            matrices: (..., blocks, nodes, nodes), booleans or 0 and 1.

        Returns:
            (..., n_var).
        """
        checked = check_matrices(matrices)
        if checked.shape[-3:] != (self.blocks, self.nodes, self.nodes):
            msg = (
                f"connections must have shape {(self.blocks, self.nodes, self.nodes)}, but they "
                f"have {checked.shape}"
            )
            raise PruneError(msg)
        for place in np.argwhere((checked & ~self.everything) | (~checked & self.chain))[:1]:
            block = int(place[-3])
            msg = (
                f"block {block} must have {self.sizes[block]} layers, but the connection of node "
                f"{place[-1]} with node {place[-2]} is that of a block with more or fewer"
            )
            raise PruneError(msg)
        rows: Booleans = checked[..., self.free]
        return rows

    def random(self, n: int, generator: np.random.Generator, kept: float | ArrayLike) -> Booleans:
        """Random chromosomes, in which every free connection is live with the same chance.

        Args:
            n: The number of chromosomes.
            generator: Draws the genes.
            kept: The chance, above 0 and at most 1: one for all chromosomes, or one each, (n,).

        Returns:
            (n, n_var).
        """
        shares = check_share(kept)
        if shares.shape not in ((), (n,)):
            msg = f"kept must be one share, or {n} of them, but it has shape {shares.shape}"
            raise PruneError(msg)
        return generator.random((n, self.n_var)) < shares.reshape(-1, 1)


def check_share(kept: float | ArrayLike) -> Floats:
    """Checks chances that a connection is live; returns them as an array."""
    shares = np.asarray(kept, dtype=np.float64)
    if not ((shares > 0) & (shares <= 1)).all():
        msg = f"the share of connections kept must be above 0 and at most 1, but it is {shares}"
        raise PruneError(msg)
    return shares


def check_matrices(matrices: ArrayLike) -> Booleans:
    """Checks connection matrices and returns them as booleans.

    Args:
        matrices: (..., blocks, nodes, nodes), booleans or 0 and 1.

    Returns:
        New booleans of the same shape.

    Raises:
        PruneError: The matrices are no connections; the message says what is wrong.
    """
    try:
        given = np.asarray(matrices)
    except ValueError as error:
        msg = f"connections must be one matrix a block, all of one shape: {error}"
        raise PruneError(msg) from error
    if given.ndim < 3 or given.shape[-1] != given.shape[-2] or given.shape[-1] < 3:
        msg = (
            "connections must be square matrices of at least 3 nodes, (blocks, nodes, nodes), but "
            f"their shape is {given.shape}"
        )
        raise PruneError(msg)
    if given.dtype != bool and not np.isin(given, (0, 1)).all():
        msg = "connections must be 0 or 1, but there are other values among them"
        raise PruneError(msg)
    found = given.astype(bool)
    nodes = given.shape[-1]
    # Shorter blocks leave the last nodes empty.
    reading: Booleans = np.asarray(found.any(axis=-2))
    last = nodes - 1 - reading[..., ::-1].argmax(axis=-1)
    chain = found[..., np.arange(nodes - 1), np.arange(1, nodes)]
    dead = np.argwhere(~chain & (np.arange(1, nodes) <= last[..., None]))
    if len(dead):
        block, node = (int(place) for place in dead[0][-2:])
        msg = (
            f"the chain of block {block} is dead: node {node + 1} does not read node {node}; "
            "connections i → i + 1 must be live"
        )
        raise PruneError(msg)
    if (found & np.tri(nodes, dtype=bool)).any():
        msg = "connections must lead forward: only entries above the diagonal may be 1"
        raise PruneError(msg)
    return found


def nodes_of(matrix: ArrayLike) -> int:
    """The nodes of a block: those up to the last one that reads anything.

    Args:
        matrix: (nodes, nodes).
    """
    return int(np.flatnonzero(np.any(matrix, axis=0))[-1]) + 1


def fully_connected(layers: int | Sequence[int], blocks: int = 3) -> Booleans:
    """Matrices with all connections live, (blocks, nodes, nodes)."""
    return Connections(layers, blocks).everything
