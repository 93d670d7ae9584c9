"""A run's report: the front beside what a user would do instead, as a page and in the terminal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.table import Table

from pymoo_prune.files import write_text, write_texts
from pymoo_prune.plots import SCREEN, FigureStyle
from pymoo_prune.results import EVALUATION, final_of
from pymoo_prune.runs import words
from pymoo_prune.runs.files import (
    FRONT_PICTURE,
    FRONT_TABLE,
    GENERATIONS_PICTURE,
    LAYERS_PICTURE,
    MATRICES_PICTURE,
    PARALLEL_PICTURE,
    REPORT_PAGE,
)
from pymoo_prune.runs.findings import Findings
from pymoo_prune.runs.latex import methods_table, networks_table, versions_table
from pymoo_prune.runs.pictures import TEXTS, draw, pictures
from pymoo_prune.runs.run import Run
from pymoo_prune.tables import (
    TABLES_FOLDER,
    LatexTable,
    Row,
    latex_files,
    markdown_table,
    terminal_table,
    without_html,
)

HEADS = {"test": "hypervolume on test", "finished": "after the same retraining"}
"""Heads of columns of hypervolumes, by the first word of what they are over."""


class Report:
    """The report of a finished run: tables, a page and pictures.

    Args:
        run: The run.

    Attributes:
        findings: The numbers.
    """

    def __init__(self, run: Run) -> None:
        self.findings = Findings(run)

    # Tables.

    def method_rows(self) -> tuple[Row, list[Row]]:
        """One row a method: how many networks, and how much of the objectives they dominate."""
        findings = self.findings
        volumes = findings.hypervolumes
        rows: list[Row] = [
            (one.name, str(len(one)), *map(words.volume, numbers))
            for one, *numbers in zip(findings.series, *volumes.values(), strict=True)
        ]
        return ("method", "networks", *(HEADS[one.partition("_")[0]] for one in volumes)), rows

    def volume_rows(self) -> tuple[Row, list[Row]]:
        """The same, then what was there before the search together, and what the search adds."""
        head, rows = self.method_rows()
        return head, [*rows, *words.gain_rows(self.findings)]

    @property
    def shown(self) -> list[str]:
        """The quantities that tables of networks show."""
        findings, sizes = self.findings, ("parameters", "macs")
        last = final_of(findings.goals.quantities)
        wanted = (findings.searched, *findings.goals.names, *sizes, *last, *EVALUATION)
        if not findings.labelled:  # divergences are shown where an objective has them
            wanted = wanted[1:]
        known = [n for n in dict.fromkeys(wanted) if n in findings.front.columns]
        validated = [n for n in last if n.startswith("finished_") and "_test_" not in n]
        return [n for n in known if n not in validated]

    def network_rows(self, most: int = 14) -> tuple[Row, list[Row]]:
        """The front's networks, evenly thinned to at most `most`, always with the chosen one."""
        findings, names = self.findings, self.shown
        columns, quantities, chosen = findings.front.columns, findings.quantities, findings.chosen
        places = np.unique(np.linspace(0, len(findings.front) - 1, most).round().astype(int))
        rows: list[Row] = []
        for place in sorted({*places.tolist(), chosen}):
            mark = " ←" if place == chosen else ""
            cells = [quantities[n].format(float(columns[n][place])) for n in names]
            rows.append((f"{place}{mark}", *cells))
        return ("no.", *(quantities[name].label for name in names)), rows

    def tables(self) -> list[Table]:
        """For the terminal."""
        return [
            terminal_table("networks of the front", *self.network_rows()),
            terminal_table("methods", *self.volume_rows()),
        ]

    def latex_tables(self) -> list[LatexTable]:
        """For a paper; `write_latex` writes them."""
        return [
            methods_table(self.findings, *self.volume_rows()),
            networks_table(self.findings, *self.network_rows(), self.shown),
            versions_table(self.findings),
        ]

    # In words.

    def verdict(self) -> str:
        """Whether the search paid off, and what it adds to what was there before it."""
        return f"{words.verdict(self.findings)} {words.share(self.findings)}".strip()

    def suggestion(self) -> str:
        """The network to take, in sentences."""
        return words.suggestion(self.findings)

    def parent_line(self) -> str:
        """The unpruned network's measurements, in a sentence."""
        return words.parent_line(self.findings)

    @property
    def time_line(self) -> str:
        """The working time of the search, in a sentence; empty where it is not known."""
        return words.time_line(self.findings)

    def origins(self) -> dict[str, str]:
        """From which seed and which evaluations the networks of each method come."""
        return words.origins(self.findings)

    # As files.

    def write(self, folder: Path | None = None, style: FigureStyle = SCREEN) -> Path:
        """Writes the pictures and the page; returns the page.

        Args:
            folder: Where they go, made if it is not there; None is the run's folder.
            style: The sizes of pictures, for a screen or a paper.
        """
        folder = self.findings.run.folder if folder is None else folder
        folder.mkdir(parents=True, exist_ok=True)
        draw(self.findings, folder, style)
        write_text(folder / REPORT_PAGE, self.page())
        return folder / REPORT_PAGE

    def write_latex(self, folder: Path | None = None) -> list[Path]:
        """Writes every table in LaTeX; returns the files.

        Args:
            folder: The report's folder; they go into a folder `tables` in it. None is the run's.
        """
        folder = self.findings.run.folder if folder is None else folder
        return write_texts(folder / TABLES_FOLDER, latex_files(self.latex_tables()))

    def page(self) -> str:
        """The report in Markdown."""
        findings = self.findings
        carry = (
            f"The arrow marks the suggestion; `{words.export_command(findings, findings.chosen)}` "
            f"carries it away. All numbers are in `{FRONT_TABLE}`."
        )
        there = pictures(findings)
        optional = (PARALLEL_PICTURE, LAYERS_PICTURE, MATRICES_PICTURE)
        parts = [
            f"# {words.title(findings)}",
            words.made_line(findings),
            self.parent_line(),
            self.verdict(),
            self.suggestion(),
            _link(FRONT_PICTURE),
            "## Methods",
            markdown_table(*self.volume_rows()),
            words.meaning(findings),
            "## Networks",
            markdown_table(*self.network_rows()),
            carry,
            *(_link(name) for name in optional if name in there),
            *(f"- {note}" for note in findings.summary.get("notes", ())),
            "## Where the networks come from",
            "\n".join(f"- {name}: {origin}." for name, origin in self.origins().items()),
            "## The search, generation by generation",
            _link(GENERATIONS_PICTURE),
            *([] if findings.times is None else [words.times_line(findings)]),
            "## Made with",
            markdown_table(("what", "version"), list(findings.summary["versions"].items())),
        ]
        return without_html("\n\n".join(parts)) + "\n"


def _link(picture: str) -> str:
    return f"![{TEXTS[picture]}]({picture})"
