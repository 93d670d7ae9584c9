"""Labels of channels: channels with one label live and die together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]

ALWAYS = -1
"""The label of channels that no gene can remove: those of images, and the classes."""


@dataclass(frozen=True)
class ChannelLayer:
    """A layer, and the labels of its channels.

    Attributes:
        name: The module's path.
        inputs: The label of each value or channel that it reads; None for batch norms and depthwise
            convolutions, where each output channel reads only the channel with its own label.
        outputs: The label of each channel that it gives.
        taps: Weights between an input and an output.
        positions: Multiply-accumulates of each weight for one image; 0 for batch norms.
        vectors: Further parameters of each output.
        node: Its node in the graph.
    """

    name: str
    inputs: Labels | None
    outputs: Labels
    taps: int
    positions: int
    vectors: int
    node: str


class LabelSets:
    """Sets of labels: the labels of one set live and die together."""

    def __init__(self) -> None:
        self._same: list[int] = []  # a label of the same set for each label; its own in a root
        self._always: set[int] = set()

    def new(self, number: int) -> Labels:
        """Labels that no channel has had before, (number,)."""
        first = len(self._same)
        self._same += range(first, first + number)
        return np.arange(first, first + number)

    def unite(self, some: Labels, others: Labels) -> None:
        """Puts the labels into one set, pair by pair."""
        for one, other in zip(some.tolist(), others.tolist(), strict=True):
            if ALWAYS in (one, other):
                self.fix(np.array([one, other]))
                continue
            first, second = sorted((self._root(one), self._root(other)))
            self._same[second] = first

    def fix(self, labels: Labels) -> None:
        """Makes the sets of these labels `ALWAYS`."""
        self._always |= set(labels[labels != ALWAYS].tolist())

    def numbered(self, outputs: Sequence[Labels | None]) -> tuple[Labels, list[tuple[int, ...]]]:
        """Numbers the sets from 0, in the order in which layers first give them.

        Args:
            outputs: The labels of the channels that each layer gives; None for layers that only
                pass channels on.

        Returns:
            The number of each label's set, (labels + 1,), where the last is `ALWAYS` for itself;
            and for each number the places of the layers that give it.
        """
        roots = np.array([self._root(label) for label in range(len(self._same))], dtype=np.int64)
        fixed = {self._root(label) for label in self._always}
        givers: dict[int, list[int]] = {}
        for place, labels in enumerate(outputs):
            if labels is not None:
                for root in np.unique(roots[labels]).tolist():
                    givers.setdefault(root, []).append(place)
        free = sorted(givers.keys() - fixed, key=lambda root: (givers[root], root))
        numbers = np.full(len(roots) + 1, ALWAYS, dtype=np.int64)
        numbers[free] = np.arange(len(free))
        return numbers[np.append(roots, ALWAYS)], [tuple(givers[root]) for root in free]

    def _root(self, label: int) -> int:
        while self._same[label] != label:
            self._same[label] = self._same[self._same[label]]
            label = self._same[label]
        return label


def repeats(labels: Labels, count: int) -> NDArray[np.float64]:
    """How many channels have each label, (count + 1,); the last is for `ALWAYS`."""
    found = np.zeros(count + 1)
    for label, number in Counter(labels.tolist()).items():
        found[label] = number
    return found
