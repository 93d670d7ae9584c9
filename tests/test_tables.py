from __future__ import annotations

import io

import pytest
from rich.console import Console

from pymoo_prune.tables import latex_table, listed, markdown_table, terminal_table

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


def test_a_wide_latex_table_spans_both_columns() -> None:
    table = latex_table(("a",), [("b",)], caption="c", label="tab:d", wide=True)
    assert table.startswith(r"\begin{table*}")
    assert table.rstrip().endswith(r"\end{table*}")
