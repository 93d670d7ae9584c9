from __future__ import annotations

from pathlib import Path

import pytest

from pymoo_prune.cli import main
from tests.support.tiny_problem import ecomp_run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    assert main(ecomp_run(folder)) == 0
    return folder
