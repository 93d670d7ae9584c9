"""Labels of channels: channels with one label live and die together.

A map has a label for each value of a tensor. Values of one channel have one label, so a map hardly
ever varies along more than one axis; axes along which it does not vary have length 1 in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

Labels = NDArray[np.int64]

ALWAYS = -1
"""The label of channels that no gene can remove: those of images, and the classes."""


@dataclass(frozen=True)
class ChannelLayer:
    """A layer, or a tensor of the network's own, and the labels of its channels.

    Attributes:
        name: The module's or the tensor's path.
        inputs: The label of each value or channel that it reads; None where each output has weights
            of its own alone: norms, depthwise convolutions, tensors.
        outputs: The label of each channel that it gives.
        taps: Weights between an input and an output.
        positions: Multiply-accumulates of each weight for one image; 0 for norms.
        vectors: Further parameters of each output.
        node: Its node in the graph.
        groups: Groups of a convolution that all lose the same channels: an output reads the inputs
            of its group.
    """

    name: str
    inputs: Labels | None
    outputs: Labels
    taps: int
    positions: int
    vectors: int
    node: str
    groups: int = 1


@dataclass(frozen=True)
class Product:
    """A product of two tensors that both depend on the image, as attention has them.

    Attributes:
        labels: The labels of its results, each once.
        macs: Multiply-accumulates behind each of these labels.
        node: Its node in the graph.
    """

    labels: Labels
    macs: NDArray[np.float64]
    node: str


class LabelSets:
    """Sets of labels: the labels of one set live and die together.

    Attributes:
        count: The number of labels.
        changes: How often sets were united or fixed.
    """

    def __init__(self) -> None:
        self.count = 0
        self.changes = 0
        self._pairs: list[NDArray[np.int64]] = []
        self._always: list[Labels] = []
        self._known: Labels | None = None

    def new(self, number: int) -> Labels:
        """Labels that no channel has had before, (number,)."""
        self.count += number
        self._known = None
        return np.arange(self.count - number, self.count)

    def unite(self, some: Labels, others: Labels) -> None:
        """Puts the labels into one set, pair by pair.

        Args:
            some: Labels of any shape.
            others: Of a shape that broadcasts with it.
        """
        pairs = np.stack([one.ravel() for one in np.broadcast_arrays(some, others)], axis=1)
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        if not len(pairs):
            return
        if self._known is not None:  # most pairs are no news
            pairs = pairs[self.roots[pairs[:, 0]] != self.roots[pairs[:, 1]]]
            if not len(pairs):
                return
        fixed = (pairs == ALWAYS).any(axis=1)
        if fixed.any():
            self.fix(pairs[fixed])
        self._pairs.append(np.unique(pairs[~fixed], axis=0))
        self._known = None
        self.changes += 1

    def fix(self, labels: Labels) -> None:
        """Makes the sets of these labels `ALWAYS`."""
        labels = np.unique(labels)
        if self._known is not None:
            labels = labels[self.roots[labels] != ALWAYS]
        labels = labels[labels != ALWAYS]
        if len(labels):
            self._always.append(labels)
            self._known = None
            self.changes += 1

    @property
    def roots(self) -> Labels:
        """The smallest label of each label's set, or `ALWAYS`, (labels + 1,); `ALWAYS` is last."""
        if self._known is None:
            pairs = np.concatenate([np.empty((0, 2), dtype=np.int64), *self._pairs])
            shape = (self.count, self.count)
            graph = coo_array((np.ones(len(pairs), dtype=np.int8), pairs.T), shape=shape)
            _, sets = connected_components(graph, directed=False)
            roots = np.unique(sets, return_index=True)[1][sets].astype(np.int64)
            fixed = np.unique(roots[np.concatenate([np.empty(0, dtype=np.int64), *self._always])])
            roots[np.isin(roots, fixed)] = ALWAYS
            self._known = np.append(roots, ALWAYS)
        return self._known

    def numbered(
        self, given: Sequence[Labels | None], read: Sequence[Labels | None]
    ) -> tuple[Labels, list[tuple[int, ...]], list[tuple[int, ...]]]:
        """Numbers the sets from 0, in the order in which layers first give them.

        Args:
            given: The labels of the channels that each layer gives; None for layers that only pass
                channels on.
            read: The labels of the channels that each layer reads; None likewise.

        Returns:
            The number of each label's set, (labels + 1,), where the last is `ALWAYS` for itself;
            and for each number the places of the layers that give it, and of those that read it.
        """
        givers, readers = (self._layers(labels) for labels in (given, read))
        free = sorted(givers, key=lambda root: (givers[root], readers.get(root, ()), root))
        numbers = np.full(len(self.roots), ALWAYS, dtype=np.int64)
        numbers[free] = np.arange(len(free))
        return (
            numbers[self.roots],
            [tuple(givers[root]) for root in free],
            [tuple(readers.get(root, ())) for root in free],
        )

    def _layers(self, labels: Sequence[Labels | None]) -> dict[int, tuple[int, ...]]:
        """For each set that is not `ALWAYS`, the places of the layers that have its labels."""
        found: dict[int, tuple[int, ...]] = {}
        for place, own in enumerate(labels):
            if own is not None:
                for root in np.unique(self.roots[own]).tolist():
                    found[root] = (*found.get(root, ()), place)
        found.pop(ALWAYS, None)
        return found


def compressed(labels: Tensor) -> Tensor:
    """A map whose axes have length 1 where it does not vary along them."""
    for axis, size in enumerate(labels.shape):
        first = labels.narrow(axis, 0, min(size, 1))
        if size > 1 and (labels.stride(axis) == 0 or bool((labels == first).all())):
            labels = first
    return labels


def varying(labels: Tensor) -> list[int]:
    """The axes along which a compressed map varies."""
    return [axis for axis, size in enumerate(labels.shape) if size > 1]


def repeats(labels: Labels, count: int) -> NDArray[np.float64]:
    """How many channels have each label, (count + 1,); the last is for `ALWAYS`."""
    return np.bincount(labels.ravel() % (count + 1), minlength=count + 1).astype(np.float64)


def along(axis: int, ndim: int, labels: Labels) -> Tensor:
    """A compressed map that has these labels along one axis."""
    shape = [1] * ndim
    shape[axis] = len(labels)
    return torch.from_numpy(labels).reshape(shape)
