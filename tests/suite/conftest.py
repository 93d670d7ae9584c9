from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pymoo_prune.suite import contents, measuring

FILES = Path(contents.__file__).parent / "files"


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the suite's files, which the suite reads in place of its own."""
    folder = tmp_path / "package" / "files"
    shutil.copytree(FILES, folder)
    monkeypatch.setattr(contents, "files", lambda package: folder.parent)
    monkeypatch.setattr(measuring, "_MEASURERS", {})
    contents.index.cache_clear()
    yield folder
    contents.index.cache_clear()
