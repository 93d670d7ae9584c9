from __future__ import annotations

from collections.abc import Iterator

import pytest

from pymoo_prune import Data
from pymoo_prune.networks import FeedForward
from pymoo_prune_problems.ecomp import train_feed_forward
from tests.support.tiny_problem import threads


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    with threads(1):
        yield


@pytest.fixture(scope="session")
def balanced_parent(digits: Data) -> FeedForward:
    return train_feed_forward(digits, (16, 16), 20_000)
