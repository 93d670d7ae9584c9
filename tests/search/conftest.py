from __future__ import annotations

from pathlib import Path

import pytest

from pymoo_prune import Data
from tests.support.tiny_problem import Pixels, PixelsInBatches


@pytest.fixture(scope="module")
def problem(digits: Data) -> Pixels:
    return Pixels(digits)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "evaluations.sqlite"


@pytest.fixture(scope="module")
def changing(digits: Data) -> PixelsInBatches:
    return PixelsInBatches(digits)
