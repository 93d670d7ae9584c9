"""The refit of feed-forward networks that lost neurons."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pymoo_prune.data import Split
from pymoo_prune.networks import FeedForward

KeptNeurons = Sequence[NDArray[np.intp]]
"""Indices of the neurons that each hidden layer keeps."""


class DenseRefit:
    """Least-squares weights for the neurons that are left of a feed-forward network.

    Layer by layer, the weights of the kept neurons are those that best predict the kept neurons of
    the next layer (before their activation) as the parent computes them from all of its neurons,
    over training images. The statistics are taken once; a candidate costs one small Cholesky
    factorisation for each layer.

    Args:
        parent: The network that is pruned.
        split: Training images.
        ridge: Added to the diagonal, relative to the mean variance.
    """

    def __init__(self, parent: FeedForward, split: Split, *, ridge: float = 1e-3) -> None:
        self.parent = parent
        layers = parent.linear_layers
        self.weights = [layer.weight.detach().double() for layer in layers]
        self.biases = [layer.bias.detach().double() for layer in layers]
        self.means: list[Tensor] = []
        self.covariances: list[Tensor] = []
        hidden = split.images.flatten(1)
        with torch.no_grad():
            for layer in layers[:-1]:
                hidden = parent.activate(layer(hidden))
                mean = hidden.mean(dim=0, dtype=torch.float64)
                centred = hidden - mean.float()
                self.means.append(mean)
                self.covariances.append((centred.T @ centred).double() / len(hidden))
        # Covariance of a layer's activations with the next layer's values before activation.
        self.crossed = [
            covariance @ weight.T
            for covariance, weight in zip(self.covariances, self.weights[1:], strict=True)
        ]
        self.ridges = [ridge * float(c.diagonal().mean()) + 1e-12 for c in self.covariances]

    def layers(self, keep: KeptNeurons) -> tuple[list[Tensor], list[Tensor]]:
        """Weights and biases of the small network.

        Args:
            keep: Indices of the kept neurons, one array for each hidden layer.

        Returns:
            Weights and biases, float32; the first layer's are the parent's rows.
        """
        indices = [torch.from_numpy(index) for index in keep]
        indices.append(torch.arange(len(self.biases[-1])))
        first = indices[0]
        weights = [self.weights[0][first].float()]
        biases = [self.biases[0][first].float()]
        for layer, (source, target) in enumerate(pairwise(indices)):
            within = self.covariances[layer][source][:, source]
            within.diagonal().add_(self.ridges[layer])
            factor = torch.linalg.cholesky(within)
            solved = torch.cholesky_solve(self.crossed[layer][source][:, target], factor).T
            parents_mean = self.weights[layer + 1][target] @ self.means[layer]
            shift = parents_mean - solved @ self.means[layer][source]
            weights.append(solved.float())
            biases.append((self.biases[layer + 1][target] + shift).float())
        return weights, biases

    def power(self, layer: int) -> float:
        """The variance of what the layer behind a hidden layer gets, summed over its neurons."""
        power = float((self.weights[layer + 1].T * self.crossed[layer]).sum())
        return max(power, 1e-12)

    def losses(self, layer: int, order: NDArray[np.intp]) -> NDArray[np.float64]:
        """The share of this variance that is lost when the first neurons of an order are left.

        Args:
            layer: The hidden layer.
            order: All of its neurons, in the order in which they are kept.

        Returns:
            (neurons,): with the first neuron alone, with the first two, ..., with all.
        """
        index = torch.from_numpy(order)
        within = self.covariances[layer][index][:, index]
        within.diagonal().add_(self.ridges[layer])
        # Rows of a Cholesky factor do not depend on later rows: one factor serves all sizes.
        factor = torch.linalg.cholesky(within)
        rows = torch.linalg.solve_triangular(factor, self.crossed[layer][index], upper=False)
        explained = rows.square().sum(dim=1).cumsum(dim=0).cpu().numpy()
        losses: NDArray[np.float64] = (1 - explained / self.power(layer)).clip(0)
        return losses

    def together(self, alive: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Weights and biases of several candidates at once, of the parent's shapes.

        A candidate's numbers equal those of `layers` apart from rounding, with zeros between them.

        Args:
            alive: True where a candidate keeps a neuron, (candidates, neurons), for each layer.

        Returns:
            Weights, (candidates, outputs, inputs), and biases, (candidates, outputs), float32.
        """
        masks = [mask.double() for mask in alive]
        masks.append(masks[0].new_ones(len(masks[0]), len(self.biases[-1])))
        weights = [(self.weights[0] * masks[0][..., None]).float()]
        biases = [(self.biases[0] * masks[0]).float()]
        for layer, (source, target) in enumerate(pairwise(masks)):
            within = self.covariances[layer] * source[:, :, None] * source[:, None, :]
            # Rows of removed neurons become rows of the identity, whose solutions are zeros.
            ridge = torch.where(source > 0, source.new_tensor(self.ridges[layer]), 1.0)
            within.diagonal(dim1=1, dim2=2).add_(ridge)
            wanted = self.crossed[layer] * source[:, :, None] * target[:, None, :]
            solved = torch.cholesky_solve(wanted, torch.linalg.cholesky(within)).mT
            shift = self.weights[layer + 1] @ self.means[layer] - solved @ self.means[layer]
            weights.append(solved.float())
            biases.append(((self.biases[layer + 1] + shift) * target).float())
        return weights, biases


def plain_layers(parent: FeedForward, keep: KeptNeurons) -> tuple[list[Tensor], list[Tensor]]:
    """The parent's own weights and biases between the kept neurons: a cut without a refit."""
    indices = [torch.from_numpy(index) for index in keep]
    layers = parent.linear_layers
    sources = [torch.arange(parent.inputs), *indices]
    targets = [*indices, torch.arange(parent.classes)]
    weights = [
        layer.weight.detach()[target][:, source]
        for layer, source, target in zip(layers, sources, targets, strict=True)
    ]
    biases = [layer.bias.detach()[target] for layer, target in zip(layers, targets, strict=True)]
    return weights, biases
