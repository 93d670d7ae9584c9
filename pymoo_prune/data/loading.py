"""Loads data sets: by name, from arrays, or from a folder of images; and splits them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pymoo_prune.data.files import (
    NPZ,
    find_images,
    has_array,
    read_cifar,
    read_digits,
    read_images,
    read_mnist,
    read_npz,
)
from pymoo_prune.data.inputs import data_from_inputs
from pymoo_prune.data.metrics import Metric
from pymoo_prune.data.names import DATA_SETS
from pymoo_prune.data.parts import Parting, as_tensor, in_parts
from pymoo_prune.data.splits import ArrayOrTensor, Data
from pymoo_prune.errors import (
    DataError,
    PruneError,
    check_kind,
    check_path,
    check_whole,
    unknown_name,
)
from pymoo_prune.machine import check_memory


def load_data(
    name: str | Path,
    *,
    root: str | Path | None = None,
    download: bool = False,
    validation: float | None = None,
    seed: int = 0,
) -> Data:
    """Loads a data set by its name.

    Args:
        name: One of `DATA_SETS`, a folder for `data_from_folder`, or a file for `data_from_npz`.
        root: The folder of data sets; default $PYMOO_PRUNE_DATA, else ~/.cache/pymoo-prune/data.
        download: Whether a missing data set may be downloaded into root.
        validation: A share (float) or a number (int) of the training images. Default: 500
            images, but at least a sixth of them and at most a third.
        seed: Chooses the validation images.

    Returns:
        The data set; its test part does not depend on the seed.

    Raises:
        PruneError: The name is unknown.
        DataError: The data set is missing or damaged.
    """
    if not isinstance(name, str) or name not in DATA_SETS:
        name = str(check_path("data", name))
    check_kind("download", download, bool, "True or False")
    if name not in DATA_SETS:
        return _from_path(name, validation, seed)
    folder = Path(os.environ.get("PYMOO_PRUNE_DATA") or "~/.cache/pymoo-prune/data")
    if root is not None and not (isinstance(root, str) and not root):
        folder = check_path("root", root)
    arrays: Sequence[ArrayOrTensor]
    if name == "digits":
        arrays = read_digits()
    elif name.startswith("cifar"):
        arrays = read_cifar(name, folder.expanduser(), download=download)
    else:
        arrays = read_mnist(name, folder.expanduser(), download=download)
    classes = 100 if name == "cifar100" else 10
    return data_from_arrays(*arrays, validation=validation, name=name, seed=seed, classes=classes)


def _from_path(name: str, validation: float | None, seed: int) -> Data:
    path = Path(name)
    if path.is_dir():
        return data_from_folder(name, size=None, validation=validation, seed=seed)
    if path.is_file():
        return data_from_npz(name, validation=validation, seed=seed)
    if len(path.parts) > 1 or path.suffix == NPZ:
        msg = f"data {name}: there is no such file or folder"
        raise PruneError(msg)
    raise unknown_name("data set", name, DATA_SETS)


def data_from_npz(
    path: str | Path, *, validation: float | None = None, seed: int = 0, classes: int | None = None
) -> Data:
    """Reads arrays from a file that `numpy.savez` wrote, by their names.

    Args:
        path: Has `images` and `labels`, and may have `test_images` and `test_labels`; each as
            `data_from_arrays` takes it. `labels` may be missing where no other array could be them.
            With `inputs` and `test_inputs` in place of images, as `data_from_inputs` takes them.
        validation: As for `data_from_arrays`.
        seed: As for `data_from_arrays`.
        classes: As for `data_from_arrays`.
    """
    path = check_path("path", path)
    inputs = has_array(path, "inputs")
    what, make = ("inputs", data_from_inputs) if inputs else ("images", data_from_arrays)
    arrays: dict[str, Any] = dict(
        read_npz(
            path,
            needed=(what, "labels"),
            more=(f"test_{what}", "test_labels"),
            missing=("labels",),
        )
    )
    try:
        return make(**arrays, validation=validation, name=str(path), seed=seed, classes=classes)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def data_from_arrays(
    images: ArrayOrTensor,
    labels: ArrayOrTensor | None = None,
    test_images: ArrayOrTensor | None = None,
    test_labels: ArrayOrTensor | None = None,
    *,
    validation: float | None = None,
    name: str = "arrays",
    seed: int = 0,
    classes: int | None = None,
    task: str | None = None,
    metric: Metric | None = None,
) -> Data:
    """Makes a data set from arrays of images; it copies them.

    Args:
        images: (n[, channels], height, width), uint8 (divided by 255) or floating-point (kept).
            Other inputs are for `data_from_inputs`.
        labels: (n,), integers from 0; see `task` for others. None where they are not known: a
            search then measures how far networks are from their parent.
        test_images: As `images`; without them a fixed fifth of the images is the test part.
        test_labels: As `labels`; they go with `test_images`, and may be missing where `labels` are.
        validation: A share (float) or a number (int) of the training images. Default: 500
            images, but at least a sixth of them and at most a third.
        name: The data set's name in reports.
        seed: Chooses the validation images.
        classes: The number of classes; default the largest label plus one, or, without labels, as
            many as the network has outputs.
        task: What labels mean: "classes" (whole numbers), "labels" (0 or 1, (n, labels)) or
            "regression" (real numbers, (n,) or (n, ...)). None tells by the labels.
        metric: Says how good networks are, in place of the accuracy, or of R² for regression.

    Returns:
        The data set; validation and test images are taken from each class in proportion, or at
        random where there are no labels.
    """
    return in_parts(
        _as_images(images),
        labels,
        None if test_images is None else _as_images(test_images),
        test_labels,
        parting=Parting(name, validation, seed, classes, task, metric),
    )


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
        size: Resize to this height and width; None if all images have one size already.
        channels: 1 (grey) or 3 (colour).
        validation: A share (float) or a number (int) of the training images. Default: 500
            images, but at least a sixth of them and at most a third.
        seed: Chooses the validation images.

    Returns:
        The data set; classes are numbered in the order of their folders' names.
    """
    path = check_path("path", path)
    check_whole("size", size, least=1, none=True)
    check_whole("channels", channels, least=1, most=3)
    if channels == 2:
        raise DataError(f"channels={channels}, size={size}: channels is 1 or 3, size at least 1")
    train, test = Path(path, "train"), Path(path, "test")
    has_parts = train.is_dir() and any(entry.is_dir() for entry in train.iterdir())
    if has_parts:
        _check_parts(Path(path))
    names, samples = find_images(train if has_parts else Path(path))
    count = len(samples)
    if has_parts:
        test_names, test_samples = find_images(test)
        if test_names != names:
            raise DataError(f"{train} has the classes {names}, but {test} has {test_names}")
        samples += test_samples
    if size is not None:
        what = f"{len(samples):,} images of {size:,}×{size:,} pixels"
        check_memory(what, 5 * len(samples) * size**2 * channels)  # as bytes, and as real numbers
    images = read_images([file for file, _ in samples], size, channels)
    labels = np.array([label for _, label in samples])
    arrays = [images[:count], labels[:count]]
    if has_parts:
        arrays += [images[count:], labels[count:]]
    return data_from_arrays(
        *arrays, validation=validation, name=str(path), seed=seed, classes=len(names)
    )


def _check_parts(folder: Path) -> None:
    """Refuses folders beside train and test: images are not left out in silence."""
    more = sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.is_dir() and entry.name not in {"train", "test"} and entry.name[0] != "."
    )
    if more:
        raise DataError(
            f"{folder} has the folder {more[0]} beside train and test; validation images are taken "
            "from train, so move its images there, or move the folder away"
        )


def _as_images(images: ArrayOrTensor) -> torch.Tensor:
    """A copy of images, (n[, channels], height, width), with channels and as real numbers."""
    pixels = as_tensor(images)
    if pixels.dtype != torch.uint8 and not pixels.is_floating_point():
        raise DataError(f"images must be uint8 or floating-point, these are {pixels.dtype}")
    if pixels.ndim not in {3, 4}:
        raise DataError(
            "images must be (n, height, width) or (n, channels, height, width), these are "
            f"{tuple(pixels.shape)}; tables, time series and other inputs are for "
            "data_from_inputs, and a single image needs an axis in front, images[None]"
        )
    if pixels.ndim == 4 and _has_channels_last(*pixels.shape[1:]):
        raise DataError(
            f"these images are {tuple(pixels.shape)}, which looks like (n, height, width, "
            "channels); they must be (n, channels, height, width): give "
            "images.transpose(0, 3, 1, 2)"
        )
    pixels = pixels.to(torch.float32).div_(255 if pixels.dtype == torch.uint8 else 1)
    return pixels.unsqueeze(1) if pixels.ndim == 3 else pixels


def _has_channels_last(first: int, second: int, last: int) -> bool:
    """Whether a shape looks like (height, width, channels).

    One channel is one only behind a square: series may have the shape (channels, length, 1).
    """
    large = min(first, second) > 4
    return large and (last in {3, 4} or (last == 1 and first == second))
