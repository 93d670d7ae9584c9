from __future__ import annotations

from pathlib import Path

import pytest

from pymoo_prune import Data, Run
from pymoo_prune.cli import main
from pymoo_prune.comparing import compare
from pymoo_prune.search import Budget
from tests.support.tiny_problem import Pixels, pixels_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs") / "one"
    assert main(pixels_run(place)) == 0
    return place


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


def test_a_report_goes_elsewhere_and_leaves_the_folder_alone(folder: Path, tmp_path: Path) -> None:
    before = contents(folder)
    assert main(["report", str(folder), "--html", "--output", str(tmp_path / "report")]) == 0
    assert contents(folder) == before
    written = {path.name for path in (tmp_path / "report").iterdir()}
    assert {"report.md", "report.html", "front.png", "front.svg", "generations.png"} <= written
    assert (tmp_path / "report" / "report.md").read_bytes() == before["report.md"]


def test_what_a_notebook_shows(folder: Path, digits: Data, tmp_path: Path) -> None:
    assert repr(digits) == (
        "Data('digits': images of 1×8×8, 959 to train, 479 to search, 359 to test; 10 classes)"
    )
    assert repr(digits.test) == "Split(359 images of 1×8×8)"
    run = Run.open(folder)
    assert repr(run).endswith("Pixels on digits, nsga2, finished)")
    comparison = compare(
        Pixels(digits), ["ga", "nsga2"], Budget(evaluations=16), seeds=2, pop_size=8
    )
    assert repr(comparison) == "Comparison(ga (2 runs), nsga2 (2 runs); over accuracy, parameters)"
