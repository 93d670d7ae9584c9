from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from pymoo_prune import Data
from pymoo_prune.networks import SimpleCNN
from pymoo_prune.training import Recipe, trained
from pymoo_prune_problems import DistilledFilters
from tests.support.distilled_filters import STEPS, Residual, seeded, small


@pytest.fixture(scope="module")
def teacher(digits: Data) -> nn.Module:
    """A teacher that tests share and must not change."""
    fresh = seeded(lambda: SimpleCNN(1, 10, (8, 8), widths=(6, 8), hidden=12))
    return trained(fresh, digits.train, images=8_000, recipe=Recipe(learning_rate=5e-3))


@pytest.fixture(scope="module", autouse=True)
def unchanged_teacher(teacher: nn.Module) -> Iterator[None]:
    before = copy.deepcopy(teacher.state_dict())
    yield
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in teacher.parameters())


@pytest.fixture(scope="module")
def residual(digits: Data) -> nn.Module:
    recipe = Recipe(learning_rate=5e-3)
    return trained(seeded(Residual), digits.train, images=3_000, recipe=recipe)


@pytest.fixture(scope="module")
def plain(digits: Data, teacher: nn.Module) -> DistilledFilters:
    """A problem that removes filters and repairs nothing."""
    return small(digits, teacher, recovery="none")


@pytest.fixture(scope="module")
def stepped(digits: Data, teacher: nn.Module) -> DistilledFilters:
    return small(digits, teacher, **STEPS)
