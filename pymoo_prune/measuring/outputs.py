"""What outputs are compared with: the labels, and the parent's outputs for the same images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from pymoo_prune.data import CLASSES, Split, Task
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring.accuracies import goodness_of, outputs_of
from pymoo_prune.objectives import DIVERGENCE


@dataclass(frozen=True, eq=False)  # tensors have no single truth value for ==
class Expected:
    """The labels of some images, and the parent's outputs for them.

    Attributes:
        labels: The right classes, (n,), or other labels, (n, ...); None where they are not known.
        parents: The logarithms of the parent's probabilities, (n, classes); see `Task.parents`.
        task: What labels mean.
    """

    labels: Tensor | None
    parents: Tensor
    task: Task = CLASSES

    @classmethod
    def of(cls, parent: nn.Module, split: Split) -> Self:
        """What a parent gives for some images; see `given`."""
        return cls.given(outputs_of(parent, split.images), split.labels, split.task)

    @classmethod
    def given(cls, outputs: Tensor, labels: Tensor | None, task: Task = CLASSES) -> Self:
        """The same from the parent's outputs.

        Args:
            outputs: (n, classes), or (n, ...).
            labels: (n,), or (n, ...), or None.
            task: What labels mean.

        Raises:
            PruneError: The outputs are not finite, or the same for all images.
        """
        if not torch.isfinite(outputs).all():
            images = int((~torch.isfinite(outputs)).reshape(len(outputs), -1).any(dim=1).sum())
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
        return cls(labels, task.parents(outputs), task)

    def goodness(self, outputs: Tensor) -> Tensor:
        """How good outputs are: the accuracy, or the metric of the task.

        The accuracy is the share of images whose largest output is the right class.

        Args:
            outputs: (..., n, classes), or (..., n, ...).

        Returns:
            (...,), float64.
        """
        if self.labels is None:
            msg = f"{self.task.judge} cannot be measured: the images have no labels"
            raise PruneError(msg)
        return self.task.judged(outputs, self.labels, outputs.ndim - self.parents.ndim)

    def divergence(self, outputs: Tensor) -> Tensor:
        """How far outputs are from the parent's: for classes in nats, the mean of KL(parent, it).

        The Kullback-Leibler divergence of an image is the sum over the classes of p log(p / q),
        with p the parent's probabilities (softmax of its outputs) and q the candidate's. It is 0
        where both are equal, and needs no label. For several labels, it is summed over them. For
        regression it is the mean squared difference, relative to the variance of the parent's.

        Args:
            outputs: (..., n, classes), or (..., n, ...).

        Returns:
            (...,), float64.
        """
        return self.task.divergence(outputs, self.parents.to(outputs.device))

    def by_name(self, name: str, outputs: Tensor) -> Tensor:
        """A quantity of outputs.

        Args:
            name: "divergence", or else how good they are: "accuracy", or the metric's name.
            outputs: See `goodness`.

        Returns:
            (...,), float64.
        """
        return self.divergence(outputs) if name == DIVERGENCE else self.goodness(outputs)

    def measured(self, outputs: Tensor, names: Iterable[str]) -> dict[str, float]:
        """Quantities of one candidate, by name.

        Args:
            outputs: (n, classes).
            names: "accuracy" or the metric's name, "divergence".
        """
        return {name: float(self.by_name(name, outputs)) for name in names}

    def measured_on(
        self, network: nn.Module, images: Tensor, names: Iterable[str]
    ) -> dict[str, float]:
        """The same of a network, which runs here.

        Args:
            network: Any classifier; every layer keeps its mode.
            images: The images that this was made of.
            names: See `measured`.
        """
        return self.measured(outputs_of(network, images), names)


def goodness(networks: Sequence[nn.Module], parent: nn.Module, split: Split) -> list[float]:
    """How good networks are on some images; higher is better.

    It is their accuracy, or the metric of the task, with a minus where lower is better; and where
    there are no labels the divergence from their parent, with a minus.

    Args:
        networks: Classifiers; every layer keeps its mode.
        parent: The unpruned network.
        split: Images, with labels or without.
    """
    if split.labels is not None:
        metric = split.task.metric
        sign = -1 if metric is not None and metric.better == "lower" else 1
        return [sign * goodness_of(network, split) for network in networks]
    expected = Expected.of(parent, split)
    found = (expected.measured_on(one, split.images, (DIVERGENCE,)) for one in networks)
    return [-one[DIVERGENCE] for one in found]
