"""Files of arrays, opened only if what they claim to hold fits their size.

Packed zeros take a thousandth of their size, and the head of an array may claim any size. Both are
looked at before memory is taken.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from pymoo_prune.chromosomes.arrays import Array

ALWAYS = 64 * 2**20
"""Bytes that a file may unpack to, however small it is."""
MOST = 100
"""A larger file may unpack to this multiple of its size."""


@contextmanager
def opened_arrays(path: Path) -> Iterator[Mapping[str, Array]]:
    """The arrays of an npz file, each read when it is asked for; nothing is unpickled.

    Args:
        path: The file.

    Raises:
        ValueError: Its arrays claim more memory than a file of its size can hold.
    """
    with path.open("rb") as file:
        check_archive(file)
        with np.load(file, allow_pickle=False) as arrays:
            yield arrays


def check_archive(file: IO[bytes]) -> None:
    """Refuses a zip file that unpacks to far more than its size, or arrays larger than that.

    Args:
        file: The file, which is left at its beginning; what is no zip file is let through.

    Raises:
        ValueError: It claims too much, or cannot be unpacked.
    """
    file.seek(0, 2)
    most = max(ALWAYS, MOST * file.tell())
    file.seek(0)
    if zipfile.is_zipfile(file):
        try:
            claimed = _claimed(file)
        except RuntimeError as error:  # encrypted or packed in a way that no program here wrote
            raise ValueError(str(error)) from error
        if claimed > most:
            msg = f"it claims to hold {claimed:,} bytes, but a file of its size holds {most:,}"
            raise ValueError(msg)
    file.seek(0)


def _claimed(file: IO[bytes]) -> int:
    """The bytes of all that a zip file holds, or of its largest array if that claims more."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        claimed = sum(one.file_size for one in members)
        for one in members:
            if one.filename.endswith(".npy"):
                with archive.open(one) as array:
                    claimed = max(claimed, _bytes_of(array))
    return claimed


def _bytes_of(file: IO[bytes]) -> int:
    """The bytes of an array, by its head."""
    version = np.lib.format.read_magic(file)
    read: Any = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read = np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return int(math.prod(shape) * dtype.itemsize)
