"""Networks that are put together from letters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pymoo_prune.data import Split
from pymoo_prune.inference import Precision, Statistics
from pymoo_prune.pruning.alphabets.container import weighted_layers
from pymoo_prune.pruning.alphabets.database import Database
from pymoo_prune.pruning.alphabets.halves import halved
from pymoo_prune.pruning.alphabets.letters import Letter
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
        super().__init__(
            with_halves(network), order, train, recovery,
            images=images, precision=precision, seed=seed,
        )  # fmt: skip
        assert self.refit is not None  # noqa: S101 - the recovery has one
        weights = dict(zip(order.names, order.weights, strict=True))
        self.database = Database(
            weights, letters, steps, self.refit, entropy=entropy, progress=progress
        )

    def _layer(self, layer: int, pruned: int) -> Tensor:
        """A layer as one of its letters; `pruned` is the letter's place."""
        return self.database.prepared(layer, self.database.letters[layer][pruned]).result

    def _stored(self, statistics: Statistics) -> Statistics:
        return {
            path: (halved(mean), halved(variance)) for path, (mean, variance) in statistics.items()
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
