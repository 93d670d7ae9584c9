"""Sends images through a network and labels the channels on the way.

Each output channel of a layer gets a label. Labels follow the channels through the network: see
`channel_rules`. In the end the labels of the channels that each layer reads and gives are known,
and pruning needs nothing else.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import counting
from pymoo_prune.networks import IMAGES, call_name, evaluating, parts, trace, zeros
from pymoo_prune.pruning.branches import BranchSearch
from pymoo_prune.pruning.channel_calls import SIZED_CALLS, SPLITS, calls, has_tensors
from pymoo_prune.pruning.channel_labels import (
    ALWAYS,
    Labels,
    Product,
    compressed,
    varying,
)
from pymoo_prune.pruning.channel_layers import LayerRules
from pymoo_prune.pruning.channel_rules import Maps, always


class ChannelFlow(fx.Interpreter):
    """The labels of all channels of a network, found by sending images through it.

    Args:
        network: Any network that torch.fx can trace; it is left as it was.
        shape: One image, (channels, height, width).

    Attributes:
        layers: Layers and norms, and tensors of the network's own, in the order of their use.
        products: Products of two tensors that depend on the image.
        count: The number of labels; they are numbered in the order in which layers give them.
        givers: For each label, the layers (their places in `layers`) that give it.
        readers: For each label, the layers that read it. Labels with the same givers and readers
            follow each other: they are a group, which keeps at least one label as long as its
            layers stay.
        channels: A map of the result of each node, or a tuple of maps, by the node's name; a map
            has a label for each value, and length 1 along axes along which it does not vary.
        sizes: The shape of each of these results.
        numbers: The results that are no tensors, likewise.
        measured: Of which axes of which tensors a number is the size; None is for all axes.
        kept: Calls that are not known, and the modules that make them: their channels all stay.
        pieces: The branches that can be dropped.
        alternatives: Sets of pieces of which one must stay.
    """

    def __init__(self, network: nn.Module, shape: Sequence[int]) -> None:
        graph = trace(network, shape)
        super().__init__(fx.GraphModule(parts(network, graph), graph))
        self.extra_traceback = False  # refusals say where they are
        self.network, self.graph, self.shape = network, graph, tuple(shape)
        self._rules = LayerRules(network, self._refusal)
        self._macs: dict[str, float] = {}
        self.measured: dict[str, list[tuple[str, int | None]]] = {}  # where numbers come from
        self.numbers: dict[str, Any] = {}
        self.kept: list[str] = []
        try:
            with torch.no_grad(), evaluating(network):
                self.run(zeros(network, shape))
        except PruneError:
            raise
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            msg = f"the network cannot take an image of shape {self.shape}: {error}"
            raise PruneError(msg) from error
        self.sizes = self._rules.shapes
        self._settle()
        self._number()
        search = BranchSearch(network, graph, self.layers, self.channels, self.sizes)
        self.pieces, self.alternatives = search.run()

    # The walk.

    def run_node(self, n: fx.Node) -> Any:
        """Runs a node, and notes the labels of the channels that it gives."""
        values = {one: self.env[one] for one in n.all_input_nodes}
        with counting() as counted:
            result = super().run_node(n)
        if n.op == "output":
            self._check_output(n, result)
            self._rules.fix(self._rules.maps[n.all_input_nodes[0].name])
        elif n.target is operator.setitem:  # it gives nothing: it writes into the first
            self._unknown(n, None, values[n.all_input_nodes[0]])
        elif isinstance(result, Tensor) or (
            isinstance(result, (tuple, list)) and has_tensors(result)
        ):
            found = self._labels(n, result, values)
            self._rules.maps[n.name] = found
            self._rules.shapes[n.name] = _shapes(result)
            if counted.macs and n.name not in self._rules.counted:
                self._macs[n.name] = counted.macs / len(self._image)
        elif has_tensors(result):
            raise self._refusal(n, f"{self._call(n)}, which gives a dictionary")
        else:
            self._note_numbers(n)
            self.numbers[n.name] = result
        return result

    def _labels(self, node: fx.Node, result: Any, values: dict[fx.Node, Any]) -> Maps:
        if node.op == "placeholder":
            self._image = result
            return always(result)
        if node.op == "get_attr":
            return self._rules.tensor(node, result)
        # Without users, only calls in place stay in a graph.
        if not node.users:
            raise self._refusal(node, f"{self._call(node)} in place, whose result is not used")
        module = None
        if node.op == "call_module":
            module = self.network.get_submodule(str(node.target))
        rule = self._rules.layer_rule(module) or self._rules.rule(node, module)
        self._use_numbers(node)
        if rule is None or not any(map(self._rules.has, node.all_input_nodes)):
            return self._unknown(node, module, result)
        return rule(node, module, result, values)

    def _unknown(self, node: fx.Node, module: nn.Module | None, result: Any) -> Maps:
        """All channels stay that a call reads that is not known."""
        read = [self._rules.maps[one.name] for one in node.all_input_nodes if self._rules.has(one)]
        if any((labels != ALWAYS).any() for found in read for labels in _each(found)):
            self.kept.append(f"{self._call(node)} in {self._place(node)!r}")
        self._rules.fix(tuple(read))
        if module is not None:
            self._rules.whole(node, module)
        return always(result)

    def _check_output(self, node: fx.Node, result: Any) -> None:
        if not isinstance(result, Tensor):
            kind = type(result).__name__.removeprefix("immutable_")  # as torch.fx keeps it
            msg = f"the network gives a {kind}, not one tensor of outputs"
            raise PruneError(msg)
        if not result.ndim or len(result) != len(self._image):
            msg = (
                f"the network gives outputs of shape {tuple(result.shape)} for "
                f"{len(self._image)} images, but the first axis must be that of the images"
            )
            raise PruneError(msg)
        if not isinstance(node.args[0], fx.Node):
            msg = "the network gives the same outputs for all images"
            raise PruneError(msg)

    # Numbers that come from sizes.

    def _note_numbers(self, node: fx.Node) -> None:
        """Notes of which axes a number is the size."""
        found: list[tuple[str, int | None]] = []
        for one in node.all_input_nodes:
            found += self.measured.get(one.name, [(one.name, None)])
        place: Any = node.args[1] if len(node.args) > 1 else None
        if isinstance(place, int) and (node.target is operator.getitem or node.target == "size"):
            found = [(name, place if axis is None else axis) for name, axis in found]
        self.measured[node.name] = found

    def _use_numbers(self, node: fx.Node) -> None:
        """A number that is used as a value must not change: the channels stay that it counts."""
        if calls(node, *SIZED_CALLS, *SPLITS, operator.getitem):
            return  # rewritten where they change
        for one in node.all_input_nodes:
            for name, axis in self.measured.get(one.name, ()):
                labels = self._rules.maps.get(name)
                if isinstance(labels, Tensor):
                    axes = range(labels.ndim) if axis is None else [axis % labels.ndim]
                    self._rules.uniform += [(labels, each) for each in axes]

    # Labels.

    def _settle(self) -> None:
        """Makes labels one until each map varies along one axis at most."""
        rules = self._rules
        given = [layer.outputs for layer in rules.layers if layer.inputs is not None]
        sets = rules.sets
        roots = sets.roots
        real = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *[roots[o] for o in given]]))
        sets.fix(np.flatnonzero(~np.isin(roots[:-1], real)))  # no layer gives them
        rules.uniform += self._along_images()
        maps = [one for found in rules.maps.values() for one in _each(found)]
        maps = [one for one in maps if varying(one)]
        while True:
            before = sets.changes
            for labels, axis in rules.uniform:
                now = self._now(labels)
                if now.shape[axis] > 1:
                    rules.unite_along(now, [axis])
            for labels in maps:
                now = self._now(labels)
                if len(axes := varying(now)) > 1:
                    kept = max(axes, key=lambda axis: _labels_left(now, axis))
                    rules.unite_along(now, [axis for axis in axes if axis != kept])
            if sets.changes == before:
                return

    def _along_images(self) -> list[tuple[Tensor, int]]:
        """Maps that vary along the first axis of what depends on the images: they lie there."""
        found: list[tuple[Tensor, int]] = []
        batched: set[fx.Node] = set()
        for node in self.graph.nodes:
            if node.op != "placeholder" and batched.isdisjoint(node.all_input_nodes):
                continue
            batched.add(node)
            for labels in _each(self._rules.maps.get(node.name)):
                several = labels.ndim > 0 and labels.shape[0] > 1
                if several and labels.shape[0] % IMAGES == 0:
                    found.append((labels, 0))
        return found

    def _now(self, labels: Tensor) -> Tensor:
        return compressed(torch.from_numpy(self._rules.sets.roots[labels.numpy()]))

    def _number(self) -> None:
        """Replaces labels with the numbers of their sets."""
        rules = self._rules
        final, self.givers, self.readers = rules.sets.numbered(
            [None if layer.inputs is None else layer.outputs for layer in rules.layers],
            [layer.inputs for layer in rules.layers],
        )
        self.count = len(self.givers)
        self.channels: dict[str, Maps] = {
            name: _mapped(found, lambda one: _looked_up(final, one))
            for name, found in rules.maps.items()
        }
        self.layers = [
            replace(
                layer,
                inputs=None if layer.inputs is None else final[layer.inputs],
                outputs=final[layer.outputs],
            )
            for layer in rules.layers
        ]
        self.products = [
            _product(self.channels[name] if name in rules.products else None, macs, name)
            for name, macs in self._macs.items()
        ]

    # Refusals.

    def _call(self, node: fx.Node) -> str:
        if node.op == "call_module":
            return f"a {type(self.network.get_submodule(str(node.target))).__name__}"
        return f"{call_name(node)}()"

    def _place(self, node: fx.Node) -> str:
        stack = node.meta.get("nn_module_stack") or {}
        where = [str(path) for path in stack if path] or [type(self.network).__name__]
        return str(node.target) if node.op == "call_module" else where[-1]

    def _refusal(self, node: fx.Node, what: str) -> PruneError:
        place = self._place(node)
        return PruneError(f"filters of this network cannot be pruned: in {place!r} there is {what}")


def _labels_left(labels: Tensor, axis: int) -> int:
    """About how many labels are left when a map is made to vary along one axis alone."""
    return len(labels.movedim(axis, 0).flatten(1).amin(1).unique())


def _product(labels: Maps, macs: float, node: str) -> Product:
    """The MACs behind each label of a product's results."""
    if isinstance(labels, tuple):
        labels = labels[0]
    own: Labels = np.array([ALWAYS]) if labels is None else labels.numpy().ravel()
    found, counts = np.unique(own, return_counts=True)
    return Product(found, macs * counts / counts.sum(), node)


def _each(found: Maps) -> list[Tensor]:
    """The maps of a node's result."""
    if isinstance(found, tuple):
        return [one for part in found for one in _each(part)]
    return [] if found is None else [found]


def _mapped(found: Maps, call: Callable[[Tensor], Tensor]) -> Maps:
    if isinstance(found, tuple):
        return tuple(_mapped(one, call) for one in found)
    return None if found is None else call(found)


def _looked_up(final: Labels, labels: Tensor) -> Tensor:
    """A map in which each label is replaced."""
    # Of a single number, numpy makes a number, not an array.
    return compressed(torch.from_numpy(np.asarray(final[labels.numpy()])))


def _shapes(result: Any) -> Any:
    """The shape of a tensor, and a tuple of shapes for several."""
    if isinstance(result, (tuple, list)):
        return tuple(_shapes(one) for one in result)
    return tuple(result.shape) if isinstance(result, Tensor) else None
