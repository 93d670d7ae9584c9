"""The command cite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pymoo_prune.cli import main
from tests.support import bibtex


def test_without_a_folder_it_prints_the_software(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cite"]) == 0
    text = capsys.readouterr().out
    assert list(bibtex.read(text)) == ["pymoo-prune", "blank2020pymoo"]
    assert bibtex.uses(text)["pymoo-prune"] == "this software"


@pytest.mark.slow
def test_it_prints_what_a_run_used(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["cite", str(finished)]) == 0
    text = capsys.readouterr().out
    found = bibtex.read(text)
    assert {"vandenbeemt-ecomp", "li2017filters", "zitzler1998hypervolume"} <= found.keys()
    assert bibtex.uses(text).keys() == found.keys()
    assert main(["cite", str(finished), str(finished)]) == 0
    assert capsys.readouterr().out == text


def test_another_folder_is_one_error(tmp_path: Path, failed: Callable[..., str]) -> None:
    assert "is not a run" in failed("cite", str(tmp_path))
