"""Writes files whole or not at all, and locks a folder for one process at a time."""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path

from pymoo_prune.errors import StoreError

try:
    import fcntl
except ImportError:  # Windows: folders are not locked there
    fcntl = None  # type: ignore[assignment]

_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)  # Windows has none
PART = ".part-"
"""How the names of unfinished files begin; a killed process may leave some."""
FORGOTTEN = 3600.0
"""Seconds after which an unfinished file has no writer any more."""

LOCK = "lock.json"
"""The file in a locked folder that names the process working there."""


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Gives a path beside the wanted one, and moves the file there when the block succeeds.

    A crash or a full disk leaves the old file as it was. The path's name cannot be
    guessed, so no link waits there. Several processes may write one file; the last one wins.
    """
    # The ending is kept, since plotting libraries choose the format by it.
    part = path.with_name(f"{PART}{secrets.token_hex(8)}-{path.name}")
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _NO_LINKS, 0o666))
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file, whole or not at all."""
    with writing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_texts(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Writes several files into a folder, which is made if it is not there.

    Args:
        folder: The folder.
        texts: The files' texts, by name.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def check_writable(folder: Path) -> None:
    """Refuses a folder, there or still to be made, in which no file can be written.

    Args:
        folder: Where files will go; nothing is left in it.
    """
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        part = place / f"{PART}{secrets.token_hex(8)}"
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _NO_LINKS, 0o666))
        part.unlink()
    except OSError as error:
        msg = f"{folder} cannot be written to: {error.strerror}; give another --output"
        raise StoreError(msg) from error


def check_no_links(folder: Path) -> None:
    """Refuses a folder in which a name leads elsewhere: writing there would change other files.

    Args:
        folder: A folder whose files are to be read and replaced.
    """
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            msg = (
                f"{path} is a link, and a folder of results holds plain files: what is written "
                "there would replace another file; copy the folder with its links followed "
                "(cp -rL)"
            )
            raise StoreError(msg)


def _remove_forgotten(folder: Path) -> None:
    """Removes unfinished files that killed processes left long ago."""
    for path in folder.glob(f"{PART}*"):
        with suppress(OSError):
            if path.is_file() and time.time() - path.stat().st_mtime > FORGOTTEN:
                path.unlink()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks a folder for this process; if another process has it, an error names that one.

    The lock ends with its process, however that ends: a file left by a dead process locks nothing.

    Args:
        folder: An existing folder.
    """
    if fcntl is None:
        yield
        return
    check_no_links(folder)
    with _lock_file(folder / LOCK) as file:
        _remove_forgotten(folder)
        json.dump({"process": os.getpid(), "host": socket.gethostname()}, file)
        file.flush()
        try:
            yield
        finally:
            (folder / LOCK).unlink(missing_ok=True)


def _lock_file(path: Path) -> TextIOWrapper:
    """The lock file, locked for this process and empty."""
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
        # Between opening and locking, the owner may have finished and removed the file.
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            file.truncate(0)
            return file
        file.close()


def _owner(text: str) -> str:
    try:
        owner = json.loads(text)
        return f"process {owner['process']} on {owner['host']}"
    except (ValueError, KeyError):  # the owner has not written its name yet
        return "another process"
