"""The layers of networks, and how many of each layer's weights pruning left."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any, Self

from torch import nn

from pymoo_prune.errors import PruneError
from pymoo_prune.measuring.complexity import prunable_layers
from pymoo_prune.measuring.products import PRUNABLE
from pymoo_prune.networks import SlimNetwork

ANATOMY_FORMAT = 1
"""The version of the files that `Anatomies.to_json` makes."""


@dataclass(frozen=True)
class Layer:
    """A convolution or a linear layer, described for a person.

    Attributes:
        name: The module's path in its network; for a slim network, the path in its parent.
        kind: "Linear", "Conv2d 3×3".
        inputs: Channels or values that it reads.
        outputs: Channels or values that it gives.
        weights: The number of its weights, without biases.
        left: The number of weights that are not zero.
        macs: Multiply-accumulates of the weights that are not zero, for one image.
    """

    name: str
    kind: str
    inputs: int
    outputs: int
    weights: int
    left: int
    macs: int


COLUMNS = [field.name for field in fields(Layer)]


def anatomy(network: nn.Module, shape: Sequence[int]) -> list[Layer]:
    """The convolutions and linear layers of any network, in the order of `named_modules`.

    Args:
        network: Any module; it is not changed.
        shape: One image, (channels, height, width).

    Returns:
        The layers. A shared weight counts once, in its first layer, with the MACs of all uses.
    """
    modules: dict[str, Any] = dict(network.named_modules(remove_duplicate=False))
    before = _before_names(network)
    layers = []
    for shaped in prunable_layers(network, shape):
        module = modules[shaped.name]
        linear = isinstance(module, nn.Linear)
        left = int(module.weight.detach().count_nonzero())
        layers.append(
            Layer(
                name=shaped.name.removeprefix(before),
                kind=_kind(module),
                inputs=module.in_features if linear else module.in_channels,
                outputs=module.out_features if linear else module.out_channels,
                weights=shaped.weights,
                left=left,
                macs=left * shaped.positions,
            )
        )
    return layers


def _before_names(network: nn.Module) -> str:
    """The prefix of a slim network before its parent's names; longer if that was slim too."""
    if not isinstance(network, SlimNetwork):
        return ""
    before, parent = "network.", network.parent
    while parent is not None and parent["network"] == "slim":
        before, parent = f"{before}network.", parent["arguments"]["parent"]
    return before


def _kind(layer: Any) -> str:
    name = next(cls.__name__ for cls in PRUNABLE if isinstance(layer, cls))
    if isinstance(layer, nn.Linear):
        return name
    size = "×".join(str(width) for width in layer.kernel_size)
    groups = f", {layer.groups:,} groups" if layer.groups > 1 else ""
    return f"{name} {size}{groups}"


def kept(parent: Sequence[Layer], network: Sequence[Layer]) -> dict[str, float]:
    """The share of each layer's weights that pruning left.

    Args:
        parent: The layers of the network that was pruned.
        network: The layers of the pruned network; those of one name belong together.

    Returns:
        Shares by the name of the parent's layer: at most 1, and 0 for a layer that is gone.
    """
    left = {layer.name: layer.left for layer in network}
    return {layer.name: min(1.0, left.get(layer.name, 0) / layer.weights) for layer in parent}


@dataclass(frozen=True)
class Anatomies:
    """The layers of a front's networks and of their parent.

    Attributes:
        parent: The layers of the parent; None if there is no parent.
        networks: The layers of each network, in the order of the front.
    """

    parent: Sequence[Layer] | None
    networks: Sequence[Sequence[Layer]]

    def kept(self, place: int) -> dict[str, float] | None:
        """The share of each of the parent's layers that is left in a network.

        None if nothing can be compared: no parent, or no layer with the name of a parent's layer.
        """
        network = self.networks[place]
        names = {layer.name for layer in self.parent or ()}
        if self.parent is None or names.isdisjoint(layer.name for layer in network):
            return None
        return kept(self.parent, network)

    def to_json(self) -> str:
        """The layers as JSON, a row for each layer."""
        values = {
            "format": ANATOMY_FORMAT,
            "columns": COLUMNS,
            "parent": None if self.parent is None else [astuple(layer) for layer in self.parent],
            "networks": [[astuple(layer) for layer in layers] for layers in self.networks],
        }
        return json.dumps(values, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The layers that `to_json` wrote."""
        values = json.loads(text)
        if not isinstance(values, dict) or values.get("format") != ANATOMY_FORMAT:
            given = text.strip()[:40]
            msg = f"it must hold layers in format {ANATOMY_FORMAT}, but it holds {given!r}"
            raise PruneError(msg)
        parent = values["parent"]
        return cls(
            None if parent is None else _layers(parent),
            [_layers(rows) for rows in values["networks"]],
        )


def _layers(rows: Sequence[Sequence[Any]]) -> list[Layer]:
    for row in rows:
        texts, numbers = row[:2], row[2:]
        if (
            len(row) != len(COLUMNS)
            or not all(isinstance(text, str) for text in texts)
            or not all(type(number) is int and number >= 0 for number in numbers)
        ):
            msg = f"a layer must have {', '.join(COLUMNS)}, but it is {row}"
            raise PruneError(msg)
    return [Layer(*row) for row in rows]
