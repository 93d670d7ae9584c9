from __future__ import annotations

import pytest
from torch import nn

from pymoo_prune import Data
from pymoo_prune_problems import LayerVector
from tests.support.layer_vector import small, train_resnet


@pytest.fixture(scope="session")
def resnet(digits: Data) -> nn.Module:
    return train_resnet(digits)


@pytest.fixture(scope="session")
def plain(digits: Data, resnet: nn.Module) -> LayerVector:
    """A problem without recovery, as in the paper."""
    return small(digits, resnet, recovery="none")


@pytest.fixture(scope="session")
def refitted(digits: Data, resnet: nn.Module) -> LayerVector:
    return small(digits, resnet)
