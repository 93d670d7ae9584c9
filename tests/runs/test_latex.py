"""A run's tables in LaTeX."""

from __future__ import annotations

from pathlib import Path

import pytest

from pymoo_prune import Run
from pymoo_prune.cli import main
from pymoo_prune.problem import find_problem, registered
from pymoo_prune.results import ACCURACIES, EVALUATION
from pymoo_prune.runs import Report
from pymoo_prune.tables import latex
from tests.support.latex import ReadTable, read
from tests.support.tiny_problem import ecomp_run


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("latex") / "run"
    assert main(ecomp_run(folder)) == 0
    return Report(Run.open(folder))


@pytest.fixture
def tables(report: Report, tmp_path: Path) -> dict[str, ReadTable]:
    paths = report.write_latex(tmp_path)
    assert {path.parent for path in paths} == {tmp_path / "tables"}
    return {path.stem: read(path.read_text("utf-8")) for path in paths}


@pytest.mark.parametrize("name", sorted(registered()))
def test_latex_prints_the_names_of_all_quantities(name: str) -> None:
    for quantity in {**find_problem(name).offered(), **ACCURACIES, **EVALUATION}.values():
        for text in (quantity.label, quantity.format(0.5), quantity.format(float("nan"))):
            assert latex(text).isascii(), text


@pytest.mark.slow
def test_every_table_of_the_report_is_there(report: Report, tables: dict[str, ReadTable]) -> None:
    assert list(tables) == ["methods", "networks", "versions"]
    heads = [report.volume_rows()[0], report.network_rows()[0]]
    assert [len(tables[name].rows[0]) for name in ("methods", "networks")] == list(map(len, heads))
    for name, table in tables.items():
        assert table.label == f"tab:{name}"
        assert "ecomp on digits" in table.caption
    assert len(tables["methods"].rows) == 1 + len(report.volume_rows()[1])
    assert len(tables["networks"].rows) == 1 + len(report.network_rows()[1])
    assert {"pymoo", "torch"} < set(tables["versions"].column("what"))


@pytest.mark.slow
def test_captions_say_what_was_measured_and_how(tables: dict[str, ReadTable]) -> None:
    for said in ("reference point 1", "is bold", "seed 0", "generations", "evaluations"):
        assert said in tables["methods"].caption
    for said in ("The parent:", "The arrow marks the suggestion", "is bold", "seed 0"):
        assert said in tables["networks"].caption


@pytest.mark.slow
def test_the_best_method_is_bold_and_the_sums_are_not(
    report: Report, tables: dict[str, ReadTable]
) -> None:
    table, findings = tables["methods"], report.findings
    methods = len(findings.series)
    assert table.rules == [1, methods + 1]
    for column, volumes in enumerate(findings.hypervolumes.values(), start=2):
        shown = [f"{volume:.4f}" for volume in volumes]
        best = {row + 1 for row, text in enumerate(shown) if text == max(shown)}
        assert {row for row, place in table.bold if place == column} == best


@pytest.mark.slow
def test_the_best_networks_are_bold_in_each_quantity(
    report: Report, tables: dict[str, ReadTable]
) -> None:
    table = tables["networks"]
    for column, name in enumerate(report.shown, start=1):
        bold = [table.rows[row][column] for row, place in table.bold if place == column]
        if name == "evaluation":
            assert not bold
            continue
        numbers = [float(row[column].split("~")[0].replace(",", "")) for row in table.rows[1:]]
        best = max(numbers) if report.findings.quantities[name].better == "higher" else min(numbers)
        assert {float(text.split("~")[0].replace(",", "")) for text in bold} == {best}
    arrows = [number for number in table.column("no.") if r"$\leftarrow$" in number]
    assert arrows == [rf"{report.findings.chosen} $\leftarrow$"]


@pytest.mark.slow
def test_the_same_report_gives_the_same_bytes(report: Report, tmp_path: Path) -> None:
    first = [path.read_bytes() for path in report.write_latex(tmp_path)]
    again = [path.read_bytes() for path in report.write_latex(tmp_path)]
    assert first == again
