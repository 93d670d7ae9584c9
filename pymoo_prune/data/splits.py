"""A data set in three parts: images to train on, to search with, and to report on; with labels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from pymoo_prune.errors import DataError

ArrayOrTensor: TypeAlias = npt.NDArray[Any] | torch.Tensor


@dataclass(frozen=True, eq=False, repr=False)  # tensors have no single truth value for ==
class Split:
    """One part of a data set.

    Attributes:
        images: (n, channels, height, width), float32, in [0, 1] where the source was uint8.
        labels: (n,), int64, from 0; None where they are not known.
    """

    images: torch.Tensor
    labels: torch.Tensor | None = None

    def __post_init__(self) -> None:
        images = self.images
        if images.ndim != 4 or not images.is_floating_point():
            raise DataError(
                "images must be floating-point (n, channels, height, width), "
                f"these are {images.dtype} {tuple(images.shape)}"
            )
        if self.labels is not None:
            _check_labels(self.labels, len(images))
        if images.numel() == 0:
            raise DataError(f"there are no images: their shape is {tuple(images.shape)}")
        if not torch.isfinite(images).all():
            raise DataError("the images hold values that are not finite (NaN or infinite)")
        if self.labels is not None and self.labels.min() < 0:
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
        return Split(self.images[chosen], labels)

    @property
    def known_labels(self) -> torch.Tensor:
        """The labels, (n,), or an error where they are not known."""
        if self.labels is None:
            raise DataError("these images have no labels, so nothing can be compared with them")
        return self.labels

    @property
    def groups(self) -> torch.Tensor:
        """The groups of a balanced choice, (n,): the classes, or a single one without labels."""
        if self.labels is None:
            return torch.zeros(len(self), dtype=torch.int64, device=self.images.device)
        return self.labels

    def resized(self, size: int) -> Split:
        """The same images in size × size pixels; images that shrink are averaged over areas."""
        if size < 1:
            raise DataError(f"images cannot have {size}×{size} pixels")
        images = functional.interpolate(self.images, (size, size), mode="area")
        return Split(images, self.labels)

    def to(self, device: torch.device | str) -> Split:
        """The same split on a device."""
        labels = None if self.labels is None else self.labels.to(device)
        return Split(self.images.to(device), labels)


def _check_labels(labels: torch.Tensor, images: int) -> None:
    """Refuses labels that are no whole numbers, or not one for each image."""
    if labels.ndim != 1 or not is_integer(labels):
        raise DataError(
            f"labels must be integers (n,), these are {labels.dtype} {tuple(labels.shape)}"
        )
    if images != len(labels):
        raise DataError(f"{images} images but {len(labels)} labels")


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
            labels, the network that is pruned has an output for each class.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int

    def __repr__(self) -> str:
        shape = "×".join(str(n) for n in self.shape)
        parts = f"{len(self.train):,} to train, {len(self.validation):,} to search"
        about = f"{self.classes} classes" if self.labelled else "no labels"
        return (
            f"Data({self.name!r}: images of {shape}, {parts}, {len(self.test):,} to test; {about})"
        )

    def __post_init__(self) -> None:
        if (self.train.labels is None) != (self.validation.labels is None):
            raise DataError(
                f"{self.name}: train and validation images must both have labels, or neither"
            )
        for part in ("train", "validation", "test"):
            split: Split = getattr(self, part)
            largest = -1 if split.labels is None else int(split.labels.max())
            if largest >= self.classes and (self.classes or self.labelled):
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

    def takes(self, outputs: int) -> bool:
        """Whether a network with this many outputs has one for each class."""
        if self.classes:
            return outputs == self.classes
        labels = self.test.labels
        return outputs > (0 if labels is None else int(labels.max()))

    @property
    def classes_text(self) -> str:
        """What `takes` asks for, in words."""
        if self.classes:
            return f"{self.classes} classes"
        labels = self.test.labels
        return "no labels" if labels is None else f"test labels up to {int(labels.max())}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        _, channels, height, width = self.train.images.shape
        return channels, height, width

    @property
    def channels(self) -> int:
        """The number of colour channels."""
        return self.shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.shape[1:]

    @cached_property
    def digest(self) -> str:
        """A hash of all images and labels; equal data has an equal hash on every machine."""
        hasher = hashlib.blake2b(digest_size=16)
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


def is_integer(tensor: torch.Tensor) -> bool:
    """Whether the values are whole numbers."""
    return not (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool)


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
