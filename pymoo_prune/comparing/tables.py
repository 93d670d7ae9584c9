"""A comparison's tables: methods, bounds, costs, pairs and runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

import numpy as np

from pymoo_prune.comparing.comparison import DISTANCE, FINISHED, SEARCHED, TESTED, Comparison
from pymoo_prune.comparing.trials import Trial
from pymoo_prune.comparing.words import mean_share, probability, spread, stage
from pymoo_prune.objectives import Constraint
from pymoo_prune.tables import Row

SHORT = {SEARCHED: "searched", DISTANCE: "IGD+", TESTED: "on test", FINISHED: "retrained"}
"""Heads of columns that fit into a terminal, by indicator."""
ADDED = "adds"
"""Head of the column with the share that each search adds to what was there before it."""
SHARE = "share that the search adds"
"""Head of the same column in the file of all numbers."""
VOLUMES = (SEARCHED, TESTED, FINISHED)
"""Indicators that are hypervolumes."""


def quality_rows(comparison: Comparison) -> tuple[Row, list[Row]]:
    """Indicators of methods, mean and standard deviation over the runs, and of baselines."""
    names = [name for name in SHORT if name in comparison.indicators]
    best = comparison.leader()
    said = bool(np.isfinite(comparison.shares).any())
    rows: list[Row] = []
    for method in comparison.methods:
        runs = comparison.of(method, SEARCHED)
        cells = [spread(comparison.of(method, name), 4) for name in names]
        cells += [mean_share(comparison.shares_of(method))] if said else []
        rows.append((f"{method} ←" if method == best else method, str(len(runs)), *cells))
    for other, values in zip(comparison.others, comparison.indicators_of_others, strict=True):
        cells = [spread(np.array([values[n]]), 4) for n in names]
        rows.append((other.name, "", *cells, *([""] if said else [])))
    return ("method", "runs", *(SHORT[name] for name in names), *([ADDED] if said else [])), rows


def bound_rows(comparison: Comparison) -> tuple[Row, list[Row]]:
    """Test accuracies, in percent, of the networks that a user would take within a bound.

    Where images have no labels, these are divergences, in nats; a metric takes their place.
    """
    names = [str(bound) for bound in comparison.bounds]
    factor, digits = (100, 2) if in_percent(comparison) else (1, 4)
    rows: list[Row] = [
        (method, *(spread(factor * comparison.of(method, name), digits) for name in names))
        for method in comparison.methods
    ]
    for other, values in zip(comparison.others, comparison.indicators_of_others, strict=True):
        cells = (spread(factor * np.array([values[n]]), digits) for n in names)
        rows.append((other.name, *cells))
    return ("method", *names), rows


def in_percent(comparison: Comparison) -> bool:
    """Whether what judges networks is written in percent: an accuracy, or a metric that is a share.

    Args:
        comparison: The numbers.
    """
    if comparison.judged.by_metric:
        return comparison.quantities[comparison.judged.name].share
    return not comparison.judged.by_divergence


def cost_rows(comparison: Comparison) -> tuple[Row, list[Row]]:
    """The objectives of each method, and the costs of its runs on average, besides times."""
    rows: list[Row] = []
    for method in comparison.methods:
        trials = [t for t in comparison.trials if t.method == method]
        evaluations, known, networks = (
            float(np.mean(values))
            for values in zip(*((t.evaluations, t.known, len(t)) for t in trials), strict=True)
        )
        numbers = f"{evaluations:,.0f}", f"{known:,.0f}", f"{networks:.0f}"
        rows.append((method, trials[0].goal, *numbers))
    return ("method", "objectives", "evaluations", "known before", "networks"), rows


def time_rows(comparison: Comparison) -> tuple[Row, list[Row]]:
    """The working seconds of each method's runs; another run takes others."""
    rows: list[Row] = []
    for method in comparison.methods:
        seconds = [t.seconds for t in comparison.trials if t.method == method]
        shown = (f"{value:.1f}" for value in (np.mean(seconds), min(seconds), max(seconds)))
        rows.append((method, str(len(seconds)), *shown))
    return ("method", "runs", "seconds", "least", "most"), rows


def contrast_rows(
    comparison: Comparison, labels: Mapping[str, str] | None = None
) -> tuple[Row, list[Row]]:
    """Every pair of methods, by the hypervolume of the search and by the decisive one.

    Args:
        comparison: The numbers.
        labels: Names of methods in the table, by their own names.
    """
    named = {method: method for method in comparison.methods} | dict(labels or {})
    rows: list[Row] = [
        (
            f"{named[c.first]} / {named[c.second]}",
            SHORT[indicator],
            f"{c.effect:.2f}",
            probability(c.p),
            probability(c.adjusted),
            named.get(str(c), str(c)),
        )
        for indicator in (SEARCHED, comparison.decisive)
        for c in comparison.contrasts(indicator)
    ]
    return ("pair", comparison.volumes.named(), "A", "p", "p (Holm)", "ahead"), rows


def run_rows(comparison: Comparison) -> tuple[Row, list[Row]]:
    """Every run: where its numbers are from, and the evaluations that the bounds chose."""
    names = [str(bound) for bound in comparison.bounds]
    rows = []
    for place, trial in enumerate(comparison.trials):
        cells = [_chosen(comparison, trial, bound) for bound in comparison.bounds]
        volume = f"{comparison.indicators[comparison.decisive][place]:.4f}"
        rows.append((trial.method, str(trial.seed), trial.origin, volume, *cells))
    name = comparison.volumes.named(f"hypervolume {stage(comparison)}")
    return ("method", "seed", "from", name, *names), rows


def _chosen(comparison: Comparison, trial: Trial, bound: Constraint) -> str:
    row, accuracy = comparison.best(trial.columns, bound)
    if row < 0:
        return "–"
    number = trial.columns.get("evaluation")
    origin = f"network {row}" if number is None else f"evaluation {number[row]:.0f}"
    judged = f"{100 * accuracy:.2f} %" if in_percent(comparison) else f"{accuracy:.4f}"
    return f"{judged} ({origin})"


def indicators_csv(comparison: Comparison) -> str:
    """Every indicator of every run, exactly, as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(comparison.indicators)
    heads = [comparison.volumes.named(n) if n in VOLUMES else n for n in names]
    said = bool(np.isfinite(comparison.shares).any())
    heads += [SHARE] if said else []
    writer.writerow(["method", "seed", "from", "evaluations", "known", *heads])
    for place, trial in enumerate(comparison.trials):
        about = trial.method, trial.seed, trial.origin, trial.evaluations, trial.known
        numbers = (repr(float(comparison.indicators[name][place])) for name in names)
        added = [repr(float(comparison.shares[place]))] if said else []
        writer.writerow([*about, *numbers, *added])
    return text.getvalue()


def times_csv(comparison: Comparison) -> str:
    """The working seconds of every run, as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "seed", "from", "seconds"])
    for trial in comparison.trials:
        writer.writerow([trial.method, trial.seed, trial.origin, trial.seconds])
    return text.getvalue()
