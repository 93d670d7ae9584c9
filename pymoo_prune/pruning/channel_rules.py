"""How each call of a network passes channels on: the labels of its result, from its operands'.

What moves values (reshape, transpose, cat, chunk) does the same to their labels. What computes each
value from one value of each operand makes their labels one. What mixes values keeps them together.
Layers read labels along one axis and give new ones. Where a call is not known, the channels that it
reads all stay.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from pymoo_prune.networks import JOINS
from pymoo_prune.pruning.channel_calls import (
    ARITHMETIC,
    ELEMENTWISE_CALLS,
    ELEMENTWISE_MODULES,
    MAKERS,
    MOVING_CALLS,
    MOVING_MODULES,
    NARROWS,
    REDUCTIONS,
    SHIFTS,
    SPATIAL_CALLS,
    SPATIAL_MODULES,
    ZERO_PADS,
    argument,
    axes_of,
    calls,
    pad_widths,
    parts_of_index,
)
from pymoo_prune.pruning.channel_labels import (
    ALWAYS,
    Labels,
    LabelSets,
    along,
    compressed,
    varying,
)

NORMALISING = (functional.layer_norm, torch.layer_norm, functional.rms_norm)
LARGEST_TENSOR = 2**18
"""Values of a tensor of the network's own whose channels are followed one by one."""

Maps = Any
"""A map for a tensor, and a tuple of maps for several."""


class ChannelRules:
    """The maps of a network's tensors, as far as it has been walked through.

    Attributes:
        sets: The sets of labels.
        maps: A map for the result of each node, or a tuple of maps, by the node's name.
        shapes: The shape of each tensor among them.
        uniform: Maps, and axes along which they must not vary in the end.
    """

    def __init__(self) -> None:
        self.sets = LabelSets()
        self.maps: dict[str, Maps] = {}
        self.shapes: dict[str, Any] = {}
        self.uniform: list[tuple[Tensor, int]] = []

    def rule(self, node: fx.Node, module: nn.Module | None) -> Callable[..., Maps] | None:
        """The rule by which a node labels its result; None where it is not known."""
        if getattr(module, "return_indices", False):
            return None  # places beside values
        if module is not None:
            kinds = {
                ELEMENTWISE_MODULES: self._passed, SPATIAL_MODULES: self._spatial,
                MOVING_MODULES: self._moved, ZERO_PADS: self._padded, (nn.Softmax, nn.LogSoftmax):
                self._reduced, (nn.LayerNorm, nn.RMSNorm): self._normalised, (nn.GLU,): self._gated,
                (nn.PixelShuffle,): self._spread,
            }  # fmt: skip
            return next((rule for kind, rule in kinds.items() if isinstance(module, kind)), None)
        if node.target is operator.getitem:
            return self._chosen
        if node.target is getattr and isinstance(self.maps.get(first(node).name), tuple):
            return None  # a named part of several
        known: dict[tuple[Any, ...], Callable[..., Maps]] = {
            ("expand",): self._expanded, JOINS: self._moved,
            ("unbind", torch.unbind): self._unbound, NARROWS: self._moved,
            MOVING_CALLS: self._moved, MAKERS: self._made, SHIFTS: self._shifted,
            ARITHMETIC: self._combined, ELEMENTWISE_CALLS: self._passed,
            SPATIAL_CALLS: self._spatial, REDUCTIONS: self._reduced,
            NORMALISING: self._normalised, (functional.pixel_shuffle,): self._spread,
            (functional.pad,): self._padded, (functional.glu,): self._gated,
        }  # fmt: skip
        return next((rule for names, rule in known.items() if calls(node, *names)), None)

    # Maps of operands.

    def full(self, source: fx.Node) -> Any:
        """The map of a tensor, as large as the tensor itself; a tuple for several."""
        return self._grown(self.maps[source.name], self.shapes[source.name])

    def _grown(self, found: Maps, shape: Any) -> Any:
        if isinstance(found, tuple):
            return tuple(self._grown(one, size) for one, size in zip(found, shape, strict=True))
        return None if found is None else found.expand(shape)

    def has(self, source: Any) -> bool:
        """Whether an argument is a tensor, or several, with a map."""
        return isinstance(source, fx.Node) and source.name in self.maps

    def read(self, node: fx.Node) -> Tensor:
        """The compressed map of the first operand."""
        found: Tensor = self.maps[first(node).name]
        return found

    # What mixes values.

    def unite_along(self, labels: Tensor, axes: Sequence[int]) -> Tensor:
        """Makes labels one along axes that are mixed, so that they vary along the others alone.

        Where they vary only along these axes, all of them stay.
        """
        if len(varying(labels)) > 1:
            labels = compressed(torch.from_numpy(self.sets.roots[labels.numpy()]))
        inside = [axis for axis in varying(labels) if axis in axes]
        if not inside:
            return labels
        if len(inside) == len(varying(labels)):
            self.fix(labels)
            return labels.new_full([1] * labels.ndim, ALWAYS)
        for axis in inside:
            start = labels.narrow(axis, 0, 1)
            self.sets.unite(labels.numpy(), start.numpy())
            labels = start
        return labels

    def fix(self, found: Maps) -> None:
        """Keeps the channels with these labels."""
        if isinstance(found, tuple):
            for one in found:
                self.fix(one)
        elif found is not None:
            self.sets.fix(found.numpy())

    def joined(self, operands: Sequence[tuple[Tensor, Sequence[int]]], ndim: int) -> Tensor:
        """The map of what is computed value by value from operands that are broadcast.

        Args:
            operands: Compressed maps, and the shapes of their tensors.
            ndim: Axes of the result.
        """
        aligned = [
            (labels.reshape([1] * (ndim - labels.ndim) + list(labels.shape)),
             [1] * (ndim - len(shape)) + list(shape))
            for labels, shape in operands
        ]  # fmt: skip
        # An operand that serves several channels stays.
        spread = [
            any(shape[axis] == 1 and any(other.shape[axis] > 1 for other, _ in aligned)
                for axis in range(ndim))
            for _, shape in aligned
        ]  # fmt: skip
        for (labels, _), serves in zip(aligned, spread, strict=True):
            if serves:
                self.fix(labels)
        own = [labels for (labels, _), serves in zip(aligned, spread, strict=True) if not serves]
        axes = [set(varying(labels)) for labels in own if varying(labels)]
        if not own or (axes and not set.intersection(*axes)):
            # Channels of one operand meet places of another: no channel could go alone.
            for labels in own:
                self.fix(labels)
            return torch.full([1] * ndim, ALWAYS)
        for other in own[1:]:
            self.sets.unite(own[0].numpy(), other.numpy())
        return max(own, key=lambda labels: labels.numel())

    # Rules.

    def _passed(self, node: fx.Node, *_: Any) -> Maps:
        return self.read(node)

    def _spatial(self, node: fx.Node, module: Any, result: Tensor, *_: Any) -> Maps:
        del module
        labels = self.unite_along(self.read(node), range(2, result.ndim))
        if self.shapes[first(node).name][:2] != result.shape[:2]:
            self.fix(labels)
            return always(result)
        return labels

    def _combined(self, node: fx.Node, module: Any, result: Tensor, *_: Any) -> Maps:
        del module
        sources = [one for one in node.all_input_nodes if self.has(one)]
        operands = [(self.maps[one.name], self.shapes[one.name]) for one in sources]
        return self.joined(operands, result.ndim)

    def _moved(self, node: fx.Node, module: Any, result: Any, values: Any) -> Maps:
        """Moves the labels as the call moves the values."""
        del result
        args, kwargs = fx.map_arg(
            (node.args, node.kwargs), lambda one: self.full(one) if self.has(one) else values[one]
        )
        if module is not None:
            return squeezed(module(*args, **kwargs))
        target: Any = node.target
        if isinstance(target, str):
            return squeezed(getattr(args[0], target)(*args[1:], **kwargs))
        return squeezed(target(*args, **kwargs))

    def _spread(self, node: fx.Node, module: Any, result: Tensor, *_: Any) -> Maps:
        """Pixels from channels: all channels of a pixel's block go together."""
        del module
        axis = result.ndim - 3
        blocks = self.full(first(node)).unflatten(axis, (result.shape[axis], -1))
        others = [other for other in range(blocks.ndim) if other != axis]
        labels = self.unite_along(compressed(blocks), others)
        return labels.squeeze(axis + 1)

    def _expanded(self, node: fx.Node, module: Any, result: Tensor, values: Any) -> Maps:
        del module, values
        labels = self.read(node)
        return labels.reshape([1] * (result.ndim - labels.ndim) + list(labels.shape))

    def _unbound(self, node: fx.Node, module: Any, result: Any, values: Any) -> Maps:
        axis = int(argument(node, 1, "dim", 0)) % len(self.shapes[first(node).name])
        self.uniform.append((self.read(node), axis))
        return self._moved(node, module, result, values)

    def _shifted(self, node: fx.Node, module: Any, result: Tensor, values: Any) -> Maps:
        labels = self.read(node)
        self.uniform += [(labels, axis) for axis in axes_of(node, result.ndim, 2)]
        return self._moved(node, module, result, values)

    def _chosen(self, node: fx.Node, module: Any, result: Any, values: Any) -> Maps:
        del module, result
        source = first(node)
        labels = self.full(source)
        index: Any = fx.map_arg(node.args[1], values.__getitem__)
        if isinstance(labels, tuple):
            return squeezed(labels[index])
        parts = parts_of_index(index, labels.ndim)
        named = None if parts is None else [part for part in parts if part is not None]
        if named is None or len(named) != labels.ndim:
            self.fix(self.maps[source.name])
        else:
            # Places that are named one by one, and not as a slice, must be there.
            self.uniform += [
                (self.maps[source.name], axis)
                for axis, part in enumerate(named) if not isinstance(part, slice)
            ]  # fmt: skip
        return squeezed(labels[index])

    def _made(self, node: fx.Node, module: Any, result: Tensor, values: Any) -> Maps:
        """Zeros and the like may be as many as the channels that they are added to."""
        del node, module, values
        if not 1 < result.numel() <= LARGEST_TENSOR:
            return always(result)
        # A batch has the same zeros for all images.
        return torch.from_numpy(self.sets.new(result[0].numel())).reshape(1, *result.shape[1:])

    def _padded(self, node: fx.Node, module: Any, result: Tensor, values: Any) -> Maps:
        labels, constant = self.read(node), True
        if module is None:
            sizes = fx.map_arg(argument(node, 1, "pad"), values.__getitem__)
            constant = argument(node, 2, "mode", "constant") == "constant"
        else:
            sizes = module.padding
        widths = pad_widths(sizes, result.ndim)
        for axis, (before, behind) in enumerate(widths):
            if labels.shape[axis] == 1 or (before, behind) == (0, 0):
                continue
            if min(before, behind) < 0 or not constant:
                self.fix(labels)
                return always(result)
            edges = [along(axis, labels.ndim, self.sets.new(size)) for size in (before, behind)]
            sides = [
                edge.expand([*labels.shape[:axis], edge.shape[axis], *labels.shape[axis + 1 :]])
                for edge in edges
            ]
            labels = torch.cat([sides[0], labels, sides[1]], dim=axis)
        return labels

    def _reduced(self, node: fx.Node, module: Any, result: Tensor, *_: Any) -> Maps:
        labels = self.read(node)
        if module is not None:
            axes = range(labels.ndim) if module.dim is None else [module.dim % labels.ndim]
        else:
            place = 2 if calls(node, functional.normalize, torch.norm, "norm") else 1
            axes = axes_of(node, labels.ndim, place)
        labels = self.unite_along(labels, axes)
        if result.ndim < labels.ndim:
            kept = [size for axis, size in enumerate(labels.shape) if axis not in axes]
            labels = labels.reshape(kept)
        return labels

    def _normalised(self, node: fx.Node, module: Any, result: Tensor, *_: Any) -> Maps:
        sizes = argument(node, 1, "normalized_shape") if module is None else module.normalized_shape
        for one in node.all_input_nodes[1:]:  # scales and shifts serve all places
            self.fix(self.maps.get(one.name))
        last = range(result.ndim - len(sizes), result.ndim)
        return self.unite_along(self.read(node), last)

    def _gated(self, node: fx.Node, module: Any, result: Tensor, *_: Any) -> Maps:
        axis = module.dim if module is not None else argument(node, 1, "dim", -1)
        halves = self.full(first(node)).chunk(2, axis)
        self.sets.unite(*(compressed(half).numpy() for half in halves))
        del result
        return compressed(halves[0])


def first(node: fx.Node) -> fx.Node:
    """The first operand of a node."""
    found: Any = node.args[0] if node.args else node.kwargs.get("input")
    return found  # type: ignore[no-any-return]


def always(result: Any) -> Maps:
    """Maps of results whose channels all stay."""
    if isinstance(result, Tensor):
        return torch.full([1] * result.ndim, ALWAYS)
    if isinstance(result, (tuple, list)):
        return tuple(always(one) for one in result)
    return None


def squeezed(found: Any) -> Maps:
    """Compressed maps of what a call gave."""
    return compressed(found) if isinstance(found, Tensor) else tuple(map(squeezed, found))


def labels_along(labels: Tensor, axis: int, size: int) -> Labels:
    """The labels of a map along one axis, (size,), where it varies along no other."""
    found: Labels = (
        np.broadcast_to(labels.flatten().numpy(), (size,))
        if (labels.numel() == 1)
        else labels.movedim(axis, 0).flatten().numpy()
    )
    return found
