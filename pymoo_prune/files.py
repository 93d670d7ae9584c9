"""Files that are there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
