"""Networks that a front is compared with: the strongest connections alone, narrower DenseNets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pymoo_prune.chromosomes import Array, Connections
from pymoo_prune.errors import TrainingDiverged
from pymoo_prune.networks import DenseNet
from pymoo_prune.objectives import Values
from pymoo_prune.problem import Baseline
from pymoo_prune_problems.dense_connectivity.populations import KINDS, strongest


def pruned_by_strength(
    parent: DenseNet,
    codec: Connections,
    sizes_of: Callable[[Array], Mapping[str, Values]],
    sizes: Values,
) -> dict[str, Array]:
    """Chromosomes with the strongest connections alone, at certain sizes.

    Args:
        parent: The network with all connections.
        codec: Reads chromosomes.
        sizes_of: Sizes of chromosomes, by quantity.
        sizes: The numbers of parameters that are wanted.

    Returns:
        Chromosomes, (n, n_var), by the name of the baseline, one for each of `KINDS`.
    """
    found = {}
    for kind in KINDS:
        X = strongest(parent, codec, kind)
        found[f"{kind} magnitude pruning"] = X[_nearest(sizes_of(X)["parameters"], sizes)]
    return found


def narrower_dense_nets(
    sizes: Values,
    table: Mapping[str, Values],
    train: Callable[[int], nn.Module],
    *,
    most: int = 3,
) -> Baseline:
    """DenseNets with all connections and a smaller growth.

    Args:
        sizes: Parameters that a front's networks have, from few to many.
        table: Sizes of the DenseNets with growth 1, 2, ..., by quantity.
        train: Gives the trained DenseNet of a growth; where training diverges, it is left out.
        most: The most DenseNets that are trained.
    """
    wanted = sizes[np.linspace(0, len(sizes) - 1, min(most, len(sizes))).astype(int)]
    networks: list[nn.Module] = []
    there: list[int] = []
    for row in _nearest(table["parameters"], wanted).tolist():
        with suppress(TrainingDiverged):
            networks.append(train(row + 1))
            there.append(row)
    chosen = {name: values[there] for name, values in table.items()}
    return Baseline("narrower DenseNets", networks, chosen)


def _nearest(parameters: Values, sizes: Values) -> NDArray[np.intp]:
    """Places of the networks whose parameters are nearest to the wanted sizes, each once."""
    return np.unique(np.abs(parameters - sizes[:, None]).argmin(axis=1))
