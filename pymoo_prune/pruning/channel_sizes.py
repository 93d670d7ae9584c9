"""The sizes that a network's code writes out, for candidates with fewer channels."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx
from torch.nn import functional

from pymoo_prune.chromosomes import Booleans
from pymoo_prune.networks import Rewritings, attend, index_of, sizes_at
from pymoo_prune.pruning.channel_calls import (
    NARROWS,
    SIZED_CALLS,
    SPLITS,
    argument,
    calls,
    heads_of,
    pad_widths,
    parts_of_index,
)
from pymoo_prune.pruning.channel_labels import Labels, varying
from pymoo_prune.pruning.channel_rules import first, labels_along

Count = Callable[[Booleans], list[Any] | None]
"""From whether each label lives to a rewriting; None where all live."""


class SizeRewriter:
    """Finds the calls whose sizes depend on channels, and their sizes for candidates.

    Args:
        flow: The network's labels; its maps of channels, and its graph.
    """

    def __init__(self, flow: Any) -> None:
        self.channels, self.sizes = flow.channels, flow.sizes
        self.numbers, self.measured = flow.numbers, flow.measured
        self._counts: dict[str, Count] = {}
        for node in flow.graph.nodes:
            count = self._count(node) if node.name in self.channels else None
            if count is not None:
                self._counts[node.name] = count

    def rewritten(self, alive: Booleans) -> Rewritings:
        """The rewriting of each call that a candidate changes.

        Args:
            alive: Whether each label lives, (labels + 1,).
        """
        found = {name: count(alive) for name, count in self._counts.items()}
        return {name: change for name, change in found.items() if change is not None}

    def _count(self, node: fx.Node) -> Count | None:
        if calls(node, *SIZED_CALLS):
            return self._resized(node)
        if calls(node, *SPLITS):
            return self._split(node)
        if calls(node, functional.pad):
            return self._padded(node)
        if calls(node, operator.getitem, *NARROWS):
            return self._chosen(node)
        return self._heads(node) if calls(node, attend) else None

    def _known(self, value: Any) -> Any:
        """An argument, with the numbers that the network's code computes from sizes."""
        return fx.map_arg(value, lambda one: self.numbers.get(one.name, one))

    def _along(self, labels: Tensor, shape: tuple[int, ...]) -> tuple[int, Labels] | None:
        """The axis along which a map varies, and the labels along it."""
        axes = varying(labels)
        return (axes[0], labels_along(labels, axes[0], shape[axes[0]])) if axes else None

    def _resized(self, node: fx.Node) -> Count | None:
        shape, found = self.sizes[node.name], self._along(
            self.channels[node.name], self.sizes[node.name]
        )  # fmt: skip
        written: list[tuple[int, Labels | int]] = []
        depends = [] if found is None else [found[1]]
        given, start = self._given(node)
        for place, size in enumerate(given):
            if found is not None and place + start == found[0] and size != -1:
                written.append((place, found[1]))
            elif isinstance(size, fx.Node) and (counted := self._counted(size)):
                # The code computes this size from an axis that may lose channels.
                written.append((place, shape[place + start]))
                depends += counted
        return partial(_sizes, written, depends) if written else None

    def _given(self, node: fx.Node) -> tuple[Sequence[Any], int]:
        """The sizes that a call names, and the axis of the first."""
        given: Any = node.args[sizes_at(node) :]
        given = given[0] if given and isinstance(given[0], (list, tuple)) else given
        if not given:
            given = next(node.kwargs[name] for name in ("shape", "size", "sizes")
                         if name in node.kwargs)  # fmt: skip
        if node.target in ("unflatten", torch.unflatten):  # it names the sizes of some axes only
            return given, int(argument(node, 1, "dim")) % len(self.sizes[first(node).name])
        return given, 0

    def _counted(self, number: fx.Node) -> list[Labels]:
        """The labels of channels that a number counts."""
        found = []
        for name, axis in self.measured.get(number.name, ()):
            labels = self.channels.get(name)
            axes = varying(labels) if isinstance(labels, Tensor) else []
            if axes and (axis is None or axis % labels.ndim in axes):
                found.append(labels.flatten().numpy())
        return found

    def _split(self, node: fx.Node) -> Count | None:
        maps, sizes = self.channels[node.name], self.sizes[node.name]
        ndim = len(sizes[0])
        axis = int(argument(node, 2, "dim", 0)) % ndim
        if not any(axis in varying(one) for one in maps):
            return None
        each = [labels_along(one, axis, size[axis]) for one, size in zip(maps, sizes, strict=True)]
        return partial(_parts, axis, each)

    def _padded(self, node: fx.Node) -> Count | None:
        shape = self.sizes[node.name]
        given = self._known(argument(node, 1, "pad"))
        found = self._along(self.channels[node.name], shape)
        widths = pad_widths(given, len(shape))
        if found is None or widths[found[0]] == (0, 0):
            return None
        axis, labels = found
        before, behind = widths[axis]
        edges = [labels[:before], labels[len(labels) - behind :]]
        return partial(_edges, list(given), 2 * (len(shape) - 1 - axis), edges)

    def _chosen(self, node: fx.Node) -> Count | None:
        source: Any = self.channels.get(first(node).name)
        if not isinstance(source, Tensor):
            return None
        shape = self.sizes[first(node).name]
        found = self._along(source, shape)
        if found is None:
            return None
        axis, labels = found
        if calls(node, *NARROWS):
            wanted = int(argument(node, 1, "dim")) % len(shape)
            start, length = (self._known(argument(node, 2, "start")),
                             self._known(argument(node, 3, "length")))  # fmt: skip
            places = np.arange(len(labels))[start : start + length] if wanted == axis else None
        else:
            parts = parts_of_index(self._known(node.args[1]), len(shape))
            named: Any = [] if parts is None else parts
            part = named[index_of(named, axis, len(shape))] if named else slice(None)
            fixed = not isinstance(part, slice) or part == slice(None)
            places = None if fixed else np.arange(len(labels))[part]
        if places is None:
            return None
        return partial(_places, axis, labels, places, len(shape))

    def _heads(self, node: fx.Node) -> Count | None:
        source: Any = node.args[0]
        shape, heads = self.sizes[source.name], heads_of(node)
        labels = labels_along(self.channels[source.name], len(shape) - 1, shape[-1])
        labels = labels[:: shape[-1] // heads]
        return partial(_head_count, labels)


# These are functions of the module, since problems are sent to other processes.


def _sizes(
    written: Sequence[tuple[int, Labels | int]], depends: Sequence[Labels], alive: Booleans
) -> list[Any] | None:
    if all(alive[labels].all() for labels in depends):
        return None
    sizes = [
        [place, size if isinstance(size, int) else int(alive[size].sum())]
        for place, size in written
    ]
    return ["sizes", sizes]


def _parts(axis: int, each: Sequence[Labels], alive: Booleans) -> list[Any] | None:
    left = [int(alive[labels].sum()) for labels in each]
    return None if left == [len(one) for one in each] else ["split", axis, left]


def _edges(
    sizes: list[int], place: int, edges: Sequence[Labels], alive: Booleans
) -> list[Any] | None:
    left = [*sizes[:place], *(int(alive[edge].sum()) for edge in edges), *sizes[place + 2 :]]
    return None if left == sizes else ["pad", left]


def _places(
    axis: int, labels: Labels, places: Labels, ndim: int, alive: Booleans
) -> list[Any] | None:
    there = alive[labels]
    if there.all():
        return None
    now = np.cumsum(there) - 1
    return ["choose", axis, now[places[there[places]]].tolist(), ndim]


def _head_count(labels: Labels, alive: Booleans) -> list[Any] | None:
    left = int(alive[labels].sum())
    return None if left == len(labels) else ["heads", left]
