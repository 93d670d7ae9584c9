from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import catalogue, harness, rows
from benchmarks.catalogue import Benchmark
from benchmarks.harness import Outcome, run_benchmark
from benchmarks.rows import chosen, joined, said, shown
from pymoo_prune import PruneError

NAMES = ("simple-cnn", "resnet-18", "googlenet")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("googlenet", ["googlenet"]),
        (" googlenet, simple-cnn,", ["simple-cnn", "googlenet"]),
        ("none", []),
    ],
)
def test_rows_are_chosen(text: str, found: list[str]) -> None:
    assert chosen(text, NAMES) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("resnet", "row 'resnet'.*resnet-18"),
        ("none,resnet-18", "row 'none'"),
        ("", "names no row; take some of simple-cnn, resnet-18, googlenet, joined by commas"),
    ],
)
def test_other_rows_are_refused(text: str, why: str) -> None:
    with pytest.raises(PruneError, match=why):
        chosen(text, NAMES)


@pytest.mark.parametrize(
    ("name", "only", "quick", "why"),
    [
        ("layer-vector-tables", "resnet-21-0", False, "row 'resnet-21-0'"),
        ("ecomp-faithful", "1", False, "tests need two runs or more, and there would be 1; name"),
        ("ecomp-faithful", "1,2", True, "leave it out with --quick"),
        ("damage", "1", False, "damage has no rows to choose from; leave --only out"),
    ],
)
def test_rows_are_checked_before_anything_is_made(
    name: str, only: str, quick: bool, why: str
) -> None:
    with pytest.raises(PruneError, match=re.escape(why)):
        run_benchmark(name, quick=quick, only=only)


@pytest.mark.parametrize(("only", "written"), [("none", False), ("one", True), (None, True)])
def test_rows_that_are_only_shown_are_not_written(
    only: str | None, written: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = SimpleNamespace(ROWS=("one",), run=lambda quick, rows=(): Outcome(1.0, "", []))
    monkeypatch.setitem(harness.MODULES, "some", "some_module")
    monkeypatch.setitem(sys.modules, "some_module", module)
    monkeypatch.setattr(harness, "described", lambda name: Benchmark("", "", "none"))
    monkeypatch.setattr(harness, "RESULTS", tmp_path / "results")
    run_benchmark("some", quick=False, only=only)
    assert (tmp_path / "results" / "some.json").is_file() == written


def test_a_damaged_result_is_found_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "RESULTS", tmp_path)
    (tmp_path / "damage.json").write_text('{"figure": 1, "ro')
    monkeypatch.setattr(harness.importlib, "import_module", None)
    with pytest.raises(PruneError, match=r"damage\.json is damaged: .*; take it from git again"):
        run_benchmark("damage", quick=False)


def test_a_table_has_rows_that_are_made_now_or_finished() -> None:
    assert shown(NAMES, ["resnet-18"], NAMES[2].__eq__) == ["resnet-18", "googlenet"]


def test_titles_say_which_rows_are_missing() -> None:
    assert said(NAMES, NAMES) == ""
    assert said(NAMES[:1], NAMES) == "; 1 of 3 rows: without resnet-18, googlenet"


def test_rows_of_another_machine_stay_with_the_commit_that_made_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    last = {"epochs": [2, 3], "commit": "old", "rows": {"a": [1, 2], "b": [3]}}
    monkeypatch.setattr(rows, "result", lambda name: last if name == "some" else None)
    monkeypatch.setattr(rows, "commit", lambda: "new")
    here = {"b": (4,), "c": (5,)}
    found, commits = joined("some", {"epochs": (2, 3)}, here)
    assert found == {"a": [1, 2], "b": [4], "c": [5]}
    assert commits == {"a": "old", "b": "new", "c": "new"}
    last |= {"rows": found, "commits": commits, "commit": "new"}
    monkeypatch.setattr(rows, "commit", lambda: "newest")
    assert joined("some", {"epochs": (2, 3)}, {"c": (6,)})[1] == {
        "a": "old", "b": "new", "c": "newest",
    }  # fmt: skip
    assert joined("some", {"epochs": (2, 3)}, {})[1] == commits


def test_rows_of_other_settings_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    last = {"epochs": 2, "commit": "old", "rows": {"a": 1}}
    monkeypatch.setattr(rows, "result", lambda name: last)
    assert joined("some", {"epochs": 3}, {"b": 2})[0] == {"b": 2}
    with pytest.raises(PruneError, match="no row of some is there yet; make one first: --only"):
        joined("some", {"images": 5}, {})
    monkeypatch.setattr(rows, "result", lambda name: None)
    assert joined("some", {"epochs": 3}, {"b": 2})[0] == {"b": 2}


def test_details_do_not_replace_what_every_result_has() -> None:
    """The time that the harness writes would hide a benchmark's own."""
    with pytest.raises(PruneError, match="details need other names than seconds"):
        Outcome(1.0, "points", [], {"rows": {}, "seconds": [3, 4]})
