from __future__ import annotations

import pytest

from pymoo_prune import Data
from tests.support.surrogates import Bits


@pytest.fixture
def bits(digits: Data) -> Bits:
    return Bits(digits)
