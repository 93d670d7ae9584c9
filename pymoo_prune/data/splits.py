"""A data set in three parts: images and labels to train on, to search with, and to report on."""

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
        labels: (n,), int64, from 0.
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.ndim != 4 or not images.is_floating_point():
            raise DataError(
                "images must be floating-point (n, channels, height, width), "
                f"these are {images.dtype} {tuple(images.shape)}"
            )
        if labels.ndim != 1 or not is_integer(labels):
            raise DataError(
                f"labels must be integers (n,), these are {labels.dtype} {tuple(labels.shape)}"
            )
        if len(images) != len(labels):
            raise DataError(f"{len(images)} images but {len(labels)} labels")
        if images.numel() == 0:
            raise DataError(f"there are no images: their shape is {tuple(images.shape)}")
        if not torch.isfinite(images).all():
            raise DataError("the images hold values that are not finite (NaN or infinite)")
        if labels.min() < 0:
            raise DataError(f"labels must be 0 or more, one is {int(labels.min())}")

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        shape = "×".join(str(n) for n in self.images.shape[1:])
        return f"Split({len(self):,} images of {shape})"

    def subset(self, indices: ArrayOrTensor | Sequence[int]) -> Split:
        """A copy of some images, in the order of the indices.

        Args:
            indices: (k,) positions, or (n,) booleans.
        """
        chosen = torch.as_tensor(indices, device=self.labels.device)
        if chosen.dtype != torch.bool:
            chosen = chosen.long()  # an empty list would be float
        return Split(self.images[chosen], self.labels[chosen])

    def resized(self, size: int) -> Split:
        """The same images in size × size pixels; images that shrink are averaged over areas."""
        if size < 1:
            raise DataError(f"images cannot have {size}×{size} pixels")
        images = functional.interpolate(self.images, (size, size), mode="area")
        return Split(images, self.labels)

    def to(self, device: torch.device | str) -> Split:
        """The same split on a device."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True, repr=False, eq=False)
class Data:
    """A data set in three parts.

    Attributes:
        name: Its name in reports.
        train: Networks are trained on it.
        validation: A search measures its candidates on it.
        test: Used once, when a finished network is reported.
        classes: The number of classes; labels are below it.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int

    def __repr__(self) -> str:
        shape = "×".join(str(n) for n in self.shape)
        parts = f"{len(self.train):,} to train, {len(self.validation):,} to search"
        return (
            f"Data({self.name!r}: images of {shape}, {parts}, {len(self.test):,} to test; "
            f"{self.classes} classes)"
        )

    def __post_init__(self) -> None:
        for part in ("train", "validation", "test"):
            split: Split = getattr(self, part)
            if (largest := int(split.labels.max())) >= self.classes:
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
        split.labels.cpu().numpy(), return_inverse=True, return_counts=True
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
