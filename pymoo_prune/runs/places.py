"""Folders that change while a process works in them: errors say so."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pymoo_prune.errors import StoreError, command
from pymoo_prune.files import locked
from pymoo_prune.runs.files import PLAN_FILE, REPRODUCED_FILE, SETTINGS_FILE

OF_RESULTS = (SETTINGS_FILE, PLAN_FILE, REPRODUCED_FILE, "study.json", "network.json")
"""Files that say what a folder is; studies and networks belong to other rooms."""


def holds_results(folder: Path) -> bool:
    """Whether a folder is a run, a comparison, a reproduction, a study or a network."""
    return any((folder / name).is_file() for name in OF_RESULTS)


@contextmanager
def in_place(folder: Path) -> Iterator[None]:
    """Says so, where an error comes from a folder that was moved or may not be written to.

    Args:
        folder: The folder of a run, a comparison or a study.
    """
    try:
        yield
    except (OSError, StoreError) as error:
        if (what := _changed(folder, error)) is None:
            raise
        msg = f"{what} ({error})"
        raise StoreError(msg) from error


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Locks a folder for this process; errors as `in_place`.

    Args:
        folder: An existing folder.
    """
    with in_place(folder), locked(folder):
        yield


def _changed(folder: Path, error: Exception) -> str | None:
    """What is no longer as it was; None where that is not why an error came."""
    if not folder.is_dir():
        return (
            f"{folder} is not there any more: it was moved or removed while this process worked in "
            "it. What was measured is in it: move it back, or go on where it is now, with "
            "'pymoo-prune resume FOLDER'"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        return (
            f"{folder} cannot be written to any more: its permissions were changed, or its disk is "
            "read-only. What was measured is kept: change that back, and "
            f"'{command('resume', folder)}' goes on"
        )
    named = getattr(error, "filename", None)
    if not isinstance(named, str | bytes | os.PathLike):
        return None
    for variable, what, place in _others():
        if Path(os.fsdecode(named)).is_relative_to(place) and not _usable(place):
            return (
                f"{place}, the folder {what}, is not there any more or cannot be written to: set "
                f"{variable} to one that can, and '{command('resume', folder)}' goes on"
            )
    return None


def _others() -> Iterator[tuple[str, str, Path]]:
    """Folders of the user's that work depends on."""
    with suppress(FileNotFoundError):  # no folder can be written to
        yield (
            "TMPDIR",
            "for temporary files",
            Path(os.environ.get("TMPDIR") or tempfile.gettempdir()),
        )
    with suppress(RuntimeError):
        yield "HOME", "of the user", Path.home()


def _usable(place: Path) -> bool:
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)
