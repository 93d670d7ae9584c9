"""A data set in three parts: images to train on, to search with, and to report on; with labels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import NoneType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from pymoo_prune.data.checks import check_classes, check_dense
from pymoo_prune.data.metrics import Metric
from pymoo_prune.data.packing import Packing
from pymoo_prune.data.tasks import CLASSES, Task
from pymoo_prune.errors import MOST, DataError, check_kind, check_whole
from pymoo_prune.machine import check_memory

LARGEST = 1e9
"""The squares of larger values, added up over images and pixels, are beyond float32."""
ArrayOrTensor: TypeAlias = npt.NDArray[Any] | torch.Tensor


@dataclass(frozen=True, eq=False, repr=False)  # tensors have no single truth value for ==
class Split:
    """One part of a data set.

    Attributes:
        images: (n, channels, height, width), float32, in [0, 1] where the source was uint8; other
            inputs have one axis or more behind n.
        labels: (n,), int64, from 0; None where they are not known. See `task` for other labels.
        task: What the labels mean.
    """

    images: torch.Tensor
    labels: torch.Tensor | None = None
    task: Task = CLASSES

    def __post_init__(self) -> None:
        images = check_dense("images", self.images)
        check_kind("task", self.task, Task, "a Task")
        if images.ndim < 2 or not images.is_floating_point():
            raise DataError(
                "images must be floating-point (n, channels, height, width), and other inputs "
                f"(n, ...), but these are {images.dtype} {tuple(images.shape)}"
            )
        if self.labels is not None:
            if check_dense("labels", self.labels).ndim == 0:
                raise DataError("labels must be (n,), one for each image, but it is one number")
            self.task.checked(self.labels)
            if len(images) != len(self.labels):
                raise DataError(f"{len(images)} images but {len(self.labels)} labels")
        if images.numel() == 0:
            raise DataError(f"there are no images: their shape is {tuple(images.shape)}")
        if not torch.isfinite(images).all():
            raise DataError("the images hold values that are not finite (NaN or infinite)")
        classes = self.labels is not None and not self.labels.is_floating_point()
        if self.labels is not None and classes and self.labels.min() < 0:
            raise DataError(f"labels must be 0 or more, one is {int(self.labels.min())}")

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        shape = "×".join(str(n) for n in self.images.shape[1:])
        return f"Split({len(self):,} images of {shape})"

    def subset(self, indices: ArrayOrTensor | Sequence[int]) -> Split:
        """A copy of some images, in the order of the indices.

        Args:
            indices: (k,) positions, or (n,) booleans.
        """
        chosen = torch.as_tensor(indices, device=self.images.device)
        if chosen.dtype != torch.bool:
            chosen = chosen.long()  # an empty list would be float
        labels = None if self.labels is None else self.labels[chosen]
        return replace(self, images=self.images[chosen], labels=labels)

    @property
    def known_labels(self) -> torch.Tensor:
        """The labels, (n, ...), or an error where they are not known."""
        if self.labels is None:
            raise DataError("these images have no labels, so nothing can be compared with them")
        return self.labels

    @property
    def groups(self) -> torch.Tensor:
        """The groups of a balanced choice, (n,): the classes, or a single one without such."""
        if self.labels is None:
            return torch.zeros(len(self), dtype=torch.int64, device=self.images.device)
        return self.task.groups(self.labels)

    @property
    def are_images(self) -> bool:
        """Whether inputs are images, (n, channels, height, width)."""
        return self.images.ndim == 4

    def resized(self, size: int) -> Split:
        """The same images in size × size pixels; images that shrink are averaged over areas."""
        check_whole("the size of images", size, least=-MOST)
        if size < 1:
            raise DataError(f"images cannot have {size}×{size} pixels")
        if not self.are_images:
            raise DataError(f"only images can be resized, and {self} has none")
        count, channels = self.images.shape[:2]
        check_memory(
            f"{count:,} images of {size:,}×{size:,} pixels", 4 * count * channels * size**2
        )
        images = functional.interpolate(self.images, (size, size), mode="area")
        return replace(self, images=images)

    def to(self, device: torch.device | str) -> Split:
        """The same split on a device."""
        labels = None if self.labels is None else self.labels.to(device)
        return replace(self, images=self.images.to(device), labels=labels)


@dataclass(frozen=True, repr=False, eq=False)
class Data:
    """A data set in three parts.

    Attributes:
        name: Its name in reports.
        train: Networks are trained on it.
        validation: A search measures its candidates on it.
        test: Used once, when a finished network is reported. It may have labels or none, whatever
            the other parts have.
        classes: The number of classes; labels are below it. 0 where nothing says it: without
            labels, the network that is pruned has an output for each class. Also 0 where labels
            are no classes.
        packing: How the network's own inputs lie in `images`, where it has several, or whole
            numbers; None where it takes `images` as they are.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int
    packing: Packing | None = field(default=None, kw_only=True)

    def __repr__(self) -> str:
        shape = "×".join(str(n) for n in self.shape)
        parts = f"{len(self.train):,} to train, {len(self.validation):,} to search"
        about = self.classes_text if self.labelled else "no labels"
        what = "images" if self.train.are_images else "inputs"
        return (
            f"Data({self.name!r}: {what} of {shape}, {parts}, {len(self.test):,} to test; {about})"
        )

    def __post_init__(self) -> None:
        check_kind("name", self.name, str, "a text")
        check_classes(self.classes)
        check_kind("packing", self.packing, (Packing, NoneType), "a Packing, or None")
        for part in ("train", "validation", "test"):
            check_kind(part, getattr(self, part), Split, "a Split")
        if (self.train.labels is None) != (self.validation.labels is None):
            raise DataError(
                f"{self.name}: train and validation images must both have labels, or neither"
            )
        for part in ("train", "validation", "test"):
            split: Split = getattr(self, part)
            highest = max(abs(float(end)) for end in split.images.detach().aminmax())
            if highest > LARGEST:
                raise DataError(
                    f"{self.name} has {part} images with values as large as {highest:.2g}: scale "
                    f"them to at most {LARGEST:g}, better to about 1"
                )
            if split.task != self.task:
                raise DataError(f"{self.name}: {part} and train images must have the same task")
            if self.task.metric is not None and (split.labels is None) != (not self.labelled):
                raise DataError(
                    f"{self.name}: networks are judged by {self.task.judge}, so all parts must "
                    "have labels, or none"
                )
            known = self.task.name == "classes" and split.labels is not None
            largest = int(split.known_labels.max()) if known else -1
            if largest >= self.classes and (self.classes or self.labelled) and known:
                raise DataError(
                    f"{self.name}: a {part} label is {largest}, but with {self.classes} classes "
                    f"the largest is {self.classes - 1}"
                )
            if (shape := tuple(split.images.shape[1:])) != self.shape:
                raise DataError(
                    f"{self.name}: {part} images are {shape}, train images {self.shape}; "
                    "(channels, height, width) must be the same"
                )

    @property
    def labelled(self) -> bool:
        """Whether training and validation images have labels."""
        return self.train.labels is not None

    @property
    def task(self) -> Task:
        """What the labels mean."""
        return self.train.task

    def judged_by(self, metric: Metric) -> Data:
        """The same data, on which a metric of the user's says how good networks are.

        Args:
            metric: It takes the place of the accuracy.
        """
        if not self.labelled:
            raise DataError(f"{self.name} has no labels, so {metric.name} cannot be measured")
        task = replace(self.task, metric=metric)
        parts = (self.train, self.validation, self.test)
        train, validation, test = (replace(part, task=task) for part in parts)
        return replace(self, train=train, validation=validation, test=test)

    def takes(self, outputs: int) -> bool:
        """Whether a network with this many outputs has one for each class, or for each label."""
        labels = self.test.labels if self.train.labels is None else self.train.labels
        if self.task.name != "classes":
            return labels is None or outputs == labels[0].numel()
        if self.classes:
            return outputs == self.classes
        return outputs > (0 if labels is None else int(labels.max()))

    def fits(self, outputs: torch.Tensor) -> bool:
        """Whether a network's outputs for the first training images can be compared with labels.

        Args:
            outputs: (k, ...).
        """
        labels = self.train.labels
        if not self.task.fits(outputs, None if labels is None else labels[: len(outputs)]):
            return False
        return self.task.name != "classes" or self.takes(outputs.shape[1])

    @property
    def classes_text(self) -> str:
        """What `takes` asks for, in words."""
        if self.task.name != "classes" and self.train.labels is not None:
            shape = tuple(self.train.labels.shape[1:])
            what = "real numbers" if self.task.name == "regression" else "labels of 0 or 1"
            return f"{what} of shape {shape}" if shape else "a real number each"
        if self.classes:
            return f"{self.classes} classes"
        labels = self.test.labels
        return "no labels" if labels is None else f"test labels up to {int(labels.max())}"

    @property
    def shape(self) -> tuple[int, ...]:
        """One image: channels, height and width; or one input of another shape."""
        return tuple(self.train.images.shape[1:])

    def check_images(self, what: str) -> None:
        """Refuses what only images can have.

        Args:
            what: What needs images, with a verb: "networks of the zoo need".
        """
        if not self.train.are_images:
            raise DataError(
                f"{what} images, (channels, height, width), but inputs of {self.name} are "
                f"{self.shape}"
            )

    @property
    def channels(self) -> int:
        """The number of colour channels."""
        self.check_images("only images have channels: a network by name needs")
        return self.shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        self.check_images("only images have a height and a width: a network by name needs")
        return self.shape[1], self.shape[2]

    @cached_property
    def digest(self) -> str:
        """A hash of all images and labels; equal data has an equal hash on every machine."""
        hasher = hashlib.blake2b(digest_size=16)
        hasher.update(self.task.text.encode())
        hasher.update(b"" if self.packing is None else repr(self.packing).encode())
        for split in (self.train, self.validation, self.test):
            for tensor in (split.images, split.labels):
                if tensor is None:
                    continue
                hasher.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
                hasher.update(tensor.detach().cpu().contiguous().flatten().numpy().data)
        return hasher.hexdigest()

    def to(self, device: torch.device | str) -> Data:
        """The same data on a device."""
        return replace(
            self,
            train=self.train.to(device),
            validation=self.validation.to(device),
            test=self.test.to(device),
        )


def hold_out(split: Split, count: int, *, part: str, seed: int) -> tuple[Split, Split]:
    """Takes images out of a split, from each class in proportion; no class loses its last image.

    Args:
        split: The images to choose from.
        count: The number of images to take out.
        part: What the taken images are for; errors say it.
        seed: Chooses the images.

    Returns:
        The images that stay and the images taken out, both in their old order.
    """
    _, classes, sizes = np.unique(
        split.groups.cpu().numpy(), return_inverse=True, return_counts=True
    )
    if count > (most := len(split) - len(sizes)):
        raise DataError(
            f"the {part} part cannot have {count} of {len(split)} images: one of each of the "
            f"{len(sizes)} classes must stay to train on, so {most} is the most"
        )
    taken, claims = sizes * count // len(split), sizes * count % len(split)
    while taken.sum() < count:  # largest remainders first
        neediest = np.where(taken < sizes - 1, claims, -np.inf).argmax()
        taken[neediest] += 1
        claims[neediest] -= len(split)
    generator = np.random.default_rng(seed)
    held = np.zeros(len(split), dtype=bool)
    for index, number in enumerate(taken):
        held[generator.permutation(np.flatnonzero(classes == index))[:number]] = True
    return split.subset(~held), split.subset(held)
