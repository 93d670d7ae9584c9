from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from pymoo_prune.tables import (
    LatexTable,
    best_cells,
    latex,
    latex_table,
    listed,
    markdown_table,
    terminal_table,
)
from tests.support.latex import read

HEAD = ("no.", "accuracy", "test accuracy after retraining", "latency [ms]")
ROWS = [
    ("0\u00a0←", "97.49\u00a0%", "12.00\u00a0%", "1,234,567.8"),
    ("[bold]1", "[x]", "[/]", "9"),
]


def printed(width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(terminal_table("some", HEAD, ROWS), crop=False)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [10, 80, 200])
def test_rows_are_whole_however_narrow_the_terminal_is(width: int) -> None:
    lines = [line.split() for line in printed(width)]
    for row in ROWS:
        assert " ".join(row).split() in lines


def test_brackets_are_no_markup() -> None:
    assert "latency [ms]" in "\n".join(printed(200))


def test_a_table_begins_and_ends_with_its_columns() -> None:
    title, blank, *lines = printed(200)
    assert (title, blank) == ("some", "")
    assert lines[0].startswith("no.")
    assert len(lines[1]) == len(lines[2]) == len(lines[0])


def test_a_table_in_markdown() -> None:
    table = markdown_table(("a", "|W|"), [("1", "2")])
    assert table == "| a | \\|W\\| |\n| --- | ---: |\n| 1 | 2 |"


def test_texts_are_listed_as_in_a_sentence() -> None:
    assert [listed(list(texts)) for texts in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]


def test_a_latex_table_escapes_what_latex_reads_otherwise() -> None:
    table = latex_table(
        ("a_1", "50 %"),
        [("{x} & \\y", "0.9 ± 0.1"), ("−1", "≤ 2")],
        caption="100 % of #2",
        label="tab:one",
        bold={(0, 1)},
    )
    lines = [line.strip() for line in table.splitlines()]
    assert r"\caption{100 \% of \#2}" in lines
    assert r"\begin{tabular}{lr}" in lines
    assert r"a\_1 & 50 \% \\" in lines
    assert r"\{x\} \& \textbackslash{}y & \textbf{0.9 $\pm$ 0.1} \\" in lines
    assert r"$-$1 & $\leq$ 2 \\" in lines
    assert lines[0] == r"\begin{table}"


def test_no_cell_becomes_an_argument_of_the_line_before() -> None:
    head, rows = ("[1]", "*"), [("[12] NSGA-II", "[x]"), ("*ours", "*y"), ("[z]", ""), ("a", "b")]
    text = latex_table(head, rows, caption="c", label="tab:d", bold={(2, 0)}, rules=(1,))
    assert r"    {}[12] NSGA-II & [x] \\" in text.splitlines()
    table = read(text)
    assert table.rows == [list(row) for row in (head, *rows)]
    assert table.bold == {(3, 0)}


def test_a_wide_latex_table_spans_both_columns() -> None:
    table = latex_table(("a",), [("b",)], caption="c", label="tab:d", wide=True)
    assert table.startswith(r"\begin{table*}")
    assert table.rstrip().endswith(r"\end{table*}")


def test_no_letter_is_left_that_the_fonts_of_latex_lack() -> None:
    text = '5\u00a0% µ² Schröder Ünal é ç · λ ε ∞ ≠ ∪ √ “a” ’ ⁺ ⁻ ⁼ | " × … ° α β'
    found = latex(text)
    assert found.isascii()
    assert found.startswith(r"5~\% $\mu$$^2$ Schr\"{o}der \"{U}nal \'{e} \c{c} $\cdot$")
    assert latex('the "best" of 5"') == "the ``best'' of 5''"
    assert latex("字") == "字"  # needs fonts of the user's own


def test_a_table_has_rules_between_its_parts_and_columns_of_text() -> None:
    rows = [("a", "x", "1"), ("b", "y", "2"), ("c", "z", "3")]
    table = read(
        latex_table(("n", "t", "v"), rows, caption="c", label="tab:d", texts=(0, 1), rules=(2,))
    )
    assert table.columns == "llr"
    assert table.rules == [1, 3]
    assert table.rows[1:] == [list(row) for row in rows]


def test_the_best_cells_are_those_that_look_best() -> None:
    rows = [("a", ".8123 ± .01"), ("b", ".8123 ± .02"), ("c", ".8000 ± .00"), ("d", "–")]
    values = [0.81229, 0.81231, 0.8, float("nan")]
    assert best_cells(rows, 1, values, "higher") == {(0, 1), (1, 1)}
    assert best_cells(rows, 1, values, "lower") == {(2, 1)}
    assert best_cells(rows[:1], 1, values[:1], "higher") == set()  # there is nothing to compare
    assert best_cells(rows[2:], 1, values[2:], "higher") == set()


def test_a_table_is_as_wide_as_its_longest_cells() -> None:
    narrow = LatexTable("methods", ("method", "retrained"), [("nsga2", ".8")], "what")
    assert read(narrow.text()).kind == "table"
    assert read(narrow.text()).label == "tab:methods"
    long = replace(narrow, rows=[("a name of many letters, which needs room", "x" * 20)])
    assert read(long.text()).kind == "table*"
