"""Table II of dense connectivity: rows are made in parts, and tables say which are there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import rows
from benchmarks.dense_connectivity import tables
from benchmarks.dense_connectivity.tables import (
    ALL,
    QUICK,
    by_name,
    course,
    course_row,
    courses,
    made,
    outcome,
)
from pymoo_prune import Data, PruneError
from pymoo_prune.executors import InProcess
from pymoo_prune_problems.dense_connectivity import FULL, GENETIC, HEAD, NARROWER, Experiment

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
    titles, heads, cells = zip(*some.tables, strict=True)
    assert titles[0] == "Table II, sizes; 1 of 3 rows: without 50, all"
    assert (*heads[0], *heads[1][1:]) == HEAD
    assert heads[2] == ("of", "p = 90 %", "mean")
    assert len(cells[0]) == len(cells[1]) == 6
    assert [line[0] for line in cells[3]] == ["90 %"]
    before = {path.name: path.read_bytes() for path in kept.glob("*-90-*.json")}
    both = tables.run(False, [ALL])
    assert both.details["rows_there"] == ["90", ALL]
    assert {path.name: path.read_bytes() for path in kept.glob("*-90-*.json")} == before
    whole = tables.run(False, NAMES)
    assert whole.details["rows_there"] == NAMES
    assert "rows: without" not in whole.unit
    assert list(whole.details["searches"]) == ["50", "90"]
    assert not kept.exists(), "complete: the next one measures anew"
    # Another machine, with the same settings.
    last = json.loads(json.dumps({**some.details, "commit": "old"}))
    monkeypatch.setattr(rows, "result", lambda name: last)
    there = tables.run(False, [])
    assert there.details["rows"] == last["rows"]
    assert there.details["searches"] == last["searches"]
    assert set(there.details["commits"].values()) == set(last["commits"].values())
    last["seed"] = 5
    with pytest.raises(PruneError, match="no row of dense-connectivity-tables is there yet"):
        tables.run(False, [])


def test_a_search_is_told_by_its_first_and_last_generation() -> None:
    found = course(
        {
            "generation": np.array([1, 1, 2, 2, 3, 3]),
            "accuracy": np.array([0.5, 0.7, 0.1, 0.9, 0.8, np.nan]),
            "parameters": np.array([1e6, 2e6, 1e6, 3e6, 3e6, 5e6]),
        }
    )
    assert found["candidates"] == 6
    assert found["mean_fitness"] == pytest.approx([0.6, 0.8])
    assert found["best_fitness"] == [0.7, 0.8]
    assert found["mean_parameters"] == [1.5e6, 4e6]
    assert course_row("50", found)[2:5] == ("60.00 to 80.00", "70.00 to 80.00", "1.500 to 4.000")
    # Of ten pairs eight are not tied in size; all of these agree.
    assert found["tau"] == pytest.approx(8 / np.sqrt(10 * 8))


@pytest.mark.slow
def test_a_row_that_is_not_complete_is_left_out(digits: Data, tmp_path: Path) -> None:
    here = Experiment(digits, QUICK, tmp_path)
    networks = made(here, ["90", ALL])
    assert {one.method for one in networks} >= {FULL, GENETIC, NARROWER}
    part = [one for one in networks if one.method != NARROWER]
    finished = by_name(part, NAMES)
    found = outcome(finished, NAMES, courses(here, finished))
    assert found.details["rows_there"] == [ALL]
    assert [one["method"] for one in found.details["rows"][ALL]] == [FULL]
    assert found.details["searches"] == {}
