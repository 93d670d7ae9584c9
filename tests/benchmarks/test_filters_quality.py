"""The figure of the filters' benchmark: against the best rival, with an interval over seeds."""

from __future__ import annotations

import math
from statistics import mean
from typing import Any

import pytest
from scipy import stats

from benchmarks.distilled_filters import quality

OURS, OTHERS = quality.WALKS, (quality.SEARCHED, quality.FIRST)


def networks(accuracy: float) -> dict[str, Any]:
    return {"macs": [0.2, 0.9], "parameters": [0.3, 0.8], "test_accuracy": [accuracy, 0.95]}


@pytest.fixture(autouse=True)
def _no_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "teacher_accuracy", lambda: 0.95)


def test_the_figure_is_over_the_rival_with_the_largest_mean() -> None:
    rows = {
        OURS: [networks(0.91), networks(0.93)],
        **{name: [networks(0.94), networks(0.94)] for name in OTHERS},  # they are no rivals
        "often": [networks(0.92), networks(0.80)],
        "best": [networks(0.90), networks(0.92)],
    }
    outcome = quality.outcome(rows, ["often", "best"])
    volumes = {name: [quality.volume(one, "macs") for one in found] for name, found in rows.items()}
    ratios = [our / their for our, their in zip(volumes[OURS], volumes["best"], strict=True)]
    assert outcome.details["best_rival"] == "best"
    assert outcome.figure == mean(ratios) > 1
    low, high = outcome.details["interval"]
    assert f"of the best rival, best; 95 % interval {low:.4f} to {high:.4f}" in outcome.unit
    assert [row[0] for row in outcome.tables[0][2]] == list(rows)


def test_the_interval_is_students() -> None:
    ratios = [1.001, 1.003, 0.999, 1.004, 1.002]
    low, high = quality.interval(ratios)
    expected = stats.ttest_1samp(ratios, 0).confidence_interval(0.95)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert all(math.isnan(end) for end in quality.interval([1.0]))
