"""What a front is compared with: strong or random connections alone, and narrower DenseNets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pymoo_prune.chromosomes import Array, Booleans
from pymoo_prune.errors import TrainingDiverged
from pymoo_prune.networks import DenseNet
from pymoo_prune.objectives import Values
from pymoo_prune.problem import Baseline, Rivals
from pymoo_prune_problems.dense_connectivity.populations import KINDS, Kind, strongest
from pymoo_prune_problems.dense_connectivity.sizes import DenseNetSizes


class ConnectionRivals(Rivals):
    """The strongest connections alone, random ones, and narrower networks with all of theirs.

    Args:
        parent: The network with all connections.
        sizes: Sizes of networks in closed form.
        seed: The seed of random connections.
        networks: From chromosomes to networks as the search trains them, or to what stopped their
            training.
        narrower: From a growth to a trained DenseNet with all connections.
    """

    def __init__(
        self,
        parent: DenseNet,
        sizes: DenseNetSizes,
        seed: int,
        networks: Callable[[Array], Sequence[DenseNet | TrainingDiverged]],
        narrower: Callable[[int], DenseNet],
    ) -> None:
        self.parent, self.sizes, self.codec = parent, sizes, sizes.codec
        self.seed, self.networks, self.narrower = seed, networks, narrower

    def at(self, front: Mapping[str, Values]) -> list[Baseline]:
        """Networks at like numbers of parameters."""
        sizes = np.unique(np.quantile(front["parameters"], np.linspace(0, 1, 6)))
        found = [self.strongest(kind, sizes) for kind in KINDS]
        found += [self.random_connections(sizes), self.narrower_dense_nets(sizes)]
        return [baseline for baseline in found if len(baseline.networks)]

    def left_out(self) -> Sequence[str]:
        """Narrower networks, where images have no labels to train them with."""
        if self.sizes.data.labelled:
            return ()
        return ("Narrower DenseNets are left out: without labels none can be trained.",)

    def strongest(self, kind: Kind, sizes: Values) -> Baseline:
        """Networks with the strongest connections alone.

        Args:
            kind: One of `KINDS`.
            sizes: The numbers of parameters that are wanted.
        """
        X = self._sized(strongest(self.parent, self.codec, kind), sizes)
        return self._trained(f"{kind} magnitude pruning", X)

    def random_connections(self, sizes: Values) -> Baseline:
        """Random networks: for each size, connections are added in an order of its own.

        Args:
            sizes: The numbers of parameters that are wanted.
        """
        X = self.drawn(sizes, np.random.default_rng(self.seed))
        _, first = np.unique(X, axis=0, return_index=True)
        return self._trained("random connections", X[np.sort(first)])

    def drawn(self, sizes: Values, generator: np.random.Generator) -> Booleans:
        """Random chromosomes of wanted sizes, (n, n_var): connections are added in random orders.

        Args:
            sizes: The numbers of parameters that are wanted.
            generator: Draws the orders.
        """
        found = []
        for size in sizes:
            ranks = generator.permutation(self.codec.n_var)
            added = ranks < np.arange(self.codec.n_var + 1)[:, None]
            found.append(self._sized(added, np.array([size])))
        return np.concatenate(found)

    def _sized(self, X: Booleans, sizes: Values) -> Booleans:
        """The chromosomes whose networks are nearest to the wanted sizes, each once."""
        known = self.sizes.of(self.codec.matrices(X))
        return X[_nearest(known["parameters"], sizes)]

    def _trained(self, name: str, X: Booleans) -> Baseline:
        """Networks as the search trains them, without those whose training diverges."""
        networks = self.networks(X)
        there = [isinstance(network, DenseNet) for network in networks]
        kept = {n: v[there] for n, v in self.sizes.of(self.codec.matrices(X)).items()}
        trained = [network for network in networks if isinstance(network, DenseNet)]
        return Baseline(name, trained, kept)

    def narrower_dense_nets(self, sizes: Values, *, most: int = 3) -> Baseline:
        """DenseNets with all connections and a smaller growth.

        Args:
            sizes: Parameters that a front's networks have, from few to many.
            most: How many, at most. Networks whose training diverges are left out.
        """
        if not self.sizes.data.labelled:
            return Baseline("narrower DenseNets", [], {})
        table = self.sizes.narrower()
        wanted = sizes[np.linspace(0, len(sizes) - 1, min(most, len(sizes))).astype(int)]
        networks: list[nn.Module] = []
        there: list[int] = []
        for row in _nearest(table["parameters"], wanted).tolist():
            with suppress(TrainingDiverged):
                networks.append(self.narrower(row + 1))
                there.append(row)
        chosen = {name: values[there] for name, values in table.items()}
        return Baseline("narrower DenseNets", networks, chosen)


def _nearest(parameters: Values, sizes: Values) -> NDArray[np.intp]:
    """Places of the networks whose parameters are nearest to the wanted sizes, each once."""
    return np.unique(np.abs(parameters - sizes[:, None]).argmin(axis=1))
