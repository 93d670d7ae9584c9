"""The benchmark of the layer vector's tables: networks one by one, and rows that are there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import kept, rows
from benchmarks.layer_vector import tables, tables_setting
from pymoo_prune import Data, PruneError

PARENT = {"number": 0, "sparsity": 0.0, "parameters": 100, "epochs": 0.0, "accuracy": 0.9}


def row(number: int, accuracy: float = 0.89) -> dict[str, Any]:
    rivals = dict.fromkeys(tables.RIVALS, 0.88) | {"ERK": 0.895}
    return {
        "number": number, "sparsity": 0.8, "parameters": 20, "epochs": 2.0, "accuracy": accuracy,
        "pruned_accuracy": 0.5, "rivals": rivals, "search_seconds": 3.0, "retrain_seconds": 1.0,
        "pepe": 40.0,
        "rivals_pruned": dict.fromkeys(tables.RIVALS, 0.4) | {"LAMP": 0.45},
        "fittest": [{"pruned": 0.6, "accuracy_drop": 0.3}, {"pruned": 0.5, "accuracy_drop": 0.01}],
    }  # fmt: skip


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: Data) -> Path:
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "parents")
    monkeypatch.setattr(tables, "PARTS", kept.Parts("tables"))
    monkeypatch.setattr(tables, "data", lambda: digits)
    monkeypatch.setattr(rows, "result", lambda name: None)
    return tmp_path / "parts" / "tables"


def test_rows_are_networks_with_seeds_and_parents_trained_longer() -> None:
    jobs = [tables.NAMES[row] for row in tables.ROWS]
    assert jobs == [*tables.JOBS, *((name, "twice") for name in tables.EPOCHS)]


def test_rows_that_are_there_are_drawn_and_all_go_on(
    parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows(name: str, seed: int, folder: Path | None) -> Iterator[dict[str, Any]]:
        assert folder == parts / f"{name}-{seed}"
        yield PARENT
        yield row(1)
        if name == "resnet-56":
            raise KeyboardInterrupt
        yield row(2, 0.87)
        yield row(3, 0.86)

    monkeypatch.setattr(tables, "rows", rows)
    found = tables.run(False, ["resnet-20-0"])
    assert found.figure == pytest.approx(4)
    assert "after 3 iterations, 80.00 % of its parameters gone (seeds: 1); ERK" in found.unit
    assert found.unit.endswith("loses 0.50")
    with pytest.raises(KeyboardInterrupt):
        tables.run(False, ["resnet-56-0"])
    found = tables.run(False, [])
    assert list(found.details["rows"]) == ["resnet-20-0", "resnet-56-0"]
    assert found.details["rows"]["resnet-56-0"] == [PARENT, row(1)]
    assert [title.split(",")[0] for title, *_ in found.tables] == [
        *["resnet-20"] * 3, *["resnet-56"] * 3, "not there yet",
    ]  # fmt: skip
    assert "resnet-56-0, iteration 2" in found.details["missing"]
    assert "resnet-56-0, iteration 1" not in found.details["missing"]
    assert all(len(cells) == len(head) for _, head, table in found.tables for cells in table)
    assert found.tables[2][2][1] == [
        "1", "60.0 % for 30.00", "50.0 % for 1.00", "50.00", "LAMP 45.00",
    ]  # fmt: skip
    monkeypatch.setattr(tables, "rows", lambda *_: iter([PARENT, row(1), row(2), row(3)]))
    monkeypatch.setattr(tables, "twice", lambda name: {"epochs": 24, "accuracy": len(name) / 100})
    found = tables.run(False, ["resnet-56-twice"])
    assert found.tables[-2] == (
        "parents", ("network", "parent %", "after twice the training %"),
        [("resnet-56", "90.00", "9.00")],
    )  # fmt: skip
    assert "resnet-20-twice" in found.details["missing"]
    assert tables.run(False).details["missing"] == []
    assert not parts.exists(), "the next benchmark measures anew"


def test_figure_and_table_are_of_the_seeds_that_got_furthest(parts: Path) -> None:
    assert not parts.exists()
    done = {
        ("resnet-20", 0): [PARENT, row(1), row(2, 0.87)],
        ("resnet-20", 1): [PARENT, row(1, 0.5)],
    }
    found = tables.outcome(done, {})
    assert found.figure == pytest.approx(3)
    assert "after 2 iterations" in found.unit
    assert found.seconds == 3 * 3 + 2 * 1, "three searches, and retraining once for each seed"
    assert "resnet-20-1, iteration 2" in found.details["missing"]
    (title, head, first), *_ = found.tables
    assert "seeds: 1" in title
    assert [line[head.index("accuracy %")].split()[0] for line in first] == [
        "90.00", "89.00", "87.00",
    ]  # fmt: skip


def test_without_rows_an_error_says_what_to_run(parts: Path) -> None:
    with pytest.raises(PruneError, match="no row of layer-vector-tables is there yet"):
        tables.run(False, [])
    assert not parts.exists()
    with pytest.raises(PruneError, match="make it with --only resnet-20-0"):
        tables.outcome({("resnet-56", 0): [PARENT, row(1)]}, {})


def test_rows_of_another_machine_stay(parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows_there = [PARENT, row(1), row(2), row(3)]
    last = {"rows": {"resnet-20-0": rows_there}, "commit": "old", **tables.SETTINGS}
    monkeypatch.setattr(rows, "result", lambda name: json.loads(json.dumps(last)))
    monkeypatch.setattr(tables, "twice", lambda name: {"epochs": 24, "accuracy": 0.9})
    found = tables.run(False, ["resnet-20-twice"])
    assert found.details["rows"]["resnet-20-0"] == rows_there
    assert found.details["commits"]["resnet-20-0"] == "old"
    assert found.details["commits"]["resnet-20-twice"] != "old"
    assert found.figure == pytest.approx(1)
    assert [path.stem for path in parts.glob("*.json")] == ["resnet-20-twice"]
    # Made again here, and not finished.
    tables.keep("resnet-20", 0, PARENT)
    tables.keep("resnet-20", 0, row(1, 0.5))
    assert tables.run(False, []).details["rows"]["resnet-20-0"] == rows_there
    for number in (2, 3):
        tables.keep("resnet-20", 0, row(number, 0.5))
    assert tables.run(False, []).details["rows"]["resnet-20-0"][3] == row(3, 0.5)


def test_an_epoch_of_the_video_network_has_as_many_clips_as_the_paper(
    monkeypatch: pytest.MonkeyPatch, digits: Data
) -> None:
    monkeypatch.setattr(tables_setting, "data", lambda: digits)
    monkeypatch.setattr(tables_setting, "CLIPS", 50)
    few = tables_setting.retraining_data(tables.VIDEO)
    assert few.train.known_labels.bincount().tolist() == [5] * 10
    assert (few.validation, few.test) == (digits.validation, digits.test)
    assert tables_setting.retraining_data("resnet-20") is digits
