"""Makes tables, in Markdown and for the terminal, and lists within sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

Row = tuple[str, ...]


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown: the first column is left-aligned, all others right-aligned."""
    lines = [head, ("---", *("---:" for _ in head[1:])), *rows]
    # A bar in a cell would end the cell.
    escaped = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


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
