"""A study's tables: for a page, for the terminal, in Markdown and in LaTeX."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pymoo_prune.comparing import LEVEL, probability, spread
from pymoo_prune.standings.attainments import Differing
from pymoo_prune.standings.over_time import BUDGETS, TABLE_GAPS, budget
from pymoo_prune.standings.ranks import Ranks
from pymoo_prune.standings.standings import Cell, Standings
from pymoo_prune.standings.tasks import Task
from pymoo_prune.standings.words import how_made, running_time_meaning, table_meaning
from pymoo_prune.tables import LatexTable, Place, Row, markdown_table

WHOLE = "+/−/="
"""The head of the table's last row."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class StudyTable:
    """A table of a study.

    Attributes:
        name: The name of its file.
        caption: What it shows, with tests, budgets and seeds.
        head: The columns' names.
        rows: The cells.
        bold: Cells that are printed bold.
        notes: Footnotes.
        texts: Columns of texts.
    """

    name: str
    caption: str
    head: Row
    rows: list[Row]
    bold: frozenset[Place] = frozenset()
    notes: tuple[str, ...] = ()
    texts: tuple[int, ...] = (0,)

    def markdown(self) -> str:
        """The table in Markdown, with its footnotes."""
        rows = [
            tuple(f"**{cell}**" if (row, k) in self.bold else cell for k, cell in enumerate(cells))
            for row, cells in enumerate(self.rows)
        ]
        return "\n\n".join([markdown_table(self.head, rows), *self.notes])

    def latex(self) -> str:
        """The table in LaTeX; footnotes end its caption."""
        caption = " ".join([self.caption, *self.notes])
        return LatexTable(
            self.name, self.head, self.rows, caption, bold=self.bold, texts=self.texts
        ).text()


# Who is ahead.


def standings_table(standings: Standings) -> StudyTable:
    """Problems down, methods across; the last row counts wins, losses and ties."""
    letters = _letters(standings)
    rows: list[Row] = []
    bold = set()
    for row, task in enumerate(standings.tasks):
        cells = [standings.cells[task.name, method] for method in standings.methods]
        pairs = zip(standings.methods, cells, strict=True)
        texts = [_cell_text(cell, method, letters, standings.seeds) for method, cell in pairs]
        rows.append((task.name, *texts))
        bold |= {(row, column) for column, cell in enumerate(cells, start=1) if cell.best}
    if standings.tests:
        scores = [
            "" if method == standings.against else "/".join(map(str, standings.score(method)))
            for method in standings.methods
        ]
        rows.append((f"{WHOLE} against {standings.against}", *scores))
    return StudyTable(
        name="standings",
        caption=f"{how_made(standings)}. {table_meaning(standings)}",
        head=("problem", *standings.methods),
        rows=rows,
        bold=frozenset(bold),
        notes=tuple(f"({letter}) {method}: {why}." for (method, why), letter in letters.items()),
    )


def _letters(standings: Standings) -> dict[tuple[str, str], str]:
    """The letter of each reason why a method is missing somewhere."""
    reasons = dict.fromkeys(
        (method, _sentence(cell.missing))
        for (_, method), cell in standings.cells.items()
        if cell.missing
    )
    return {reason: LETTERS[place % 26] * (1 + place // 26) for place, reason in enumerate(reasons)}


def _sentence(text: str) -> str:
    return text.strip().rstrip(".")


def _cell_text(cell: Cell, method: str, letters: dict[tuple[str, str], str], seeds: int) -> str:
    if cell.missing:
        return f"– ({letters[method, _sentence(cell.missing)]})"
    few = f"({len(cell.values)})" if len(cell.values) < seeds else ""
    return " ".join(text for text in (spread(cell.values, 4), cell.sign, few) if text)


# Ranks.


def rank_table(ranks: Ranks, standings: Standings) -> StudyTable:
    """Mean ranks with their intervals, the best first, and which methods they differ from."""
    rows: list[Row] = []
    for method in ranks.order:
        low, high = ranks.interval(method)
        worse = [
            other
            for other in ranks.order
            if ranks.mean[other] > ranks.mean[method] and ranks.differ(method, other)
        ]
        rows.append(
            (method, f"{ranks.mean[method]:.2f}", f"{low:.2f} to {high:.2f}", ", ".join(worse))
        )
    caption = (
        f"Mean ranks over {len(ranks.problems)} of {how_made(standings)}, with 95 % bootstrap "
        "intervals over problems. Friedman's test: p "
        f"{probability(ranks.friedman.p, '= ')}; Nemenyi's critical difference: "
        f"{ranks.critical:.2f}."
    )
    head = ("method", "mean rank", "interval", "ahead of (Nemenyi)")
    return StudyTable("ranks", caption, head, rows, texts=(0, 3))


def signed_table(ranks: Ranks, standings: Standings) -> StudyTable:
    """Every method against one, by signed ranks over the problems."""
    rows: list[Row] = []
    for one in ranks.signed:
        if one.adjusted > LEVEL:
            said = "too few problems to say" if one.possible > LEVEL else "not shown"
        else:
            said = one.method if one.ahead else ranks.against
        ties = len(ranks.problems) - one.wins - one.losses
        numbers = f"{one.wins}/{one.losses}/{ties}", f"{one.difference:+.4f}".replace("-", "−")
        rows.append((one.method, *numbers, probability(one.p), probability(one.adjusted), said))
    caption = (
        f"Every method against {ranks.against} over {len(ranks.problems)} problems: problems with "
        "a larger, smaller and equal mean, the median difference of means, and p of Wilcoxon's "
        f"exact signed-rank test with Holm's correction. {how_made(standings)}."
    )
    head = ("method", WHOLE, "median difference", "p", "p (Holm)", "ahead")
    return StudyTable("signed-ranks", caption, head, rows, texts=(0, 5))


# Over time.


def profile_table(standings: Standings) -> StudyTable:
    """The share of targets that methods reach, and the mean share of the best hypervolume."""
    one = standings.over_time
    parts = list(BUDGETS.values())
    reached = {m: [one.reached_at(m, part) for part in parts] for m in one.methods}
    known = [task for task in one.tasks if task.name not in one.only_ends]
    shares = {
        m: [_mean(one.shares_at(t, m, [part]) for t in known) for part in parts]
        for m in one.methods
    }
    order = sorted(one.methods, key=lambda method: -reached[method][-1])
    rows: list[Row] = [
        (m, *(f"{value:.3f}" for value in reached[m]), *map(_share, shares[m])) for m in order
    ]
    bold = set()
    for column in range(len(parts)):
        for numbers, offset in ((reached, 1), (shares, 1 + len(parts))):
            values = np.round([numbers[m][column] for m in order], 10)
            if np.isfinite(values).all():
                best = np.flatnonzero(values == values.max()).tolist()
                bold |= {(row, offset + column) for row in best}
    caption = (
        f"Within parts of the budget: the share of {len(one.gaps)} targets that is reached, and "
        "the mean hypervolume as a share of the best, over all runs of "
        f"{_counted(one.tasks, known)}. {how_made(standings)}."
    )
    head = (
        "method",
        *(f"targets, {name}" for name in BUDGETS),
        *(f"share, {name}" for name in BUDGETS),
    )
    return StudyTable("over-time", caption, head, rows, frozenset(bold))


def budget_table(standings: Standings) -> StudyTable:
    """The mean hypervolume of each method on each problem, at parts of the budget."""
    one = standings.over_time
    rows: list[Row] = []
    bold = set()
    for task in one.tasks:
        found = np.array([
            [_mean([one.shares_at(task, m, [part])]) for m in one.methods]
            for part in BUDGETS.values()
        ])  # fmt: skip
        for part, values in zip(BUDGETS.values(), np.round(found, 10), strict=True):
            if np.isfinite(values).all():
                best = np.flatnonzero(values == values.max()).tolist()
                bold |= {(len(rows), 2 + column) for column in best}
            rows.append((task.name, f"{int(part * budget(task) + 1e-9):,}", *map(_share, values)))
    caption = (
        "The mean hypervolume after 1/10, 1/3 and all of the evaluations, as a share of the best "
        f"hypervolume of the problem. {how_made(standings)}."
    )
    return StudyTable(
        "fixed-budgets", caption, ("problem", "evaluations", *one.methods), rows, frozenset(bold)
    )


def target_table(standings: Standings) -> StudyTable:
    """The expected running time of each method to shares of each problem's best hypervolume."""
    one = standings.over_time
    rows: list[Row] = []
    bold = set()
    for task in one.tasks:
        hits = [one.hits_of(task, m, TABLE_GAPS) for m in one.methods]
        for place, gap in enumerate(TABLE_GAPS):
            times = np.array([hit.running_times[place] for hit in hits])
            if np.isfinite(times).any():
                best = np.flatnonzero(times == times.min()).tolist()
                bold |= {(len(rows), 2 + column) for column in best}
            texts = [
                f"{_number(time)} ({hit.successes[place]:.0f}/{len(hit.lengths)})"
                for time, hit in zip(times.tolist(), hits, strict=True)
            ]
            rows.append((task.name, f"{1 - gap:g}", *texts))
    caption = (
        "Expected running times, in evaluations, to shares of the best hypervolume. "
        f"{running_time_meaning()} {how_made(standings)}."
    )
    return StudyTable(
        "fixed-targets", caption, ("problem", "share", *one.methods), rows, frozenset(bold)
    )


# Differences.


def difference_table(found: Sequence[Differing], standings: Standings) -> StudyTable:
    """Where each of two methods is ahead, as shares of the best hypervolume."""
    first, second = standings.pair or ("", "")
    rows: list[Row] = [(one.task.name, *(f"{area:.4f}" for area in one.areas)) for one in found]
    caption = (
        "The area where each of two methods attains more than the other, weighted with the "
        "difference of their attainment functions, as a share of the best hypervolume. "
        f"{how_made(standings)}."
    )
    head = ("problem", f"{first} ahead", f"{second} ahead")
    return StudyTable("differences", caption, head, rows)


def value_table(task: Task, methods: Sequence[str]) -> StudyTable:
    """The figures of all runs of a problem: seeds down, methods across."""
    seeds = sorted({course.seed for course in task.courses})
    found: dict[tuple[str, int], list[str]] = {}
    for course in task.courses:
        found.setdefault((course.method, course.seed), []).append(f"{course.value:.4f}")
    rows: list[Row] = [
        (str(seed), *(", ".join(found.get((method, seed), ["–"])) for method in methods))
        for seed in seeds
    ]
    rows.append(("mean ± sd", *(spread(task.values(method), 4) for method in methods)))
    caption = f"The value of all runs on {task.name}: {task.measure}."
    return StudyTable(f"values-{task.name}", caption, ("seed", *methods), rows)


def run_table(task: Task) -> StudyTable:
    """Where the runs of a problem are from."""
    rows: list[Row] = [
        (
            course.method,
            str(course.seed),
            f"{course.evaluations:,}",
            "elsewhere" if course.outside else "here",
            course.origin or "–",
        )
        for course in task.courses
    ]
    head = ("method", "seed", "evaluations", "made", "from")
    return StudyTable(f"runs-{task.name}", f"All runs on {task.name}.", head, rows, texts=(0, 3, 4))


def _counted(tasks: Sequence[Task], known: Sequence[Task]) -> str:
    """The number of problems, and of those that are known before the end of the runs."""
    text = f"{len(tasks)} problem{'s' if len(tasks) > 1 else ''}"
    if len(known) < len(tasks):
        text += f" (shares: of the {len(known)} that are known over time)"
    return text


def _mean(shares: Iterable[np.ndarray]) -> float:
    """The mean of shares of runs; NaN where one is not known."""
    values = np.concatenate([np.empty(0), *(one.ravel() for one in shares)])
    return float(values.mean()) if len(values) else float("nan")


def _share(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.4f}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if np.isfinite(value) else "–"
