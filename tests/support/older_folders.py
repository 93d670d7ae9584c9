"""Folders as older versions wrote them."""

from __future__ import annotations

from pathlib import Path


def without_digests(folder: Path) -> Path:
    """Removes the digests of a folder's files, so that tests can change these.

    Args:
        folder: A run's folder, or a comparison's.
    """
    (folder / "digests.json").unlink()
    return folder
