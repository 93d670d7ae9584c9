"""Finds the files of data sets, checks them, and reads them into arrays."""

from __future__ import annotations

import gzip
import struct
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from pymoo_prune.errors import DataError, PruneError

Pixels: TypeAlias = npt.NDArray[Any]

DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
NPZ = ".npz"
WORDS = ("image", "input", "label", "target", "test", "train", "valid")
"""An array whose name has one of these is meant to count."""
IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
FIRST_LABELS = {
    "mnist": (5, 0, 4, 1, 9, 2, 1, 3, 1, 4),
    "fashion-mnist": (9, 0, 0, 3, 0, 2, 7, 2, 5, 5),
}
"""Of the training images: the two data sets have files of the same names and sizes."""


def _missing(name: str, files: Sequence[str], folders: Sequence[Path]) -> DataError:
    debian = " or apt-get install dataset-fashion-mnist" if name == "fashion-mnist" else ""
    return DataError(
        f"{name} was not found: looked for {', '.join(files)} in "
        f"{', '.join(map(str, folders))}. To fetch it: --download on the command line, "
        f"download=True in Python{debian}. $PYMOO_PRUNE_DATA may name another folder."
    )


def _damaged(path: Path, expected: str) -> DataError:
    return DataError(f"{path} is damaged: {expected}. Delete it and fetch it again.")


def _torchvision() -> Any:
    """Torchvision's data sets; imported late because that takes seconds."""
    from torchvision import datasets  # noqa: PLC0415

    return datasets


def _download(kind: Any, root: Path) -> None:
    try:
        kind(root, download=True)
    except (OSError, RuntimeError) as error:
        raise DataError(f"{kind.__name__} could not be downloaded into {root}: {error}") from error


def read_digits() -> tuple[Pixels, Pixels]:
    """Images (1797, 8, 8) in [0, 1] and labels (1797,)."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - as slow as torchvision

    pixels, labels = load_digits(return_X_y=True)
    return pixels.reshape(-1, 8, 8) / 16, labels


def read_mnist(name: str, root: Path, *, download: bool) -> list[Pixels]:
    """Training images (n, 28, 28) and labels (n,), test images and labels, all uint8."""
    kind = "MNIST" if name == "mnist" else "FashionMNIST"
    own = root / kind / "raw"  # torchvision downloads to here
    folders = [own, root, *([DEBIAN_FASHION_MNIST] if name == "fashion-mnist" else [])]
    files = _find_idx(folders)
    if not files and download:
        _download(getattr(_torchvision(), kind), root)
        files = _find_idx([own])
    if not files:
        raise _missing(name, [f"{file}[.gz]" for file in IDX_FILES], folders)
    arrays = [_read_idx(file, dims) for file, dims in zip(files, (3, 1, 3, 1), strict=True)]
    for i in (0, 2):
        if len(arrays[i]) != len(arrays[i + 1]):
            raise DataError(
                f"{files[i]} has {len(arrays[i])} images but {files[i + 1]} has "
                f"{len(arrays[i + 1])} labels. Delete both and fetch them again."
            )
    first = tuple(arrays[1][:10].tolist())
    for other, labels in FIRST_LABELS.items():
        if other != name and first == labels:
            raise DataError(f"{files[1].parent} has {other}, not {name}: say {other}")
    return [*arrays]


def _find_idx(folders: Sequence[Path]) -> list[Path]:
    """The four files, plain or packed, in the first folder that has all of them; or none."""
    for folder in folders:
        plain = [folder / file for file in IDX_FILES]
        files = [path if path.is_file() else Path(f"{path}.gz") for path in plain]
        if all(path.is_file() for path in files):
            return files
    return []


def _read_idx(path: Path, dims: int) -> npt.NDArray[np.uint8]:
    """A uint8 array of dims dimensions from an idx file; its header gives the shape."""
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, f"expected a complete file ({error})") from error
    start = 4 + 4 * dims
    if raw[:4] != bytes([0, 0, 8, dims]) or len(raw) < start:
        raise _damaged(path, f"expected an idx header of {dims} dimensions of uint8")
    shape = struct.unpack(f">{dims}I", raw[4:start])
    if len(raw) != start + prod(shape):
        raise _damaged(
            path, f"expected {start + prod(shape)} bytes for {shape} values, found {len(raw)}"
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def read_cifar(name: str, root: Path, *, download: bool) -> list[Pixels]:
    """Training images (n, 3, 32, 32) uint8 and labels (n,), test images and labels."""
    datasets = _torchvision()
    kind = datasets.CIFAR100 if name == "cifar100" else datasets.CIFAR10
    if download:
        _download(kind, root)
    folder = root / kind.base_folder
    sums = dict([*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])])
    if not all((folder / file).is_file() for file in sums):
        raise _missing(name, [*sums], [folder])
    for file, md5 in sums.items():  # torchvision does not say which file is damaged
        if not datasets.utils.check_integrity(folder / file, md5):
            raise _damaged(folder / file, f"expected the MD5 sum {md5}")
    arrays: list[Pixels] = []
    for part in (kind(root, train=True), kind(root, train=False)):
        arrays += [part.data.transpose(0, 3, 1, 2), np.array(part.targets)]
    return arrays


def read_npz(
    path: Path, *, needed: Sequence[str], more: Sequence[str], missing: Sequence[str] = ()
) -> dict[str, Pixels]:
    """Arrays from a file that `numpy.savez` wrote; pickled objects are refused.

    Args:
        path: The file.
        needed: Names of arrays that must be there.
        more: Names of arrays that may be there.
        missing: Those of the needed ones that may be missing, unless the file has arrays of other
            names: one of these may be meant.

    Raises:
        PruneError: Something is missing, or an array is called almost as one that would count.
    """
    if path.suffix != NPZ:
        raise PruneError(
            f"{path} is a file, but data are a folder of images, or a file of arrays whose name "
            f"ends in {NPZ}"
        )
    try:
        # numpy leaves a damaged file open that it opened itself.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in (*needed, *more) if name in arrays}
            there = ", ".join(arrays) or "nothing"
            strange = [name for name in arrays if name not in (*needed, *more)]
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise PruneError(f"{path} cannot be read as arrays: {error}") from error
    except TypeError as error:  # an array is no context
        raise DataError(
            f"{path} has one array without a name, as numpy.save writes it; write the arrays "
            f"{', '.join(needed)} with numpy.savez"
        ) from error
    absent = [name for name in needed if name not in found and (strange or name not in missing)]
    meant = [name for name in strange if any(word in name.lower() for word in WORDS)]
    if absent or meant:
        wrong = f"has no {absent[0]!r}" if absent else f"has {meant[0]!r}, which does not count"
        raise PruneError(
            f"{path} {wrong}: it has {there}, but needs the arrays {', '.join(needed)}, and may "
            f"have {', '.join(more)}"
        )
    return found


def has_array(path: Path, name: str) -> bool:
    """Whether a file that `numpy.savez` wrote has an array of a name; False for other files."""
    try:
        with zipfile.ZipFile(path) as file:
            return f"{name}.npy" in file.namelist()
    except (OSError, RuntimeError, zipfile.BadZipFile):
        return False


def find_images(folder: Path) -> tuple[list[str], list[tuple[str, int]]]:
    """The names of the classes, and every image file with the number of its class."""
    try:
        found = _torchvision().ImageFolder(folder)
    except OSError as error:
        raise DataError(
            f"expected one folder of images per class, {folder}/CLASS/IMAGE.png: {error}"
        ) from error
    _check_depth(folder, found.classes, [Path(file) for file, _ in found.samples])
    return found.classes, found.samples


def _check_depth(folder: Path, classes: Sequence[str], files: Sequence[Path]) -> None:
    """Refuses a folder whose classes lie one level deeper: torchvision takes all of a class.

    Images of a class may lie in folders, but then these differ from class to class.
    """
    deeper: dict[str, set[str]] = {name: set() for name in classes}
    flat = set()
    for file in files:
        name, *between = file.relative_to(folder).parts[:-1]
        if between:
            deeper[name].add(between[0])
        else:
            flat.add(name)
    names = [set(deeper[name]) for name in classes if name not in flat]
    if len(classes) == 1 and names:
        raise DataError(
            f"{folder} has one folder, {classes[0]}, and its images lie in "
            f"{_few(names[0])}: if these are the classes, give {folder / classes[0]}"
        )
    if len(names) == len(classes) and (both := set.intersection(*names)):
        raise DataError(
            f"{folder} has the folders {_few(classes)}, and in each of them are {_few(both)}: "
            "if these are the classes, name the folders train and test, or give one of them"
        )


def _few(names: Iterable[str], most: int = 5) -> str:
    """Names for a message, in their order, the first ones where there are many."""
    found = sorted(names)
    return ", ".join(found[:most]) + (", ..." if len(found) > most else "")


def read_images(files: Sequence[str], size: int | None, channels: int) -> npt.NDArray[np.uint8]:
    """Pixels (n, channels, height, width) of image files."""
    images: list[npt.NDArray[np.uint8]] = []
    for file in files:
        try:
            with Image.open(file) as source:
                mode, image = source.mode, source.convert("L" if channels == 1 else "RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise DataError(f"{file} cannot be read as an image: {error}") from error
        if mode.startswith(("I", "F")):  # all above 255 has become white
            raise DataError(
                f"{file} has more than eight bits a pixel (mode {mode}); convert it to eight, or "
                "give arrays to data_from_arrays"
            )
        pixels = np.asarray(image.resize((size, size)) if size else image)
        if images and pixels.shape != images[0].shape:
            raise DataError(
                f"{file} is {pixels.shape[:2]} pixels, {files[0]} {images[0].shape[:2]}; give "
                "a size to resize all images to"
            )
        images.append(pixels)
    return (
        np.stack(images).reshape(len(images), *images[0].shape[:2], channels).transpose(0, 3, 1, 2)
    )
