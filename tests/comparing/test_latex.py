"""A comparison's tables in LaTeX."""

from __future__ import annotations

from typing import Any

import pytest

from pymoo_prune import Series
from pymoo_prune.comparing import Campaign, ComparisonReport, report_of_campaign, tables
from tests.support.latex import ReadTable, read
from tests.support.made_up_runs import HIGH, LOW, MIXED, front, report, runs

TEN = [0.01 * k for k in range(10)]


def tables_of(shown: ComparisonReport) -> dict[str, ReadTable]:
    return {table.name: read(table.text()) for table in shown.latex_tables()}


def compared(others: tuple[Series, ...] = (), **given: Any) -> ComparisonReport:
    """Two methods that differ, and one that cannot be told from the first."""
    trials = [
        *runs("nsga2", *(0.7 + k for k in TEN)),
        *runs("ga", *(0.5 + k for k in TEN)),
        *runs("spea2", *(0.7 + k - 0.001 for k in TEN)),
    ]
    return report(trials, others, **given)


@pytest.mark.slow
def test_every_table_of_a_real_report_is_there_and_is_ascii(finished: Campaign) -> None:
    shown = report_of_campaign(finished)
    found = tables_of(shown)
    one = shown.comparison
    expected = {
        "methods": tables.quality_rows(one),
        "pairs": tables.contrast_rows(one),
        "bounds": tables.bound_rows(one),
        "costs": tables.cost_rows(one),
        "times": tables.time_rows(one),
        "runs": tables.run_rows(one),
        "settings": (("what", "value"), list(shown.facts.items())),
    }
    assert list(found) == list(expected)
    for name, (head, rows) in expected.items():
        assert len(found[name].rows) == 1 + len(rows)
        assert len(found[name].rows[0]) == len(head)
        assert found[name].label == f"tab:{name}"
    for name, table in found.items():
        assert "on digits" in table.caption
        if name != "settings":
            for said in ("Budget of each run: 3 generations", "engine seeds: 0, 1"):
                assert said in table.caption
    assert found["runs"].column("from")[0] == "ga-0"  # no path of this machine


def test_the_best_of_each_column_is_bold() -> None:
    # A baseline that is better than all methods, in hypervolume and in IGD+.
    best = Series("L1", front([0.99], [0.05]))
    table = tables_of(compared((best,)))["methods"]
    assert table.rules == [1, 4]
    assert [row[0] for row in table.rows] == ["method", "nsga2", "ga", "spea2", "L1"]
    columns = {name: table.rows[0].index(name) for name in ("searched", "IGD+", "on test")}
    for place in columns.values():
        assert {row for row, column in table.bold if column == place} == {4}
    alone = tables_of(compared())["methods"]
    assert {row for row, column in alone.bold if column == columns["on test"]} == {1}


def test_equal_cells_are_all_bold() -> None:
    table = tables_of(report([*runs("a", 0.5, 0.7), *runs("b", 0.6, 0.6)]))["methods"]
    place = table.rows[0].index("on test")
    assert {row for row, column in table.bold if column == place} == {1, 2}


def test_marks_say_which_methods_are_behind() -> None:
    table = tables_of(compared())["methods"]
    nsga2, ga, spea2 = table.column("on test")
    assert nsga2.endswith(".0303")  # the method that others are marked against
    assert ga.endswith("$^{-}$")
    assert spea2.endswith("$^{=}$")
    assert "Marks compare methods with nsga2: $^{+}$ ahead, $^{-}$ behind" in table.caption
    assert "Holm's correction for the pairs" in table.caption
    assert "Mann-Whitney" in table.caption


def test_marks_are_against_the_method_that_was_asked_for() -> None:
    table = tables_of(compared(against="ga"))["methods"]
    nsga2, ga, spea2 = table.column("on test")
    assert nsga2.endswith("$^{+}$")
    assert spea2.endswith("$^{+}$")
    assert not ga.endswith("$")
    assert "for the pairs with ga, the only ones tested, that share" in table.caption


def test_too_few_runs_have_no_marks_and_one_method_has_no_legend_of_them() -> None:
    table = tables_of(report([*runs("a", *HIGH[:2]), *runs("b", *LOW[:2])]))["methods"]
    assert not any("^" in cell for cell in table.column("on test"))
    alone = tables_of(report(runs("a", *MIXED)))["methods"]
    assert "Marks" not in alone.caption


def test_labels_are_the_names_in_all_tables() -> None:
    shown = compared((Series("L1", front([0.9], [0.5])),), bounds=["macs<=60%"])
    labels = {"nsga2": "NSGA-II", "L1": "L1 filters"}
    shown = ComparisonReport(
        shown.comparison, title="Pixels on digits", facts={"population": "8"}, labels=labels
    )
    found = tables_of(shown)
    assert [row[0] for row in found["methods"].rows[1:]] == ["NSGA-II", "ga", "spea2", "L1 filters"]
    assert found["pairs"].column("pair")[:2] == ["NSGA-II / ga", "NSGA-II / spea2"]
    assert found["pairs"].column("ahead")[0] == "NSGA-II"
    assert found["runs"].column("method")[0] == "NSGA-II"
    assert "Marks compare methods with NSGA-II" in found["methods"].caption
    assert r"macs$\leq$60\%" in found["bounds"].rows[0]
    assert found["bounds"].caption.endswith("Population: 8.")
