"""The benchmark of networks that people bring finds wrong numbers and wrong outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.any_network import coverage
from benchmarks.any_network.checks import (
    check_filters,
    check_weights,
    checked,
    inputs,
    made,
    torch_macs,
)
from benchmarks.any_network.packaged import PACKAGED
from benchmarks.any_network.written import WRITTEN
from pymoo_prune import PruneError
from pymoo_prune.measuring import count_macs
from pymoo_prune.networks import SimpleCNN
from pymoo_prune.pruning import MagnitudeOrder, PrunableFilters

IMAGE = (1, 8, 8)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return made(lambda: SimpleCNN(1, 10, (8, 8), (4, 5, 6), 7))


def test_there_are_24_networks_and_half_come_from_packages() -> None:
    assert len(coverage.NETWORKS) == 24
    assert len(PACKAGED) >= 12
    assert set(coverage.QUICK) <= set(WRITTEN)
    assert coverage.SWIN in PACKAGED


def test_constants_become_random() -> None:
    found = made(lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.LayerNorm(6)))
    assert not found.training
    for name, value in found.state_dict().items():
        assert name.endswith("num_batches_tracked") or len(value.unique()) > 1, name
    assert (found.get_buffer("1.running_var") > 0).all()


def test_words_are_whole_numbers() -> None:
    words = inputs(made(lambda: nn.Sequential(nn.Embedding(9, 2))), (50,))
    assert (words == words.round()).all()
    assert (words >= 0).all()
    assert len(words.unique()) > 20


@pytest.mark.parametrize("name", WRITTEN)
def test_weights_of_written_networks_can_be_pruned(name: str) -> None:
    build, shape = WRITTEN[name]
    network = made(build)
    before = [value.clone() for value in network.state_dict().values()]
    found = check_weights(network, shape, 3)
    assert found["counted"] == 3
    for old, new in zip(before, network.state_dict().values(), strict=True):
        assert torch.equal(old, new)


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKAGED)
def test_multiplications_of_packaged_networks_are_those_that_torch_counts(name: str) -> None:
    if name.startswith("timm"):
        pytest.importorskip("timm")
    build, shape = PACKAGED[name]
    network = build().eval().to("meta")
    assert count_macs(network, shape) == torch_macs(network, shape)


def test_filters_are_checked(network: nn.Module) -> None:
    found = check_filters(network, IMAGE, 5, limit=60)
    assert found["counted"] == found["compared"] == 5
    assert found["filters"] == 4 + 5 + 6 + 7
    assert 0 <= found["difference"] < 1e-9
    assert check_filters(network, IMAGE, 5, limit=0)["compared"] == 2


@pytest.mark.parametrize(("place", "what"), [(0, "parameters"), (1, "MACs")])
def test_wrong_sizes_of_filters_are_found(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch, place: int, what: str
) -> None:
    right = PrunableFilters.complexity

    def wrong(self: PrunableFilters, X: Any) -> Any:
        found = right(self, X)
        if len(X) > 2:
            found[place][2] += 1
        return found

    monkeypatch.setattr(PrunableFilters, "complexity", wrong)
    with pytest.raises(PruneError, match=f"wrong numbers: .* {what}, and has"):
        check_filters(network, IMAGE, 5, limit=1)


def test_wrong_sizes_of_weights_are_found(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    right: Callable[..., Tensor] = MagnitudeOrder.mask
    monkeypatch.setattr(MagnitudeOrder, "mask", lambda self, i, n: right(self, i, n + (n > 0)))
    with pytest.raises(PruneError, match="wrong numbers"):
        check_weights(network, IMAGE, 3)


def test_other_outputs_are_found(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    right = PrunableFilters.network

    def wrong(self: PrunableFilters, x: Any, refit: Any = None) -> Any:
        small = right(self, x, refit)
        with torch.no_grad():
            for parameter in small.parameters():
                parameter.mul_(1.01)
        return small

    monkeypatch.setattr(PrunableFilters, "verify", lambda *_, **__: None)
    monkeypatch.setattr(PrunableFilters, "network", wrong)
    with pytest.raises(PruneError, match="other outputs than masked"):
        check_filters(network, IMAGE, 3, limit=1)


def test_what_breaks_down_is_a_finding() -> None:
    def broken() -> dict[str, Any]:
        raise KeyError("x")

    def refused() -> dict[str, Any]:
        raise PruneError("no filters")

    assert checked(broken)["refused"] == "broke down, KeyError: 'x'"
    assert checked(refused)["refused"] == "no filters"
    assert checked(lambda: {"counted": 1})["counted"] == 1


def test_the_figure_counts_networks_that_go_both_ways() -> None:
    fine = {"counted": 200, "compared": 9, "difference": 1e-16, "filters": 5, "branches": 1}
    right = {"parameters": 9, "weights": fine, "filters": {**fine, "seconds": 1, "analysis": 0.4}}
    wrong = {**right, "filters": {"refused": "in 'x' there is y()", "seconds": 0.1}}
    found = coverage.outcome({"a": right, "b": wrong, coverage.SWIN: right})
    assert found.figure == 2
    assert "of 3 networks" in found.unit
    assert "analysed in 0.4 s" in found.unit
    assert [row[3] for row in found.tables[0][2]] == ["200", "refused", "200"]
    assert found.tables[1][2] == [("b, by filters", "in 'x' there is y()")]
