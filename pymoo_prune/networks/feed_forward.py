"""Feed-forward networks: linear layers with one kind of activation between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.chromosomes import FloatArray
from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.machine import check_memory
from pymoo_prune.networks.building import buildable

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}

_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "gelu": functional.gelu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}


@buildable("feed-forward")
class FeedForward(nn.Sequential):
    """Flatten, then linear layers with an activation after each but the last.

    Args:
        inputs: Values of one flattened image.
        widths: Neurons in each hidden layer.
        classes: Outputs.
        activation: One of `ACTIVATIONS`.
    """

    def __init__(
        self, inputs: int, widths: Sequence[int], classes: int, activation: str = "relu"
    ) -> None:
        if activation not in ACTIVATIONS:
            raise unknown_name("activation", activation, ACTIVATIONS)
        sizes = [inputs, *widths, classes]
        if len(widths) == 0 or min(sizes) < 1:
            msg = (
                "a feed-forward network needs at least one hidden layer and no empty layer, "
                f"but its sizes are {sizes}"
            )
            raise PruneError(msg)
        weights = sum(a * b for a, b in pairwise(sizes))
        check_memory(f"layers of {', '.join(f'{one:,}' for one in sizes)} neurons", 4 * weights)
        layers: list[nn.Module] = [nn.Flatten()]
        for fan_in, fan_out in pairwise(sizes[:-1]):
            layers += [nn.Linear(fan_in, fan_out), ACTIVATIONS[activation]()]
        super().__init__(*layers, nn.Linear(sizes[-2], classes))
        self.activate: Callable[[Tensor], Tensor] = _FUNCTIONS[activation]
        self.inputs, self.widths, self.classes = inputs, tuple(int(w) for w in widths), classes
        self.activation = activation

    @property
    def spec(self) -> dict[str, Any]:
        """The spec with which `build_network` makes a network of this shape."""
        return {
            "network": "feed-forward",
            "arguments": {
                "inputs": self.inputs,
                "widths": list(self.widths),
                "classes": self.classes,
                "activation": self.activation,
            },
        }

    @property
    def linear_layers(self) -> list[nn.Linear]:
        """The linear layers, the output layer last."""
        return [layer for layer in self if isinstance(layer, nn.Linear)]

    @classmethod
    def from_layers(
        cls,
        weights: Sequence[Tensor],
        biases: Sequence[Tensor],
        activation: str = "relu",
    ) -> FeedForward:
        """A network with these weights, (outputs, inputs) for each layer, and biases."""
        widths = [len(bias) for bias in biases[:-1]]
        # Built without memory, so that no random numbers are drawn for weights that get replaced.
        with torch.device("meta"):
            network = cls(weights[0].shape[1], widths, len(biases[-1]), activation)
        network.to_empty(device=weights[0].device)
        with torch.no_grad():
            for layer, weight, bias in zip(network.linear_layers, weights, biases, strict=True):
                layer.weight.copy_(weight)
                layer.bias.copy_(bias)
        return network.eval()

    def arrays(self) -> tuple[list[FloatArray], list[FloatArray]]:
        """Copies of the weights and of the biases, float32, on the CPU."""
        layers = self.linear_layers
        return (
            [layer.weight.detach().cpu().float().numpy().copy() for layer in layers],
            [layer.bias.detach().cpu().float().numpy().copy() for layer in layers],
        )


def as_feed_forward(module: nn.Module) -> FeedForward:
    """A copy of a module as a `FeedForward`; an error if the module is no feed-forward network.

    Args:
        module: Linear layers with the same elementwise activation between them. There may be a
            Flatten in front, and Dropout and Identity anywhere.

    Returns:
        A network that computes the same function.
    """
    if isinstance(module, FeedForward):
        return FeedForward.from_layers(
            [layer.weight for layer in module.linear_layers],
            [layer.bias for layer in module.linear_layers],
            module.activation,
        )
    linears: list[nn.Linear] = []
    activations: list[str] = []
    for path, leaf in _leaves(module):
        if isinstance(leaf, nn.Linear) and len(linears) == len(activations):
            linears.append(leaf)
        elif (name := _activation(leaf)) and len(activations) == len(linears) - 1:
            activations.append(name)
        elif linears or not _flattens(leaf):
            msg = (
                f"the parent is not a feed-forward network: layer {path!r} ({type(leaf).__name__}) "
                "does not fit Flatten, then Linear layers with activations between them"
            )
            raise PruneError(msg)
    if len(linears) < 2 or len(activations) != len(linears) - 1 or len(set(activations)) != 1:
        msg = (
            "the parent must have at least two linear layers with the same activation between "
            f"them, but it has {len(linears)} linear layers and the activations {activations}"
        )
        raise PruneError(msg)
    biases = [
        layer.bias if layer.bias is not None else torch.zeros(layer.out_features)
        for layer in linears
    ]
    return FeedForward.from_layers([layer.weight for layer in linears], biases, activations[0])


def _leaves(module: nn.Module, path: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Modules in the order of the forward pass, without those that do nothing in evaluation."""
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        for name, child in module._modules.items():  # noqa: SLF001 - children() hides repeats
            if child is not None:
                yield from _leaves(child, f"{path}.{name}" if path else name)
    elif not path and not isinstance(module, nn.Linear):
        msg = (
            "the parent must be an nn.Sequential of linear layers, but it is a "
            f"{type(module).__name__}: only an nn.Sequential says the order of its layers"
        )
        raise PruneError(msg)
    elif not isinstance(module, (nn.Dropout, nn.Identity)):
        yield path, module


def _activation(layer: nn.Module) -> str | None:
    """The activation's name in `ACTIVATIONS`, or None."""
    for name, kind in ACTIVATIONS.items():
        if type(layer) is kind and getattr(layer, "approximate", "none") == "none":
            return name
    return None


def _flattens(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Flatten) and (layer.start_dim, layer.end_dim) == (1, -1)
