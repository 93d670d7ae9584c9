from __future__ import annotations

import pytest
from torch import nn

from pymoo_prune import Data
from pymoo_prune_problems import LayerAlphabet
from tests.support.alphabets import small
from tests.support.trained_cnn import trained_cnn


@pytest.fixture(scope="session")
def network(digits: Data) -> nn.Module:
    """Four layers, one of them with groups."""
    return trained_cnn(digits.train)


@pytest.fixture(scope="session")
def problem(digits: Data, network: nn.Module) -> LayerAlphabet:
    return small(digits, network)
