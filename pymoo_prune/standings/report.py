"""A study's report: tables, pictures, and a page that says which method is ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from rich.table import Table

from pymoo_prune.errors import StoreError
from pymoo_prune.files import write_text
from pymoo_prune.plots import SCREEN, FigureStyle
from pymoo_prune.runs import REPORT_PAGE, SETTINGS_FILE
from pymoo_prune.standings import tables, words
from pymoo_prune.standings.attainments import Differing, differing
from pymoo_prune.standings.numbers import numbers
from pymoo_prune.standings.pictures import RANKS_PICTURE, REACHED_PICTURE, Picture, draw
from pymoo_prune.standings.standings import Standings
from pymoo_prune.standings.tables import StudyTable
from pymoo_prune.tables import TABLES_FOLDER, markdown_table, terminal_table, without_html


class StudyReport:
    """The report of a study.

    Args:
        standings: The numbers.
        title: The study's name.
        facts: How it was made: budget, seeds, machine, versions.
        notes: What else a reader must know before the tables, such as problems without results.
    """

    def __init__(
        self,
        standings: Standings,
        title: str,
        facts: Mapping[str, str] | None = None,
        *,
        notes: Sequence[str] = (),
    ) -> None:
        self.standings, self.title, self.facts = standings, title, dict(facts or {})
        self.notes = list(notes)

    def verdict(self) -> str:
        """Which method is ahead, and what a reader must know before the tables."""
        return " ".join([words.verdict(self.standings), *self.cautions()])

    def cautions(self) -> list[str]:
        """What a reader must know before the tables."""
        return [*words.cautions(self.standings), *self.notes]

    @cached_property
    def differing(self) -> list[Differing]:
        """The problems on which two methods' attainments are compared, most different first."""
        return differing(self.standings)

    # Tables.

    @cached_property
    def standings_table(self) -> StudyTable:
        """Who is ahead, problem by problem."""
        return tables.standings_table(self.standings)

    @cached_property
    def rank_tables(self) -> list[StudyTable]:
        """Mean ranks, and signed ranks against one method; none where there are no ranks."""
        if (ranks := self.standings.ranks) is None:
            return []
        return [
            tables.rank_table(ranks, self.standings),
            tables.signed_table(ranks, self.standings),
        ]

    @cached_property
    def time_tables(self) -> list[StudyTable]:
        """What was reached over time: over all problems, and on each; none where not known."""
        if not self.standings.over_time.tasks:
            return []
        return [
            tables.profile_table(self.standings),
            tables.budget_table(self.standings),
            tables.target_table(self.standings),
        ]

    @cached_property
    def difference_tables(self) -> list[StudyTable]:
        """Where two methods differ; none where that cannot be said."""
        return [tables.difference_table(self.differing, self.standings)] if self.differing else []

    @property
    def study_tables(self) -> list[StudyTable]:
        """All tables."""
        groups = (
            [self.standings_table], self.rank_tables, self.time_tables, self.difference_tables,
        )  # fmt: skip
        return [table for group in groups for table in group]

    def tables(self) -> list[Table]:
        """For the terminal."""
        shown = [*self.time_tables[:1], *self.rank_tables, self.standings_table]
        titles = {
            "over-time": "targets reached, and share of the best hypervolume",
            "ranks": "mean ranks",
            "signed-ranks": f"against {self.standings.against}, over all problems",
            "standings": "problems and methods",
        }
        return [terminal_table(titles[one.name], one.head, one.rows) for one in shown]

    # Where it goes.

    def write(
        self, folder: Path, *, html: bool = False, style: FigureStyle = SCREEN, log: bool = True
    ) -> Path:
        """Writes report, pictures, tables and numbers into a folder.

        Args:
            folder: Where they go, made if it is not there.
            html: Whether pages for a browser are written too: one of the study, and one of each
                problem that has none yet.
            style: The sizes of pictures, for a screen or a paper.
            log: Whether evaluations are on a logarithmic axis.

        Returns:
            The report.
        """
        if (folder / SETTINGS_FILE).is_file():
            msg = f"{folder} is a run, and its own report would be lost; give another --output"
            raise StoreError(msg)
        (folder / TABLES_FOLDER).mkdir(parents=True, exist_ok=True)
        drawn = draw(self.standings, self.differing, folder, title=self.title, style=style, log=log)
        for table in self.study_tables:
            write_text(folder / TABLES_FOLDER / f"{table.name}.tex", table.latex())
        for name, text in numbers(self.standings).items():
            write_text(folder / TABLES_FOLDER / name, text)
        if html:
            from pymoo_prune.standings.page import write_pages  # noqa: PLC0415 - it brings Bokeh

            write_pages(self, folder, drawn, log=log)
        write_text(folder / REPORT_PAGE, self.page(drawn))
        return folder / REPORT_PAGE

    def page(self, drawn: list[Picture]) -> str:
        """The report in Markdown.

        Args:
            drawn: The pictures that are there.
        """
        shown = {one.name: f"![{one.text}]({one.name}.png)" for one in drawn}
        first = [shown.pop(name, "") for name in (RANKS_PICTURE, REACHED_PICTURE)]
        parts = [
            f"# {self.title}",
            words.verdict(self.standings),
            *self.cautions(),
            "## Who is ahead",
            self.standings_table.markdown(),
            words.table_meaning(self.standings),
            "## Ranks over all problems",
            first[0],
            *self._ranks(),
            "## Over time",
            first[1],
            *self._over_time(),
            "## Where two methods differ",
            *self._differences(list(shown.values())),
            "## Numbers",
            f"All numbers are in `{TABLES_FOLDER}/`: exactly as CSV, and the tables as LaTeX.",
            "## Made with",
            markdown_table(("what", "value"), list(self.facts.items())),
        ]
        return without_html("\n\n".join(part for part in parts if part)) + "\n"

    def _ranks(self) -> list[str]:
        if (ranks := self.standings.ranks) is None:
            return [self.standings.why_no_ranks]
        mean, signed = self.rank_tables
        return [
            mean.markdown(),
            words.rank_meaning(ranks, self.standings),
            signed.markdown(),
            words.signed_meaning(ranks),
        ]

    def _over_time(self) -> list[str]:
        if not self.time_tables:
            return [words.nothing_over_time(self.standings)]
        profile, budgets, targets = self.time_tables
        return [
            words.over_time_meaning(self.standings),
            profile.markdown(),
            profile.caption,
            "### Within parts of the budget",
            budgets.markdown(),
            budgets.caption,
            "### To shares of the best hypervolume",
            targets.markdown(),
            targets.caption,
        ]

    def _differences(self, pictures: list[str]) -> list[str]:
        if not self.difference_tables:
            texts = words.no_differences(self.standings), words.without_differences(self.standings)
            return [" ".join(text for text in texts if text)]
        return [
            words.difference_meaning(self.standings),
            self.difference_tables[0].markdown(),
            words.without_differences(self.standings),
            *pictures,
        ]
