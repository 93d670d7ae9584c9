"""A comparison's report: tables, pictures, and a page that says who wins, if one can say."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from pymoo_prune import plots
from pymoo_prune.campaign import Campaign, trial_of
from pymoo_prune.comparison import DISTANCE, FINISHED, SEARCHED, TESTED, Comparison, Trial
from pymoo_prune.errors import StoreError
from pymoo_prune.files import write_text, writing
from pymoo_prune.finish import Series
from pymoo_prune.front import ACCURACIES, EVALUATION, published_series
from pymoo_prune.objectives import Constraint, Values, objectives_text
from pymoo_prune.registry import find_problem
from pymoo_prune.run import SETTINGS, Run
from pymoo_prune.search import Budget
from pymoo_prune.settings import Settings
from pymoo_prune.statistics import LEVEL, Contrast
from pymoo_prune.tables import Row, listed, markdown_table, terminal_table

PAGE, NUMBERS = "report.md", "runs.csv"
FRONTS, CURVES, ATTAINMENT, PARALLEL = "fronts", "hypervolume", "attainment", "parallel"
FORMATS = ("png", "svg")
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
            cells = (_spread(one.of(method, name), 4) for name in names)
            rows.append((f"{method} ←" if method == best else method, str(len(runs)), *cells))
        for other, values in zip(one.others, one.indicators_of_others, strict=True):
            rows.append((other.name, "", *(_spread(np.array([values[n]]), 4) for n in names)))
        return ("method", "runs", *(SHORT[name] for name in names)), rows

    def bound_rows(self) -> tuple[Row, list[Row]]:
        """Test accuracies, in percent, of the networks that one would take within a bound."""
        one = self.comparison
        names = [str(bound) for bound in one.bounds]
        rows: list[Row] = [
            (method, *(_spread(100 * one.of(method, name), 2) for name in names))
            for method in one.methods
        ]
        for other, values in zip(one.others, one.indicators_of_others, strict=True):
            rows.append((other.name, *(_spread(100 * np.array([values[n]]), 2) for n in names)))
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
                _probability(c.p),
                _probability(c.adjusted),
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
        return ("method", "seed", "from", f"hypervolume {_stage(one)}", *names), rows

    def _chosen(self, trial: Trial, bound: Constraint) -> str:
        row, accuracy = self.comparison.best(trial.columns, bound)
        if row < 0:
            return "–"
        number = trial.columns.get("evaluation")
        origin = f"network {row}" if number is None else f"evaluation {number[row]:.0f}"
        return f"{100 * accuracy:.2f} % ({origin})"

    # In words.

    def verdict(self) -> str:
        """Who wins, over whom, and whether so few runs can say so."""
        one = self.comparison
        best = one.leader()
        values = one.of(best, one.decisive)
        parts = [f"{best} has the largest mean hypervolume {_stage(one)}: {_spread(values, 4)}"]
        parts += _beside_methods(
            best, [c for c in one.contrasts(one.decisive) if best in (c.first, c.second)]
        )
        beaten: list[str] = []
        ahead: list[str] = []
        for other, numbers in zip(one.others, one.indicators_of_others, strict=True):
            if np.isfinite(volume := numbers[one.decisive]):
                wins = bool((values > volume).all())
                (beaten if wins else ahead).append(f"{other.name} ({volume:.4f})")
        if beaten:
            parts.append(f"all its runs are above {listed(beaten)}")
        if ahead:
            parts.append(f"not all its runs are above {listed(ahead)}")
        text = "; ".join([*parts, *self._without_result()]) + "."
        return f"{text} {self.caution}".strip()

    def _without_result(self) -> list[str]:
        """Runs that found nothing, by method."""
        found = []
        for method in self.comparison.methods:
            sizes = [len(t) for t in self.comparison.trials if t.method == method]
            if empty := sizes.count(0):
                found.append(
                    f"{empty} of {len(sizes)} runs of {method} found nothing, which counts as 0"
                )
        return found

    def meaning(self) -> str:
        """What the indicators are."""
        one = self.comparison
        labels = [one.quantities[name].label for name in one.goals.names]
        axes = ["error", *(one.quantities[name].label for name in one.axes)]
        text = (
            f"Hypervolumes are of ({', '.join(labels)}) on the search images and of "
            f"({', '.join(axes)}) on the test images, each between 0 and 1 (accuracies as errors, "
            "counts relative to the parent's), with 1 as reference point; larger is better. IGD+ "
            "is the distance to the best of all that is in the table together; smaller is better. "
            "Mean ± standard deviation over the runs. A is the share of pairs of runs in which the "
            "first is ahead, ties half; p is of the exact two-sided Mann-Whitney test, with Holm's "
            "correction for the pairs that share a hypervolume, and a difference is called one "
            f"where it is at most {LEVEL}."
        )
        if one.others:
            text += (
                " Baselines are measured on all validation images, which the search images may be "
                "a part of."
            )
        if one.others and one.goals.constraints:
            bounds = ", ".join(map(str, one.goals.constraints))
            text += f" Their networks need not keep {bounds}, as those of the runs do."
        return text

    # Pictures.

    def shown(self) -> list[Series]:
        """One front a method, that of its run in the middle, and the baselines."""
        one = self.comparison
        fronts = []
        for method in one.methods:
            trial = one.median_trial(method)
            runs = len(one.of(method, SEARCHED))
            name = f"{method}, median of {runs} runs" if runs > 1 else method
            fronts.append(Series(name, dict(trial.columns)))
        return [series for series in (*fronts, *one.others) if len(series)]

    def draw(self, folder: Path) -> list[str]:
        """Draws every picture there is something for, as PNG and SVG; returns their names."""
        one, drawn = self.comparison, []

        def save(name: str, draw: Callable[[Path], None]) -> None:
            for suffix in FORMATS:
                with writing(folder / f"{name}.{suffix}") as path:
                    draw(path)
            drawn.append(name)

        save(
            FRONTS,
            lambda path: plots.draw_front(
                path,
                self.shown(),
                one.goals,
                one.quantities,
                title=self.title,
                published=self.published,
            ),
        )
        if curves := self._curves():
            save(CURVES, lambda path: plots.draw_hypervolumes(path, curves, title=self.title))
        if len(one.goals.names) == 2:
            x, y = sorted(one.goals.names, key=lambda name: "accuracy" in name)
            sets = self._sets()
            save(
                ATTAINMENT,
                lambda path: plots.draw_attainment(
                    path, sets, x, y, one.quantities, title=self.title
                ),
            )
        elif len(one.goals.names) > 2:
            best = Series("the best of all runs", one.front)
            save(
                PARALLEL,
                lambda path: plots.draw_parallel(
                    path, best, one.goals.names, one.quantities, title=self.title
                ),
            )
        return drawn

    def _curves(self) -> dict[str, list[plots.Curve]]:
        one = self.comparison
        found: dict[str, list[plots.Curve]] = {}
        for trial in one.trials:
            if (curve := one.curve(trial)) is not None:
                found.setdefault(trial.method, []).append(plots.Curve(*curve))
        return found

    def _sets(self) -> dict[str, list[Mapping[str, Values]]]:
        found: dict[str, list[Mapping[str, Values]]] = {}
        for trial in self.comparison.trials:
            if len(trial):
                found.setdefault(trial.method, []).append(trial.columns)
        return found

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
        drawn = self.draw(folder)
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
            self.meaning(),
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


def _stage(comparison: Comparison) -> str:
    return "after the same retraining" if comparison.finished else "on the test images"


def _spread(values: Values, digits: int) -> str:
    """Mean and standard deviation; the value alone where there is one, a dash where none.

    Where it is not known of all runs, it says of how many it is.
    """
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return "–"
    numbers = [known.mean()] if len(known) == 1 else [known.mean(), known.std(ddof=1)]
    # Without leading zeros four columns fit into a terminal.
    text = " ± ".join(re.sub(r"^0\.", ".", f"{number:.{digits}f}") for number in numbers)
    return text if len(known) == len(values) else f"{text} ({len(known)} of {len(values)})"


def _probability(p: float, equals: str = "") -> str:
    return f"{equals}{p:.3f}" if p >= 0.001 else "< 0.001"


def _beside_methods(best: str, mine: Sequence[Contrast]) -> list[str]:
    """Whom the method with the largest mean is ahead of, and of whom one cannot say."""
    ahead: list[str] = []
    behind: list[str] = []
    unclear: list[str] = []
    few: list[str] = []
    for c in mine:
        other, effect = (c.second, c.effect) if c.first == best else (c.first, 1 - c.effect)
        if c.possible > LEVEL:
            few.append(other)
        elif c.adjusted > LEVEL:
            unclear.append(other)
        else:  # a mean can be the largest thanks to few runs
            known = ahead if effect > 0.5 else behind
            known.append(f"{other} (p {_probability(c.adjusted, '= ')})")
    least = min((c.possible for c in mine if c.possible > LEVEL), default=1.0)
    texts = {
        "ahead of {}": ahead,
        "but behind {} in most pairs of runs": behind,
        "not shown to be ahead of {}": unclear,
        f"too few seeds to say whether it is ahead of {{}} (p cannot be below {least:.3f})": few,
    }
    return [text.format(listed(names)) for text, names in texts.items() if names]


# Comparisons of what lies in folders.


def report_of_campaign(campaign: Campaign) -> ComparisonReport:
    """The report of a finished comparison."""
    settings, results = campaign.settings, campaign.results()
    comparison = campaign.comparison()
    runs = [Run.open(trial.origin) for trial in comparison.trials]
    facts = {
        **_facts([run.settings for run in runs]),
        "processor": results["processor"],
        **results["versions"],
    }
    return _report(comparison, settings, facts)


def report_of_runs(
    folders: Sequence[Path], bounds: Sequence[str] | None = None
) -> ComparisonReport:
    """The report of runs that were made one by one; they must be of the same problem.

    Budgets may differ: then runs of one engine have it in their names. Baselines are those of the
    first run.

    Args:
        folders: Of finished runs.
        bounds: As `Comparison` takes them.
    """
    runs = [Run.open(folder) for folder in folders]
    results = [run.results() for run in runs]
    first, summary = runs[0], results[0][1]
    for run, (_, other) in zip(runs[1:], results[1:], strict=True):
        _check_alike(first, summary, run, other)
    settings = [run.settings for run in runs]
    trials = [trial_of(run, name) for run, name in zip(runs, _names(settings), strict=True)]
    _check_different(trials, settings)
    problem = find_problem(first.settings.problem)
    goals = problem.goals_for(summary["goals"], first.settings.constraints)
    others = results[0][0][1:]
    comparison = Comparison(
        trials,
        others,
        goals=goals,
        quantities={**goals.quantities, **ACCURACIES, **EVALUATION},
        parent=summary["parent"],
        bounds=bounds,
    )
    summaries = [one for _, one in results]
    facts = {
        **_facts(settings),
        **({"baselines": f"those of {first.folder}"} if others else {}),
        "processor": _all(one["machine"]["processor"] for one in summaries),
        **{n: _all(one["versions"].get(n, "?") for one in summaries) for n in summary["versions"]},
    }
    budgets = _all(_limits(one.budget) for one in settings)
    caution = f"The runs had different budgets: {budgets}." if " / " in budgets else ""
    return _report(comparison, first.settings, facts, caution)


def _report(
    comparison: Comparison, settings: Settings, facts: Mapping[str, str], caution: str = ""
) -> ComparisonReport:
    return ComparisonReport(
        comparison,
        title=f"{settings.problem} on {settings.data}",
        facts=facts,
        published=published_series(find_problem(settings.problem), settings.data),
        caution=caution,
    )


def _names(settings: Sequence[Settings]) -> list[str]:
    """What runs are called: the engine, and in what else the runs of that engine differ."""
    about = [
        (
            one.algorithm if one.surrogate is None else f"{one.algorithm}+{one.surrogate}",
            "its own objectives" if one.objectives is None else objectives_text(one.objectives),
            f"population {one.pop_size}",
            _limits(one.budget),
        )
        for one in settings
    ]
    names = []
    for mine in about:
        alike = [other for other in about if other[0] == mine[0]]
        differing = [place for place in range(1, len(mine)) if len({o[place] for o in alike}) > 1]
        names.append(", ".join([mine[0], *(mine[place] for place in differing)]))
    return names


def _check_different(trials: Sequence[Trial], settings: Sequence[Settings]) -> None:
    origins: dict[tuple[str, int, int], str] = {}
    for trial, one in zip(trials, settings, strict=True):
        search = trial.method, trial.seed, _problem_seed(one)
        if search in origins:
            msg = (
                f"{origins[search]} and {trial.origin} are both {trial.method} with seed "
                f"{trial.seed}: the same search counted twice says nothing; leave one out"
            )
            raise StoreError(msg)
        origins[search] = trial.origin


def _check_alike(
    first: Run, summary: Mapping[str, Any], other: Run, theirs: Mapping[str, Any]
) -> None:
    """Refuses runs whose numbers do not mean the same."""
    names = ("problem", "options", "data", "validation", "constraints", "finish_images")
    pairs = [(n, getattr(first.settings, n), getattr(other.settings, n)) for n in names]
    pairs += [("objectives", summary["goals"], theirs["goals"])]
    sizes = ("parameters", "macs")
    pairs += [(f"parent's {n}", summary["parent"].get(n), theirs["parent"].get(n)) for n in sizes]
    if "data" in summary and "data" in theirs:  # older runs do not say
        pairs += [("images", summary["data"], theirs["data"])]
    different = [f"{n} ({a!r} and {b!r})" for n, a, b in pairs if _plain(a) != _plain(b)]
    if different:
        msg = (
            f"{first.folder} and {other.folder} cannot be compared: they differ in "
            f"{', '.join(different)}; 'pymoo-prune compare PROBLEM' makes runs that can"
        )
        raise StoreError(msg)


def _plain(value: Any) -> Any:
    """A tuple in Python is a list in a file."""
    return list(value) if isinstance(value, tuple) else value


def _facts(settings: Sequence[Settings]) -> dict[str, str]:
    """How runs were made; where they differ, all that there is."""
    first = settings[0]  # options, constraints and retraining are those of all
    options = ", ".join(f"{name}={value}" for name, value in first.options.items())
    return {
        "budget of each run": _all(_limits(one.budget) for one in settings),
        "population": _all(str(one.pop_size) for one in settings),
        "engine seeds": ", ".join(map(str, sorted({one.seed for one in settings}))),
        "problem's seed": ", ".join(map(str, sorted({_problem_seed(one) for one in settings}))),
        "retraining": f"{first.finish_images:,} images",
        **({"options": options} if options else {}),
        **({"constraints": ", ".join(first.constraints)} if first.constraints else {}),
        "threads of each run": _all(str(one.threads) for one in settings),
    }


def _problem_seed(settings: Settings) -> int:
    return settings.seed if settings.problem_seed is None else settings.problem_seed


def _limits(budget: Budget) -> str:
    limits = {
        "generations": budget.generations,
        "evaluations": budget.evaluations,
        "seconds": budget.seconds,
    }
    return " or ".join(f"{limit:,} {what}" for what, limit in limits.items() if limit is not None)


def _all(texts: Iterable[str]) -> str:
    """Each of several texts once."""
    return " / ".join(dict.fromkeys(texts))
