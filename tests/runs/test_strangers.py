"""Folders from strangers: nothing outside of them is changed."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pymoo_prune.cli import main
from tests.support.tiny_problem import pixels_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert main(pixels_run(tmp_path / "run")) == 0
    return tmp_path / "run"


def test_links_in_a_folder_are_not_followed(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("lock.json", "evaluations.sqlite", "front.csv", "parent", "network-0", ".part-x"):
        precious = tmp_path / "precious"
        precious.write_text("precious")
        kept = folder / f"kept-{name}"
        if (folder / name).exists():
            (folder / name).rename(kept)
        (folder / name).symlink_to(precious)
        for command in ("report", "resume", "export", "ticket"):
            assert main([command, str(folder)]) == 2
            assert f"{folder / name} is a link" in capsys.readouterr().err.replace("\n", "")
        assert precious.read_text() == "precious"
        (folder / name).unlink()
        if kept.exists():
            kept.rename(folder / name)
    assert main(["report", str(folder)]) == 0


def test_latencies_elsewhere_are_not_written(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE mine (a)")
    before = other.read_bytes()
    settings = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**settings, "latencies": str(other)}))
    (folder / "summary.json").unlink()
    assert main(["resume", str(folder)]) == 2
    assert "outside of the run; this is not followed" in capsys.readouterr().err.replace("\n", " ")
    assert other.read_bytes() == before
