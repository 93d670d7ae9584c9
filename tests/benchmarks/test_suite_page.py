"""The generated parts of docs/suite.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.suite import page
from pymoo_prune.suite import suite

FOUND = {
    "instances": {
        "one": {
            "shares": {"nsga2": [0.9, 0.98], "random": [0.5, 0.7]},
            "budget": 2000,
            "ahead_of_random": ["nsga2"],
            "best": "nsga2",
            "unsearched": None,
        },
        "two": {
            "shares": {"moead": [0.25]},
            "budget": 500,
            "ahead_of_random": [],
            "best": None,
            "unsearched": 0.75,
        },
    }
}


def test_the_page_has_all_that_is_known() -> None:
    """If this fails, run `python -m benchmarks.suite.page`."""
    text = page.PAGE.read_text()
    assert page.renewed(text) == text
    assert all(f"| `{one.name}` |" in text for one in suite())


def test_what_instances_are_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {
        "three-layers-digits-widths": {"front": 62, "true": True},
        "deep-digits-thresholds": {"front": 9, "true": False, "milliseconds": 4.2345},
    }
    monkeypatch.setattr(page, "index", lambda: {"instances": facts})
    rows = [line.strip("| ").split(" | ") for line in page.instances().splitlines()]
    by_name = {row[0].strip("`"): row[1:] for row in rows}
    costs = "`error`, `log_parameters`"
    assert by_name["three-layers-digits-widths"] == [
        "3 × 32 values", costs, "", "table", "32,768", "62, true",
    ]  # fmt: skip
    assert by_name["deep-digits-thresholds"] == [
        "10 real numbers", costs, "", "live", "a continuum", "9, best known", "4.23",
    ]  # fmt: skip
    bounded = by_name["resnet8-digits-levels-bounded"]
    assert bounded[2:] == ["`macs<=30%`", "table", "390,625", "not yet"]
    assert by_name["simplecnn-digits-widths"][0] == "4 × 10 to 15 values"
    assert by_name["deep-digits-levels-seeded"][3:] == [
        "live, seeded", "about 10^14", "not yet", "?",
    ]  # fmt: skip
    assert "live, noisy" in by_name["mlp-fashion-neurons-noisy"]


def test_what_engines_reach() -> None:
    assert page.engine_shares(FOUND).splitlines() == [
        "| instance | budget | nsga2 | random | moead | no search | ahead of random | best |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| `one` | 2,000 | 0.940 | 0.600 |  |  | nsga2 | nsga2 |",
        "| `two` | 500 |  |  | 0.250 | 0.750 | none | none |",
    ]


def test_no_engine_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "ENGINES", tmp_path / "missing.json")
    assert "\nNo engine is measured yet.\n" in page.renewed(page.PAGE.read_text())


def test_text_around_the_tables_stays(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    places = [
        f"<!-- {name}: {end} -->" for name in ("instances", "engines") for end in ("begin", "end")
    ]
    path.write_text("\n".join(["before", *places, "after"]))
    page.main(path)
    text = path.read_text()
    assert text.startswith("before\n<!-- instances: begin -->\n| name |")
    assert text.endswith("\n<!-- engines: end -->\nafter")


def test_a_page_without_places_is_refused() -> None:
    with pytest.raises(ValueError, match="no place from '<!-- instances: begin -->'"):
        page.renewed("nothing")
