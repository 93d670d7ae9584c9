"""Table II of dense connectivity: rows are made in parts, and tables say which are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import rows
from benchmarks.dense_connectivity import tables
from benchmarks.dense_connectivity.tables import ALL, QUICK, by_name, made, outcome
from pymoo_prune import Data
from pymoo_prune.executors import InProcess
from pymoo_prune_problems.dense_connectivity import FULL, GENETIC, NARROWER, Experiment

NAMES = ["50", "90", ALL]


@pytest.mark.slow
def test_rows_are_made_in_parts(
    digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    monkeypatch.setattr(tables, "ROWS", tuple(NAMES))
    monkeypatch.setattr(tables, "SCALE", QUICK)
    monkeypatch.setattr(tables, "images", lambda size: digits)
    monkeypatch.setattr(tables, "kept_folder", lambda: kept)
    monkeypatch.setattr(tables, "Processes", lambda _: InProcess())
    monkeypatch.setattr(rows, "result", lambda name: None)
    kept.mkdir()
    some = tables.run(False, ["90"])
    assert some.details["rows_there"] == ["90"]
    assert some.unit.endswith("; 1 of 3 rows: without 50, all")
    assert some.tables[0][0] == "Table II; 1 of 3 rows: without 50, all"
    assert some.tables[1][1] == ("of", "p = 90 %", "mean")
    assert len(some.tables[0][2]) == 6
    before = {path.name: path.read_bytes() for path in kept.glob("*-90-*.json")}
    both = tables.run(False, [ALL])
    assert both.details["rows_there"] == ["90", ALL]
    assert {path.name: path.read_bytes() for path in kept.glob("*-90-*.json")} == before
    whole = tables.run(False, NAMES)
    assert whole.details["rows_there"] == NAMES
    assert "rows: without" not in whole.unit
    assert not kept.exists(), "complete: the next one measures anew"


@pytest.mark.slow
def test_a_row_that_is_not_complete_is_left_out(digits: Data, tmp_path: Path) -> None:
    here = Experiment(digits, QUICK, tmp_path)
    networks = made(here, ["90", ALL])
    assert {one.method for one in networks} >= {FULL, GENETIC, NARROWER}
    part = [one for one in networks if one.method != NARROWER]
    found = outcome(by_name(part, NAMES), NAMES)
    assert found.details["rows_there"] == [ALL]
    assert [one["method"] for one in found.details["rows"][ALL]] == [FULL]
