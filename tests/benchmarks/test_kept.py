"""Parts of a benchmark that was stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import kept
from benchmarks.quick import VARIABLE


def test_parts_are_made_once_until_they_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "parents")
    parts, made = kept.Parts("some"), []

    def make() -> dict[str, list[float]]:
        made.append(1)
        return {"accuracy": [0.5]}

    assert parts.of("one", make) == parts.of("one", make) == {"accuracy": [0.5]}
    assert len(made) == 1
    monkeypatch.setenv(VARIABLE, "1")
    parts.forget()
    assert parts.has("one"), "the reduced size leaves a longer one alone"
    monkeypatch.delenv(VARIABLE)
    parts.forget()
    parts.of("one", make)
    assert len(made) == 2
