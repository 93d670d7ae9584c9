"""Images and labels in three parts: one to train on, one to search with, one to report."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from pymoo_prune.data.files import find_images, read_cifar, read_digits, read_images, read_mnist
from pymoo_prune.errors import DataError, PruneError, unknown_name

Array: TypeAlias = npt.NDArray[Any] | torch.Tensor

DATA_SETS = {
    "digits": "handwritten digits, 1,797 grey 8×8 images, 10 classes (comes with scikit-learn)",
    "fashion-mnist": "Zalando's clothes, 70,000 grey 28×28 images, 10 classes",
    "mnist": "handwritten digits, 70,000 grey 28×28 images, 10 classes",
    "cifar10": "photographs, 60,000 colour 32×32 images, 10 classes",
    "cifar100": "photographs, 60,000 colour 32×32 images, 100 classes",
}
TEST_SHARE = 0.2
TEST_SEED = 0  # never the caller's: every run must report on the same test images


@dataclass(frozen=True, eq=False)  # tensors have no single truth value for ==
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
        if labels.ndim != 1 or not _is_integer(labels):
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

    def subset(self, indices: Array | Sequence[int]) -> Split:
        """A copy of some images, in the order of the indices.

        Args:
            indices: (k,) positions, or (n,) booleans.
        """
        chosen = torch.as_tensor(indices, device=self.labels.device)
        if chosen.dtype != torch.bool:
            chosen = chosen.long()  # an empty list would be float
        return Split(self.images[chosen], self.labels[chosen])

    def resized(self, size: int) -> Split:
        """The same images with so many pixels each way: means over areas, where they shrink."""
        if size < 1:
            raise DataError(f"images cannot have {size}×{size} pixels")
        images = functional.interpolate(self.images, (size, size), mode="area")
        return Split(images, self.labels)

    def to(self, device: torch.device | str) -> Split:
        """The same part on a device."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True, eq=False)
class Data:
    """A data set.

    Attributes:
        name: What it is called in reports.
        train: What networks are trained on.
        validation: What a search may see.
        test: Touched once, when a finished network is reported.
        classes: The number of classes; labels are below it.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int

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
        """A hash of all images and labels: the same wherever the same data is used."""
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


def load_data(
    name: str,
    *,
    root: str | Path | None = None,
    download: bool = False,
    validation: float | None = None,
    seed: int = 0,
) -> Data:
    """Loads a data set by its name.

    Args:
        name: One of `DATA_SETS`, or a folder for `data_from_folder`.
        root: Where data sets lie; default $PYMOO_PRUNE_DATA, else ~/.cache/pymoo-prune/data.
        download: Whether a missing data set may be downloaded into root.
        validation: Share (float) or number (int) of the training images; default a sixth,
            or of small sets up to 500, but no more than a third.
        seed: Chooses the validation images.

    Returns:
        The data set; its test part does not depend on the seed.

    Raises:
        PruneError: The name is unknown.
        DataError: The data set is missing or damaged.
    """
    if name not in DATA_SETS:
        if Path(name).is_dir():
            return data_from_folder(name, size=None, validation=validation, seed=seed)
        raise unknown_name("data set", name, DATA_SETS)
    folder = Path(root or os.environ.get("PYMOO_PRUNE_DATA") or "~/.cache/pymoo-prune/data")
    arrays: Sequence[Array]
    if name == "digits":
        arrays = read_digits()
    elif name.startswith("cifar"):
        arrays = read_cifar(name, folder.expanduser(), download=download)
    else:
        arrays = read_mnist(name, folder.expanduser(), download=download)
    classes = 100 if name == "cifar100" else 10
    return data_from_arrays(*arrays, validation=validation, name=name, seed=seed, classes=classes)


def data_from_arrays(
    images: Array,
    labels: Array,
    test_images: Array | None = None,
    test_labels: Array | None = None,
    *,
    validation: float | None = None,
    name: str = "arrays",
    seed: int = 0,
    classes: int | None = None,
) -> Data:
    """Makes a data set of arrays, which are copied.

    Args:
        images: (n[, channels], height, width), uint8 (divided by 255) or floating-point (kept).
        labels: (n,), integers from 0.
        test_images: Like images; without them a fixed fifth of the images is the test part.
        test_labels: Like labels.
        validation: Share (float) or number (int) of the training images; default a sixth,
            or of small sets up to 500, but no more than a third.
        name: What the data set is called in reports.
        seed: Chooses the validation images.
        classes: The number of classes; default the largest label plus one.

    Returns:
        The data set, validation and test split off evenly over the classes.
    """
    train = _as_split(images, labels)
    if test_images is not None and test_labels is not None:
        test = _as_split(test_images, test_labels)
    elif test_images is None and test_labels is None:
        count = max(1, round(TEST_SHARE * len(train)))
        train, test = _hold_out(train, count, part="test", seed=TEST_SEED)
    else:
        raise DataError("test images and test labels go together; only one of them was given")
    if classes is None:
        classes = 1 + max(int(split.labels.max()) for split in (train, test))
    count = _validation_count(validation, len(train))
    train, held = _hold_out(train, count, part="validation", seed=seed)
    return Data(name, train, held, test, classes)


def data_from_folder(
    path: str | Path,
    *,
    size: int | None,
    channels: int = 3,
    validation: float | None = None,
    seed: int = 0,
) -> Data:
    """Reads image files from PATH/class/, or from PATH/train/class/ and PATH/test/class/.

    Args:
        path: The folder; without train and test in it, a fixed fifth is the test part.
        size: Height and width to resize to; None when all images already have one size.
        channels: 1 (grey) or 3 (colour).
        validation: Share (float) or number (int) of the training images; default a sixth,
            or of small sets up to 500, but no more than a third.
        seed: Chooses the validation images.

    Returns:
        The data set; classes are numbered in the order of their folders' names.
    """
    if channels not in {1, 3} or (size is not None and size < 1):
        raise DataError(f"channels={channels}, size={size}: channels is 1 or 3, size at least 1")
    train, test = Path(path, "train"), Path(path, "test")
    has_parts = train.is_dir() and any(entry.is_dir() for entry in train.iterdir())
    names, samples = find_images(train if has_parts else Path(path))
    count = len(samples)
    if has_parts:
        test_names, test_samples = find_images(test)
        if test_names != names:
            raise DataError(f"{train} has the classes {names}, but {test} has {test_names}")
        samples += test_samples
    images = read_images([file for file, _ in samples], size, channels)
    labels = np.array([label for _, label in samples])
    arrays = [images[:count], labels[:count]]
    if has_parts:
        arrays += [images[count:], labels[count:]]
    return data_from_arrays(
        *arrays, validation=validation, name=str(path), seed=seed, classes=len(names)
    )


def _is_integer(tensor: torch.Tensor) -> bool:
    return not (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool)


def _as_split(images: Array, labels: Array) -> Split:
    """A part of copies of (n[, channels], height, width) images and (n,) labels."""
    pixels, targets = _as_tensor(images), _as_tensor(labels)
    if pixels.dtype != torch.uint8 and not pixels.is_floating_point():
        raise DataError(f"images must be uint8 or floating-point, these are {pixels.dtype}")
    pixels = pixels.to(torch.float32).div_(255 if pixels.dtype == torch.uint8 else 1)
    return Split(
        pixels.unsqueeze(1) if pixels.ndim == 3 else pixels,
        targets.long() if _is_integer(targets) else targets,
    )


def _as_tensor(array: Array) -> torch.Tensor:
    """A copy, contiguous whatever the source's strides: results may not depend on them."""
    if isinstance(array, torch.Tensor):
        return array.detach().clone(memory_format=torch.contiguous_format)
    try:
        return torch.from_numpy(np.array(array, order="C"))
    except (TypeError, ValueError) as error:
        raise DataError(f"not an array of numbers: {error}") from error


def _validation_count(validation: float | None, images: int) -> int:
    """How many of the training images are for validation."""
    if validation is None:
        # A search on too few images finds what is good on these: small sets give a third.
        count = max(1, round(images / 6), min(500, round(images / 3)))
    elif isinstance(validation, float):
        count = round(validation * images) if 0 < validation < 1 else 0
    else:
        count = validation
    if not 1 <= count < images:
        raise PruneError(
            f"validation={validation} of {images} training images cannot be: give a share "
            f"between 0 and 1 (a float) or a number of images from 1 to {images - 1}"
        )
    return count


def _hold_out(split: Split, count: int, *, part: str, seed: int) -> tuple[Split, Split]:
    """The rest, and count images in proportion to the classes; both keep their order."""
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
