"""The sizes of candidates, exactly, from the facts of their letters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from pymoo_prune.chromosomes import Counts, Floats
from pymoo_prune.networks import spec_of
from pymoo_prune.objectives import Values
from pymoo_prune.pruning import MagnitudeOrder
from pymoo_prune.pruning.alphabets import FLOAT_BITS, EnergyTable, Lettered, other_bytes


class Tables:
    """What letters cost, and what the rest of a network costs.

    Args:
        assembly: Networks put together from letters.
        order: The network's weights.
        energy: Picojoules of products by their bits, and of bytes.
        macs: The parent's MACs.

    Attributes:
        each: By the name of a size, what each letter of each layer adds to it, (letters, layers).
        rest: By the same names, what all that is no letter adds.
    """

    def __init__(
        self, assembly: Lettered, order: MagnitudeOrder, energy: EnergyTable, macs: int
    ) -> None:
        facts = assembly.database.facts
        there = np.isfinite(facts.losses)
        weights, sizes = (np.where(there, one, 0.0) for one in (facts.weights, facts.bytes))
        bits, inputs = (np.where(there, one, FLOAT_BITS) for one in (facts.bits, facts.inputs))
        work: Floats = weights * order.positions.astype(float)
        pico = energy.product(bits, inputs)
        floats = energy.multiply[FLOAT_BITS]
        network = assembly.network_template
        constant = macs - float(order.counts @ order.positions)
        entropy = assembly.database.entropy
        rest = float(other_bytes(network, order.names, header_of(network), entropy=entropy))
        self.all_parameters = order.all_parameters
        self.losses, self.bits, self.inputs = facts.losses, facts.bits, facts.inputs
        self.each: Mapping[str, Floats] = {
            "parameters": weights,
            "bytes": sizes,
            "macs": work,
            "bit_operations": work * bits * inputs,
            "energy": (work * pico + sizes * energy.byte) / 1e6,
        }
        self.rest: Mapping[str, float] = {
            "parameters": _others(network, order),
            "bytes": rest,
            "macs": constant,
            "bit_operations": constant * FLOAT_BITS**2,
            "energy": (constant * floats + rest * energy.byte) / 1e6,
        }
        self.parent: Mapping[str, float] = {
            "parameters": order.parameters,
            "bytes": 4.0 * order.all_parameters,
            "macs": macs,
            "bit_operations": macs * FLOAT_BITS**2,
            "energy": (macs * floats + 4.0 * order.all_parameters * energy.byte) / 1e6,
        }

    def sizes(self, places: Counts) -> dict[str, Values]:
        """The sizes of candidates, (n,) each.

        Args:
            places: Letters of each layer, (n, layers).
        """
        layers = np.arange(places.shape[1])
        found = {
            name: each[places, layers].sum(axis=1) + self.rest[name]
            for name, each in self.each.items()
        }
        return {**found, "sparsity": 1 - found["parameters"] / self.all_parameters}


def header_of(network: nn.Module) -> dict[str, Any]:
    """What the header of a network's file says; nothing for a network that cannot be rebuilt."""
    return spec_of(network) or {}


def _others(network: nn.Module, order: MagnitudeOrder) -> float:
    """Parameters that are not 0 and belong to no letter."""
    everything = sum(int(torch.count_nonzero(one)) for one in network.parameters())
    return float(everything - order.counts.sum())
