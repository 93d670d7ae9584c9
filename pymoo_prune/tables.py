"""Tables, for a page and for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.table import Table

Row = tuple[str, ...]


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown: the first column to the left, numbers to the right."""
    lines = [head, ("---", *("---:" for _ in head[1:])), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def terminal_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """The same for the terminal, where 80 columns must do; a row with an arrow stands out."""
    table = Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )
    for place, name in enumerate(head):
        justify: Literal["left", "right"] = "right" if place else "left"
        # Words of a head stay whole, where columns are many.
        longest = max(map(len, name.split()), default=0)
        table.add_column(name, justify=justify, min_width=longest)
    for row in rows:
        table.add_row(*row, style="bold" if "←" in row[0] else "")
    return table


def listed(texts: Sequence[str]) -> str:
    """Texts as a sentence has them: "a, b and c"."""
    *others, last = texts
    return f"{', '.join(others)} and {last}" if others else last
