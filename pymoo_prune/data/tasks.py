"""Tasks: what labels mean, how networks learn from them, and how outputs are compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from pymoo_prune.data.metrics import R2, UNKNOWN, Metric
from pymoo_prune.errors import DataError, PruneError, unknown_name


@dataclass(frozen=True)
class Task(ABC):
    """What labels mean.

    Attributes:
        metric: What says how good outputs are; None is the accuracy.
    """

    metric: Metric | None = None

    name: ClassVar[str]
    divergences: ClassVar[str] = "nats"
    """The unit of divergences."""

    @property
    def judge(self) -> str:
        """The name of the quantity that says how good outputs are."""
        return "accuracy" if self.metric is None else self.metric.name

    @property
    def text(self) -> str:
        """What measurements depend on besides inputs and labels; empty for plain classes."""
        return f"{self.name} {self.judge}"

    @abstractmethod
    def checked(self, labels: Tensor) -> Tensor:
        """Labels of the right type, or an error; (n, ...)."""

    @abstractmethod
    def groups(self, labels: Tensor) -> Tensor:
        """The groups of a balanced choice, (n,)."""

    def fits(self, outputs: Tensor, labels: Tensor | None) -> bool:
        """Whether outputs can be compared with labels, (n, ...) each; without labels any can."""
        if labels is None:
            return outputs.ndim >= 1
        return outputs[0].numel() == labels[0].numel()

    def aligned(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Outputs in the shape of the labels."""
        return outputs.reshape(labels.shape)

    @abstractmethod
    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """What a training on labels minimises, for a batch."""

    @abstractmethod
    def accuracy(self, outputs: Tensor, labels: Tensor, several: int = 0) -> Tensor:
        """The share that is right, float64: from (n, ...), behind the axes of several networks."""

    def judged(self, outputs: Tensor, labels: Tensor, several: int = 0) -> Tensor:
        """How good outputs are, float64: the accuracy, or the metric.

        Args:
            outputs: (n, ...), behind the axes of several networks.
            labels: (n, ...).
            several: The number of these axes; the result has them.
        """
        if self.metric is None:
            return self.accuracy(outputs, labels, several)
        metric, labels = self.metric, labels.to(outputs.device)
        rows = outputs.reshape(-1, *outputs.shape[several:])
        values = [metric.of(self.aligned(row, labels), labels) for row in rows]
        found = torch.tensor(values, dtype=torch.float64)
        return found.reshape(outputs.shape[:several])

    @abstractmethod
    def targets(self, outputs: Tensor, temperature: float) -> Tensor:
        """What students learn from a teacher's outputs, (n, ...)."""

    @abstractmethod
    def soft_loss(self, outputs: Tensor, targets: Tensor, temperature: float) -> Tensor:
        """What a training on a teacher's targets minimises, for a batch."""

    @abstractmethod
    def parents(self, outputs: Tensor) -> Tensor:
        """The form of a parent's outputs, (n, ...), from which divergences are measured."""

    @abstractmethod
    def divergences_of(self, outputs: Tensor, parents: Tensor) -> Tensor:
        """The divergence of each item: from (..., n, ...) and (n, ...) to (..., n, ...)."""

    def divergence(self, outputs: Tensor, parents: Tensor) -> Tensor:
        """The mean divergence: from (..., n, ...) and `parents` to (...,), float64."""
        each = self.divergences_of(outputs, parents)
        kept = outputs.ndim - parents.ndim
        return each.double().nan_to_num(nan=UNKNOWN, posinf=UNKNOWN).flatten(kept).mean(dim=-1)


class Classes(Task):
    """One class of several: labels are whole numbers, outputs (n, classes, ...)."""

    name = "classes"

    @property
    def text(self) -> str:
        """What measurements depend on; empty for the accuracy."""
        return "" if self.metric is None else super().text

    def checked(self, labels: Tensor) -> Tensor:
        """Whole numbers from 0, int64."""
        if labels.is_floating_point():
            msg = (
                "labels must be integers, the numbers of classes, but they are real numbers "
                f"({labels.dtype}). Whole numbers are converted with labels.astype(int); real "
                "numbers to predict are task='regression'"
            )
            raise DataError(msg)
        if not is_integer(labels):
            msg = f"labels must be integers (n,), these are {labels.dtype} {tuple(labels.shape)}"
            raise DataError(msg)
        return labels.long()

    def groups(self, labels: Tensor) -> Tensor:
        """The classes, where an item has one."""
        return labels if labels.ndim == 1 else _alike(labels)

    def fits(self, outputs: Tensor, labels: Tensor | None) -> bool:
        """Whether outputs have an axis of classes, and the places of labels behind it."""
        if labels is None:
            return outputs.ndim >= 2
        return outputs.ndim == labels.ndim + 1 and outputs.shape[2:] == labels.shape[1:]

    def aligned(self, outputs: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG002
        """Outputs as they are."""
        return outputs

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy."""
        return functional.cross_entropy(outputs, labels)

    def accuracy(self, outputs: Tensor, labels: Tensor, several: int = 0) -> Tensor:  # noqa: ARG002
        """The share of labels that have the largest output."""
        labels = labels.to(outputs.device)
        right = outputs.argmax(dim=-labels.ndim) == labels
        # As a quotient of whole numbers: a mean of floats may differ in its last bit.
        return right.flatten(-labels.ndim).sum(dim=-1).double() / labels.numel()

    def targets(self, outputs: Tensor, temperature: float) -> Tensor:
        """Logarithms of the softened probabilities."""
        return functional.log_softmax(outputs / temperature, dim=1)

    def soft_loss(self, outputs: Tensor, targets: Tensor, temperature: float) -> Tensor:
        """T² KL(teacher || student) of softened probabilities."""
        softened = functional.log_softmax(outputs / temperature, dim=1)
        ours, theirs = (one.movedim(1, -1).flatten(0, -2) for one in (softened, targets))
        # KL(teacher || student); kl_div takes its arguments in the opposite order.
        divergence = functional.kl_div(ours, theirs, log_target=True, reduction="batchmean")
        return temperature**2 * divergence

    def parents(self, outputs: Tensor) -> Tensor:
        """Logarithms of the probabilities."""
        if outputs.ndim < 2 or outputs.shape[1] == 1:
            msg = (
                "the parent has one output, which is no choice between classes; say what it is: "
                "task='regression', or task='labels' for one label that is there or not"
            )
            raise PruneError(msg)
        return outputs.log_softmax(dim=1)

    def divergences_of(self, outputs: Tensor, parents: Tensor) -> Tensor:
        """KL(parent, candidate), in nats, at each place."""
        axis = 1 - parents.ndim
        change = parents - outputs.log_softmax(dim=axis)
        return (parents.exp() * change).sum(dim=axis).clamp(min=0)  # rounding goes below 0


class Labels(Task):
    """Several labels, each there or not: labels are 0 or 1, (n, labels), as are outputs."""

    name = "labels"

    def checked(self, labels: Tensor) -> Tensor:
        """0 and 1 as float32."""
        found = _real(labels)
        if not ((found == 0) | (found == 1)).all():
            raise DataError("for task='labels' each label must be 0 or 1, but some are not")
        return found

    def groups(self, labels: Tensor) -> Tensor:
        """One group."""
        return _alike(labels)

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Binary cross-entropy with logits."""
        return functional.binary_cross_entropy_with_logits(self.aligned(outputs, labels), labels)

    def accuracy(self, outputs: Tensor, labels: Tensor, several: int = 0) -> Tensor:
        """The share of labels that are right, over all items and labels."""
        labels = labels.to(outputs.device)
        right = (outputs.reshape(*outputs.shape[:several], *labels.shape) > 0) == (labels > 0.5)
        return right.flatten(several).sum(dim=-1).double() / labels.numel()

    def targets(self, outputs: Tensor, temperature: float) -> Tensor:
        """Softened probabilities."""
        return (outputs / temperature).sigmoid()

    def soft_loss(self, outputs: Tensor, targets: Tensor, temperature: float) -> Tensor:
        """T² times the binary cross-entropy of softened probabilities."""
        entropy = functional.binary_cross_entropy_with_logits(outputs / temperature, targets)
        return temperature**2 * entropy

    def parents(self, outputs: Tensor) -> Tensor:
        """The outputs as they are."""
        return outputs

    def divergences_of(self, outputs: Tensor, parents: Tensor) -> Tensor:
        """KL(parent, candidate) of each label, in nats, summed over an item's labels."""
        sign = functional.logsigmoid
        there = parents.sigmoid() * (sign(parents) - sign(outputs))
        absent = (-parents).sigmoid() * (sign(-parents) - sign(-outputs))
        return _of_items(there + absent, parents).sum(dim=-1).clamp(min=0)


@dataclass(frozen=True)
class Regression(Task):
    """Real numbers, (n,) or (n, ...), as are outputs."""

    metric: Metric | None = R2

    name = "regression"
    divergences = "share of the variance"

    def checked(self, labels: Tensor) -> Tensor:
        """Finite numbers as float32."""
        found = _real(labels)
        if not torch.isfinite(found).all():
            raise DataError("the labels hold values that are not finite (NaN or infinite)")
        return found

    def groups(self, labels: Tensor) -> Tensor:
        """One group."""
        return _alike(labels)

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Mean squares."""
        return functional.mse_loss(self.aligned(outputs, labels), labels)

    def accuracy(self, outputs: Tensor, labels: Tensor, several: int = 0) -> Tensor:  # noqa: ARG002
        """Real numbers are not right or wrong."""
        raise PruneError("accuracy cannot be measured: the labels are real numbers")

    def targets(self, outputs: Tensor, temperature: float) -> Tensor:  # noqa: ARG002
        """The outputs as they are."""
        return outputs

    def soft_loss(self, outputs: Tensor, targets: Tensor, temperature: float) -> Tensor:  # noqa: ARG002
        """Mean squares."""
        return functional.mse_loss(outputs, targets)

    def parents(self, outputs: Tensor) -> Tensor:
        """The outputs as they are."""
        return outputs

    def divergences_of(self, outputs: Tensor, parents: Tensor) -> Tensor:
        """The mean squared difference, relative to the variance of the parent's outputs."""
        variance = (parents - parents.mean(dim=0)).square().mean()
        each = _of_items((outputs - parents).square(), parents).mean(dim=-1)
        return each / (variance if variance > 0 else 1.0)


CLASSES = Classes()
TASKS: dict[str, type[Task]] = {one.name: one for one in (Classes, Labels, Regression)}
"""Tasks by the names that users give."""


def task_of(labels: Tensor | None, name: str | None, metric: Metric | None) -> Task:
    """The task that labels have.

    Args:
        labels: (n, ...), or None.
        name: One of `TASKS`; None tells by the labels: whole numbers (n,) are classes, 0 and 1 of
            shape (n, labels), as real numbers or booleans, are several labels, and other real
            numbers are regression. Without labels it is classes.
        metric: The user's own; None is the task's.
    """
    if labels is None and metric is not None:
        raise DataError(f"there are no labels, so {metric.name} cannot be measured")
    if name is None:
        name = "classes" if labels is None else _told_by(labels)
    if name not in TASKS:
        raise unknown_name("task", name, TASKS)
    return TASKS[name]() if metric is None else TASKS[name](metric)


def _told_by(labels: Tensor) -> str:
    shape = tuple(labels.shape)
    if is_integer(labels) and labels.ndim != 1:
        msg = (
            f"labels must be integers (n,), these are {labels.dtype} {shape}: say what they are, "
            "task='classes' (a class at each place), 'labels' (each 0 or 1) or 'regression'"
        )
        raise DataError(msg)
    if is_integer(labels):
        return "classes"
    binary = labels.dtype == torch.bool or bool(((labels == 0) | (labels == 1)).all())
    if binary and labels.ndim == 1:
        msg = (
            f"labels must be integers where they are classes, but these are {labels.dtype}, and "
            "all are 0 or 1: give labels.astype(int), or say task='labels' (one label that is "
            "there or not) or task='regression'"
        )
        raise DataError(msg)
    return "labels" if binary else "regression"


def _real(labels: Tensor) -> Tensor:
    """Labels as float32."""
    if labels.is_complex():
        raise DataError("labels must be real numbers, but they are complex")
    return labels.to(torch.float32)


def is_integer(tensor: Tensor) -> bool:
    """Whether the values are whole numbers."""
    return not (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool)


def _of_items(values: Tensor, parents: Tensor) -> Tensor:
    """Values (..., n, ...) as (..., n, values of an item), beside a parent's (n, ...)."""
    return values.reshape(*values.shape[: values.ndim - parents.ndim + 1], -1)


def _alike(labels: Tensor) -> Tensor:
    return torch.zeros(len(labels), dtype=torch.int64, device=labels.device)
