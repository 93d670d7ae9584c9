"""A small reader of the LaTeX that tables are written in: no LaTeX is installed where tests run."""

from __future__ import annotations

import re
from dataclasses import dataclass

COMMANDS = {
    *("begin", "end", "centering", "caption", "label", "toprule", "midrule", "bottomrule"),
    *("textbf", "textbackslash", "textasciitilde", "textasciicircum", "textbar", "ldots"),
    *("pm", "times", "leq", "geq", "neq", "approx", "leftarrow", "rightarrow", "mu", "cdot"),
    *("lambda", "varepsilon", "infty", "cup", "surd", "circ", "alpha", "beta"),
}
"""Commands that a table may have: LaTeX's own, and those of booktabs."""


@dataclass(frozen=True)
class ReadTable:
    """What a file of LaTeX says.

    Attributes:
        kind: "table", or "table*" where it spans both columns of a page.
        caption: The caption, in LaTeX.
        label: The label.
        columns: The columns' alignment, such as "lrr".
        rows: The cells in LaTeX, without the bold; the head is the first.
        bold: Rows and columns of the bold cells; the head is row 0.
        rules: Rows before which a rule is drawn.
    """

    kind: str
    caption: str
    label: str
    columns: str
    rows: list[list[str]]
    bold: set[tuple[int, int]]
    rules: list[int]

    def column(self, name: str) -> list[str]:
        """The cells below a head."""
        place = self.rows[0].index(name)
        return [row[place] for row in self.rows[1:]]


def read(text: str) -> ReadTable:
    """Reads a table, and fails where LaTeX would."""
    assert text.isascii(), [letter for letter in text if not letter.isascii()]
    check_commands(text)
    check_braces(text)
    environments = re.findall(r"\\(begin|end)\{([a-z*]+)\}", text)
    assert [name for _, name in environments[:2]] == [name for _, name in environments[:1:-1]]
    assert [what for what, _ in environments] == ["begin", "begin", "end", "end"]
    assert environments[1][1] == "tabular"
    caption = re.search(r"^  \\caption\{(.*)\}$", text, re.MULTILINE)
    label = re.search(r"^  \\label\{([a-z:-]+)\}$", text, re.MULTILINE)
    begin = re.search(r"^  \\begin\{tabular\}\{([lr]+)\}$", text, re.MULTILINE)
    assert caption is not None
    assert label is not None
    assert begin is not None
    check_specials(caption[1])
    inside = text[begin.end() : text.index(r"\end{tabular}")].strip().splitlines()
    lines = [line.strip() for line in inside]
    assert lines[0] == r"\toprule"
    assert lines[-1] == r"\bottomrule"
    rows: list[list[str]] = []
    rules = []
    for line in lines[1:-1]:
        if line == r"\midrule":
            rules.append(len(rows))
            continue
        assert line.endswith(r" \\"), line
        assert not line.startswith(("[", "*")), line  # arguments of what is before
        text = line.removeprefix("{}").removesuffix(r"\\")
        cells = [cell.strip() for cell in re.split(r"(?<!\\)&", text)]
        assert len(cells) == len(begin[1]), line
        rows.append(cells)
    bold = set()
    for place, row in enumerate(rows):
        for column, cell in enumerate(row):
            if found := re.fullmatch(r"\\textbf\{(.*)\}", cell):
                bold.add((place, column))
                row[column] = found[1]
            check_specials(row[column])
    return ReadTable(environments[0][1], caption[1], label[1], begin[1], rows, bold, rules)


def check_commands(text: str) -> None:
    unknown = set(re.findall(r"\\([a-zA-Z]+)", text)) - COMMANDS
    assert not unknown


def check_braces(text: str) -> None:
    depth = 0
    for letter in re.sub(r"\\[{}\\]", "", text):
        depth += (letter == "{") - (letter == "}")
        assert depth >= 0
    assert depth == 0


def check_specials(text: str) -> None:
    """No letter that LaTeX reads otherwise is left as it is, outside of mathematics."""
    plain = re.sub(r"\\[&%$#_{}]", "", text)
    assert plain.count("$") % 2 == 0, text
    outside = re.sub(r"\$[^$]+\$", "", plain)
    assert not set(outside) & set('&%#_^<>|"'), text
