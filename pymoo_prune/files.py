"""Writes files whole or not at all, knows them by digests, and locks a folder for one process."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
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
WRITER = re.compile(rf"{re.escape(PART)}(\d+)-([0-9a-f]{{8}})-")
"""Then follow the process that writes it, and its machine."""
FORGOTTEN = 3600.0
"""Seconds after which an unfinished file has no writer any more, on whichever machine that is."""

DIGESTS_FILE = "digests.json"
"""In a folder of results: the digests of its files."""
DIGESTS_FORMAT = 1

LOCK = "lock.json"
"""The file in a locked folder that names the process working there."""


@contextmanager
def writing(path: Path, *, sync: bool = False) -> Iterator[Path]:
    """Gives a path beside the wanted one, and moves the file there when the block succeeds.

    A crash or a full disk leaves the old file as it was. The path's name cannot be
    guessed, so no link waits there. Several processes may write one file; the last one wins.

    Args:
        path: The file.
        sync: Whether the content reaches the disk before the file is moved, for files that
            nothing makes again; it takes some milliseconds.
    """
    # The ending is kept, since plotting libraries choose the format by it.
    remove_forgotten(path.parent, path.name)
    part = part_of(path)
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _NO_LINKS, 0o666))
        yield part
        if sync:
            with part.open("rb+") as file:
                os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        if str(error.filename) == str(part):  # a name that says nothing to a user
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        with suppress(OSError):
            part.unlink()


def write_text(path: Path, text: str, *, sync: bool = False) -> None:
    """Writes a text file, whole or not at all; `sync` as for `writing`."""
    with writing(path, sync=sync) as part:
        part.write_text(text, encoding="utf-8")


def write_new_text(path: Path, text: str) -> None:
    """Writes a text file that is not there, whole or not at all.

    Raises:
        FileExistsError: It is there; of several processes that write it at once, one succeeds.
    """
    part = part_of(path)
    try:
        write_text(part, text, sync=True)
        try:
            os.link(part, path)
        except FileExistsError:
            raise
        except OSError:  # the file system has no links
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """Gives a folder to write files into; a new folder appears when the block succeeds.

    Args:
        folder: The folder. Where it holds something already, files are written into it as they
            come.
    """
    if not _can_be_moved_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    remove_forgotten(folder.parent, folder.name)
    part = part_of(folder)
    part.mkdir(parents=True)
    try:
        yield part
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _can_be_moved_to(folder: Path) -> bool:
    """Whether a finished folder can take a folder's place: nothing is there that would be lost."""
    if folder.is_symlink() or (folder.is_dir() and any(folder.iterdir())):
        return False
    return not folder.exists() or os.access(folder.parent, os.W_OK)


def write_texts(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Writes several files, by name, into a folder, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def part_of(path: Path) -> Path:
    """A name beside a path for its unfinished content; it cannot be guessed."""
    return path.with_name(f"{PART}{os.getpid()}-{_here()}-{secrets.token_hex(8)}-{path.name}")


@cache
def _here() -> str:
    """Names the machine, and the numbering of its processes: containers have their own."""
    numbering = Path("/proc/self/ns/pid")
    place = numbering.stat().st_ino if numbering.exists() else ""
    return content_digest(f"{socket.gethostname()} {place}".encode())[:8]


def holds_something(folder: Path) -> bool:
    """Whether a folder has more in it than unfinished files of killed processes."""
    return any(not path.name.startswith(PART) for path in folder.iterdir())


def content_digest(content: bytes) -> str:
    """The digest of a file's content, as `sha256sum` prints it."""
    return hashlib.sha256(content).hexdigest()


class Digests:
    """The digests of a folder's files, in a file beside them.

    Folders of older versions have no such file; in them nothing is checked.

    Args:
        folder: The folder.
        remedy: What messages tell the user to do.
    """

    def __init__(self, folder: Path, remedy: str) -> None:
        self.folder, self.remedy = folder, remedy

    def has(self, name: str) -> bool:
        """Whether a file's digest is known; none is where they cannot be read."""
        with suppress(StoreError):
            return name in (self._read() or ())
        return False

    def write(self, names: Iterable[str], contents: Mapping[str, str]) -> None:
        """Writes the digests of files.

        Args:
            names: Files in the folder; those that are not there are left out.
            contents: Texts of files that are written next, by name.
        """
        there = (name for name in names if (self.folder / name).is_file())
        found = {name: content_digest((self.folder / name).read_bytes()) for name in there}
        found |= {name: content_digest(text.encode()) for name, text in contents.items()}
        self._write(found)

    def update(self, name: str, content: str) -> None:
        """Writes the digest of a file whose text is written next, where the folder has digests."""
        if (known := self._read()) is not None:
            self._write({**known, name: content_digest(content.encode())})

    def check(self, *names: str) -> None:
        """Refuses files that are not those that were written.

        Args:
            names: Files in the folder; a file that was not there then must not be there now.
        """
        if (known := self._read()) is None:
            return
        for name in names:
            path, expected = self.folder / name, known.get(name)
            if expected is None and not path.is_file():
                continue
            if not path.is_file():
                reason = "is missing"
            elif expected is None:
                reason = f"was not there when the results were written ({DIGESTS_FILE} has them)"
            elif content_digest(path.read_bytes()) != expected:
                reason = f"is not the file that was written: {DIGESTS_FILE} has another digest"
            else:
                continue
            msg = f"{path} {reason}; {self.remedy}"
            raise StoreError(msg)

    def _write(self, digests: Mapping[str, str]) -> None:
        values = {"format": DIGESTS_FORMAT, "files": digests}
        write_text(self.folder / DIGESTS_FILE, json.dumps(values, indent=2) + "\n")

    def _read(self) -> dict[str, str] | None:
        """The digests by name; None in folders of older versions."""
        path = self.folder / DIGESTS_FILE
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            made_by, files = values["format"], values["files"].items()
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            msg = f"{path} cannot be read: {error}; {self.remedy}"
            raise StoreError(msg) from error
        if made_by != DIGESTS_FORMAT:
            msg = (
                f"{path} has format {made_by}, but this version reads format {DIGESTS_FORMAT}; "
                f"{self.remedy}"
            )
            raise StoreError(msg)
        return {str(name): str(digest) for name, digest in files}


def check_writable(folder: Path) -> None:
    """Refuses a folder, there or to be made, in which no file can be written; leaves nothing."""
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
    """Refuses a folder in which a name leads elsewhere: writing there would change other files."""
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            msg = (
                f"{path} is a link, and a folder of results holds plain files: what is written "
                "there would replace another file; copy the folder with its links followed "
                "(cp -rL)"
            )
            raise StoreError(msg)


def remove_forgotten(folder: Path, name: str = "") -> None:
    """Removes unfinished files and folders that killed processes left.

    Args:
        folder: The folder.
        name: Only those that were to have this name; all, if it is empty.
    """
    with suppress(OSError):
        for path in list(folder.iterdir()):
            if path.name.startswith(PART) and path.name.endswith(name) and _is_forgotten(path):
                path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)


def _is_forgotten(path: Path) -> bool:
    if time.time() - path.lstat().st_mtime > FORGOTTEN:
        return True
    writer = WRITER.match(path.name)
    if writer is None or writer[2] != _here() or fcntl is None:  # Windows cannot be asked
        return False
    with suppress(PermissionError):  # another user's
        try:
            os.kill(int(writer[1]), 0)
        except ProcessLookupError:
            return True
    return False


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
        try:
            remove_forgotten(folder)
            json.dump({"process": os.getpid(), "host": socket.gethostname()}, file)
            file.flush()
            yield
        finally:  # also where the disk is full
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
        except OSError as error:
            file.close()
            msg = (
                f"{path.parent} lies on a file system that locks no files ({error.strerror}), so "
                "two processes could work in it at once; give an --output on another one, and copy "
                "the folder afterwards"
            )
            raise StoreError(msg) from error
        # Between opening and locking, the owner may have finished and removed the file.
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            file.truncate(0)
            return file
        file.close()


def _owner(text: str) -> str:
    try:
        owner = json.loads(text)
        return f"process {owner['process']} on {owner['host']}"
    except (ValueError, KeyError, TypeError, RecursionError):  # not its name, or not written yet
        return "another process"
