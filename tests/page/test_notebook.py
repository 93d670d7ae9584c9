"""What fronts, runs and comparisons show in a notebook."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pymoo_prune import Budget, Data, Front, Run, Settings
from pymoo_prune.cli import main
from pymoo_prune.comparing import compare, tables, verdict
from pymoo_prune.engines import make_algorithm
from pymoo_prune.runs import Report
from pymoo_prune.search import search
from tests.support.tiny_problem import Pixels, pixels_run

PYPLOT = """
import sys
from pathlib import Path
from pymoo_prune import Run
html = Run.open(sys.argv[1])._repr_html_()
assert "data:image/png" in html
assert "matplotlib.pyplot" not in sys.modules
"""


def shown(html: str) -> tuple[str, list[list[str]], Image.Image | None]:
    """The text, the rows of the table, and the picture."""
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    assert len(found) <= 1
    assert "http" not in html
    assert "<script" not in html
    rows = [
        re.findall(r"<td[^>]*>(.*?)</td>", row)
        for row in re.findall(r"<tr>.*?</tr>", html, re.DOTALL)
    ]
    text = " ".join(re.sub(r"<[^>]+>", " ", unescape(html)).split())
    picture = Image.open(io.BytesIO(base64.b64decode(found[0]))) if found else None
    return text, [row for row in rows if row], picture


def test_a_front_shows_a_picture_and_its_networks(digits: Data) -> None:
    problem = Pixels(digits, objectives=["accuracy", "parameters", "pixels"])
    found = search(problem, make_algorithm("nsga2", problem, 40), Budget(generations=3), seed=1)
    front = Front.from_candidates(problem, found.X, found.measurements)
    assert len(front) > 14
    text, rows, picture = shown(front._repr_html_())
    assert picture is not None
    assert picture.width > 500
    assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 10
    assert 14 <= len(rows) <= 15
    assert f"{len(rows)} of {len(front)} networks." in text
    suggested = front.suggestion
    assert f"The suggestion is network {suggested.place}, {suggested.reason}." in text
    assert [row[0] for row in rows if "←" in row[0]] == [f"{suggested.place} ←"]
    for row in rows:
        place = int(row[0].split()[0])
        for cell, name in zip(row[1:], ("accuracy", "parameters", "pixels", "macs"), strict=True):
            assert cell == front.quantities[name].format(front.columns[name][place])


@pytest.mark.slow
def test_a_run_shows_its_report_without_its_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a & b"
    assert main(pixels_run(folder)) == 0
    run = Run.open(folder)
    monkeypatch.setattr(Run, "prepare", None)  # an error where it is called
    report = Report(run)
    text, rows, picture = shown(run._repr_html_())
    assert picture is not None
    for sentence in (report.verdict(), report.suggestion(), report.parent_line()):
        assert " ".join(sentence.split()) in text
    assert rows == [list(row) for row in report.network_rows()[1]]
    _, rows, picture = shown(run._front(None)._repr_html_())  # type: ignore[arg-type]
    assert picture is not None
    assert len(rows) == len(report.findings.front)
    # Without matplotlib's global state.
    done = subprocess.run([sys.executable, "-c", PYPLOT, str(folder)], check=False)  # noqa: S603
    assert done.returncode == 0


def test_a_run_that_is_not_finished_says_how_it_goes_on(tmp_path: Path) -> None:
    settings = Settings("ecomp", "nsga2", 8, Budget(generations=3))
    text, rows, picture = shown(Run.create(tmp_path / "x y", settings)._repr_html_())
    assert "not finished" in text
    assert f'pymoo-prune resume "{tmp_path}/x y" goes on with it.' in text
    assert (rows, picture) == ([], None)


@pytest.mark.slow
def test_a_comparison_shows_its_verdict_and_its_methods(digits: Data) -> None:
    problem = Pixels(digits)
    comparison = compare(problem, ["ga", "nsga2"], Budget(generations=3), seeds=2, pop_size=8)
    text, rows, picture = shown(comparison._repr_html_())
    assert picture is not None
    assert verdict(comparison) in text
    assert rows == [list(row) for row in tables.quality_rows(comparison)[1]]
