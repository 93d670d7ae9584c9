"""How layers with weights pass channels on: they read labels along one axis and give new ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from pymoo_prune.errors import PruneError
from pymoo_prune.networks import CONSTANT, IMAGES
from pymoo_prune.pruning.channel_calls import PER_CHANNEL_MODULES
from pymoo_prune.pruning.channel_labels import ALWAYS, ChannelLayer, Labels, along
from pymoo_prune.pruning.channel_products import ProductRules
from pymoo_prune.pruning.channel_rules import (
    LARGEST_TENSOR,
    Maps,
    always,
    first,
    labels_along,
)

Refusal = Callable[[fx.Node, str], PruneError]


class LayerRules(ProductRules):
    """The rules of layers beside those of calls, and the layers found so far.

    Args:
        network: The network.
        refusal: Makes an error of a node and of what is wrong there.

    Attributes:
        layers: The layers, with raw labels.
        counted: Nodes whose multiply-accumulates these layers account for.
    """

    def __init__(self, network: nn.Module, refusal: Refusal) -> None:
        super().__init__()
        self.network, self.refusal = network, refusal
        self.layers: list[ChannelLayer] = []
        self.counted: set[str] = set()
        self._owners: dict[Tensor, str] = {}  # layers, by their weights

    def layer_rule(self, module: nn.Module | None) -> Callable[..., Maps] | None:
        """The rule of a layer with weights; None for others."""
        kinds: dict[Any, Callable[..., Maps]] = {
            nn.Linear: self._linear, _ConvTransposeNd: self._transposed, _ConvNd: self._convolved,
            nn.Embedding: self._embedded, nn.GroupNorm: self._in_groups, nn.PReLU: self._sloped,
            PER_CHANNEL_MODULES: self._scaled, (nn.LayerNorm, nn.RMSNorm): self._normed,
        }  # fmt: skip
        return next((rule for kind, rule in kinds.items() if isinstance(module, kind)), None)

    def whole(self, node: fx.Node, module: nn.Module) -> None:
        """Notes the parameters of a module that stays as it is."""
        own = list(module.parameters())
        if own:
            self._check_weights(node, module, {f"{place}": one for place, one in enumerate(own)})
            number = sum(one.numel() for one in own)
            self._add(node, None, np.array([ALWAYS]), vectors=number)

    def tensor(self, node: fx.Node, value: Tensor) -> Maps:
        """A parameter, a buffer or a constant: it may have channels of its own."""
        own, name = isinstance(value, nn.Parameter), str(node.target)
        if own:
            self._check_weights(node, None, {"weight": value})
        free = value.is_floating_point() and 1 < value.numel() <= LARGEST_TENSOR
        if not free or CONSTANT in node.meta:
            if own:
                self._add(node, None, np.array([ALWAYS]), vectors=value.numel())
            return always(value)
        labels = self.sets.new(value.numel())
        self.layers.append(ChannelLayer(name, None, labels, 0, 0, int(own), node.name))
        return torch.from_numpy(labels).reshape(value.shape)

    # Layers.

    def _linear(self, node: fx.Node, layer: Any, result: Tensor, *_: Any) -> Maps:
        self._check_weights(node, layer)
        read = self._read_along(node, result.ndim - 1, layer.in_features)
        given = self.sets.new(layer.out_features)
        places = result.numel() // (IMAGES * layer.out_features)  # windows may be images here
        self._add(node, read, given, 1, places, int(layer.bias is not None))
        return along(result.ndim - 1, result.ndim, given)

    def _convolved(self, node: fx.Node, layer: Any, result: Tensor, *_: Any) -> Maps:
        self._check_weights(node, layer)
        self._check_batch(node, result, len(layer.kernel_size) + 2)
        read, groups = self._read_along(node, 1, layer.in_channels), layer.groups
        each = layer.in_channels // groups
        places = result.numel() // (IMAGES * layer.out_channels)
        bias = int(layer.bias is not None)
        taps = layer.weight[0, 0].numel()
        if groups == 1 or groups < each:
            given = self.sets.new(layer.out_channels)
            for labels in (read, given) if groups > 1 else ():  # the same of every group go
                self.sets.unite(labels.reshape(groups, -1), labels[: len(labels) // groups])
            self._add(node, read, given, taps, places, bias, groups)
        else:  # whole groups go
            self.sets.unite(read.reshape(groups, each), read[::each, None])
            given = read[::each].repeat(layer.out_channels // groups)
            self._add(node, None, given, taps * each, places, bias)
        return along(1, result.ndim, given)

    def _transposed(self, node: fx.Node, layer: Any, result: Tensor, *_: Any) -> Maps:
        """A transposed convolution stays as it is."""
        self._check_weights(node, layer)
        self.fix(self.read(node))
        size = self.shapes[first(node).name]
        taps, bias = layer.weight[0, 0].numel(), int(layer.bias is not None)
        read, given = (np.full(n, ALWAYS) for n in layer.weight.shape[:2])
        places = int(np.prod(size)) // (IMAGES * layer.in_channels)
        self._add(node, read, given, taps, places, 0)
        if bias:
            self.layers.append(
                ChannelLayer(str(node.target), None, np.array([ALWAYS]), 0, 0,
                             layer.out_channels, node.name)
            )  # fmt: skip
        return always(result)

    def _embedded(self, node: fx.Node, layer: Any, result: Tensor, *_: Any) -> Maps:
        self._check_weights(node, layer)
        self.fix(self.read(node))
        given = self.sets.new(layer.embedding_dim)
        self._add(node, np.full(layer.num_embeddings, ALWAYS), given, 1)
        return along(result.ndim - 1, result.ndim, given)

    def _scaled(self, node: fx.Node, norm: Any, result: Tensor, *_: Any) -> Maps:
        self._check_weights(node, norm)
        read = self._read_along(node, 1, result.shape[1])
        self._add(node, None, read, vectors=len(list(norm.parameters())))
        return along(1, result.ndim, read)

    def _sloped(self, node: fx.Node, layer: Any, result: Tensor, *rest: Any) -> Maps:
        if layer.num_parameters > 1:
            return self._scaled(node, layer, result, *rest)
        self.whole(node, layer)
        return self.read(node)

    def _in_groups(self, node: fx.Node, norm: Any, result: Tensor, *_: Any) -> Maps:
        """A group norm: whole groups live or die."""
        self._check_weights(node, norm)
        read = self._read_along(node, 1, norm.num_channels)
        if norm.num_groups == 1:
            self.sets.fix(read)
        else:
            self.sets.unite(
                read.reshape(norm.num_groups, -1), read[:: len(read) // norm.num_groups, None]
            )
        self._add(node, None, read, vectors=len(list(norm.parameters())))
        return along(1, result.ndim, read)

    def _normed(self, node: fx.Node, norm: Any, result: Tensor, *rest: Any) -> Maps:
        """A norm over the last axes mixes their values: all of them stay."""
        self.whole(node, norm)
        return self._normalised(node, norm, result, *rest)

    # Helpers.

    def _read_along(self, node: fx.Node, axis: int, size: int) -> Labels:
        """The labels that a layer reads along one axis, (size,)."""
        labels = self.read(node)
        others = [other for other in range(labels.ndim) if other != axis % labels.ndim]
        return labels_along(self.unite_along(labels, others), axis, size).copy()

    def _add(self, node: fx.Node, read: Labels | None, given: Labels, taps: int = 0,
             positions: int = 0, vectors: int = 0, groups: int = 1) -> None:  # fmt: skip
        name = str(node.target)
        self.counted.add(node.name)
        self.layers.append(
            ChannelLayer(name, read, given, taps, positions, vectors, node.name, groups)
        )

    def _check_batch(self, node: fx.Node, result: Tensor, ndim: int) -> None:
        if result.ndim != ndim:
            raise self.refusal(node, "a convolution that reads a single image")

    def _check_weights(
        self, node: fx.Node, layer: nn.Module | None, own: dict[str, Tensor] | None = None
    ) -> None:
        """Refuses layers that share their weights, or compute them."""
        if any(node.target == other.name for other in self.layers):
            raise self.refusal(node, "a layer that is used twice")
        if own is None and layer is not None:
            own = dict(layer.named_parameters())
            if not own.keys() <= {"weight", "bias"}:
                raise self.refusal(node, "a layer whose weights are computed from others")
        for parameter in (own or {}).values():
            other = self._owners.setdefault(parameter, str(node.target))
            if other != node.target:
                raise self.refusal(node, f"a layer that shares its weights with {other!r}")
