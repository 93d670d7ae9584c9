"""What a front is compared with: the strongest connections alone, and narrower DenseNets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import TrainingDiverged
from pymoo_prune.networks import DenseNet
from pymoo_prune.objectives import Values
from pymoo_prune.problem import Baseline, Rivals
from pymoo_prune_problems.dense_connectivity.populations import KINDS, Kind, strongest
from pymoo_prune_problems.dense_connectivity.sizes import DenseNetSizes


class StrongestConnections(Rivals):
    """The strongest connections alone, and narrower networks with all of theirs.

    Args:
        parent: The network with all connections.
        sizes: Sizes of networks in closed form.
        networks: From chromosomes to networks as the search trains them, or to what stopped their
            training.
        narrower: From a growth to a trained DenseNet with all connections.
    """

    def __init__(
        self,
        parent: DenseNet,
        sizes: DenseNetSizes,
        *,
        networks: Callable[[Array], Sequence[DenseNet | TrainingDiverged]],
        narrower: Callable[[int], DenseNet],
    ) -> None:
        self.parent, self.sizes, self.codec = parent, sizes, sizes.codec
        self.networks, self.narrower = networks, narrower

    def at(self, front: Mapping[str, Values]) -> list[Baseline]:
        """Networks at like numbers of parameters."""
        sizes = np.unique(np.quantile(front["parameters"], np.linspace(0, 1, 6)))
        found = [self.strongest(kind, sizes) for kind in KINDS]
        found.append(self.narrower_dense_nets(sizes))
        return [baseline for baseline in found if len(baseline.networks)]

    def strongest(self, kind: Kind, sizes: Values) -> Baseline:
        """Networks with the strongest connections alone.

        Args:
            kind: One of `KINDS`.
            sizes: The numbers of parameters that are wanted.
        """
        X = strongest(self.parent, self.codec, kind)
        known = self.sizes.of(self.codec.matrices(X))
        X = X[_nearest(known["parameters"], sizes)]
        networks = self.networks(X)
        there = [isinstance(network, DenseNet) for network in networks]
        kept = {n: v[there] for n, v in self.sizes.of(self.codec.matrices(X)).items()}
        trained = [network for network in networks if isinstance(network, DenseNet)]
        return Baseline(f"{kind} magnitude pruning", trained, kept)

    def narrower_dense_nets(self, sizes: Values, *, most: int = 3) -> Baseline:
        """DenseNets with all connections and a smaller growth.

        Args:
            sizes: Parameters that a front's networks have, from few to many.
            most: How many, at most. Networks whose training diverges are left out.
        """
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
