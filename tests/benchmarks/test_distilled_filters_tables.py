"""Tables I and II: rows are made in parts, and tables say which are there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import rows
from benchmarks.distilled_filters import tables
from benchmarks.distilled_filters.tables import ARMS, ONE, ONE_REFITTED, SETTINGS, TWO, Setting
from pymoo_prune import Data, PruneError
from pymoo_prune_problems.distilled_filters import NETWORKS, TABLE_1

ACCURACIES = dict(zip(ARMS, (0.91, 0.90, 0.915, 0.92), strict=True))


def row(name: str, arm: str) -> dict[str, Any]:
    """A made-up row."""
    return {
        "network": name,
        "recipe": arm,
        "teacher_accuracy": 0.92,
        "accuracy": ACCURACIES[arm],
        "compression": 0.88,
        "parameters": 30_000,
        "macs_removed": 0.7,
        "uniform_accuracy": 0.9,
        "speedups": [1.5, 4.0],
        "branches": 0,
        "branches_dropped": 0,
        "extra_losses": {"noise": 0.02},
    }


def test_rows_are_made_in_parts_and_never_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def one(store: Path, name: str, arm: str, setting: Setting) -> dict[str, Any]:
        if len(asked) == 2:
            asked.append(("killed", arm))
            raise KeyboardInterrupt
        assert store.parent == kept
        assert setting is SETTINGS[name]
        asked.append((name, arm))
        return row(name, arm)

    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr(tables, "one", one)
    monkeypatch.setattr(tables, "kept_folder", lambda: kept)
    monkeypatch.setattr(rows, "result", lambda name: None)
    with pytest.raises(KeyboardInterrupt):
        tables.run(False, ["resnet-18"])
    some = tables.run(False, ["resnet-18"])
    assert [arm for name, arm in asked if name == "resnet-18"] == list(ARMS)
    assert some.details["rows_there"] == ["resnet-18"]
    missing = "; 1 of 3 rows: without simple-cnn, googlenet"
    assert all(title.endswith(missing) for title, *_ in some.tables)
    assert some.unit.endswith(missing)
    assert some.tables[1][2] == [("ResNet-18", "+1.00", "-0.50")]
    assert [cells[0] for cells in some.tables[0][2]] == [f"ResNet-18, {arm}" for arm in ARMS]
    whole = tables.run(False)
    assert whole.details["rows_there"] == list(NETWORKS)
    assert len(asked) == 1 + len(ARMS) * len(NETWORKS)
    assert whole.figure == pytest.approx(1.0)
    assert whole.unit == (
        "points that the SimpleCNN's ticket loses, one phase as published, 88.0 % smaller"
    )
    assert not kept.exists(), "complete: the next one measures anew"
    # Another machine, with the same settings.
    kept.mkdir()
    last = json.loads(json.dumps({**some.details, "commit": "old"}))
    monkeypatch.setattr(rows, "result", lambda name: last)
    there = tables.run(False, [])
    assert there.details["rows"] == last["rows"]
    assert there.details["commits"] == last["commits"]
    last["settings"]["resnet-18"]["epochs"] += 1
    with pytest.raises(PruneError, match="no row of distilled-filters-tables is there yet"):
        tables.run(False, [])


def test_searches_have_the_papers_compression_and_differ_in_what_they_do(digits: Data) -> None:
    for name, setting in SETTINGS.items():
        scales = {arm: setting.scale(name, arm, digits) for arm in ARMS}
        options = {arm: scale.options[name] for arm, scale in scales.items()}
        assert {one["constraints"] for one in options.values()} == {
            (f"sparsity>={TABLE_1[name][0] / 100:.4f}",)
        }
        assert options[ONE]["patience"] == 3
        assert options[TWO]["recovery"] == "none"
        assert "refit" in options[ONE_REFITTED]["recovery"]
        assert "refit" not in options[ONE]["recovery"]
        assert len({tuple(scale.finish_images.items()) for scale in scales.values()}) == 1
        assert scales[ONE].teacher_images[name] == setting.epochs * len(digits.train)


@pytest.mark.slow
def test_a_row_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYMOO_PRUNE_QUICK", "1")
    setting = Setting(None, 1, 8, 128, 1, 1, {"search_images": 50, "recovery_images": 32})
    store = tmp_path / "search.sqlite"
    found = tables.one(store, "simple-cnn", ONE, setting)
    assert found["recipe"] == ONE
    assert found["evaluations"] == 8
    assert found["compression"] >= TABLE_1["simple-cnn"][0] / 100
    assert store.is_file()
