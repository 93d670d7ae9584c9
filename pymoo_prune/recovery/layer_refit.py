"""The part of a refit that is the same for channels and single weights: the parent's statistics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from pymoo_prune.data import Split
from pymoo_prune.recovery.moments import Moments, understood, watch


class LayerRefit(ABC):
    """Takes the statistics that refits of a network's layers need.

    Args:
        network: The parent.
        names: Paths of its convolutions and linear layers.
        split: Training images.
        centred: Whether a batch norm follows whose statistics are taken again. Then the inputs'
            mean has no effect.
        positions: The most places of an image that the statistics of a convolution use.
        ridge: r, relative to the mean of G's diagonal. It is larger than numerics need: a
            candidate's inputs differ a little from the parent's, and a cautious solution suits
            them better.
        seed: The seed of the choice of places.
    """

    def __init__(
        self,
        network: nn.Module,
        names: Sequence[str],
        split: Split,
        *,
        centred: bool,
        positions: int = 100,
        ridge: float = 0.05,
        seed: int = 0,
    ) -> None:
        modules: dict[str, Any] = dict(network.named_modules())
        self.layers = {name: modules[name] for name in names}
        self._check()
        moments = {
            name: Moments(layer, positions, seed, centred=self._is_centred(layer, centred=centred))
            for name, layer in self.layers.items()
            if understood(layer)
        }
        watch(network, moments, split.images)
        # Some layers are never called, because only their weights are used.
        self._note({n: found for n, found in moments.items() if found.count}, ridge)

    @abstractmethod
    def _check(self) -> None:
        """Raises an error where there are layers that the refit cannot deal with."""

    @abstractmethod
    def _is_centred(self, layer: Any, *, centred: bool) -> bool:
        """Whether the statistics of a layer are taken about the mean."""

    @abstractmethod
    def _note(self, moments: Mapping[str, Moments], ridge: float) -> None:
        """Keeps what solutions need of the moments, by path, of layers that have some."""
