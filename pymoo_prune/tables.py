"""Makes tables, in Markdown, LaTeX and for the terminal, and lists within sentences."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

Row = tuple[str, ...]
Place = tuple[int, int]
"""A cell: its row and its column, from 0."""

LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "−": "$-$", "–": "--", "×": r"$\times$", "≤": r"$\leq$", "≥": r"$\geq$",
    "≈": r"$\approx$", "<": "$<$", ">": "$>$", "²": "$^2$", "←": r"$\leftarrow$",
    "→": r"$\rightarrow$", "µ": r"$\mu$", "…": r"\ldots{}",
}  # fmt: skip
"""Characters that LaTeX reads otherwise, or that its fonts lack, and what prints them."""


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown: the first column is left-aligned, all others right-aligned."""
    lines = [head, ("---", *("---:" for _ in head[1:])), *rows]
    # A bar in a cell would end the cell.
    escaped = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def latex_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    caption: str,
    label: str,
    bold: Collection[Place] = (),
    wide: bool = False,
) -> str:
    """A floating table in LaTeX with booktabs: the first column is left-aligned, others right.

    Args:
        head: The columns' names.
        rows: The cells, as plain text.
        caption: A plain text, which says how the numbers were made.
        label: For references, such as "tab:methods".
        bold: Cells that are printed bold.
        wide: Whether the table spans both columns of a page.
    """
    lines = [
        " & ".join(
            rf"\textbf{{{latex(cell)}}}" if (place, column) in bold else latex(cell)
            for column, cell in enumerate(row)
        )
        for place, row in enumerate(rows)
    ]
    kind = "table*" if wide else "table"
    return "\n".join(
        [
            rf"\begin{{{kind}}}",
            r"  \centering",
            rf"  \caption{{{latex(caption)}}}",
            rf"  \label{{{label}}}",
            rf"  \begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
            r"    \toprule",
            rf"    {' & '.join(map(latex, head))} \\",
            r"    \midrule",
            *(rf"    {line} \\" for line in lines),
            r"    \bottomrule",
            r"  \end{tabular}",
            rf"\end{{{kind}}}",
            "",
        ]
    )


def latex(text: str) -> str:
    """A plain text as LaTeX prints it."""
    return "".join(LATEX.get(character, character) for character in text)


def terminal_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table for the terminal; a row with an arrow in its first cell is bold.

    Lines may be longer than the terminal is wide. Print with `crop=False`: a number that is cut off
    would be a wrong number.
    """
    table = Table(
        title=f"{title}\n",
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
    for place, name in enumerate(head):
        justify: Literal["left", "right"] = "right" if place else "left"
        # Words and numbers stay whole even if there are many columns.
        texts = (name, *(row[place] for row in rows))
        longest = max(len(word) for text in texts for word in text.split(" "))
        table.add_column(escape(name), justify=justify, min_width=longest)
    for row in rows:
        table.add_row(*map(escape, row), style="bold" if "←" in row[0] else "")
    return table


def listed(texts: Sequence[str]) -> str:
    """Texts joined as in a sentence: "a, b and c"."""
    *others, last = texts
    return f"{', '.join(others)} and {last}" if others else last
