from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch

from pymoo_prune import Data
from pymoo_prune.networks import DenseNet
from pymoo_prune.training import loop as training
from pymoo_prune_problems import DenseConnectivity
from tests.support.dense_connectivity import SCRATCH, SIZE, small


@pytest.fixture(scope="session")
def parent(digits: Data) -> DenseNet:
    """A parent whose weights candidates inherit; tests must not change it."""
    return DenseConnectivity(digits, **SIZE, recovery="none", parent_epochs=8).parent


@pytest.fixture(scope="module", autouse=True)
def unchanged_parent(parent: DenseNet) -> Iterator[None]:
    before = copy.deepcopy(parent.state_dict())
    yield
    assert all(torch.equal(value, before[name]) for name, value in parent.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in parent.parameters())


@pytest.fixture(scope="session")
def plain(digits: Data, parent: DenseNet) -> DenseConnectivity:
    """A problem that cuts connections and repairs nothing."""
    return small(digits, parent, recovery="none")


@pytest.fixture(scope="session")
def scratch(digits: Data) -> DenseConnectivity:
    return small(digits, None, **SCRATCH)


@pytest.fixture
def whole_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switches bfloat16 off on every processor."""
    monkeypatch.setattr(training, "has_fast_bfloat16", lambda _: False)
