from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pymoo_prune.cli import main
from tests.support.tiny_problem import ecomp_run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run; never change it."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    assert main(ecomp_run(folder)) == 0
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """The small run's folder, to change."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))
