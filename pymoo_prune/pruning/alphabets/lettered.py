"""Networks that are put together from letters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pymoo_prune.chromosomes import Array
from pymoo_prune.data import Split
from pymoo_prune.inference import Grids, Precision, Statistics
from pymoo_prune.networks import GRID, round_inputs
from pymoo_prune.pruning.alphabets.container import weighted_layers
from pymoo_prune.pruning.alphabets.database import Database
from pymoo_prune.pruning.alphabets.halves import halved
from pymoo_prune.pruning.alphabets.input_grids import FLOATS, InputGrids
from pymoo_prune.pruning.alphabets.letters import FLOAT_BITS, Letter
from pymoo_prune.pruning.alphabets.steps import Step
from pymoo_prune.pruning.assembly import Assembly
from pymoo_prune.pruning.magnitude import MagnitudeOrder
from pymoo_prune.recovery import Recovery


class Lettered(Assembly):
    """Puts networks together from letters; what is no letter is kept in sixteen bits.

    Candidates are places in each layer's alphabet, (layers,), where `Assembly` has pruned counts.

    Args:
        network: The network that is compressed; it is not changed.
        order: Its weights.
        train: Training images, for the repairs.
        letters: The letters of each layer.
        steps: What makes a letter, in order.
        batch_norm: Whether batch-norm statistics are taken again.
        entropy: Whether files may have entropy coding.
        images: Training images for batch-norm statistics.
        precision: See `Assembly`.
        seed: The seed of the choice of images.
        progress: Called with the share of all letters that are made.
    """

    def __init__(
        self,
        network: nn.Module,
        order: MagnitudeOrder,
        train: Split,
        letters: Sequence[Sequence[Letter]],
        steps: Sequence[Step],
        *,
        batch_norm: bool = True,
        entropy: bool = True,
        images: int = 256,
        precision: Precision = "float32",
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        recovery = Recovery(refit=True, batch_norm=batch_norm)
        rounds = any(one.inputs != FLOAT_BITS for each in letters for one in each)
        own = round_inputs(network) if rounds else network
        super().__init__(
            with_halves(own), order, train, recovery,
            images=images, precision=precision, seed=seed,
        )  # fmt: skip
        assert self.refit is not None  # noqa: S101 - the recovery has one
        weights = dict(zip(order.names, order.weights, strict=True))
        grids = InputGrids(network, order.names, self.images, seed=seed) if rounds else None
        self.database = Database(
            weights, letters, steps, self.refit, grids=grids, entropy=entropy, progress=progress
        )
        self._paths = _sharing(self.network_template, order.names) if rounds else {}

    def _layer(self, layer: int, pruned: int) -> Tensor:
        """A layer as one of its letters; `pruned` is the letter's place."""
        return self.database.prepared(layer, self.database.letters[layer][pruned]).result

    def grids(self, counts: Array) -> Grids:
        """What a candidate's layers round their inputs to, by path."""
        known = self.database.grids
        if known is None:
            return {}
        found: dict[str, Tensor] = {}
        for layer, (name, place) in enumerate(zip(self.order.names, counts, strict=True)):
            bits = self.database.letters[layer][int(place)].inputs
            grid = FLOATS if bits == FLOAT_BITS else known.grid(name, bits)
            found |= dict.fromkeys(self._paths[name], grid)
        return found

    def _stored(self, statistics: Statistics) -> Statistics:
        return {
            path: (halved(mean), halved(variance)) for path, (mean, variance) in statistics.items()
        }


def _sharing(network: nn.Module, names: Sequence[str]) -> dict[str, list[str]]:
    """By the path of each layer, all paths of layers with the same weights."""
    modules: dict[str, Any] = dict(network.named_modules(remove_duplicate=False))
    with_grid = {path: one for path, one in modules.items() if hasattr(one, GRID)}
    return {
        name: [path for path, one in with_grid.items() if one.weight is modules[name].weight]
        for name in names
    }


def with_halves(network: nn.Module) -> nn.Module:
    """A copy of a network whose floats have sixteen bits, but for the weights of its layers.

    Args:
        network: It is not changed.
    """
    result = copy.deepcopy(network)
    kept = weighted_layers(result)
    tensors: dict[str, Any] = result.state_dict()
    with torch.no_grad():
        for name, tensor in tensors.items():
            if name not in kept and tensor.is_floating_point():
                tensor.copy_(halved(tensor.flatten()).reshape(tensor.shape))
    return result
