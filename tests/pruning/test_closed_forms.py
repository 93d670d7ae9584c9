"""Allocations that need no search."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from pymoo_prune.networks import CifarResNet
from pymoo_prune.pruning import CLOSED_FORMS, POWERS, Levels, MagnitudeOrder, least_loss

SHAPE = (1, 8, 8)
shares_to_lose = st.lists(st.floats(0, 0.99), min_size=1, max_size=4).map(np.array)


@pytest.fixture(scope="module")
def network() -> CifarResNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CifarResNet(8, 1, 10)


@pytest.fixture(scope="module")
def order(network: CifarResNet) -> MagnitudeOrder:
    return MagnitudeOrder(network, SHAPE)


@given(shares_to_lose)
def test_all_remove_what_they_should(order: MagnitudeOrder, shares: np.ndarray) -> None:
    for name, allocation in CLOSED_FORMS.items():
        counts = allocation(order, shares)
        assert counts.shape == (len(shares), len(order))
        assert counts.dtype == np.int64
        assert ((counts >= 0) & (counts <= order.counts)).all()
        # Uniform and ERK round layer by layer.
        slack = len(order) / 2 + 1 if name in ("uniform", "ERK") else 0.5
        assert np.abs(counts.sum(axis=1) - shares * order.counts.sum()).max() <= slack


def test_lamp_weight_by_weight(order: MagnitudeOrder) -> None:
    scores: list[Tensor] = []
    for weight in order.weights:
        squares = weight.flatten().double().square()
        larger = [(squares >= some[:, None]).double() @ squares for some in squares.split(500)]
        scores.append(squares / torch.cat(larger))
    everything = torch.cat(scores)
    for share in (0.3, 0.8, 0.95):
        threshold = everything.sort().values[round(share * len(everything))]
        expected = [int((each < threshold).sum()) for each in scores]
        assert CLOSED_FORMS["LAMP"](order, np.array([share]))[0].tolist() == expected


def test_lamp_empties_no_layer(order: MagnitudeOrder) -> None:
    share = 1 - len(order) / order.counts.sum()
    counts = CLOSED_FORMS["LAMP"](order, np.array([share]))[0]
    assert (order.counts - counts).tolist() == [1] * len(order)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.97])
def test_erk_keeps_layers_by_the_sum_of_their_dimensions(
    order: MagnitudeOrder, share: float
) -> None:
    counts = CLOSED_FORMS["ERK"](order, np.array([share]))[0]
    density = 1 - counts / order.counts
    raw = np.array([sum(w.shape) / w.numel() for w in order.weights])
    whole = counts == 0
    factors = density[~whole] / raw[~whole]
    np.testing.assert_allclose(factors, factors.mean(), rtol=0.01)
    assert (raw[whole] * factors.mean() >= 0.99).all()


def test_erk_of_two_layers_by_hand() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.Linear(10, 4))
    order = MagnitudeOrder(network, SHAPE)
    # Densities 74/640 and 14/40 times f: 74 f + 14 f weights remain, of 680.
    counts = CLOSED_FORMS["ERK"](order, np.array([1 - 176 / 680]))[0]
    assert (order.counts - counts).tolist() == [148, 28]
    # The second is whole from f = 40/14 on.
    counts = CLOSED_FORMS["ERK"](order, np.array([1 - 360 / 680]))[0]
    assert (order.counts - counts).tolist() == [320, 40]


def test_zeros_of_an_earlier_pruning_stay_out(network: CifarResNet) -> None:
    pruned = copy.deepcopy(network)
    with torch.no_grad():
        weights = [m.weight for m in pruned.modules() if isinstance(m, nn.Conv2d)]
        weights[1][:, :8] = 0
    again = MagnitudeOrder(pruned, SHAPE)
    for allocation in CLOSED_FORMS.values():
        counts = allocation(again, np.array([0.9]))[0]
        assert ((counts >= 0) & (counts <= again.counts)).all()


def test_least_loss_has_the_least_sum_for_each_power(order: MagnitudeOrder) -> None:
    levels = Levels(order.counts, 8)
    losses = order.losses(levels.pruned)
    shares = np.array([0.5, 0.9])
    found = least_loss(levels, losses, shares)
    assert found.shape == (len(POWERS), 2, len(order))
    generator = np.random.default_rng(0)
    others = levels.pruned[generator.integers(0, 8, (20_000, len(order))), np.arange(len(order))]
    for power, each in zip(POWERS, found, strict=True):
        for counts, share in zip(each, shares, strict=True):
            assert counts.sum() >= share * order.counts.sum()
            places = [levels.pruned[:, i].tolist().index(c) for i, c in enumerate(counts)]
            least = (losses[places, np.arange(len(order))] ** power).sum()
            rivals = others[others.sum(axis=1) >= counts.sum()]
            gone = [
                [levels.pruned[:, i].tolist().index(c) for i, c in enumerate(row)]
                for row in rivals[:200]
            ]
            sums = (losses[np.array(gone), np.arange(len(order))] ** power).sum(axis=1)
            assert least <= sums.min()


def test_losses_of_weights_are_shares_of_their_squares(order: MagnitudeOrder) -> None:
    counts = np.stack([np.zeros_like(order.counts), order.counts // 2, order.counts])
    losses = order.losses(counts)
    assert losses[0].tolist() == [0] * len(order)
    assert losses[2].tolist() == [1] * len(order)
    for layer, weight in enumerate(order.weights):
        kept = order.weight(layer, int(counts[1, layer])).double().square().sum()
        share = 1 - kept / weight.double().square().sum()
        assert losses[1, layer] == pytest.approx(float(share))
