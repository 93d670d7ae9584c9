"""What outputs are compared with: the labels, and the parent's outputs for the same images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from pymoo_prune.data import Split
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring.accuracies import accuracy
from pymoo_prune.networks import evaluating

UNKNOWN = 1e6
"""The divergence, in nats, of an image whose outputs are not numbers."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth value for ==
class Expected:
    """The labels of some images, and the parent's outputs for them.

    Attributes:
        labels: The right classes, (n,); None where they are not known.
        parents: The logarithms of the parent's probabilities, (n, classes).
    """

    labels: Tensor | None
    parents: Tensor

    @classmethod
    def of(cls, parent: nn.Module, split: Split) -> Self:
        """What a parent gives for some images; see `given`."""
        return cls.given(_outputs(parent, split.images), split.labels)

    @classmethod
    def given(cls, outputs: Tensor, labels: Tensor | None) -> Self:
        """The same from the parent's outputs.

        Args:
            outputs: (n, classes).
            labels: (n,), or None.

        Raises:
            PruneError: The outputs are not finite, or the same for all images.
        """
        if not torch.isfinite(outputs).all():
            images = int((~torch.isfinite(outputs)).any(dim=1).sum())
            msg = (
                f"the parent's outputs are not finite (NaN or infinite) for {images} of "
                f"{len(outputs)} images, so nothing can be compared with them; train it again"
            )
            raise PruneError(msg)
        if len(outputs) > 1 and bool((outputs == outputs[0]).all()):
            msg = (
                f"the parent gives the same outputs for all {len(outputs)} images, so nothing can "
                "be learnt from comparing with them; train it first"
            )
            raise PruneError(msg)
        return cls(labels, outputs.log_softmax(dim=1))

    def accuracy(self, outputs: Tensor) -> Tensor:
        """The share of images whose largest output is the right class.

        Args:
            outputs: (..., n, classes).

        Returns:
            (...,), float64.
        """
        if self.labels is None:
            msg = "accuracy cannot be measured: the images have no labels"
            raise PruneError(msg)
        right = outputs.argmax(dim=-1) == self.labels.to(outputs.device)
        # As a quotient of whole numbers: a mean of floats may differ in its last bit.
        return right.sum(dim=-1).double() / len(self.labels)

    def divergence(self, outputs: Tensor) -> Tensor:
        """How far outputs are from the parent's, in nats: the mean of KL(parent, candidate).

        The Kullback-Leibler divergence of an image is the sum over the classes of p log(p / q),
        with p the parent's probabilities (softmax of its outputs) and q the candidate's. It is 0
        where both are equal, and needs no label.

        Args:
            outputs: (..., n, classes).

        Returns:
            (...,), float64.
        """
        parents = self.parents.to(outputs.device)
        change = parents - outputs.log_softmax(dim=-1)
        each = (parents.exp() * change).sum(dim=-1).clamp(min=0)  # rounding goes below 0
        return each.double().nan_to_num(nan=UNKNOWN, posinf=UNKNOWN).mean(dim=-1)

    def measured(self, outputs: Tensor, names: Iterable[str]) -> dict[str, float]:
        """Quantities of one candidate, by name.

        Args:
            outputs: (n, classes).
            names: "accuracy", "divergence".
        """
        return {name: float(getattr(self, name)(outputs)) for name in names}

    def measured_on(
        self, network: nn.Module, images: Tensor, names: Iterable[str]
    ) -> dict[str, float]:
        """The same of a network, which runs here.

        Args:
            network: Any classifier; every layer keeps its mode.
            images: The images that this was made of.
            names: See `measured`.
        """
        return self.measured(_outputs(network, images), names)


def goodness(networks: Sequence[nn.Module], parent: nn.Module, split: Split) -> list[float]:
    """How good networks are on some images; higher is better.

    It is their accuracy, and where there are no labels the divergence from their parent, with a
    minus.

    Args:
        networks: Classifiers; every layer keeps its mode.
        parent: The unpruned network.
        split: Images, with labels or without.
    """
    if split.labels is not None:
        return [accuracy(network, split) for network in networks]
    expected = Expected.of(parent, split)
    found = (expected.measured_on(one, split.images, ("divergence",)) for one in networks)
    return [-one["divergence"] for one in found]


@torch.no_grad()
def _outputs(network: nn.Module, images: Tensor, *, batch_size: int = 128) -> Tensor:
    with evaluating(network):
        return torch.cat([network(batch).float() for batch in images.split(batch_size)])
