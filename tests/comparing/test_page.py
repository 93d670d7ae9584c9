"""The content of a comparison's page. How pages behave: test_page_in_browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pymoo_prune.cli import main
from pymoo_prune.comparing import Campaign, report_of_campaign, tables
from pymoo_prune.comparing.page import write_page
from pymoo_prune.runs import INTERACTIVE_PAGE
from tests.support.tiny_problem import Pixels

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods and random search, two seeds each."""
    path = tmp_path_factory.mktemp("compared") / "runs & <more>"
    name = f"tests.support.tiny_problem:{Pixels.__name__}"
    small = ("--generations", "3", "--seeds", "2", "--jobs", "1", "--threads", "1")
    objectives = ("--objectives", "accuracy", "parameters", "pixels")
    assert main(["compare", name, *objectives, *small, "--output", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    assert main(["report", str(folder), "--html"]) == 0
    return (folder / INTERACTIVE_PAGE).read_text(encoding="utf-8")


def test_the_page_is_one_file(page: str) -> None:
    assert not re.search(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=[\"']?https?:", page)
    assert "default-src 'none'" in page


def test_the_page_says_what_the_report_says(folder: Path, page: str) -> None:
    comparison = report_of_campaign(Campaign.open(folder)).comparison
    for table in (tables.quality_rows, tables.contrast_rows, tables.bound_rows):
        _, rows = table(comparison)
        for cell in (cell for row in rows for cell in row):
            assert cell.replace("<", "&lt;") in page, cell


def test_every_network_of_the_best_names_its_run_and_number(folder: Path, page: str) -> None:
    comparison = report_of_campaign(Campaign.open(folder)).comparison
    best = comparison.best_networks()
    assert len(best) == len(comparison.front["accuracy"])
    for trial, row in best:
        origin = trial.origin.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        assert origin in page
        number = trial.columns["evaluation"][row]
        assert trial.history is not None
        for name in comparison.goals.names:  # the number leads to the measurement itself
            assert trial.history[name][int(number)] == trial.columns[name][row]
    assert f"--pick {best[-1][1]}" in page
    assert "pymoo-prune export &#39;" in page  # the folder's name has to be quoted


def test_a_page_can_be_written_again(folder: Path, page: str) -> None:
    report = report_of_campaign(Campaign.open(folder))
    again = write_page(report, folder).read_text(encoding="utf-8")
    # Bokeh numbers what it draws anew.
    assert len(again) == pytest.approx(len(page), rel=1e-3)
