from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib import image
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from rich.console import Console

from pymoo_prune import Series, StoreError
from pymoo_prune.comparing import FRONTS_PICTURE, Trial, draw, meaning, tables
from pymoo_prune.comparing.comparison import TESTED
from pymoo_prune.comparing.files import ATTAINMENT_PICTURE, CURVES_PICTURE
from pymoo_prune.comparing.page import write_page
from pymoo_prune.comparing.pictures import shown_fronts
from pymoo_prune.comparing.statistics import mann_whitney
from pymoo_prune.objectives import Goals
from pymoo_prune.plots import COLOURS
from tests.support.made_up_runs import HIGH, LOW, MIXED, QUANTITIES, cells, front, report, runs

# Tables.


def test_means_say_of_how_many_runs_they_are_where_some_have_no_number() -> None:
    trials = [*runs("ga", 0.5, 0.7), *runs("nsga2", 0.8, 0)]
    shown = report(trials, bounds=["parameters<=40%", "macs<=1%"])
    ga, nsga2 = cells(tables.quality_rows(shown.comparison))
    assert (ga["method"], nsga2["method"], nsga2["runs"]) == ("ga ←", "nsga2", "2")
    assert ga["on test"] == ".6000 ± .1414"
    assert nsga2["on test"] == ".4000 ± .5657"
    # The union is the first run's network, no error at .2 of the size. The second found nothing,
    # and is as far from it as (1, 1) is: the root of 1 + .8².
    assert nsga2["IGD+"] == ".6403 ± .9055"
    ga, nsga2 = cells(tables.bound_rows(shown.comparison))
    assert ga["parameters<=40%"] == "100.00 (1 of 2)"
    assert nsga2["macs<=1%"] == "–"


def test_baselines_stand_below_the_methods() -> None:
    other = Series("L1", {n: c for n, c in front([0.9], [0.5]).items() if n != "parameters"})
    shown = report(runs("ga", 0.5), [other], bounds=["macs<=60%", "parameters<=60%"])
    row = cells(tables.quality_rows(shown.comparison))[1]
    assert row == {"method": "L1", "runs": "", "searched": "–", "IGD+": "–", "on test": "–"}
    row = cells(tables.bound_rows(shown.comparison))[1]
    assert row == {"method": "L1", "macs<=60%": "90.00", "parameters<=60%": "–"}


def test_pairs_are_shown_for_the_search_and_for_what_decides() -> None:
    trials = [*runs("a", *(0.5 + 0.01 * k for k in range(10))),
              *runs("b", *(0.7 + 0.01 * k for k in range(10)))]  # fmt: skip
    shown = report(trials)
    searched, tested = cells(tables.contrast_rows(shown.comparison))
    assert (searched["hypervolume"], tested["hypervolume"]) == ("searched", "on test")
    assert (tested["pair"], tested["A"], tested["ahead"]) == ("a / b", "0.00", "b")
    p = mann_whitney(shown.comparison.of("a", TESTED), shown.comparison.of("b", TESTED))
    assert 0 < p < 0.001
    assert tested["p"] == tested["p (Holm)"] == "< 0.001"
    assert cells(tables.contrast_rows(report(runs("ga", 0.5, 0.6)).comparison)) == []


def test_what_runs_took() -> None:
    (row,) = cells(tables.cost_rows(report([*runs("ga", 0.5, 0)]).comparison))
    assert row == {
        "method": "ga",
        "objectives": "accuracy,parameters",
        "evaluations": "4",
        "known before": "1",
        "networks": "0",
    }
    (row,) = cells(tables.time_rows(report([*runs("ga", 0.5, 0)]).comparison))
    assert row == {"method": "ga", "runs": "2", "seconds": "2.0", "least": "2.0", "most": "2.0"}


def test_every_number_can_be_found_again() -> None:
    shown = report(runs("ga", 0.5, 0), bounds=["macs<=60%"])
    rows = cells(tables.run_rows(shown.comparison))
    assert rows[0]["from"] == "runs/ga-0"
    assert rows[0]["macs<=60%"] == "100.00 % (evaluation 3)"
    assert (rows[1]["seed"], rows[1]["macs<=60%"]) == ("1", "–")
    assert rows[1]["hypervolume on the test images"] == "0.0000"


def test_the_numbers_are_written_exactly() -> None:
    shown = report([*runs("a", 1 / 3), *runs("b", 0)], bounds=["macs<=99%"])
    table = list(csv.DictReader(io.StringIO(tables.indicators_csv(shown.comparison))))
    assert [row["method"] for row in table] == ["a", "b"]
    for place, row in enumerate(table):
        for name, values in shown.comparison.indicators.items():
            assert float(row[name]) == pytest.approx(values[place], rel=0, abs=0, nan_ok=True)
    assert (table[0]["from"], table[0]["evaluations"], table[0]["known"]) == ("runs/a-0", "4", "1")


def test_tables_fit_into_a_terminal() -> None:
    shown = report([*runs("ga", *HIGH), *runs("nsga2", *LOW), *runs("random", *MIXED)])
    console = Console(file=io.StringIO(), width=80)
    for table in shown.tables():
        console.print(table)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= 80
    assert any(".6300 ± .0158" in line for line in lines)


# Pages and pictures.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "pictures"),
    [
        (("accuracy", "parameters"), {"fronts", "hypervolume", "attainment"}),
        (("accuracy", "parameters", "pixels"), {"fronts", "hypervolume", "parallel"}),
        (("accuracy",), {"fronts", "hypervolume"}),
    ],
)
def test_a_folder_with_a_page_pictures_and_numbers(
    tmp_path: Path, names: tuple[str, ...], pictures: set[str]
) -> None:
    trials = [*runs("ga", 0.5, 0), *runs("random", 0)]  # a front of one point, and none at all
    shown = report(trials, [Series("L1", front([0.9], [0.5]))], goals=Goals(QUANTITIES, names))
    page = shown.write(tmp_path / "out")
    files = {path.name for path in page.parent.iterdir()}
    assert files == {"report.md", "runs.csv", "times.csv"} | {
        f"{p}.{s}" for p in pictures for s in ("png", "svg")
    }
    for name in pictures:
        assert image.imread(page.parent / f"{name}.png")[..., :3].std() > 0.02
    text = page.read_text()
    for part in (
        "# Pixels on digits",
        shown.verdict(),
        meaning(shown.comparison),
        "| budget of each run |",
    ):
        assert part in text
    assert set(re.findall(r"!\[[^]]+\]\((\w+)\.png\)", text)) == pictures
    assert (page.parent / "runs.csv").read_text() == tables.indicators_csv(shown.comparison)


def test_without_curves_there_is_no_picture_of_them(tmp_path: Path) -> None:
    trials = [Trial("a", 0, front([0.5], [0.5]), None, 4, 0, 1.0)]
    assert "hypervolume" not in draw(report(trials).comparison, tmp_path, title="")


def test_the_report_of_a_run_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "report.md").write_text("mine")
    with pytest.raises(
        StoreError, match="is a run, and its own report would be lost; give another"
    ):
        report(runs("ga", 0.5)).write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"run.json", "report.md"}


def test_a_method_has_one_look_in_all_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: list[Figure] = []

    def saved(figure: Figure, path: Path, **_: object) -> None:
        figures.append(figure)
        path.touch()

    monkeypatch.setattr(Figure, "savefig", saved)
    approximate = [replace(trial, history=None) for trial in runs("ga", *HIGH)]
    trials = [*runs("lost", 0, 0), *approximate, *runs("own", 0, 0, 0.5), *runs("nsga2", *LOW)]
    drawn = draw(report(trials).comparison, tmp_path, title="")
    assert drawn == [FRONTS_PICTURE, CURVES_PICTURE, ATTAINMENT_PICTURE]
    looks: dict[str, set[object]] = {}
    for line in (one for figure in figures for one in figure.legends[0].legend_handles):
        if isinstance(line, Line2D):
            looks.setdefault(str(line.get_label()).partition(",")[0], set()).add(line.get_color())
    methods = ("lost", "ga", "own", "nsga2")
    assert {name: looks[name] for name in methods} == {
        name: {COLOURS[place]} for place, name in enumerate(methods)
    }


@pytest.mark.slow
def test_a_comparison_with_median_runs_that_found_nothing_has_pages(tmp_path: Path) -> None:
    shown = report([*runs("ga", 0, 0, 0.5), *runs("nsga2", 0, 0, 0.4)])
    shown.write(tmp_path)
    html = write_page(shown, tmp_path).read_text("utf-8")
    assert "2 of 3 runs of ga found nothing" in html
    assert "No method&#39;s median run found anything." in html


def test_the_median_run_is_shown() -> None:
    shown = shown_fronts(report([*runs("ga", 0.2, 0.6, 0.4), *runs("random", 0)]).comparison)
    assert [(one.name, len(one)) for one in shown] == [("ga", 1), ("random", 0)]
    assert shown[0].columns["parameters"] == pytest.approx([600])
