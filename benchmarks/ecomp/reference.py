"""One generation of EComp the plain way: one network at a time, with the libraries' own functions.

It follows the paper's text: modules are built for every child, every embedding and the outputs have
forward passes of their own, and scikit-learn gives the joint probabilities. The code that measures
a population at once is compared with it, in numbers and in time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.manifold._t_sne import _joint_probabilities
from sklearn.metrics import pairwise_distances
from torch import Tensor, nn

EPSILON = float(np.finfo(np.double).eps)


@dataclass
class Measured:
    """What the reference measures of a population, (n,) each."""

    accuracy: NDArray[np.float64]
    width: NDArray[np.float64]
    similarity_loss: NDArray[np.float64]


def build(
    weights: Sequence[NDArray[np.float32]], biases: Sequence[NDArray[np.float32]]
) -> nn.Sequential:
    """A fresh module with these weights."""
    layers: list[tuple[str, nn.Module]] = [("flatten", nn.Flatten())]
    for number, weight in enumerate(weights):
        layers.append((f"linear_{number}", nn.Linear(weight.shape[1], weight.shape[0])))
        if number < len(weights) - 1:
            layers.append((f"act_{number}", nn.ReLU()))
    network = nn.Sequential(OrderedDict(layers))
    linears = [layer for layer in network if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer, weight, bias in zip(linears, weights, biases, strict=True):
            layer.weight.copy_(torch.tensor(weight))
            layer.bias.copy_(torch.tensor(bias))
    return network


def embeddings(network: nn.Sequential, images: Tensor) -> list[NDArray[np.float32]]:
    """The hidden layers' outputs, each from a forward pass of its own."""
    children = list(network.named_children())
    stops = [place for place, (name, _) in enumerate(children) if name.startswith("act")]
    passes = [nn.Sequential(*[module for _, module in children[: stop + 1]]) for stop in stops]
    return [part(images).detach().numpy() for part in passes]


def joint(embedding: NDArray[np.float32]) -> NDArray[np.float64]:
    """scikit-learn's condensed joint probabilities at perplexity 30."""
    distances = pairwise_distances(embedding, metric="euclidean", squared=True)
    return np.asarray(_joint_probabilities(distances, 30.0, 0))


def measure(
    population: Sequence[nn.Sequential], parent: nn.Sequential, images: Tensor, labels: Tensor
) -> Measured:
    """Accuracy, width and similarity loss, one network after the other."""
    parents = [joint(embedding) for embedding in embeddings(parent, images)]
    full = _linears(parent)[0].out_features
    accuracy, width, loss = [], [], []
    for network in population:
        total = 0.0
        for P, embedding in zip(parents, embeddings(network, images), strict=True):
            total += 2.0 * np.dot(P, np.log(np.maximum(P, EPSILON) / joint(embedding)))
        with torch.no_grad():
            predicted = network(images).argmax(1)
        accuracy.append(float((predicted == labels).float().mean()))
        width.append(_linears(network)[0].out_features / full)
        loss.append(total)
    return Measured(np.array(accuracy), np.array(width), np.array(loss))


def recombine(
    first: nn.Sequential, second: nn.Sequential, generator: np.random.Generator
) -> tuple[nn.Sequential, nn.Sequential]:
    """Two children by cut-point crossover, layer by layer, built with concatenations."""
    ones, twos = _linears(first), _linears(second)
    parts: tuple[list[NDArray[np.float32]], ...] = ([], [], [], [])
    for one, two in zip(ones, twos, strict=True):
        W1, W2 = one.weight.detach().numpy(), two.weight.detach().numpy()
        b1, b2 = one.bias.detach().numpy(), two.bias.detach().numpy()
        cut = int(generator.integers(1, min(*W1.shape, *W2.shape), endpoint=True))
        for place, (A, B, a, b) in enumerate([(W1, W2, b1, b2), (W2, W1, b2, b1)]):
            top = np.concatenate((A[:cut, :cut], B[:cut, cut:]), 1)
            parts[2 * place].append(np.concatenate((top, B[cut:]), 0))
            parts[2 * place + 1].append(np.concatenate((a[:cut], b[cut:]), 0))
    return build(parts[0], parts[1]), build(parts[2], parts[3])


def mutate(network: nn.Sequential, generator: np.random.Generator) -> None:
    """Every weight times its own factor from U(0.9, 1.1)."""
    with torch.no_grad():
        for layer in _linears(network):
            factors = generator.uniform(0.9, 1.1, tuple(layer.weight.shape))
            layer.weight.copy_(torch.tensor(layer.weight.detach().numpy() * factors))


def generation(
    population: Sequence[nn.Sequential],
    fitness: NDArray[np.float64],
    parent: nn.Sequential,
    images: Tensor,
    labels: Tensor,
    generator: np.random.Generator,
) -> tuple[list[nn.Sequential], Measured]:
    """Select, recombine, mutate, measure."""
    chances = np.exp(fitness) / np.exp(fitness).sum()
    pool = list(generator.choice(len(population), len(population), p=chances))
    children: list[nn.Sequential] = []
    while len(pool) > 1:
        children += recombine(population[pool.pop()], population[pool.pop()], generator)
    for child in children:
        if generator.random() < 0.01:
            mutate(child, generator)
    return children, measure(children, parent, images, labels)


def _linears(network: nn.Sequential) -> list[nn.Linear]:
    return [layer for layer in network if isinstance(layer, nn.Linear)]
