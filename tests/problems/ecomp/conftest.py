from __future__ import annotations

import pytest

from pymoo_prune import Data
from pymoo_prune.networks import FeedForward
from pymoo_prune_problems.ecomp import train_parent


@pytest.fixture(scope="session")
def balanced_parent(digits: Data) -> FeedForward:
    return train_parent(digits, (16, 16), 20_000)
