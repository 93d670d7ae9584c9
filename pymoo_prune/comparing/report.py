"""A comparison's report: tables, pictures, and a page that says who wins, if one can say."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.table import Table

from pymoo_prune.comparing.comparison import DISTANCE, FINISHED, SEARCHED, TESTED, Comparison
from pymoo_prune.comparing.pictures import ATTAINMENT, CURVES, FRONTS, PARALLEL, draw
from pymoo_prune.comparing.trials import Trial
from pymoo_prune.comparing.words import meaning, probability, spread, stage, verdict
from pymoo_prune.errors import StoreError
from pymoo_prune.files import write_text
from pymoo_prune.objectives import Constraint, Series
from pymoo_prune.runs import SETTINGS
from pymoo_prune.tables import Row, markdown_table, terminal_table

PAGE, NUMBERS = "report.md", "runs.csv"
SHORT = {SEARCHED: "searched", DISTANCE: "IGD+", TESTED: "on test", FINISHED: "retrained"}
"""Heads of columns that fit into a terminal, by indicator."""


class ComparisonReport:
    """What can be shown of a comparison.

    Args:
        comparison: The numbers.
        title: What was compared, on what.
        facts: How it was made: budget, seeds, machine, versions.
        published: What papers report, drawn beside the fronts.
        caution: What a reader must know to understand who wins.
    """

    def __init__(
        self,
        comparison: Comparison,
        *,
        title: str,
        facts: Mapping[str, str],
        published: Sequence[Series] = (),
        caution: str = "",
    ) -> None:
        self.comparison, self.title, self.facts = comparison, title, facts
        self.published, self.caution = published, caution

    # Tables.

    def quality_rows(self) -> tuple[Row, list[Row]]:
        """Indicators of methods, mean and standard deviation over the runs, and of baselines."""
        one = self.comparison
        names = [name for name in SHORT if name in one.indicators]
        best = one.leader()
        rows: list[Row] = []
        for method in one.methods:
            runs = one.of(method, SEARCHED)
            cells = (spread(one.of(method, name), 4) for name in names)
            rows.append((f"{method} ←" if method == best else method, str(len(runs)), *cells))
        for other, values in zip(one.others, one.indicators_of_others, strict=True):
            rows.append((other.name, "", *(spread(np.array([values[n]]), 4) for n in names)))
        return ("method", "runs", *(SHORT[name] for name in names)), rows

    def bound_rows(self) -> tuple[Row, list[Row]]:
        """Test accuracies, in percent, of the networks that one would take within a bound."""
        one = self.comparison
        names = [str(bound) for bound in one.bounds]
        rows: list[Row] = [
            (method, *(spread(100 * one.of(method, name), 2) for name in names))
            for method in one.methods
        ]
        for other, values in zip(one.others, one.indicators_of_others, strict=True):
            rows.append((other.name, *(spread(100 * np.array([values[n]]), 2) for n in names)))
        return ("method", *names), rows

    def cost_rows(self) -> tuple[Row, list[Row]]:
        """What each method searched for, and what its runs took, on average."""
        rows: list[Row] = []
        for method in self.comparison.methods:
            trials = [t for t in self.comparison.trials if t.method == method]
            evaluations, known, seconds, networks = (
                float(np.mean(values))
                for values in zip(
                    *((t.evaluations, t.known, t.seconds, len(t)) for t in trials), strict=True
                )
            )
            numbers = f"{evaluations:,.0f}", f"{known:,.0f}", f"{seconds:.1f}", f"{networks:.0f}"
            rows.append((method, trials[0].goal, *numbers))
        return ("method", "objectives", "evaluations", "known before", "seconds", "networks"), rows

    def contrast_rows(self) -> tuple[Row, list[Row]]:
        """Every pair of methods, by what they searched for and by what is left of it in the end."""
        rows: list[Row] = [
            (
                f"{c.first} / {c.second}",
                SHORT[indicator],
                f"{c.effect:.2f}",
                probability(c.p),
                probability(c.adjusted),
                str(c),
            )
            for indicator in (SEARCHED, self.comparison.decisive)
            for c in self.comparison.contrasts(indicator)
        ]
        return ("pair", "hypervolume", "A", "p", "p (Holm)", "ahead"), rows

    def run_rows(self) -> tuple[Row, list[Row]]:
        """Every run: where its numbers are from, and the evaluations that the bounds chose."""
        one = self.comparison
        names = [str(bound) for bound in one.bounds]
        rows = []
        for place, trial in enumerate(one.trials):
            cells = [self._chosen(trial, bound) for bound in one.bounds]
            volume = f"{one.indicators[one.decisive][place]:.4f}"
            rows.append((trial.method, str(trial.seed), trial.origin, volume, *cells))
        return ("method", "seed", "from", f"hypervolume {stage(one)}", *names), rows

    def _chosen(self, trial: Trial, bound: Constraint) -> str:
        row, accuracy = self.comparison.best(trial.columns, bound)
        if row < 0:
            return "–"
        number = trial.columns.get("evaluation")
        origin = f"network {row}" if number is None else f"evaluation {number[row]:.0f}"
        return f"{100 * accuracy:.2f} % ({origin})"

    # In words.

    def verdict(self) -> str:
        """Who wins, over whom, whether so few runs can say so, and what is to be kept in mind."""
        return f"{verdict(self.comparison)} {self.caution}".strip()

    # Where it goes.

    def tables(self) -> list[Table]:
        """For the terminal."""
        bounds = terminal_table("test accuracy in %, within bounds", *self.bound_rows())
        return [
            terminal_table("how they searched", *self.cost_rows()),
            bounds,
            terminal_table("pairs of methods", *self.contrast_rows()),
            terminal_table("methods: hypervolumes, and IGD+", *self.quality_rows()),
        ]

    def write(self, folder: Path) -> Path:
        """Writes page, pictures and numbers into a folder; returns the page."""
        if (folder / SETTINGS).is_file():
            msg = f"{folder} is a run, whose own report would be lost; give another --output"
            raise StoreError(msg)
        folder.mkdir(parents=True, exist_ok=True)
        drawn = draw(self.comparison, folder, title=self.title, published=self.published)
        write_text(folder / NUMBERS, self.csv())
        write_text(folder / PAGE, self.page(drawn))
        return folder / PAGE

    def page(self, drawn: list[str]) -> str:
        """The report in Markdown.

        Args:
            drawn: Names of the pictures that are there.
        """
        texts = {
            FRONTS: "fronts of all methods",
            CURVES: "hypervolume over the evaluations",
            ATTAINMENT: "what half of the runs attain, and the best and the worst",
            PARALLEL: "the best of all runs, one line a network",
        }
        pictures = {name: f"![{texts[name]}]({name}.png)" for name in drawn}
        parts = [
            f"# {self.title}",
            self.verdict(),
            pictures.pop(FRONTS),
            "## Methods",
            markdown_table(*self.quality_rows()),
            meaning(self.comparison),
            "## Methods in pairs",
            markdown_table(*self.contrast_rows()),
            "## Test accuracy within bounds, in %",
            markdown_table(*self.bound_rows()),
            "Of the networks within a bound, the best on the validation images is taken.",
            *pictures.values(),
            "## How they searched",
            markdown_table(*self.cost_rows()),
            "## Where the numbers are from",
            markdown_table(*self.run_rows()),
            f"All indicators of all runs are in `{NUMBERS}`; a run's folder has its front.",
            "## Made with",
            markdown_table(("what", "value"), list(self.facts.items())),
        ]
        return "\n\n".join(parts) + "\n"

    def csv(self) -> str:
        """Every indicator of every run, exactly."""
        one = self.comparison
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        names = list(one.indicators)
        writer.writerow(["method", "seed", "from", "evaluations", "known", "seconds", *names])
        for place, trial in enumerate(one.trials):
            about = trial.method, trial.seed, trial.origin, trial.evaluations, trial.known
            numbers = (repr(float(one.indicators[name][place])) for name in names)
            writer.writerow([*about, trial.seconds, *numbers])
        return text.getvalue()
