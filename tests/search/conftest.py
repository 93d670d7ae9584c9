from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pymoo_prune import Data
from tests.support.tiny_problem import Pixels, PixelsInBatches, threads


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    with threads(1):
        yield


@pytest.fixture(scope="module")
def problem(digits: Data) -> Pixels:
    return Pixels(digits)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "evaluations.sqlite"


@pytest.fixture(scope="module")
def changing(digits: Data) -> PixelsInBatches:
    return PixelsInBatches(digits)
