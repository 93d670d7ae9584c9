from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pymoo_prune import Data, Store
from tests.support.stores import NAMES, VERSIONS
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


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store(path, NAMES, "f1", VERSIONS)
    yield store
    store.close()
