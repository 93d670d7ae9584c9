"""Files that cannot be read: one kind of error, which names the remedy."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pymoo_prune.errors import StoreError

UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, EOFError, MemoryError,
    RecursionError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""Readers of text, JSON, CSV and arrays raise these for a damaged, missing or strange file."""


@contextmanager
def reading(path: Path, remedy: str) -> Iterator[None]:
    """Turns every error of the block that reads a file into a `StoreError`.

    Args:
        path: The file that is read.
        remedy: What the message tells the user to do.
    """
    try:
        yield
    except UNREADABLE as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        msg = f"{path} cannot be read: {reason}; {remedy}"
        raise StoreError(msg) from error
