"""CSV files with results that were made elsewhere: read, checked, cut to a budget."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pymoo_prune.errors import DataError, PruneError
from pymoo_prune.objectives import Values
from pymoo_prune.studies.problems import folder_name
from pymoo_prune.tables import listed

PROBLEM, SEED, EVALUATION = "problem", "seed", "evaluation"
"""Columns besides the objectives."""


@dataclass(frozen=True)
class Wanted:
    """What a problem asks of results from elsewhere.

    Attributes:
        problem: Its name.
        objectives: For each objective the columns that may have it, the first that is there.
        constraints: Columns of the constraints.
        seeds: The seeds of the study.
        budget: Evaluations of a run; None sets no limit.
        limits: The lowest and the highest possible value of columns, where these are known.
    """

    problem: str
    objectives: tuple[tuple[str, ...], ...]
    constraints: tuple[str, ...]
    seeds: tuple[int, ...]
    budget: int | None
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """One run that was made elsewhere.

    Attributes:
        seed: Its seed.
        after: Numbers of evaluations, increasing, (n,).
        columns: Objectives and constraints by column, (n,) each.
        evaluations: How many it spent: the budget where it went on beyond, else its last line's.
    """

    seed: int
    after: NDArray[np.int64]
    columns: Mapping[str, Values]
    evaluations: int


ROUNDED = 1e-3
"""Values may be so far beyond a limit, as a share of the limit if that is more than 1."""


@dataclass
class Sheet:
    """The lines of a file that are about one problem.

    Attributes:
        path: The file.
        head: The names of its columns.
        rows: The cells.
        lines: The number of each line in the file.
    """

    path: Path
    head: list[str]
    rows: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def results(self, wanted: Wanted) -> tuple[list[Result], list[str]]:
        """The runs, by seed, and what is to be said of them.

        Args:
            wanted: What the problem asks for.

        Raises:
            DataError: The message names the file, the line and the column that is wrong.
        """
        objectives = [self._column(names, wanted) for names in wanted.objectives]
        constraints = [self._column((name,), wanted) for name in wanted.constraints]
        names = [SEED, EVALUATION, *dict.fromkeys([*objectives, *constraints])]
        table = self._numbers(names)
        if not len(table):
            msg = f"{self.path} has no results of {wanted.problem}: no line follows the names"
            raise DataError(msg)
        self._check_counts(table)
        self._keep_limits(names, table, wanted)
        return _by_seed(names[2:], table, wanted, str(self.path))

    def _column(self, names: Sequence[str], wanted: Wanted) -> str:
        for name in names:
            if name in self.head:
                return name
        every = [" or ".join(one) for one in wanted.objectives]
        more = [SEED, EVALUATION, *wanted.constraints]
        msg = (
            f"{self.path}, line 1: there is no column {' or '.join(names)}; results of "
            f"{wanted.problem} need the columns {listed([*more, *every])}, but there are "
            f"{', '.join(self.head) or 'none'}"
        )
        raise DataError(msg)

    def _numbers(self, names: Sequence[str]) -> Values:
        """The numbers of some columns, (lines, names)."""
        for name in (SEED, EVALUATION):
            if name not in self.head:
                msg = (
                    f"{self.path}, line 1: there is no column {name}; there are "
                    f"{', '.join(self.head) or 'none'}"
                )
                raise DataError(msg)
        places = [self.head.index(name) for name in names]
        found = np.empty((len(self.rows), len(names)))
        for row, cells in enumerate(self.rows):
            for column, place in enumerate(places):
                text = cells[place] if place < len(cells) else ""
                try:
                    found[row, column] = float(text)
                except ValueError:
                    self._refuse(row, names[column], f"must be a number, but it is {text!r}")
        for row, column in np.argwhere(~np.isfinite(found)):
            text = self.rows[row][places[column]]
            self._refuse(
                int(row),
                names[column],
                f"must be finite, but it is {text!r}; leave out evaluations that failed",
            )
        return found

    def _check_counts(self, table: Values) -> None:
        """Refuses seeds and evaluations that do not count, in the order of the file."""
        for column, (name, least) in enumerate(((SEED, 0), (EVALUATION, 1))):
            wrong = (table[:, column] != np.rint(table[:, column])) | (table[:, column] < least)
            for row in np.flatnonzero(wrong)[:1]:
                text = f"must be a whole number from {least} on, but it is {table[row, column]:g}"
                self._refuse(int(row), name, text)
        last: dict[int, int] = {}
        for row, (seed, evaluation) in enumerate(table[:, :2].astype(np.int64).tolist()):
            before = last.get(seed, 0)
            if evaluation <= before:
                what = "is there already" if evaluation == before else f"comes after {before:,}"
                self._refuse(
                    row,
                    EVALUATION,
                    f"must rise within a seed, but {evaluation:,} of seed {seed} {what}",
                )
            last[seed] = evaluation

    def _keep_limits(self, names: Sequence[str], table: Values, wanted: Wanted) -> None:
        """Refuses values that no candidate can have: they are in another unit.

        Values may be rounded: those just beyond a limit are taken for the limit.
        """
        for column, name in enumerate(names):
            low, high = wanted.limits.get(name, (-np.inf, np.inf))
            values = table[:, column]
            below = values < low - ROUNDED * max(1, abs(low))
            above = values > high + ROUNDED * max(1, abs(high))
            given = values.copy()
            values.clip(low, high, out=values)
            for row in np.flatnonzero(below | above)[:1]:
                less = below[row]
                text = (
                    f"is {given[row]:g}, but no candidate of {wanted.problem} has "
                    f"{'less' if less else 'more'} than {low if less else high:g}: is it in "
                    "another unit?"
                )
                self._refuse(int(row), name, text)

    def _refuse(self, row: int, column: str, text: str) -> None:
        msg = f"{self.path}, line {self.lines[row]}, column {column}: {text}"
        raise DataError(msg)


def _by_seed(
    names: Sequence[str], table: Values, wanted: Wanted, where: str
) -> tuple[list[Result], list[str]]:
    """The runs within the budget, and what is to be said of them."""
    found, cut, gaps = [], 0, 0
    seeds = table[:, 0].astype(np.int64)
    for seed in np.unique(seeds).tolist():
        rows = table[seeds == seed]
        after = rows[:, 1].astype(np.int64)
        last = int(after[-1])
        spent = last if wanted.budget is None else min(last, wanted.budget)
        inside = after <= spent
        cut += int((~inside).sum())
        gaps += spent - int(inside.sum())
        columns = {name: rows[inside, place + 2] for place, name in enumerate(names)}
        # A run without a line inside found nothing, but it did spend its budget.
        found.append(Result(seed, after[inside], columns, spent))
    notes = []
    if cut:
        notes.append(f"{cut:,} evaluations are beyond the budget of {wanted.budget:,}, and are cut")
    if gaps:
        notes.append(f"{gaps:,} evaluations are missing, and count as not better")
    there = [one.seed for one in found]
    if there != sorted(wanted.seeds):
        notes.append(f"its seeds are {_short(there)}, those of the study {_short(wanted.seeds)}")
    return found, [f"{where}, {wanted.problem}: {note}" for note in notes]


def _short(seeds: Sequence[int]) -> str:
    """Seeds in few words."""
    ordered = sorted(seeds)
    if len(ordered) > 2 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"{ordered[0]} to {ordered[-1]}"
    return ", ".join(map(str, ordered)) or "none"


def read_sheets(path: Path, problems: Sequence[str]) -> tuple[dict[str, Sheet], list[str]]:
    """The lines of a file by problem, and what is to be said of others.

    Args:
        path: A CSV file; a column `problem` says what a line is about, or else the file's name.
        problems: The names of the study's problems.
    """
    by_name = {**{folder_name(name): name for name in problems}, **{n: n for n in problems}}
    sheets: dict[str, Sheet] = {}
    others: dict[str, None] = {}
    for head, name, cells, line in _lines(path):
        if name in by_name:
            sheet = sheets.setdefault(by_name[name], Sheet(path, head))
            if cells is not None:
                sheet.rows.append(cells)
                sheet.lines.append(line)
        else:
            others[name] = None
    notes = []
    if others:
        names = ", ".join(others)
        notes.append(f"{path}: {names}: the study has no such problem, so this does not count")
    return sheets, notes


def _lines(path: Path) -> Iterator[tuple[list[str], str, list[str] | None, int]]:
    """Each line's head, problem, cells and number; a file without lines has one without cells."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            head = [name.strip() for name in next(reader, [])]
            twice = sorted({name for name in head if head.count(name) > 1})
            if twice:
                msg = f"{path}, line 1: the column {twice[0]} is there twice"
                raise DataError(msg)
            place = head.index(PROBLEM) if PROBLEM in head else None
            if place is None:
                yield head, path.stem, None, 1
            for cells in reader:
                if not cells:
                    continue
                name = path.stem if place is None else "".join(cells[place : place + 1]).strip()
                if not name:
                    msg = f"{path}, line {reader.line_num}, column {PROBLEM}: it is empty"
                    raise DataError(msg)
                yield head, name, cells, reader.line_num
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise PruneError(msg) from error
    except (UnicodeDecodeError, csv.Error) as error:
        msg = f"{path} is not a CSV file: {error}"
        raise DataError(msg) from error
