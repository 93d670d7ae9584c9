"""The options of reports."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pymoo_prune.cli import main
from pymoo_prune.cli.options import FIGURE_SIZES, PAPER_STYLES
from pymoo_prune.cli.program import make_parser
from pymoo_prune.cli.showing import labels_of, style_of
from pymoo_prune.errors import PruneError
from pymoo_prune.plots import COLUMN, FIGURES, PAGE, SCREEN, STYLES, FigureStyle
from tests.support.latex import read
from tests.support.tiny_problem import Pixels

PROBLEM = f"tests.support.tiny_problem:{Pixels.__name__}"
SMALL = ("--generations", "3", "--seeds", "2", "--jobs", "1", "--threads", "1")
VOLUME = ("--reference", "accuracy=.05", "parameters=90%", "--log", "parameters")
NAMED = "(log parameters; reference accuracy .05, parameters 90 %)"


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods and random search, with options of hypervolumes."""
    path = tmp_path_factory.mktemp("compared") / "c"
    objectives = ("--objectives", "accuracy", "parameters")
    assert main(["compare", PROBLEM, *objectives, *SMALL, *VOLUME, "--output", str(path)]) == 0
    return path


def texts(path: Path) -> str:
    return " ".join(re.findall(r"<text [^>]*>([^<]+)</text>", path.read_text("utf-8")))


@pytest.mark.slow
def test_compare_keeps_the_options_for_later_reports(compared: Path, tmp_path: Path) -> None:
    plan = json.loads((compared / "comparison.json").read_text())
    assert plan["hypervolume"] == {
        "reference": ["accuracy=0.05", "parameters=90%"],
        "log": ["parameters"],
    }
    assert NAMED in (compared / "report.md").read_text()
    assert main(["report", str(compared), "--output", str(tmp_path)]) == 0
    for name in ("report.md", "runs.csv", "hypervolume.svg"):
        assert (tmp_path / name).read_text() == (compared / name).read_text()
    assert NAMED in texts(tmp_path / "hypervolume.svg")


@pytest.mark.slow
def test_report_takes_other_options_and_finished_runs_do_too(
    compared: Path, tmp_path: Path
) -> None:
    other = ("--reference", "parameters=80%")
    assert main(["report", str(compared), *other, "--output", str(tmp_path / "a")]) == 0
    page = (tmp_path / "a" / "report.md").read_text()
    assert "(log parameters; reference parameters 80 %)" in page
    folders = sorted(map(str, (compared / "runs").iterdir()))
    assert main(["compare", *folders, *other, "--output", str(tmp_path / "b")]) == 0
    assert "(reference parameters 80 %)" in (tmp_path / "b" / "report.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("size", "points"), [("column", 252), ("page", 515.52)])
def test_figures_are_for_papers_with_labels(
    compared: Path, tmp_path: Path, size: str, points: float
) -> None:
    given = ("--figures", size, "--label", "nsga2=NSGA-II", "--html")
    assert main(["report", str(compared), *given, "--output", str(tmp_path)]) == 0
    names = ("fronts", "hypervolume", "attainment")
    for name in names:
        assert {path.suffix for path in tmp_path.glob(f"{name}.*")} == {".png", ".svg", ".pdf"}
        box = re.search(rb"MediaBox \[ 0 0 ([\d.]+)", (tmp_path / f"{name}.pdf").read_bytes())
        assert box is not None
        assert float(box[1]) == pytest.approx(points)
        assert "NSGA-II" in texts(tmp_path / f"{name}.svg")
    assert "| nsga2" in (tmp_path / "report.md").read_text()
    first = {name: (tmp_path / f"{name}.pdf").read_bytes() for name in names}
    assert main(["report", str(compared), *given, "--output", str(tmp_path)]) == 0
    assert first == {name: (tmp_path / f"{name}.pdf").read_bytes() for name in names}


@pytest.mark.slow
def test_figures_of_a_run_are_for_papers_too(compared: Path, tmp_path: Path) -> None:
    run = min((compared / "runs").iterdir())
    assert main(["report", str(run), "--figures", "column", "--output", str(tmp_path)]) == 0
    found = {path.name for path in tmp_path.glob("*.pdf")}
    assert {"front.pdf", "generations.pdf"} <= found
    assert main(["report", str(run), "--output", str(tmp_path / "screen")]) == 0
    assert not list((tmp_path / "screen").glob("*.pdf"))


@pytest.mark.slow
def test_tables_are_in_latex_where_that_is_asked_for(
    compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--latex", "--label", "nsga2=NSGA-II")
    assert main(["report", str(compared), *given, "--output", str(tmp_path / "c")]) == 0
    found = {path.stem: read(path.read_text("utf-8")) for path in (tmp_path / "c/tables").iterdir()}
    assert found.keys() == {"methods", "pairs", "bounds", "costs", "times", "runs", "settings"}
    assert "NSGA-II" in found["methods"].column("method")
    assert "reference point is accuracy=0.05 and parameters=90\\%" in found["methods"].caption
    said = capsys.readouterr().out
    assert f"tables: {tmp_path / 'c/tables'}/NAME.tex for methods, pairs, bounds, costs" in said
    assert r"they need \usepackage{booktabs}" in said
    run = min((compared / "runs").iterdir())
    assert main(["report", str(run), "--latex", "--output", str(tmp_path / "r")]) == 0
    found = {path.stem: read(path.read_text("utf-8")) for path in (tmp_path / "r/tables").iterdir()}
    assert found.keys() == {"methods", "networks", "versions"}
    assert main(["report", str(run), "--output", str(tmp_path / "none")]) == 0
    assert not (tmp_path / "none" / "tables").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--reference", "accuracy"), "must read like 'accuracy=.8' or 'parameters=50%'"),
        (("--log", "macs"), "unknown axis of the hypervolume 'macs'; there are: accuracy, para"),
        (("--label", "nsga=x"), "unknown method to label 'nsga'"),
        (("--label", "nsga2"), "--label 'nsga2' must read NAME=TEXT, each name once"),
    ],
)
def test_wrong_options_are_one_error(
    compared: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    given: tuple[str, ...],
    message: str,
) -> None:
    assert main(["report", str(compared), *given, "--output", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_options_of_comparisons_are_refused_for_a_run(
    compared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = min((compared / "runs").iterdir())
    given = ("--label", "a=b", "--log", "parameters")
    assert main(["report", str(run), *given]) == 2
    assert "--log and --label cannot be given with a run" in capsys.readouterr().err


def test_compare_refuses_names_before_there_is_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "c"
    assert main(["compare", PROBLEM, *SMALL, "--log", "speed", "--output", str(folder)]) == 2
    assert "unknown axis of the hypervolume 'speed'" in capsys.readouterr().err
    assert not folder.exists()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), SCREEN),
        (("--figures", "page"), PAGE),
        (("--style", "plain"), COLUMN),
        (("--style", "ieee"), STYLES["ieee"]["column"]),
        (("--style", "acm", "--figures", "page"), STYLES["acm"]["page"]),
    ],
)
def test_a_style_means_a_column_unless_told(given: tuple[str, ...], expected: FigureStyle) -> None:
    assert style_of(make_parser().parse_args(["report", "folder", *given])) is expected


def test_a_style_is_for_papers() -> None:
    given = ["report", "folder", "--style", "ieee", "--figures", "screen"]
    with pytest.raises(PruneError, match="--style is for pictures in a paper"):
        style_of(make_parser().parse_args(given))


def test_the_options_know_all_styles() -> None:
    assert set(FIGURE_SIZES) == set(FIGURES)
    assert set(PAPER_STYLES) == set(STYLES)


@pytest.mark.slow
@pytest.mark.parametrize(("style", "points"), [("ieee", 252), ("acm", 239.76)])
def test_figures_have_the_style_of_a_publisher(
    compared: Path, tmp_path: Path, style: str, points: float
) -> None:
    assert main(["report", str(compared), "--style", style, "--output", str(tmp_path)]) == 0
    content = (tmp_path / "hypervolume.pdf").read_bytes()
    box = re.search(rb"MediaBox \[ 0 0 ([\d.]+)", content)
    assert box is not None
    assert float(box[1]) == pytest.approx(points)
    assert b"STIXGeneral" in content
    assert b"DejaVu" not in content


def test_a_label_follows_the_last_equals_sign() -> None:
    given = ["--label", "ga@accuracy=1,width=0.5=GA", "--label", "nsga2=NSGA-II"]
    options = make_parser().parse_args(["report", "folder", *given])
    assert labels_of(options) == {"ga@accuracy=1,width=0.5": "GA", "nsga2": "NSGA-II"}
    options = make_parser().parse_args(["report", "folder", "--label", "a=b", "--label", "a=c"])
    with pytest.raises(PruneError, match="'a=c' must read NAME=TEXT, each name once"):
        labels_of(options)
