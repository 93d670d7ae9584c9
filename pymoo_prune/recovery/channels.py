"""The refit of layers that lost whole input channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pymoo_prune.errors import PruneError
from pymoo_prune.recovery.layer_refit import LayerRefit
from pymoo_prune.recovery.moments import Gram, Moments, understood


class ChannelRefit(LayerRefit):
    """Least-squares weights for the input channels that a layer still reads.

    The remaining weights are changed so that the layer gives what the parent's layer gives on
    training images. G is the Gram matrix of the layer's inputs, k are the inputs that remain and p
    those that go; the change d solves (G_kk + r I) d = G_kp w_p. All filters read the same
    channels, so one factorisation serves them all. The statistics are the parent's, and are taken
    once. Where a layer has a bias, the bias takes up the inputs' mean. Layers must have one group.
    """

    def _check(self) -> None:
        wrong = [
            name
            for name, layer in self.layers.items()
            if not understood(layer) or getattr(layer, "groups", 1) > 1
        ]
        if wrong:
            msg = (
                f"layers {wrong} cannot be refitted: they must be linear layers, or convolutions "
                "with zero padding, one group and no dilation, and not have too many inputs"
            )
            raise PruneError(msg)

    def _is_centred(self, layer: Any, *, centred: bool) -> bool:
        return centred or layer.bias is not None

    def _note(self, moments: Mapping[str, Moments], ridge: float) -> None:
        self.grams = {name: Gram(found.gram()[0], ridge) for name, found in moments.items()}
        self.means = {
            name: found.mean()[0]
            for name, found in moments.items()
            if self.layers[name].bias is not None
        }

    def layer(self, name: str, inputs: Tensor, outputs: Tensor) -> dict[str, Tensor]:
        """The parameters of the smaller layer, of which there must be statistics.

        Args:
            name: The layer's path.
            inputs: Channels that it still reads, ascending indices.
            outputs: Channels that it still gives, ascending indices.

        Returns:
            "weight", and "bias" where the layer has one.
        """
        layer, gram = self.layers[name], self.grams[name]
        weight = layer.weight.detach()[outputs]
        taps = weight[0, 0].numel()  # places of the kernel
        columns = (inputs[:, None] * taps + torch.arange(taps, device=inputs.device)).flatten()
        lost = torch.ones(weight[0].numel(), dtype=torch.bool, device=inputs.device)
        lost[columns] = False
        rows = weight.flatten(1).double()
        found = rows[:, columns]
        if bool(lost.any()):
            factor = torch.linalg.cholesky(gram.ridged[columns][:, columns])
            wanted = gram.products[columns][:, lost] @ rows[:, lost].T
            found = found + torch.cholesky_solve(wanted, factor).T
        shape = (len(outputs), len(inputs), *weight.shape[2:])
        state = {"weight": found.reshape(shape).to(weight.dtype)}
        if layer.bias is not None:
            mean = self.means[name]
            shift = rows @ mean - found @ mean[columns]
            state["bias"] = (layer.bias.detach()[outputs].double() + shift).to(weight.dtype)
        return state
