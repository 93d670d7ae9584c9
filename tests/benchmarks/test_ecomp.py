"""The tables and pictures of EComp beside the authors' runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import kept
from benchmarks.ecomp import faithful, figures, page
from benchmarks.ecomp.authors import authors, best_widths
from benchmarks.harness import Outcome
from pymoo_prune import PruneError
from pymoo_prune_problems import EComp

PARENT = {"test_accuracy": 0.87, "accuracy": 0.8, "similarity_loss": 0.07, "width": 0.555}


def made_up(move: float = 0.0) -> Outcome:
    """Runs that are the authors' but for their last accuracies, which are moved."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for weighting, theirs in authors().items():
        means = {name: np.repeat(curve[0], 3)[:101] for name, curve in theirs.curves.items()}
        runs[weighting] = [
            {
                "row": [row[0] + move, *row[1:]],
                "parent": seed % 5,
                "best_width": row[2],
                "means": {name: (mean + seed / 100).tolist() for name, mean in means.items()},
            }
            for seed, row in enumerate(theirs.rows)
        ]
    return faithful.outcome_of(runs, [PARENT] * 5)


def test_the_authors_runs_do_not_differ_from_themselves() -> None:
    outcome = made_up()
    assert (outcome.figure, outcome.unit) == (0, "of 28 figures differ (p <= .01)")
    assert all(one["p"] == pytest.approx(1) for one in outcome.details["comparisons"])
    assert outcome.details["data"] == "fashion-mnist"
    for one in outcome.details["consistency"]:
        assert one["ours"] == pytest.approx(one["authors"], abs=1e-4)
        assert one["p_ours"] == pytest.approx(one["p_authors"], abs=0.01)


def test_runs_that_are_elsewhere_differ() -> None:
    outcome = made_up(0.3)
    differing = {
        (one["weighting"], one["figure"])
        for one in outcome.details["comparisons"]
        if one["p"] <= 0.01
    }
    assert differing == {(weighting, "accuracy") for weighting in EComp.WEIGHTINGS}
    assert outcome.figure == 7


def test_what_depends_on_the_parent_is_found() -> None:
    parents = [0, 1, 2, 3, 4] * 2
    values = np.arange(40.0).reshape(10, 4) / 100
    values[:, 1] = np.array(parents) / 10 + np.arange(10) / 1000
    found = [faithful.compared("121", place, values, parents)["p_parents"] for place in (0, 1)]
    assert found[0] > 0.1
    assert found[1] < 1e-4
    assert faithful.compared("121", 0, values[:5], parents[:5])["p_parents"] is None


def test_runs_are_made_now_or_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "parents")
    monkeypatch.setattr(faithful, "PARTS", kept.Parts("faithful"))
    assert faithful.seeds_of(faithful.ROWS) == list(range(10))
    assert faithful.seeds_of(["1", "4"]) == [0, 3]
    with pytest.raises(PruneError, match="tests need two runs or more, and there would be 1"):
        faithful.seeds_of(["1"])
    for weighting in EComp.WEIGHTINGS:
        faithful.PARTS.of(f"{weighting}-8", dict)
    assert faithful.seeds_of(["1"]) == [0, 8]


def test_the_page_has_places_for_the_tables() -> None:
    details = made_up().details
    text = page.renewed(page.PAGE.read_text(encoding="utf-8"), details)
    assert "0 of 28 differ at p ≤ .01, with 10 runs of each weighting over 5 parents" in text
    assert "| 001 / 021 | accuracy | 0.049 / 0.180 | < 0.001 | 0.049 / 0.180 | < 0.001 |" in text
    assert "| the authors' | 0.866 | 0.7" in text
    if page.RECORD.is_file() and "comparisons" in (record := page.record()):
        kept = page.PAGE.read_text(encoding="utf-8")
        assert page.renewed(kept, record) == kept, "run `python -m benchmarks.ecomp.page`"


def test_pictures_have_both_lines_and_a_box_each(tmp_path: Path) -> None:
    details = made_up().details
    ours = figures.our_runs(details)
    for weighting, runs in ours.items():
        np.testing.assert_allclose(runs.rows, authors()[weighting].rows, rtol=1e-3)
        for name, curve in runs.curves.items():
            assert curve[0] == pytest.approx(authors()[weighting].curves[name][0] + 0.045, rel=1e-3)
    figures.draw_curves(tmp_path / "2.png", 2, ours)
    figures.draw_winners(tmp_path / "5.png", details, ours)
    for name in ("2.png", "5.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert all((np.diff(five) >= 0).all() for five in best_widths().values())
