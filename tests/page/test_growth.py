"""Which evaluations were on the front, and when; which points stand for all."""

from __future__ import annotations

import numpy as np
import pytest

from pymoo_prune.objectives import (
    DIVERGENCE,
    NATS,
    STANDARD,
    Goals,
    Quantity,
    Values,
    nondominated,
    parse_constraints,
)
from pymoo_prune.page import Section, document, figure_of_searches, quality_of, searched
from pymoo_prune.page.growth import growth
from pymoo_prune.page.thinning import thinned

QUANTITIES = {**STANDARD, "width": Quantity("lower", "width", share=True)}


def history(n: int = 10_000, seed: int = 1) -> dict[str, Values]:
    """A search that gets better, with 100 candidates in each generation."""
    rng = np.random.default_rng(seed)
    width = rng.uniform(0.01, 1, n)
    best = 0.98 - 0.3 * (1 - width) ** 4
    behind = rng.exponential(0.3 / (1 + 3 * np.arange(n) / n), n)
    parameters = (width * 250_000 * rng.uniform(0.8, 1.2, n)).round()
    accuracy = np.maximum(best - behind, 0.1)
    return {
        "generation": 1.0 + np.arange(n) // 100,
        "accuracy": accuracy,
        "accuracy_drop": 0.98 - accuracy,
        "parameters": parameters,
        "sparsity": 1 - parameters / 400_000,
        "macs": (parameters * rng.uniform(0.9, 5, n)).round(),
        "width": width,
    }


def on_front(costs: Values, n: int) -> set[int]:
    """The rows on the front of the first n, which the slow way finds."""
    known = np.flatnonzero(~np.isnan(costs[:n]).any(axis=1))
    return set(known[nondominated(costs[known])].tolist())


@pytest.mark.parametrize("objectives", [2, 3])
def test_growth_is_the_front_of_the_first_evaluations(objectives: int) -> None:
    rng = np.random.default_rng(objectives)
    costs = rng.integers(0, 30, (400, objectives)).astype(float)  # with ties, and equal rows
    costs[rng.random(400) < 0.1] = np.nan
    stops = [1, 20, 21, 200, 399, 400]
    found = growth(costs, stops, most=1_000)
    assert found.stops.tolist() == stops
    for stop in stops:
        there = (found.since <= stop) & (stop < found.until)
        assert set(found.rows[there].tolist()) == on_front(costs, stop)


def test_fewer_stops_where_too_many_were_on_a_front() -> None:
    angles = np.random.default_rng(0).uniform(0.1, 1.4, 500)
    radii = np.linspace(2, 1, 500)  # every one is on the front for a while
    costs = np.column_stack([radii * np.cos(angles), radii * np.sin(angles)])
    stops = list(range(1, 501))
    assert len(growth(costs, stops, most=500).rows) > 200
    found = growth(costs, stops, most=200)
    assert len(found.rows) <= 200
    assert 1 < len(found.stops) < 400
    for stop in found.stops.tolist():  # those that are left are still exact
        there = (found.since <= stop) & (stop < found.until)
        assert set(found.rows[there].tolist()) == on_front(costs, stop)
    assert found.stops[-1] == 500


def test_a_search_that_measured_nothing_has_no_front() -> None:
    found = growth(np.full((5, 2), np.nan), [2, 5], most=10)
    assert len(found.rows) == 0
    empty = {name: np.full(5, np.nan) for name in history(5)} | {"generation": np.ones(5)}
    one = searched("a", 0, empty, Goals(QUANTITIES, ["accuracy", "macs"]), {})
    assert (one.kept, one.drawn, one.evaluations) == (0, 0, 5)
    assert figure_of_searches([one], Goals(QUANTITIES, ["accuracy", "macs"]), QUANTITIES)


def test_thinned_points_keep_the_outline_of_every_picture() -> None:
    known = history()
    planes = [(known[size], known["accuracy"]) for size in ("width", "macs")]
    rows = thinned(planes, 3_000)
    assert len(rows) == 3_000
    assert len(set(rows.tolist())) == 3_000
    for x, y in planes:
        for values, other in ((x, y), (y, x)):
            strips = np.minimum(((values - values.min()) / np.ptp(values) * 100).astype(int), 99)
            for strip in np.unique(strips):
                every, kept = other[strips == strip], other[rows][strips[rows] == strip]
                assert (every.min(), every.max()) == (kept.min(), kept.max())
        # And no part of the cloud is empty.
        cells = np.histogram2d(x, y, bins=20)[0], np.histogram2d(x[rows], y[rows], bins=20)[0]
        assert ((cells[0] > 0) == (cells[1] > 0)).all()


def test_few_points_are_all_drawn() -> None:
    points = np.array([1.0, 2.0, 2.0])
    assert thinned([(points, points)], 3).tolist() == [0, 1, 2]
    same = np.ones(50)
    assert len(thinned([(same, same)], 10)) <= 10


def test_the_layer_counts_what_it_shows() -> None:
    known = history()
    known["accuracy"][7] = np.nan
    goals = Goals(QUANTITIES, ["accuracy", "width"], parse_constraints(["accuracy>=0.3"]))
    one = searched("this search", 0, known, goals, {})
    kept = known["accuracy"] >= 0.3
    assert one.kept == kept.sum() < 9_999
    assert one.drawn == 3_000
    numbers = one.others.source.data["number"]
    assert kept[numbers].all()
    costs = goals.costs(known)
    costs[~kept] = np.nan
    assert set(one.front.source.data["number"][one.now.indices].tolist()) == on_front(costs, 10_000)
    assert set(one.front.source.data["number"].tolist()) <= set(numbers.tolist())


def test_ten_thousand_evaluations_fit_into_three_megabytes() -> None:
    goals = Goals(QUANTITIES, ["accuracy", "width", "macs"])
    sizes = []
    for n in (100, 10_000):
        one = searched("this search", 0, history(n), goals, {})
        assert one.drawn == min(n, 3_000)
        panels = figure_of_searches([one], goals, QUANTITIES)
        sizes.append(len(document("a", [Section("b", [panels], "b")]).encode()))
    assert sizes[1] < 3_000_000
    assert sizes[1] - sizes[0] < 500_000


@pytest.mark.parametrize("names", [["accuracy", "width"], [DIVERGENCE, "width"], ["macs", "width"]])
def test_divergences_are_drawn_where_no_accuracy_is_known(names: list[str]) -> None:
    known = {**QUANTITIES, DIVERGENCE: NATS}
    expected = DIVERGENCE if DIVERGENCE in names else "accuracy"
    assert quality_of(Goals(known, names)) == expected
    del known["accuracy"]
    if "accuracy" not in names:
        assert quality_of(Goals(known, names)) == DIVERGENCE
