"""A study's report as pages that open in a browser, offline: of the study, and of each problem."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from pymoo_prune.comparing import Campaign, file_name
from pymoo_prune.files import write_text
from pymoo_prune.page import Part, Section, document, html_table, joined, paragraph, picture
from pymoo_prune.plots import SCREEN
from pymoo_prune.runs import INTERACTIVE_PAGE
from pymoo_prune.standings import tables, words
from pymoo_prune.standings.pictures import (
    RANKS_PICTURE,
    REACHED_PICTURE,
    Picture,
    draw_course,
    draw_fronts,
)
from pymoo_prune.standings.profile_figure import figure_of_profiles
from pymoo_prune.standings.report import StudyReport
from pymoo_prune.standings.standings import Standings
from pymoo_prune.standings.tables import StudyTable
from pymoo_prune.standings.tasks import PROBLEMS_FOLDER, Task

FRONTS, COURSE = "fronts.svg", "hypervolume.svg"
UNIT_COSTS = (
    "In unit costs 0 is the best of an axis and 1 is the reference point; what is beyond it is not "
    "shown."
)
NO_COURSE = (
    "No hypervolume over the evaluations can be shown: the searches measured approximately, or no "
    "best hypervolume is known."
)
HOW_TO = "Point at a line for its numbers; a click on a method hides it."
SHOWN_DIFFERENCES = 2
"""Pictures of differences that are shown at once; the others open with a click."""
LINK = Markup('<a href="{}">{}</a>')
BOLD = Markup("<b>{}</b>")
NOTE = Markup('<p class="caption">{}</p>')
DETAILS = Markup("<details><summary>{}</summary>{}</details>")


def write_pages(
    report: StudyReport, folder: Path, drawn: Sequence[Picture], *, log: bool = True
) -> Path:
    """Writes `report.html`, and a page for each problem that has none.

    Args:
        report: The study's report.
        folder: Its folder, with the pictures.
        drawn: The pictures that are there.
        log: Whether evaluations are on a logarithmic axis.
    """
    pages = {
        task.name: task.page if has_page(task, folder) else write_problem(report, task, folder)
        for task in report.standings.tasks
    }
    path = folder / INTERACTIVE_PAGE
    write_text(path, StudyPage(report, folder, drawn, pages, log=log).html())
    return path


class StudyPage:
    """The page of a study.

    Args:
        report: The study's report.
        folder: The pictures' folder.
        drawn: The pictures that are there.
        pages: The page of each problem, relative to the folder.
        log: Whether evaluations are on a logarithmic axis.
    """

    def __init__(
        self,
        report: StudyReport,
        folder: Path,
        drawn: Sequence[Picture],
        pages: dict[str, str],
        *,
        log: bool = True,
    ) -> None:
        self.log = log
        self.report, self.folder, self.pages = report, folder, pages
        self.standings = report.standings
        self.drawn = {one.name: one for one in drawn}

    def html(self) -> str:
        """The page."""
        sections = [
            Section("Who is ahead", self._ahead(), "ahead"),
            Section("Ranks over all problems", self._ranks(), "ranks"),
            Section("Over time", self._over_time(), "time"),
            Section("Where two methods differ", self._differences(), "differences"),
            Section("Problems", self._problems(), "problems"),
            Section("Made with", self._made_with(), "made-with"),
        ]
        lead = [paragraph(words.verdict(self.standings))]
        lead += [paragraph(text) for text in self.report.cautions()]
        return document(self.report.title, sections, lead=lead)

    def _ahead(self) -> list[Part]:
        table = self.report.standings_table
        return [
            html_of(table, self.pages),
            *(NOTE.format(note) for note in table.notes),
            NOTE.format(words.table_meaning(self.standings)),
        ]

    def _ranks(self) -> list[Part]:
        if (ranks := self.standings.ranks) is None:
            return [paragraph(self.standings.why_no_ranks)]
        mean, signed = self.report.rank_tables
        return [
            self._picture(RANKS_PICTURE),
            html_of(mean),
            NOTE.format(words.rank_meaning(ranks, self.standings)),
            html_of(signed),
            NOTE.format(words.signed_meaning(ranks)),
        ]

    def _over_time(self) -> list[Part]:
        if not self.report.time_tables:
            return [paragraph(words.nothing_over_time(self.standings))]
        profile, budgets, targets = self.report.time_tables
        titles = {
            "Within parts of the budget, problem by problem": budgets,
            "Expected running times, problem by problem": targets,
        }
        return [
            figure_of_profiles(self.standings.over_time, log=self.log),
            NOTE.format(f"{HOW_TO} {words.over_time_meaning(self.standings)}"),
            html_of(profile),
            NOTE.format(profile.caption),
            *(
                DETAILS.format(title, html_of(table, self.pages) + NOTE.format(table.caption))
                for title, table in titles.items()
            ),
        ]

    def _differences(self) -> list[Part]:
        without = words.without_differences(self.standings)
        notes = [NOTE.format(without)] if without else []
        if not self.report.difference_tables:
            return [paragraph(words.no_differences(self.standings)), *notes]
        pictures = [
            self._picture(name)
            for name in self.drawn
            if name not in (RANKS_PICTURE, REACHED_PICTURE)
        ]
        more = joined(pictures[SHOWN_DIFFERENCES:])
        return [
            paragraph(words.difference_meaning(self.standings)),
            *pictures[:SHOWN_DIFFERENCES],
            *([DETAILS.format("The next most different problems", more)] if more else []),
            html_of(self.report.difference_tables[0], self.pages),
            *notes,
        ]

    def _problems(self) -> list[Part]:
        rows = [
            (
                LINK.format(quote(self.pages[task.name]), task.name),
                ", ".join(task.objectives),
                f"{max((c.evaluations for c in task.courses), default=0):,}",
                str(len(task.courses)),
                ("of a known front" if task.known else "of all runs and baselines"),
                "; ".join(f"{method}: {why}" for method, why in task.missing.items()),
            )
            for task in self.standings.tasks
        ]
        head = ("problem", "objectives", "evaluations", "runs", "best hypervolume", "missing")
        return [html_table(head, rows, texts=(0, 1, 4, 5))]

    def _made_with(self) -> list[Part]:
        where = "All numbers of this page are in tables/: exactly as CSV, and as LaTeX."
        rows = list(self.report.facts.items())
        return [html_table(("what", "value"), rows, texts=(0, 1)), NOTE.format(where)]

    def _picture(self, name: str) -> Markup:
        one = self.drawn[name]
        return picture(self.folder / f"{name}.svg", text=one.text)


def html_of(table: StudyTable, pages: dict[str, str] | None = None) -> Markup:
    """A table of a study in HTML.

    Args:
        table: The table.
        pages: The page of each problem; names in the first column lead there.
    """
    rows = [
        tuple(
            BOLD.format(cell) if (row, column) in table.bold else cell
            for column, cell in enumerate(cells)
        )
        for row, cells in enumerate(table.rows)
    ]
    rows = [
        (LINK.format(quote(pages[cells[0]]), cells[0]), *cells[1:])
        if pages and cells[0] in pages
        else cells
        for cells in rows
    ]
    return html_table(table.head, rows, texts=table.texts)


# One problem.


def has_page(task: Task, folder: Path) -> bool:
    """Whether a problem has a page that is not written here: a comparison's, or one elsewhere.

    Args:
        task: The problem.
        folder: The study's folder.
    """
    if not task.page:
        return False
    place = (folder / task.page).parent
    return place != problem_folder(folder, task) or Campaign.is_one(place)


def problem_folder(folder: Path, task: Task) -> Path:
    """The folder of a problem in that of a study."""
    return folder / PROBLEMS_FOLDER / file_name(task.name)


def write_problem(report: StudyReport, task: Task, folder: Path) -> str:
    """Writes the page of a problem that has none.

    Args:
        report: The study's report.
        task: The problem.
        folder: The study's folder.

    Returns:
        The page, relative to the study's folder.
    """
    place = problem_folder(folder, task)
    place.mkdir(parents=True, exist_ok=True)
    sections = [
        Section("Fronts", _fronts(report.standings, task, place), "fronts"),
        Section("Over the evaluations", _course(report.standings, task, place), "time"),
        Section("All runs", _runs(report.standings, task), "runs"),
    ]
    up = LINK.format(f"../../{INTERACTIVE_PAGE}", report.title)
    write_text(
        place / INTERACTIVE_PAGE,
        document(task.name, sections, lead=[paragraph(Markup("One problem of {}.").format(up))]),
    )
    return f"{PROBLEMS_FOLDER}/{place.name}/{INTERACTIVE_PAGE}"


def _fronts(standings: Standings, task: Task, place: Path) -> list[Part]:
    if not draw_fronts(place / FRONTS, task, standings.methods, SCREEN):
        return [paragraph("No front can be drawn: no run's costs over two objectives are known.")]
    front = "known front" if task.known else "best of all runs"
    text = f"The fronts of each method's median run, and the {front}."
    return [picture(place / FRONTS, text=text), NOTE.format(f"{text} {UNIT_COSTS}")]


def _course(standings: Standings, task: Task, place: Path) -> list[Part]:
    if not draw_course(place / COURSE, task, standings.over_time, standings.methods, SCREEN):
        return [paragraph(NO_COURSE)]
    text = "The hypervolume of what was evaluated so far: the median run, and the quartiles."
    return [picture(place / COURSE, text=text), NOTE.format(text)]


def _runs(standings: Standings, task: Task) -> list[Part]:
    values, runs = tables.value_table(task, standings.methods), tables.run_table(task)
    missing = [
        paragraph(f"{method} is missing: {why.rstrip('.')}.")
        for method, why in task.missing.items()
    ]
    return [
        *missing,
        html_of(values),
        NOTE.format(values.caption),
        DETAILS.format("Where the runs are from", html_of(runs)),
    ]
