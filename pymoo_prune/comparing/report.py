"""A comparison's report: tables, pictures, and a page that says which method wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

from pymoo_prune.comparing import tables, words
from pymoo_prune.comparing.comparison import Comparison
from pymoo_prune.comparing.files import (
    ATTAINMENT_PICTURE,
    CURVES_PICTURE,
    FRONTS_PICTURE,
    INDICATORS_TABLE,
    PARALLEL_PICTURE,
    TIMES_TABLE,
)
from pymoo_prune.comparing.latex import LatexTables
from pymoo_prune.comparing.pictures import checked_labels, draw
from pymoo_prune.comparing.words import meaning, shares, verdict
from pymoo_prune.errors import StoreError
from pymoo_prune.files import write_text, write_texts
from pymoo_prune.objectives import Series
from pymoo_prune.plots import SCREEN, FigureStyle
from pymoo_prune.runs import REPORT_PAGE, SETTINGS_FILE
from pymoo_prune.tables import (
    TABLES_FOLDER,
    LatexTable,
    latex_files,
    markdown_table,
    terminal_table,
    without_html,
)


class ComparisonReport:
    """The report of a comparison: tables, a page and pictures.

    Args:
        comparison: The numbers.
        title: The problem and its data.
        facts: How it was made: budget, seeds, machine, versions.
        published: Results that papers report, drawn beside the fronts.
        caution: A warning to readers, after the verdict.
        labels: Names of methods and baselines in pictures and in LaTeX, by their own names.
    """

    def __init__(
        self,
        comparison: Comparison,
        *,
        title: str,
        facts: Mapping[str, str],
        published: Sequence[Series] = (),
        caution: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self.labels = checked_labels(comparison, labels or {})
        self.comparison, self.title, self.facts = comparison, title, facts
        self.published, self.caution = published, caution

    # In words.

    def verdict(self) -> str:
        """Which method wins, if so few runs can show it, what searches add, and the caution."""
        texts = (verdict(self.comparison), shares(self.comparison), self.caution)
        return " ".join(text for text in texts if text)

    # Where it goes.

    def tables(self) -> list[Table]:
        """For the terminal."""
        one = self.comparison
        return [
            terminal_table("how they searched", *tables.cost_rows(one)),
            terminal_table("working time of a search", *tables.time_rows(one)),
            terminal_table(f"{words.within_bounds(one)}, within bounds", *tables.bound_rows(one)),
            terminal_table("pairs of methods", *tables.contrast_rows(one)),
            terminal_table(
                f"methods: {one.volumes.named('hypervolumes')}, and IGD+", *tables.quality_rows(one)
            ),
        ]

    def latex_tables(self) -> list[LatexTable]:
        """For a paper; `write_latex` writes them."""
        return LatexTables(self.comparison, self.title, self.facts, self.labels).all()

    def write(self, folder: Path, style: FigureStyle = SCREEN) -> Path:
        """Writes page, pictures and numbers into a folder.

        Args:
            folder: Where they go, made if it is not there.
            style: The sizes of pictures, for a screen or a paper.

        Returns:
            The page.
        """
        if (folder / SETTINGS_FILE).is_file():
            msg = f"{folder} is a run, and its own report would be lost; give another --output"
            raise StoreError(msg)
        folder.mkdir(parents=True, exist_ok=True)
        drawn = draw(
            self.comparison,
            folder,
            title=self.title,
            published=self.published,
            labels=self.labels,
            style=style,
        )
        write_text(folder / INDICATORS_TABLE, tables.indicators_csv(self.comparison))
        write_text(folder / TIMES_TABLE, tables.times_csv(self.comparison))
        write_text(folder / REPORT_PAGE, self.page(drawn))
        return folder / REPORT_PAGE

    def write_latex(self, folder: Path) -> list[Path]:
        """Writes every table in LaTeX; returns the files.

        Args:
            folder: The report's folder; they go into a folder `tables` in it.
        """
        return write_texts(folder / TABLES_FOLDER, latex_files(self.latex_tables()))

    def options(self) -> list[str]:
        """A line that names the options of hypervolumes, where there are any."""
        volumes = self.comparison.volumes
        return [f"All are {volumes.named('hypervolumes')}, and IGD+:"] if volumes else []

    def page(self, drawn: list[str]) -> str:
        """The report in Markdown.

        Args:
            drawn: Names of the pictures that are there.
        """
        texts = {
            FRONTS_PICTURE: "fronts of all methods",
            CURVES_PICTURE: f"{self.comparison.volumes.named()} over the evaluations",
            ATTAINMENT_PICTURE: "what half of the runs attain, and the best and the worst",
            PARALLEL_PICTURE: "the best of all runs, one line a network",
        }
        pictures = {name: f"![{texts[name]}]({name}.png)" for name in drawn}
        where = (
            f"All indicators of all runs are in `{INDICATORS_TABLE}`; a run's folder has its front."
        )
        parts = [
            f"# {self.title}",
            self.verdict(),
            pictures.pop(FRONTS_PICTURE),
            "## Methods",
            *self.options(),
            markdown_table(*tables.quality_rows(self.comparison)),
            meaning(self.comparison),
            "## Methods in pairs",
            markdown_table(*tables.contrast_rows(self.comparison)),
            _heading(self.comparison),
            markdown_table(*tables.bound_rows(self.comparison)),
            "Of the networks within a bound, the best on the validation images is taken.",
            *pictures.values(),
            "## How they searched",
            markdown_table(*tables.cost_rows(self.comparison)),
            f"The seconds of each search are in `{TIMES_TABLE}`.",
            "## Where the numbers are from",
            markdown_table(*tables.run_rows(self.comparison)),
            where,
            "## Made with",
            markdown_table(("what", "value"), list(self.facts.items())),
        ]
        return without_html("\n\n".join(parts)) + "\n"


def _heading(comparison: Comparison) -> str:
    """The heading of the table of bounds."""
    what, unit = words.shown_within_bounds(comparison)
    heading = f"## {what[0].upper()}{what[1:]} within bounds"
    return f"{heading}, in {unit}" if unit else heading
