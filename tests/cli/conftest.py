from __future__ import annotations

from collections.abc import Callable
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


@pytest.fixture
def failed(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must fail; returns what it writes to standard error."""

    def run(*arguments: str) -> str:
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert "Traceback" not in error
        return error

    return run
