"""Sends an image through a network and labels the channels on the way.

Each output channel of a layer gets a label. Labels follow the channels through the network:
a concatenation puts them side by side, a sum makes two of them one. In the end the labels of the
channels that each layer reads and gives are known, and pruning needs nothing else.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvTransposeNd

from pymoo_prune.errors import PruneError
from pymoo_prune.networks import JOINS, SLICED_LAYERS, call_name, evaluating, operands, trace
from pymoo_prune.pruning.branches import BranchSearch
from pymoo_prune.pruning.channel_calls import (
    ARITHMETIC,
    CHANNELWISE_CALLS,
    CHANNELWISE_MODULES,
    FLATTENINGS,
    has_tensors,
    reduces_channels,
    takes_all_channels,
    writes_size_out,
)
from pymoo_prune.pruning.channel_labels import ALWAYS, ChannelLayer, Labels, LabelSets


class ChannelFlow(fx.Interpreter):
    """The labels of all channels of a network, found by sending an image through it.

    Args:
        network: Any network that torch.fx can trace; it is left as it was.
        shape: One image, (channels, height, width).

    Attributes:
        layers: Convolutions, linear layers and batch norms, in the order of their use.
        count: The number of labels; they are numbered in the order in which layers give them.
        givers: For each label, the layers (their places in `layers`) that give it. Labels that the
            same layers give follow each other: they are a group, which keeps at least one label as
            long as its layers stay.
        channels: The labels of what each node gives, by the node's name.
        pieces: The branches that can be dropped.
        alternatives: Sets of pieces of which one must stay.
    """

    def __init__(self, network: nn.Module, shape: Sequence[int]) -> None:
        graph = trace(network)
        super().__init__(fx.GraphModule(network, graph))
        self.extra_traceback = False  # refusals say where they are
        self.network, self.graph, self.shape = network, graph, tuple(shape)
        self.layers: list[ChannelLayer] = []
        self.channels: dict[str, Labels] = {}
        self._sets = LabelSets()
        self._sizes: dict[str, tuple[int, ...]] = {}
        self._owners: dict[Tensor, str] = {}  # layers, by their weights
        like = next(network.parameters(), torch.empty(0))
        image = torch.zeros(2, *self.shape, dtype=like.dtype, device=like.device)
        try:
            with torch.no_grad(), evaluating(network):
                self.run(image)
        except PruneError:
            raise
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            msg = f"the network cannot take an image of shape {self.shape}: {error}"
            raise PruneError(msg) from error
        self._number()
        search = BranchSearch(network, graph, self.layers, self.channels)
        self.pieces, self.alternatives = search.run()

    # The walk.

    def run_node(self, n: fx.Node) -> Any:
        """Runs a node, and notes the labels of the channels that it gives."""
        result = super().run_node(n)
        if n.op == "output":
            if not isinstance(result, Tensor):
                kind = type(result).__name__.removeprefix("immutable_")  # as torch.fx keeps it
                msg = f"the network gives a {kind}, not one tensor of outputs"
                raise PruneError(msg)
            self._sets.fix(self._of(n.args[0], n))
        elif isinstance(result, Tensor):
            self._sizes[n.name] = tuple(result.shape)
            self.channels[n.name] = self._labels(n, result)
        elif has_tensors(result):
            raise self._refusal(n, f"{self._call(n)}, which gives more than one tensor")
        return result

    def _labels(self, node: fx.Node, result: Tensor) -> Labels:
        if node.op == "placeholder":
            return np.full(result.shape[1], ALWAYS, dtype=np.int64)
        if node.op == "get_attr":
            raise self._refusal(node, f"{node.target!r}, a tensor that belongs to no layer")
        if not node.users:  # without users, only calls in place stay in a graph
            raise self._refusal(node, f"{self._call(node)} in place, whose result is not used")
        rule = self._rule(node)
        if rule is None:
            raise self._refusal(node, f"{self._call(node)}, which is not known")
        return rule(node, result)

    def _rule(self, node: fx.Node) -> Callable[[fx.Node, Tensor], Labels] | None:
        """The rule by which a node labels its channels; None where it is not known."""
        if node.op == "call_module":
            module = self.network.get_submodule(str(node.target))
            kinds = {
                SLICED_LAYERS: self._layer,
                (_BatchNorm,): self._norm,
                (nn.Flatten,): self._flattened,
                CHANNELWISE_MODULES: self._passed,
            }
            return next((rule for kind, rule in kinds.items() if isinstance(module, kind)), None)
        calls = {
            JOINS: self._joined,
            FLATTENINGS: self._flattened,
            ARITHMETIC: self._combined,
            CHANNELWISE_CALLS: self._passed,
        }
        return next((rule for names, rule in calls.items() if node.target in names), None)

    def _layer(self, node: fx.Node, result: Tensor) -> Labels:
        name, (read, size) = str(node.target), self._read(node)
        layer: Any = self.network.get_submodule(name)
        self._check_weights(node, layer)
        if isinstance(layer, _ConvTransposeNd):
            raise self._refusal(node, "a transposed convolution")
        groups = getattr(layer, "groups", 1)
        depthwise = groups > 1 and groups == layer.in_channels == layer.out_channels
        if groups > 1 and not depthwise:
            raise self._refusal(node, f"a convolution with {groups} groups")
        if isinstance(layer, nn.Linear) and len(size) != 2:
            raise self._refusal(node, "a linear layer that reads more than flat vectors")
        given = read if depthwise else self._sets.new(layer.weight.shape[0])
        self.layers.append(
            ChannelLayer(
                name,
                None if depthwise else read,
                given,
                taps=layer.weight[0].numel() if depthwise else layer.weight[0, 0].numel(),
                positions=int(np.prod(result.shape[2:])),
                vectors=int(layer.bias is not None),
                node=node.name,
            )
        )
        return given

    def _norm(self, node: fx.Node, result: Tensor) -> Labels:  # noqa: ARG002
        name, (read, _) = str(node.target), self._read(node)
        norm = self.network.get_submodule(name)
        self._check_weights(node, norm)
        vectors = len(list(norm.parameters()))
        self.layers.append(ChannelLayer(name, None, read, 0, 0, vectors, node.name))
        return read

    def _check_weights(self, node: fx.Node, layer: nn.Module) -> None:
        """Refuses layers that share their weights, or compute them."""
        if any(node.target == other.name for other in self.layers):
            raise self._refusal(node, "a layer that is used twice")
        own = dict(layer.named_parameters())
        if not own.keys() <= {"weight", "bias"}:
            raise self._refusal(node, "a layer whose weights are computed from others")
        for parameter in own.values():
            other = self._owners.setdefault(parameter, str(node.target))
            if other != node.target:
                raise self._refusal(node, f"a layer that shares its weights with {other!r}")

    def _passed(self, node: fx.Node, result: Tensor) -> Labels:
        """Each channel is computed from one channel."""
        read, size = self._read(node)
        moved = result.ndim < 2 or len(read) != result.shape[1] or len(result) != size[0]
        if moved or reduces_channels(node, len(size)):
            what = "which changes the number or order of channels"
            raise self._refusal(node, f"{self._call(node)}, {what}")
        if node.target is operator.getitem and not takes_all_channels(node.args[1], len(size)):
            raise self._refusal(node, "a choice of channels")
        return read

    def _flattened(self, node: fx.Node, result: Tensor) -> Labels:
        read, size = self._read(node)
        if (read != ALWAYS).any() and writes_size_out(node):
            what = "with a number of channels or values that is written out: take -1, or flatten(1)"
            raise self._refusal(node, f"{self._call(node)} {what}")
        if result.shape[:2] == size[:2]:
            return read
        if result.ndim != 2 or len(result) != size[0]:
            what = "which does not give a flat vector for each image"
            raise self._refusal(node, f"{self._call(node)}, {what}")
        return read.repeat(int(np.prod(size[2:])))

    def _joined(self, node: fx.Node, result: Tensor) -> Labels:
        axis = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
        parts = operands(node)
        if axis not in (1, 1 - result.ndim):
            raise self._refusal(node, "a concatenation along another axis than the channels'")
        if not parts:
            raise self._refusal(node, "a concatenation of operands that are not known in advance")
        return np.concatenate([self._of(part, node) for part in parts])

    def _combined(self, node: fx.Node, result: Tensor) -> Labels:
        """Sums and products, with a number or channel by channel."""
        parts = [self._of(value, node) for value in node.all_input_nodes]
        alike = [len(self._sizes[value.name]) == result.ndim for value in node.all_input_nodes]
        if not all(alike) or any(len(part) != result.shape[1] for part in parts):
            raise self._refusal(node, f"{self._call(node)} of different numbers of channels")
        for other in parts[1:]:
            self._sets.unite(parts[0], other)
        return parts[0]

    # Labels.

    def _read(self, node: fx.Node) -> tuple[Labels, tuple[int, ...]]:
        """The labels and the shape of a node's first argument."""
        source = node.args[0] if node.args else node.kwargs.get("input")
        labels = self._of(source, node)
        return labels, self._sizes[str(source)]

    def _of(self, source: Any, reader: fx.Node) -> Labels:
        if not isinstance(source, fx.Node) or source.name not in self.channels:
            what = f"{self._call(reader)} of {source!r}, which is no tensor with channels"
            raise self._refusal(reader, what)
        return self.channels[source.name]

    def _number(self) -> None:
        """Replaces labels with the numbers of their sets."""
        final, self.givers = self._sets.numbered(
            [None if layer.inputs is None else layer.outputs for layer in self.layers]
        )
        self.count = len(self.givers)
        self.channels = {name: final[labels] for name, labels in self.channels.items()}
        self.layers = [
            replace(
                layer,
                inputs=None if layer.inputs is None else final[layer.inputs],
                outputs=final[layer.outputs],
            )
            for layer in self.layers
        ]

    # Refusals.

    def _call(self, node: fx.Node) -> str:
        if node.op == "call_module":
            return f"a {type(self.network.get_submodule(str(node.target))).__name__}"
        return f"{call_name(node)}()"

    def _refusal(self, node: fx.Node, what: str) -> PruneError:
        stack = node.meta.get("nn_module_stack") or {}
        where = [str(path) for path in stack if path] or [type(self.network).__name__]
        name = str(node.target) if node.op == "call_module" else where[-1]
        return PruneError(f"filters of this network cannot be pruned: in {name!r} there is {what}")
