from __future__ import annotations

import pytest

from pymoo_prune import Data
from pymoo_prune.networks import FeedForward
from pymoo_prune_problems.ecomp import train_feed_forward


@pytest.fixture(scope="session")
def balanced_parent(digits: Data) -> FeedForward:
    return train_feed_forward(digits, (16, 16), 20_000)
