"""A small version of the benchmark `damage`: what is damaged is named, or changes nothing."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from benchmarks.runs import damage


@pytest.mark.slow
def test_no_damage_is_silent(tmp_path: Path) -> None:
    whole = damage.made(tmp_path / "whole")
    expected = damage.found(whole)
    assert damage.found(whole) == expected
    chance = random.Random(1)  # noqa: S311 - damage, not secrets
    files = damage.files_of(whole)
    assert {"front.csv", "evaluations.sqlite", "parent/network.pt", "summary.json"} <= {*files}
    wrong = []
    for number in range(48):
        file, kind = files[number % len(files)], damage.KINDS[number // len(files) % 4]
        verdict = damage.of_a_copy(whole, tmp_path / "copy", file, kind, expected, chance)
        if verdict not in ("named", "the same"):
            wrong.append((file, kind, verdict))
    assert wrong == []


def test_what_changes_a_number_in_silence_is_noticed(tmp_path: Path) -> None:
    assert damage.VERDICTS[:2] == ("named", "the same")
    path = tmp_path / "file"
    for kind in damage.KINDS:
        path.write_bytes(bytes(range(1, 200)))
        damage.damage(path, kind, random.Random(0))  # noqa: S311
        assert not path.exists() or path.read_bytes() != bytes(range(1, 200)), kind
    shutil.rmtree(tmp_path)
