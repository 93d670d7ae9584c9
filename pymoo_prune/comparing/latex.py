"""A comparison's tables in LaTeX, for a paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from pymoo_prune.comparing import tables
from pymoo_prune.comparing.comparison import DISTANCE, SEARCHED, Comparison
from pymoo_prune.comparing.statistics import LEVEL
from pymoo_prune.comparing.words import (
    meaning_of_indicators,
    meaning_of_tests,
    pairs_tested,
    particulars,
    tested_by,
    within_bounds,
)
from pymoo_prune.objectives import Values
from pymoo_prune.tables import BEST, Better, LatexTable, Place, Row, best_cells

AHEAD, BEHIND, ALIKE = "⁺", "⁻", "⁼"
"""Marks of methods beside another one."""
CONDITIONS = (
    "budget of each run", "population", "engine seeds", "problem's seed", "retraining", "options",
    "constraints",
)  # fmt: skip
"""The facts that captions repeat: numbers depend on them."""


class LatexTables:
    """The tables of a comparison's report.

    Args:
        comparison: The numbers.
        title: The problem and its data.
        facts: How it was made.
        labels: Names of methods and baselines in the tables, by their own names.
    """

    def __init__(
        self,
        comparison: Comparison,
        title: str,
        facts: Mapping[str, str],
        labels: Mapping[str, str],
    ) -> None:
        self.comparison, self.title, self.facts, self.labels = comparison, title, facts, labels

    def all(self) -> list[LatexTable]:
        """Every table of the report."""
        return [
            self.methods(),
            self.pairs(),
            self.bounds(),
            self.costs(),
            self.times(),
            self.runs(),
            self.settings(),
        ]

    def methods(self) -> LatexTable:
        """Indicators of methods and baselines, with marks of significance."""
        one = self.comparison
        head, rows = tables.quality_rows(one)
        names = [name for name in tables.SHORT if name in one.indicators]
        bold: set[Place] = set()
        for column, name in enumerate(names, start=2):
            better: Better = "lower" if name == DISTANCE else "higher"
            bold |= best_cells(rows, column, self._means(name), better)
        if head[-1] == tables.ADDED:
            shares = [_mean(one.shares_of(method)) for method in one.methods]
            bold |= best_cells(rows, len(head) - 1, self._of_methods(shares), "higher")
        marked = self._marked(rows, {names.index(n) + 2: n for n in (SEARCHED, one.decisive)})
        meaning = f"{meaning_of_indicators(one)}{particulars(one)}"
        caption = f"indicators of each method. {meaning} {self._marks()}{BEST}"
        return self._table("methods", head, marked, caption, bold, parts=True)

    def pairs(self) -> LatexTable:
        """The tests of pairs of methods."""
        head, rows = tables.contrast_rows(self.comparison, self.labels)
        caption = f"methods in pairs. {meaning_of_tests(self.comparison, self.labels)}"
        return self._table("pairs", head, rows, caption, texts=(0, 1, 5), named=False)

    def bounds(self) -> LatexTable:
        """Test accuracies within bounds on the size; divergences without labels."""
        one = self.comparison
        head, rows = tables.bound_rows(one)
        bold: set[Place] = set()
        better: Better = one.quantities[one.judged.last].better
        for column, name in enumerate(map(str, one.bounds), start=1):
            bold |= best_cells(rows, column, self._means(name), better)
        caption = (
            f"{within_bounds(one)}, within bounds on the size. Of the networks within a bound, the "
            "best on the validation images is taken. Mean ± standard deviation over the runs; in "
            f"brackets, how many runs have such a network, where not all do. {BEST}"
        )
        return self._table("bounds", head, rows, caption, bold, parts=True)

    def costs(self) -> LatexTable:
        """Objectives of methods, and costs of their runs."""
        caption = (
            "the objectives of each method, and the costs of its runs on average: evaluations, how "
            "many of them were known before, and networks of the front."
        )
        return self._table("costs", *tables.cost_rows(self.comparison), caption, texts=(0, 1))

    def times(self) -> LatexTable:
        """Working time of the runs."""
        caption = "working seconds of each method's searches: the mean, the least and the most."
        return self._table("times", *tables.time_rows(self.comparison), caption)

    def runs(self) -> LatexTable:
        """Every run; folders without the path that leads to them."""
        head, rows = tables.run_rows(self.comparison)
        short = [(method, seed, Path(origin).name, *rest) for method, seed, origin, *rest in rows]
        judged = "test accuracies"
        if self.comparison.judged.by_metric:
            judged = f"values of {self.comparison.judged.name} on the test images"
        elif self.comparison.judged.by_divergence:
            judged = "divergences on the test images"
        caption = (
            f"every run: its engine's seed, its folder, its hypervolume, and the {judged} of "
            "the networks that the bounds choose."
        )
        return self._table("runs", head, short, caption, texts=(0, 2))

    def settings(self) -> LatexTable:
        """How the comparison was made."""
        caption = f"{self.title}: how the comparison was made."
        return LatexTable(
            "settings", ("what", "value"), list(self.facts.items()), caption, texts=(0, 1)
        )

    # Parts of tables.

    def _table(
        self,
        name: str,
        head: Row,
        rows: Sequence[Row],
        caption: str,
        bold: set[Place] | None = None,
        *,
        texts: Sequence[int] = (0,),
        parts: bool = False,
        named: bool = True,
    ) -> LatexTable:
        """A table whose caption ends with how the runs were made.

        Args:
            name: Its name.
            head: The columns' names.
            rows: The cells.
            caption: What it shows.
            bold: Cells that are printed bold.
            texts: The columns of text.
            parts: Whether a rule separates methods from baselines.
            named: Whether rows begin with the name of a method or baseline.
        """
        known = [
            f"{what}: {value}" for what in CONDITIONS if (value := self.facts.get(what)) is not None
        ]
        made = f" {_sentence('; '.join(known))}" if known else ""
        return LatexTable(
            name,
            tuple(text.replace("<=", "≤") for text in head),
            [self._named(row) for row in rows] if named else list(rows),
            f"{self.title}: {caption}{made}",
            bold or set(),
            texts,
            (len(self.comparison.methods),) if parts and self.comparison.others else (),
        )

    def _named(self, row: Row) -> Row:
        """A row with the label of its method, without the arrow: the best is bold."""
        name = row[0].removesuffix(" ←")
        return (self.labels.get(name, name), *row[1:])

    def _of_methods(self, values: Sequence[float]) -> list[float]:
        """Values of methods, and NaN for each baseline."""
        return [*values, *[np.nan] * len(self.comparison.others)]

    def _means(self, indicator: str) -> list[float]:
        """The mean of an indicator, for each method and each baseline."""
        one = self.comparison
        means = [_mean(one.of(method, indicator)) for method in one.methods]
        return [*means, *(values[indicator] for values in one.indicators_of_others)]

    # Marks of significance.

    @property
    def _reference(self) -> str:
        """The method that others are marked against."""
        return self.comparison.against or self.comparison.leader()

    def _marked(self, rows: Sequence[Row], columns: Mapping[int, str]) -> list[Row]:
        """Rows with marks.

        Args:
            rows: A row for each method, then for each baseline.
            columns: Indicators that are tested, by column.
        """
        found = [list(row) for row in rows]
        for column, indicator in columns.items():
            marks = dict(self._compared(indicator))
            for method, row in zip(self.comparison.methods, found, strict=False):
                row[column] += marks.get(method, "")
        return [tuple(row) for row in found]

    def _compared(self, indicator: str) -> Iterator[tuple[str, str]]:
        """Each method that is tested against the reference, and its mark."""
        reference = self._reference
        for c in self.comparison.contrasts(indicator):
            if reference not in (c.first, c.second) or c.possible > LEVEL:
                continue
            other, effect = (
                (c.first, c.effect) if c.second == reference else (c.second, 1 - c.effect)
            )
            yield other, ALIKE if c.adjusted > LEVEL else AHEAD if effect > 0.5 else BEHIND

    def _marks(self) -> str:
        """What the marks mean, with a space after it; empty where methods are not tested."""
        if len(self.comparison.methods) < 2:
            return ""
        name = self.labels.get(self._reference, self._reference)
        return (
            f"Marks compare methods with {name}: {AHEAD} ahead, {BEHIND} behind, {ALIKE} not shown "
            f"to differ, by the {tested_by(self.comparison)} with Holm's correction for "
            f"{pairs_tested(self.comparison, self.labels)} that share a hypervolume, at {LEVEL}; "
            "no mark where so few runs cannot show a difference. "
        )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _mean(values: Values) -> float:
    """The mean of the known values; NaN where none is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan
