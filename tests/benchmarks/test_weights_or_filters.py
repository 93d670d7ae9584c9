"""The benchmark of filters beside weights counts what is not zero, and says what is lost."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.distilled_filters import weights
from pymoo_prune import Data
from pymoo_prune.networks import SimpleCNN


@pytest.fixture(autouse=True)
def parent(monkeypatch: pytest.MonkeyPatch, digits: Data) -> Iterator[SimpleCNN]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = SimpleCNN(1, 10, (8, 8), (4, 4, 4), 6).eval()
    monkeypatch.setattr(weights, "parent", lambda: found)
    monkeypatch.setattr(weights, "data", lambda: digits)
    monkeypatch.setattr(weights, "parent_accuracy", lambda: 0.95)
    cached = (weights.whole, weights.filters_of, weights.teaching)
    for function in cached:
        function.cache_clear()
    yield found
    for function in cached:
        function.cache_clear()


def test_zeros_are_neither_parameters_nor_macs(parent: SimpleCNN) -> None:
    assert weights.left(parent) == {"parameters": 1, "macs": 1}
    pruned = copy.deepcopy(parent)
    first: Any = next(layer for layer in pruned.modules() if isinstance(layer, nn.Conv2d))
    with torch.no_grad():
        first.weight[:2] = 0
    gone = 2 * 9
    found, whole = weights.left(pruned), weights.whole()
    assert found["parameters"] * whole["parameters"] == pytest.approx(whole["parameters"] - gone)
    assert found["macs"] * whole["macs"] == pytest.approx(whole["macs"] - gone * 64)


def test_the_figure_is_what_searched_filters_lose() -> None:
    def rows(*accuracies: float) -> list[dict[str, Any]]:
        one = {"parameters": 0.4, "macs": 0.5, "before": 0.9, "seconds": 1.0}
        return [{**one, "after": accuracy} for accuracy in accuracies]

    found = weights.outcome(
        {
            **{method: rows(0.9, 0.9) for method in weights.METHODS},
            weights.FILTERS: rows(0.94, 0.945),
            weights.SAME_MACS: rows(0.95, 0.95),
        },
        {"parent": 8.0, "filters": 4.0, "weights": 8.0},
    )
    assert found.figure == pytest.approx(0.75)
    assert "weights lose 0.00 with as many MACs and 5.00" in found.unit
    assert [line[0] for line in found.tables[0][2]] == list(weights.METHODS)
    assert found.tables[1][2][1] == ("filters", "4.0", "2.00")


@pytest.mark.slow
def test_searched_networks_keep_within_their_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "QUICK_EVALUATIONS", 12)
    monkeypatch.setattr(weights, "CHILDREN", 6)
    found = weights._Seed(0, quick=True)
    filters, sparse = found.row(weights.FILTERS), found.row(weights.SAME_PARAMETERS)
    assert filters["macs"] <= weights.HALF
    assert weights.teaching().alpha == weights.filters_of(0).teaching.alpha
    assert weights.teaching().temperature == weights.filters_of(0).teaching.temperature
    assert sparse["parameters"] <= filters["parameters"] + 1e-9
    assert found.row(weights.FILTERS) is filters  # it is searched once
