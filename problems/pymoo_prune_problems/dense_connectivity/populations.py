"""Chromosomes with the strongest connections, and first populations that have some of them."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pymoo_prune.chromosomes import Booleans, Connections
from pymoo_prune.networks import DenseNet
from pymoo_prune.pruning import strengths

Kind = Literal["global", "uniform"]
KINDS: tuple[Kind, ...] = ("global", "uniform")
"""The strongest connections of the whole network, or the same share of each block."""


def strongest(parent: DenseNet, codec: Connections, kind: Kind = "global") -> Booleans:
    """Chromosomes with the strongest connections alone, from none to all, (n_var + 1, n_var).

    Args:
        parent: The network with all connections, whose weights say how strong they are.
        codec: Reads chromosomes.
        kind: One of `KINDS`.
    """
    found = strengths(parent)[codec.free]
    if kind == "uniform":
        blocks = np.split(found, np.cumsum(codec.block_genes)[:-1])
        # The place in its block comes first, as a share of the block.
        places = [one.argsort().argsort() * (max(codec.block_genes) / len(one)) for one in blocks]
        found = np.concatenate(places) + found / (1 + found.max())
    rank = np.argsort(np.argsort(-found, kind="stable"))
    return rank < np.arange(codec.n_var + 1)[:, None]


def spread_population(
    n: int, generator: np.random.Generator, parent: DenseNet, codec: Connections
) -> Booleans:
    """Chromosomes spread from the chain alone to everything, (n, n_var).

    A quarter has the strongest connections of the whole network; the others are random.
    """
    places = np.linspace(0, codec.n_var, max(2, n // 4)).astype(int)
    known = strongest(parent, codec)[places]
    spread = np.linspace(0, 1, n + 2)[1:-1]
    others = codec.random(n, generator, generator.permutation(spread))
    return np.concatenate([known, others])[:n]
