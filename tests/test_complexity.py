from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pymoo_prune.complexity import count_parameters, dense_complexity, thop_macs
from pymoo_prune.networks import FeedForward

SIZES = st.tuples(
    st.integers(1, 4), st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(1, 5)
)


@given(SIZES)
@settings(max_examples=20)
def test_counts_are_those_of_a_built_network(sizes: tuple[int, list[int], int]) -> None:
    side, widths, classes = sizes
    network = FeedForward(side * side, widths, classes)
    parameters, macs = dense_complexity(side * side, np.array([widths]), classes)
    assert parameters.tolist() == [count_parameters(network)]
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 1, side, side))
    assert 2 * macs[0] == counter.get_total_flops()
    assert macs[0] == thop_macs(network, (1, side, side))


def test_a_population_is_counted_row_by_row() -> None:
    widths = np.array([[300, 100], [1, 1], [17, 250]])
    parameters, macs = dense_complexity(784, widths, 10)
    assert parameters.dtype == macs.dtype == np.int64
    for row, width in enumerate(widths):
        alone = dense_complexity(784, width[None], 10)
        assert (parameters[row], macs[row]) == (alone[0][0], alone[1][0])
    # LeNet-300-100, whose size everybody quotes.
    assert (parameters[0], macs[0]) == (266_610, 266_200)


def test_counts_do_not_overflow_small_integers() -> None:
    narrow = np.array([[60_000, 60_000]], dtype=np.uint16)
    _, macs = dense_complexity(3_000, narrow, 10)
    assert macs[0] == 3_000 * 60_000 + 60_000**2 + 600_000
    assert narrow.dtype == np.uint16


def test_zeros_are_parameters_too() -> None:
    network = nn.Linear(3, 2)
    nn.init.zeros_(network.weight)
    assert count_parameters(network) == 8


@pytest.mark.parametrize("training", [True, False])
def test_thop_leaves_no_trace(training: bool) -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10)
    ).train(training)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    thop_macs(network, (1, 8, 8))
    after = network.state_dict()
    assert after.keys() == before.keys()  # thop registers total_ops and total_params
    assert all(torch.equal(after[name], before[name]) for name in before)
    for module in network.modules():
        assert module.training is training
        assert not module._forward_hooks
        assert not hasattr(module, "total_ops")
