"""Cuts arrays into the three parts of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from types import NoneType

import numpy as np
import torch

from pymoo_prune.data.checks import check_classes, check_dense
from pymoo_prune.data.metrics import Metric
from pymoo_prune.data.packing import Packing
from pymoo_prune.data.splits import ArrayOrTensor, Data, Split, hold_out
from pymoo_prune.data.tasks import Task, task_of
from pymoo_prune.errors import DataError, PruneError, check_kind, check_whole, shown

TEST_SHARE = 0.2
NAMED = 5
"""Missing labels that a message names."""
TEST_SEED = 0  # fixed: every run must report on the same test images


@dataclass(frozen=True)
class Parting:
    """How arrays become a data set; see `data_from_arrays` for the attributes."""

    name: str
    validation: float | None
    seed: int
    classes: int | None
    task: str | None
    metric: Metric | None

    def __post_init__(self) -> None:
        check_kind("name", self.name, str, "a text")
        check_whole("seed", self.seed)
        share = isinstance(self.validation, Real) and not isinstance(self.validation, bool)
        if self.validation is not None and not share:
            msg = f"validation must be a share or a number, but it is {shown(self.validation)}"
            raise PruneError(msg)
        if self.classes is not None:
            check_classes(self.classes)
        check_kind("task", self.task, (str, NoneType), "a text, or None")
        check_kind("metric", self.metric, (Metric, NoneType), "a Metric, or None")


def in_parts(
    images: torch.Tensor,
    labels: ArrayOrTensor | None,
    test_images: torch.Tensor | None,
    test_labels: ArrayOrTensor | None,
    *,
    parting: Parting,
    packing: Packing | None = None,
) -> Data:
    """A data set from inputs, (n, ...) and real numbers, and labels.

    Args:
        images: The inputs, which may be changed.
        labels: (n, ...), or None.
        test_images: As `images`; None takes a fifth of them.
        test_labels: As `labels`.
        parting: How they become a data set.
        packing: How the network's own inputs lie in them.
    """
    targets = None if labels is None else as_tensor(labels)
    tested = None if test_labels is None else as_tensor(test_labels)
    known = tested if targets is None else targets
    task = task_of(known, parting.task, parting.metric)
    train = _split(images, targets, task)
    alone = test_labels is None and labels is None
    if test_images is not None and (test_labels is not None or alone):
        test = _split(test_images, tested, task)
    elif test_images is None and test_labels is None:
        count = max(1, round(TEST_SHARE * len(train)))
        train, test = hold_out(train, count, part="test", seed=TEST_SEED)
    else:
        raise DataError("test images and test labels go together; only one of them was given")
    classes = parting.classes
    if classes is None:
        classes = 0
        if train.labels is not None and test.labels is not None and task.name == "classes":
            both = (train.labels.flatten(), test.labels.flatten())
            classes = _number_of_classes(torch.cat(both))
    count = _validation_count(parting.validation, len(train))
    train, held = hold_out(train, count, part="validation", seed=parting.seed)
    return Data(parting.name, train, held, test, classes, packing=packing)


def _split(images: torch.Tensor, labels: torch.Tensor | None, task: Task) -> Split:
    return Split(images, None if labels is None else task.checked(labels), task)


def as_tensor(array: ArrayOrTensor) -> torch.Tensor:
    """A contiguous copy, so that results do not depend on the source's strides."""
    if isinstance(array, torch.Tensor):
        return check_dense("data", array).detach().clone(memory_format=torch.contiguous_format)
    try:
        copy = np.array(array, order="C")
        return torch.from_numpy(copy.astype(copy.dtype.newbyteorder("="), copy=False))
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise DataError(f"not an array of numbers: {error}") from error


def _number_of_classes(labels: torch.Tensor) -> int:
    """The largest label plus one; an error where a label below it has no image."""
    classes, there = 1 + int(labels.max()), labels.unique()
    if missing := classes - len(there):
        # The first gaps are among as many numbers; labels may be very large.
        first = set(range(min(classes, len(there) + NAMED))) - set(there.tolist())
        few = ", ".join(str(label) for label in sorted(first)[:NAMED])
        more = f" and {missing - NAMED} more" if missing > NAMED else ""
        raise DataError(
            f"labels are {int(labels.min())} to {int(labels.max())}, but no image has label {few}"
            f"{more}: number the classes from 0 without gaps, for example with "
            f"np.unique(labels, return_inverse=True)[1], or say classes={classes} if that is meant"
        )
    return classes


def _validation_count(validation: float | None, images: int) -> int:
    """The number of training images to take for validation."""
    if validation is None:
        # A search on too few images overfits to them, so small sets give a third.
        count = max(1, round(images / 6), min(500, round(images / 3)))
    elif isinstance(validation, Integral):
        count = int(validation)
    else:
        count = round(validation * images) if 0 < validation < 1 else 0
    if not 1 <= count < images:
        raise PruneError(
            f"validation={shown(validation)} of {images} training images is not possible: give a "
            f"share between 0 and 1 (a float) or a number of images from 1 to {images - 1}"
        )
    return count
