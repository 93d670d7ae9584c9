"""The layer vector's counts for networks with attention."""

from __future__ import annotations

import numpy as np
import pytest

from pymoo_prune.measuring import count_macs, count_work
from pymoo_prune.pruning import MagnitudeOrder
from tests.support.attention_networks import NETWORKS, PACKED, built

SHAPE = (1, 8, 8)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in PACKED])
def test_a_fully_kept_candidate_has_the_macs_of_its_parent(name: str) -> None:
    network = built(name)
    order, work = MagnitudeOrder(network, SHAPE), count_work(network, SHAPE)
    some = order.counts // 3
    parameters, macs = order.complexity(np.stack([0 * order.counts, some, order.counts]))
    assert macs[0] == count_macs(network, SHAPE)
    assert macs[1] == macs[0] - some @ order.positions
    assert macs[2] == work.constant  # products without weights stay
    assert parameters[0] == order.all_parameters
