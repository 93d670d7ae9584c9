"""Makes tables, in Markdown, LaTeX and for the terminal, and lists within sentences."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters that a terminal obeys, besides the ends of lines and tabs."""
Row = tuple[str, ...]
Better: TypeAlias = Literal["higher", "lower"]
Place = tuple[int, int]
"""A cell: its row and its column, from 0."""

LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "−": "$-$", "–": "--", "×": r"$\times$", "≤": r"$\leq$", "≥": r"$\geq$",
    "≈": r"$\approx$", "<": "$<$", ">": "$>$", "²": "$^2$", "←": r"$\leftarrow$",
    "→": r"$\rightarrow$", "µ": r"$\mu$", "…": r"\ldots{}", "|": r"\textbar{}", '"': "''",
    "“": "``", "”": "''", "‘": "`", "’": "'", "\u00a0": "~", "\u202f": "~", "·": r"$\cdot$",
    "≠": r"$\neq$", "∞": r"$\infty$", "∪": r"$\cup$", "√": r"$\surd$", "°": r"$^\circ$",
    "³": "$^3$", "⁺": "$^{+}$", "⁻": "$^{-}$", "⁼": "$^{=}$", "α": r"$\alpha$", "β": r"$\beta$",
    "ε": r"$\varepsilon$", "λ": r"$\lambda$", "μ": r"$\mu$", "—": "---", "ß": r"\ss{}",
}  # fmt: skip
"""Characters that LaTeX reads otherwise, or that its fonts lack, and what prints them."""
ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u030a": "r",
    "\u030c": "v", "\u0327": "c",
}  # fmt: skip
"""Accents that follow a letter in Unicode, and the command that puts them on it."""
TABLES_FOLDER = "tables"
"""The folder of a report's tables in LaTeX."""
BEST = "The best of each column is bold."
"""A sentence for captions."""
ROOM = 58
"""Letters that fit beside each other into a column of a paper, with 3 between two cells."""


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown: the first column is left-aligned, all others right-aligned."""
    lines = [head, ("---", *("---:" for _ in head[1:])), *rows]
    # A bar in a cell would end the cell.
    escaped = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def without_html(text: str) -> str:
    """A page in Markdown in which tags of HTML are shown, and do nothing."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text)


def latex_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    caption: str,
    label: str,
    bold: Collection[Place] = (),
    wide: bool = False,
    texts: Collection[int] = (0,),
    rules: Collection[int] = (),
) -> str:
    """A floating table in LaTeX with booktabs: columns of text are left-aligned, others right.

    Args:
        head: The columns' names.
        rows: The cells, as plain text.
        caption: A plain text, which says how the numbers were made.
        label: For references, such as "tab:methods".
        bold: Cells that are printed bold.
        wide: Whether the table spans both columns of a page.
        texts: The columns of text.
        rules: Rows before which a rule is drawn.
    """
    lines = []
    for place, row in enumerate(rows):
        cells = [
            rf"\textbf{{{latex(cell)}}}" if (place, column) in bold else latex(cell)
            for column, cell in enumerate(row)
        ]
        lines += [r"    \midrule"] if place in rules else []
        lines.append(_latex_row(cells))
    columns = "".join("l" if column in texts else "r" for column in range(len(head)))
    kind = "table*" if wide else "table"
    return "\n".join(
        [
            rf"\begin{{{kind}}}",
            r"  \centering",
            rf"  \caption{{{latex(caption)}}}",
            rf"  \label{{{label}}}",
            rf"  \begin{{tabular}}{{{columns}}}",
            r"    \toprule",
            _latex_row([latex(name) for name in head]),
            r"    \midrule",
            *lines,
            r"    \bottomrule",
            r"  \end{tabular}",
            rf"\end{{{kind}}}",
            "",
        ]
    )


def _latex_row(cells: Sequence[str]) -> str:
    """A row of cells that are in LaTeX already."""
    text = " & ".join(cells)
    # The line break or rule before it would take these as its own arguments.
    guard = "{}" if text.startswith(("[", "*")) else ""
    return rf"    {guard}{text} \\"


def latex(text: str) -> str:
    """A plain text as LaTeX prints it."""
    text = re.sub('"([^"]*)"', r"“\1”", text)
    return "".join(LATEX.get(character) or _accented(character) for character in text)


def _accented(character: str) -> str:
    """A letter with an accent as LaTeX prints it; other characters as they are."""
    letter, *accents = list(unicodedata.normalize("NFD", character))
    if len(accents) != 1 or accents[0] not in ACCENTS or not letter.isascii():
        return character
    return rf"\{ACCENTS[accents[0]]}{{{letter}}}"


@dataclass(frozen=True)
class LatexTable:
    """A table of a report, for a paper.

    Attributes:
        name: The name of its file, without ending; its label is "tab:NAME".
        head: The columns' names.
        rows: The cells, as plain text.
        caption: A plain text, which says how the numbers were made.
        bold: Cells that are printed bold.
        texts: The columns of text.
        rules: Rows before which a rule is drawn.
    """

    name: str
    head: Row
    rows: Sequence[Row]
    caption: str
    bold: Collection[Place] = ()
    texts: Collection[int] = (0,)
    rules: Collection[int] = ()

    def text(self) -> str:
        """The table in LaTeX; it spans both columns of a page where one has no room for it."""
        columns = zip(self.head, *self.rows, strict=True)
        letters = sum(max(map(len, column)) for column in columns) + 3 * (len(self.head) - 1)
        return latex_table(
            self.head,
            self.rows,
            caption=self.caption,
            label=f"tab:{self.name}",
            bold=self.bold,
            wide=letters > ROOM,
            texts=self.texts,
            rules=self.rules,
        )


def latex_files(tables: Sequence[LatexTable]) -> dict[str, str]:
    r"""A file for each table, for LaTeX's \input; they need \usepackage{booktabs}.

    Args:
        tables: The tables.

    Returns:
        The files' texts, by name.
    """
    return {f"{table.name}.tex": table.text() for table in tables}


def best_cells(
    rows: Sequence[Row],
    column: int,
    values: Sequence[float],
    better: Better,
) -> set[Place]:
    """The cells of a column with the best value, and those that look alike up to their spread.

    Args:
        rows: The cells, as plain text.
        column: The column.
        values: The value in each row; NaN for rows that are not compared.
        better: Whether a higher or a lower value is better.

    Returns:
        The cells; none where fewer than two rows are compared.
    """
    known = [row for row, value in enumerate(values) if not math.isnan(value)]
    if len(known) < 2:
        return set()
    best = (max if better == "higher" else min)(known, key=lambda row: values[row])
    shown = [row[column].partition(" ")[0] for row in rows]
    return {(row, column) for row in known if shown[row] == shown[best]}


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


def printable(value: Any) -> Any:
    """A value from JSON, with control characters in its texts replaced.

    A terminal would obey them.

    Args:
        value: Texts, numbers, lists and objects.
    """
    if isinstance(value, str):
        return CONTROL.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, list):
        return [printable(one) for one in value]
    if isinstance(value, dict):
        return {printable(name): printable(one) for name, one in value.items()}
    return value
