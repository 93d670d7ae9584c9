"""The refit of layers that lost whole channels of what they read."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pymoo_prune.data import Split
from pymoo_prune.errors import PruneError
from pymoo_prune.recovery.moments import Gram, Moments, understood, watch


class ChannelRefit:
    """Least-squares weights for the input channels that a layer still reads.

    The weights that remain are changed so that the layer gives what the parent's gives on training
    images: with the Gram matrix G of the layer's inputs, k what remains and p what goes, the change
    solves (G_kk + r I) d = G_kp w_p. All filters read the same channels, so that one factorisation
    serves them all. Statistics are the parent's, and taken once.

    Args:
        network: The network that is pruned.
        names: Paths of its convolutions and linear layers; none may have groups.
        split: Training images.
        centred: Whether a batch norm that is calibrated again follows: then the inputs' mean plays
            no part. Where a layer has a bias, the bias takes it up.
        positions: Places of an image that a convolution's statistics are taken from, at most.
        ridge: r, relative to the mean of G's diagonal.
        seed: Of the choice of places.
    """

    def __init__(
        self,
        network: nn.Module,
        names: Sequence[str],
        split: Split,
        *,
        centred: bool,
        positions: int = 100,
        ridge: float = 0.05,
        seed: int = 0,
    ) -> None:
        modules = dict(network.named_modules())
        self.layers = {name: modules[name] for name in names}
        wrong = [
            name
            for name, layer in self.layers.items()
            if not understood(layer) or getattr(layer, "groups", 1) > 1
        ]
        if wrong:
            msg = (
                f"layers {wrong} cannot be refitted: they are no convolutions with zero padding, "
                "one group and no dilation, and no linear layers, or have too many inputs"
            )
            raise PruneError(msg)
        moments = {
            name: Moments(layer, positions, seed, centred=centred or layer.bias is not None)
            for name, layer in self.layers.items()
        }
        watch(network, moments, split.images)
        self.grams = {name: Gram(found.gram()[0], ridge) for name, found in moments.items()}
        self.means = {
            name: moments[name].mean()[0]
            for name, layer in self.layers.items()
            if layer.bias is not None
        }

    def layer(self, name: str, inputs: Tensor, outputs: Tensor) -> dict[str, Tensor]:
        """What the smaller layer's parameters are.

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
