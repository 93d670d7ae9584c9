"""Files that are there whole or not at all, and folders that one process works in."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

from pymoo_prune.errors import StoreError

try:
    import fcntl
except ImportError:  # Windows: nobody is kept out there
    fcntl = None  # type: ignore[assignment]

LOCK = "lock.json"
"""In a folder that a process works in: which one."""


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Gives a path beside the wanted one, and moves it there when the block has ended well.

    A crash, or a full disk, leaves the old file as it was.
    """
    # The ending stays: plotting libraries choose the format by it.
    part = path.with_name(f".part-{path.name}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file, whole or not at all."""
    with writing(path) as part:
        part.write_text(text, encoding="utf-8")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other processes out of a folder; an error names the one that is in.

    The lock ends with its process, however that ends: what a dead one left does not count.

    Args:
        folder: A folder that is there.
    """
    if fcntl is None:
        yield
        return
    with _lock_file(folder / LOCK) as file:
        json.dump({"process": os.getpid(), "host": socket.gethostname()}, file)
        file.flush()
        try:
            yield
        finally:
            (folder / LOCK).unlink(missing_ok=True)


def _lock_file(path: Path) -> TextIOWrapper:
    """The file, empty and ours."""
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read()
            file.close()
            msg = f"{path.parent} is being worked on by {_owner(owner)}; wait for it, or end it"
            raise StoreError(msg) from None
        # Between opening and locking, whoever was in may have left and taken the file away.
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            file.truncate(0)
            return file
        file.close()


def _owner(text: str) -> str:
    try:
        owner = json.loads(text)
        return f"process {owner['process']} on {owner['host']}"
    except (ValueError, KeyError):  # it has just begun
        return "another process"
