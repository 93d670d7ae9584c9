"""Several feed-forward networks as one program for a GPU: a layer is one computation for all."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pymoo_prune.networks.feed_forward import FeedForward


class FeedForwardStack:
    """Networks of one depth, whose layers may differ in width.

    Neurons that a network lacks always output 0.

    Args:
        like: A network with the same inputs, classes and activation.
        weights: (networks, outputs, inputs), layer by layer.
        biases: (networks, outputs), layer by layer.
        alive: Which hidden neurons each network has, (networks, neurons), bool, layer by layer.
    """

    def __init__(
        self,
        like: FeedForward,
        weights: Sequence[Tensor],
        biases: Sequence[Tensor],
        alive: Sequence[Tensor],
    ) -> None:
        self.activate = like.activate
        self.weights, self.biases, self.alive = weights, biases, alive

    @classmethod
    def of(
        cls, like: FeedForward, networks: Sequence[tuple[Sequence[Tensor], Sequence[Tensor]]]
    ) -> FeedForwardStack:
        """A stack of small networks, padded with zeros to the widths of a large network.

        So the results of a network do not depend on the widths of the others.

        Args:
            like: The large network.
            networks: The weights and biases of each small network, layer by layer.
        """
        weights, biases, alive = [], [], []
        for place, layer in enumerate(like.linear_layers):
            some = [network[0][place] for network in networks]
            shifts = [network[1][place] for network in networks]
            weights.append(_filled(some, layer.weight.shape))
            biases.append(_filled(shifts, layer.bias.shape))
            alive.append(_filled([torch.ones_like(bias) for bias in shifts], layer.bias.shape) > 0)
        return cls(like, weights, biases, alive[:-1])

    def first(self, images: Tensor) -> Tensor:
        """Outputs of the first hidden layers for flattened images, (networks, neurons, images)."""
        return self.activate(self.weights[0] @ images.T + self.biases[0][..., None])

    def after(self, first: Tensor) -> tuple[list[Tensor], Tensor]:
        """The rest of the forward pass.

        Args:
            first: The outputs of the first hidden layers, (networks, neurons, images), or (neurons,
                images) if they are equal in all networks.

        Returns:
            Embeddings of each hidden layer, (networks, neurons, images), and outputs,
            (networks, images, classes).
        """
        embeddings = [first * self.alive[0][..., None]]
        hidden_layers = zip(self.weights[1:-1], self.biases[1:-1], self.alive[1:], strict=True)
        for weight, bias, alive in hidden_layers:
            hidden = torch.baddbmm(bias[..., None], weight, embeddings[-1])
            embeddings.append(self.activate(hidden) * alive[..., None])
        outputs = torch.baddbmm(self.biases[-1][..., None], self.weights[-1], embeddings[-1])
        return embeddings, outputs.mT


def _filled(tensors: Sequence[Tensor], shape: torch.Size) -> Tensor:
    """A stack of tensors, each padded with zeros to a shape."""
    whole = tensors[0].new_zeros(len(tensors), *shape)
    for place, tensor in enumerate(tensors):
        whole[place][tuple(slice(size) for size in tensor.shape)] = tensor
    return whole
