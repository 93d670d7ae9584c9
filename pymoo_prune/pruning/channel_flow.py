"""Which channels of a network depend on which: what lives or dies together, what can go whole.

Every output channel of a layer gets a label. Labels go with the channels through the network, as an
image does: a concatenation puts them side by side, a sum makes two of them one. In the end each
layer knows the labels of the channels that it reads and gives, and that is all that pruning needs.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvTransposeNd

from pymoo_prune.errors import PruneError
from pymoo_prune.networks import (
    CALLS,
    JOINS,
    SLICED_LAYERS,
    SUMS,
    Branch,
    call_name,
    evaluating,
    operands,
    overwrites,
    trace,
)

Labels = NDArray[np.int64]

ALWAYS = -1
"""The label of channels that no gene can take away: those of images, and the classes."""

CHANNELWISE = (
    nn.Identity, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU,
    nn.Mish, nn.Sigmoid, nn.Tanh, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Softplus,
    nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d,
    nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d,
    nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d,
    nn.ZeroPad1d, nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.Upsample,
)  # fmt: skip
"""Modules that make each channel of the same channel alone."""

CHANNELWISE_CALLS = (
    functional.relu, functional.relu6, functional.leaky_relu, functional.elu, functional.gelu,
    functional.silu, functional.mish, functional.sigmoid, functional.tanh, functional.hardtanh,
    functional.hardswish, functional.hardsigmoid, functional.dropout, functional.dropout1d,
    functional.dropout2d, functional.dropout3d, functional.max_pool1d, functional.max_pool2d,
    functional.max_pool3d, functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d,
    functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d,
    functional.adaptive_max_pool1d, functional.adaptive_max_pool2d, functional.adaptive_max_pool3d,
    functional.interpolate, functional.pad, torch.relu, torch.relu_, torch.sigmoid, torch.tanh,
    torch.max_pool2d, torch.dropout, torch.mean, torch.squeeze, torch.unsqueeze, torch.clone,
    torch.neg, operator.neg, operator.getitem, "relu", "relu_", "sigmoid", "tanh", "mean",
    "squeeze", "unsqueeze", "expand_as", "contiguous", "clone", "detach",
)  # fmt: skip
"""The same as functions and methods."""
OVER_AXES = ("mean", "squeeze")
"""Those of them that could be about the channels' axis, too."""
FLATTENINGS = (torch.flatten, "flatten", "view", "reshape", torch.reshape)
PRODUCTS = (operator.mul, torch.mul, "mul", "mul_")
ARITHMETIC = (*SUMS, *PRODUCTS, "add", "add_", operator.sub, torch.sub, operator.truediv, torch.div)


@dataclass(frozen=True)
class ChannelLayer:
    """A layer, and the labels of its channels.

    Attributes:
        name: The module's path.
        inputs: Label of each value or channel that it reads; None for batch norms and depthwise
            convolutions, whose channels read their own.
        outputs: Label of each channel that it gives.
        taps: Weights between an input and an output.
        positions: Multiply-accumulates of each weight for one image; 0 for batch norms.
        vectors: Parameters that each output has besides.
        node: Its node in the graph.
    """

    name: str
    inputs: Labels | None
    outputs: Labels
    taps: int
    positions: int
    vectors: int
    node: str


@dataclass(frozen=True)
class Piece:
    """A branch that can be dropped whole, and the network still does something sensible.

    Attributes:
        name: A person's name for it.
        branch: The operand that goes.
        nodes: What only this branch needs, by name.
        residual: Whether it is added to something, and not put beside it.
    """

    name: str
    branch: Branch
    nodes: frozenset[str]
    residual: bool


class ChannelFlow(fx.Interpreter):
    """The labels of all channels of a network, found by sending an image through it.

    Args:
        network: Any network that torch.fx can trace; it is left as it was.
        shape: One image, (channels, height, width).

    Attributes:
        layers: Convolutions, linear layers and batch norms, in the order of their use.
        count: Labels, numbered as the layers give them.
        givers: For each label, the layers (their places in `layers`) that give it. Labels of the
            same layers stand side by side: such a group cannot be empty while a layer is not.
        channels: The labels of what each node gives, by the node's name.
        pieces: What can be dropped.
        alternatives: Sets of pieces of which one must stay.
    """

    def __init__(self, network: nn.Module, shape: Sequence[int]) -> None:
        graph = trace(network)
        super().__init__(fx.GraphModule(network, graph))
        self.extra_traceback = False  # refusals say where they are
        self.network, self.graph, self.shape = network, graph, tuple(shape)
        self.layers: list[ChannelLayer] = []
        self.channels: dict[str, Labels] = {}
        self._same: list[int] = []  # a label that each label is the same as; its own if it is new
        self._fixed: set[int] = set()
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
        self._find_pieces()

    # One node after the other.

    def run_node(self, n: fx.Node) -> Any:
        """What a node gives; its channels are noted."""
        result = super().run_node(n)
        if n.op == "output":
            if not isinstance(result, Tensor):
                kind = type(result).__name__.removeprefix("immutable_")  # as torch.fx keeps it
                msg = f"the network gives a {kind}, not one tensor of outputs"
                raise PruneError(msg)
            self._fix(self._of(n.args[0], n))
        elif isinstance(result, Tensor):
            self._sizes[n.name] = tuple(result.shape)
            self.channels[n.name] = self._labels(n, result)
        elif _has_tensors(result):
            raise self._refusal(n, f"{self._call(n)}, which gives more than one tensor")
        return result

    def _labels(self, node: fx.Node, result: Tensor) -> Labels:
        if node.op == "placeholder":
            return np.full(result.shape[1], ALWAYS, dtype=np.int64)
        if node.op == "get_attr":
            raise self._refusal(node, f"{node.target!r}, a tensor that belongs to no layer")
        if not node.users:  # all others that nobody uses are not in the graph
            raise self._refusal(node, f"{self._call(node)} in place, whose result is not used")
        rule = self._rule(node)
        if rule is None:
            raise self._refusal(node, f"{self._call(node)}, which is not known")
        return rule(node, result)

    def _rule(self, node: fx.Node) -> Callable[[fx.Node, Tensor], Labels] | None:
        """What happens to channels in a node, if that is known."""
        if node.op == "call_module":
            module = self.network.get_submodule(str(node.target))
            kinds = {
                SLICED_LAYERS: self._layer,
                (_BatchNorm,): self._norm,
                (nn.Flatten,): self._flattened,
                CHANNELWISE: self._passed,
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
        given = read if depthwise else self._fresh(layer.weight.shape[0])
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
        """Refuses layers whose weights are not theirs alone."""
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
        """Each channel of one channel."""
        read, size = self._read(node)
        moved = result.ndim < 2 or len(read) != result.shape[1] or len(result) != size[0]
        if moved or (_is_over_axes(node) and _axes(node, len(size)) & {0, 1}):
            raise self._refusal(node, f"{self._call(node)}, which moves channels about")
        if node.target is operator.getitem and not _takes_all(node.args[1], len(size)):
            raise self._refusal(node, "a choice of channels")
        return read

    def _flattened(self, node: fx.Node, result: Tensor) -> Labels:
        read, size = self._read(node)
        if (read != ALWAYS).any() and _written_out(node):
            what = "with a number of channels or values that is written out: take -1, or flatten(1)"
            raise self._refusal(node, f"{self._call(node)} {what}")
        if result.shape[:2] == size[:2]:
            return read
        if result.ndim != 2 or len(result) != size[0]:
            raise self._refusal(node, f"{self._call(node)}, which is not a flat vector an image")
        return read.repeat(int(np.prod(size[2:])))

    def _joined(self, node: fx.Node, result: Tensor) -> Labels:
        axis = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
        parts = operands(node)
        if axis not in (1, 1 - result.ndim):
            raise self._refusal(node, "a concatenation along another axis than the channels'")
        if not parts:
            raise self._refusal(node, "a concatenation of what is not known before it is run")
        return np.concatenate([self._of(part, node) for part in parts])

    def _combined(self, node: fx.Node, result: Tensor) -> Labels:
        """Sums and products: with a number, or channel by channel."""
        parts = [self._of(value, node) for value in node.all_input_nodes]
        alike = [len(self._sizes[value.name]) == result.ndim for value in node.all_input_nodes]
        if not all(alike) or any(len(part) != result.shape[1] for part in parts):
            raise self._refusal(node, f"{self._call(node)} of different numbers of channels")
        for other in parts[1:]:
            self._unite(parts[0], other)
        return parts[0]

    # Labels.

    def _read(self, node: fx.Node) -> tuple[Labels, tuple[int, ...]]:
        """The labels of what a node reads first, and its shape."""
        source = node.args[0] if node.args else node.kwargs.get("input")
        labels = self._of(source, node)
        return labels, self._sizes[str(source)]

    def _of(self, source: Any, reader: fx.Node) -> Labels:
        if not isinstance(source, fx.Node) or source.name not in self.channels:
            what = f"{self._call(reader)} of {source!r}, which is no tensor with channels"
            raise self._refusal(reader, what)
        return self.channels[source.name]

    def _fresh(self, number: int) -> Labels:
        first = len(self._same)
        self._same += range(first, first + number)
        return np.arange(first, first + number)

    def _root(self, label: int) -> int:
        while self._same[label] != label:
            self._same[label] = self._same[self._same[label]]
            label = self._same[label]
        return label

    def _unite(self, some: Labels, others: Labels) -> None:
        for one, other in zip(some.tolist(), others.tolist(), strict=True):
            if ALWAYS in (one, other):
                self._fix(np.array([one, other]))
                continue
            first, second = sorted((self._root(one), self._root(other)))
            self._same[second] = first

    def _fix(self, labels: Labels) -> None:
        self._fixed |= set(labels[labels != ALWAYS].tolist())

    def _number(self) -> None:
        """Labels become numbers from 0, in the order in which layers give them first."""
        roots = np.array([self._root(label) for label in range(len(self._same))], dtype=np.int64)
        fixed = {self._root(label) for label in self._fixed}
        givers: dict[int, list[int]] = {}
        for place, layer in enumerate(self.layers):
            if layer.inputs is not None:
                for root in np.unique(roots[layer.outputs]).tolist():
                    givers.setdefault(root, []).append(place)
        free = sorted(givers.keys() - fixed, key=lambda root: (givers[root], root))
        self.count = len(free)
        self.givers = [tuple(givers[root]) for root in free]
        numbers = np.full(len(roots) + 1, ALWAYS, dtype=np.int64)  # the last is ALWAYS's own
        numbers[free] = np.arange(len(free))
        final = numbers[np.append(roots, ALWAYS)]
        self.channels = {name: final[labels] for name, labels in self.channels.items()}
        self.layers = [
            replace(
                layer,
                inputs=None if layer.inputs is None else final[layer.inputs],
                outputs=final[layer.outputs],
            )
            for layer in self.layers
        ]

    # Pieces.

    def _find_pieces(self) -> None:
        self.pieces: list[Piece] = []
        self.alternatives: list[tuple[int, ...]] = []
        for node in self.graph.nodes:
            parts = operands(node)
            if len(parts) < 2:
                continue
            if node.target in JOINS:
                first = len(self.pieces)
                branches = [
                    self._branch(node, place, residual=False) for place in range(len(parts))
                ]
                self.pieces += [piece for piece in branches if piece is not None]
                if len(self.pieces) - first == len(parts):
                    self.alternatives.append(tuple(range(first, len(self.pieces))))
            else:
                found = [self._branch(node, place, residual=True) for place in range(len(parts))]
                known = [piece for piece in found if piece is not None]
                if known:  # the longer one: beside it stands a shortcut
                    self.pieces.append(max(known, key=lambda piece: len(piece.nodes)))

    def _branch(self, node: fx.Node, place: int, *, residual: bool) -> Piece | None:
        """An operand that can go, if it has layers of its own."""
        nodes = self._needed_only_by(node, place)
        own = [layer for layer in self.layers if layer.node in nodes]
        if all(layer.inputs is None for layer in own) or self._changes_others(nodes):
            return None
        if not residual:
            # What stands beside others takes its channels away: nobody else may have them.
            labels = self.channels[operands(node)[place].name]
            outside = [layer for layer in self.layers if layer.node not in nodes]
            shared = {
                label
                for layer in outside
                if layer.inputs is not None
                for label in layer.outputs.tolist()
            }
            if ALWAYS in labels or shared & set(labels.tolist()):
                return None
        return Piece(_common_path(own), (node.name, place), nodes, residual)

    def _changes_others(self, nodes: frozenset[str]) -> bool:
        """Whether nodes work in place on what others may read: without them it is different."""
        return any(
            overwrites(node, self.network) and node.all_input_nodes[0].name not in nodes
            for node in self.graph.nodes
            if node.name in nodes
        )

    def _needed_only_by(self, node: fx.Node, place: int) -> frozenset[str]:
        """The nodes from which every way to the output goes through this operand."""
        needed: set[str] = set()
        waiting = [last for last in self.graph.nodes if last.op == "output"]
        while waiting:
            current = waiting.pop()
            if current.name in needed:
                continue
            needed.add(current.name)
            if current is node:
                parts = operands(node)
                waiting += [part for k, part in enumerate(parts) if k != place]
            else:
                waiting += current.all_input_nodes
        return frozenset(n.name for n in self.graph.nodes if n.name not in needed)

    # What is said when it does not work.

    def _call(self, node: fx.Node) -> str:
        if node.op == "call_module":
            return f"a {type(self.network.get_submodule(str(node.target))).__name__}"
        return f"{call_name(node)}()"

    def _refusal(self, node: fx.Node, what: str) -> PruneError:
        stack = node.meta.get("nn_module_stack") or {}
        where = [str(path) for path in stack if path] or [type(self.network).__name__]
        name = str(node.target) if node.op == "call_module" else where[-1]
        return PruneError(f"filters of this network cannot be pruned: in {name!r} there is {what}")


def _is_over_axes(node: fx.Node) -> bool:
    return node.op in CALLS and call_name(node) in OVER_AXES


def _axes(node: fx.Node, ndim: int) -> set[int]:
    """The axes that a call is about; without any, all of them."""
    given: Any = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else range(ndim))
    return {axis % ndim for axis in ([given] if isinstance(given, int) else given)}


def _written_out(node: fx.Node) -> bool:
    """Whether a view says how large the second axis is."""
    sizes: Any = node.args[1:]
    if sizes and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    views = call_name(node) in ("view", "reshape") and len(sizes) > 1
    return views and isinstance(sizes[1], int) and sizes[1] > 0


def _takes_all(index: Any, ndim: int) -> bool:
    """Whether an index takes all images and all of their channels, in their places."""
    index = index if isinstance(index, tuple) else (index,)
    if Ellipsis in index:
        place, named = index.index(Ellipsis), sum(part is not None for part in index) - 1
        index = (*index[:place], *[slice(None)] * (ndim - named), *index[place + 1 :])
    return all(part == slice(None) for part in index[:2])


def _has_tensors(result: Any) -> bool:
    """Whether there are tensors in what a node gives."""
    if isinstance(result, (tuple, list)):
        return any(map(_has_tensors, result))
    return isinstance(result, Tensor) or (
        isinstance(result, dict) and _has_tensors(list(result.values()))
    )


def _common_path(layers: Sequence[ChannelLayer]) -> str:
    """The path that the layers of a branch share, or the first layer's."""
    paths = [layer.name.split(".") for layer in layers]
    shared = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared) or layers[0].name


def repeats(labels: Labels, count: int) -> NDArray[np.float64]:
    """How many channels have each label, (count + 1,); the last is for those that always live."""
    found = np.zeros(count + 1)
    for label, number in Counter(labels.tolist()).items():
        found[label] = number
    return found
