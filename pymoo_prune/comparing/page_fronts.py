"""The fronts on a comparison's page: pictures, controls and tables that are linked."""

from __future__ import annotations

import shlex
from functools import cached_property

import numpy as np
from markupsafe import Markup

from pymoo_prune.comparing.comparison import Comparison
from pymoo_prune.comparing.pictures import first_population, shown_fronts
from pymoo_prune.comparing.report import ComparisonReport
from pymoo_prune.comparing.trials import Trial
from pymoo_prune.objectives import DIVERGENCE, Series, Values, judge_of, without_judgements
from pymoo_prune.page import (
    COLOUR,
    GENERATION,
    MOST_POINTS,
    Explorer,
    Linked,
    Part,
    Searched,
    figure_of_fronts,
    figure_of_networks,
    figure_of_searches,
    html_table,
    linked,
    paragraph,
    searched,
    with_generations,
)
from pymoo_prune.plots import COLOURS
from pymoo_prune.results import EVALUATION
from pymoo_prune.tables import listed

CAPTION = Markup(
    '<p class="caption">Each method\'s median run, and the baselines. Crosses are the first '
    "population of the run of the method that leads, where it is known. Point at a "
    "network for all its measurements, click it to find it in every panel. A click on a method "
    "hides it. The square is the best of all runs within the bounds below.</p>"
)
GROWTH_CAPTION = Markup(
    '<p class="caption">The fronts of the first evaluations of these runs, on the search images. '
    "Point at a candidate for its measurements and its number; a click on a method hides it. "
    "Colours, bounds and axes count here too; no candidate has the {} that are measured "
    "after the search.</p>"
)
PARALLEL_CAPTION = Markup(
    '<p class="caption">The best of all runs over the objectives, then sizes and {}, in '
    "their methods' colours. Better is up on every axis. Networks outside of what you drag are "
    "grey in all pictures, and not in the table; so are those of which a quantity is not "
    "known.</p>"
)
ROWS = "best-networks"
"""The element around the table of the best networks."""


class FrontsPart:
    """The fronts of a comparison, how they grew, and the best of all runs.

    Args:
        report: The comparison's report.
    """

    def __init__(self, report: ComparisonReport) -> None:
        self.report, self.comparison = report, report.comparison
        one = self.comparison
        self.quantities = {**one.quantities, "generation": GENERATION}
        self.axes = without_judgements(one.goals.names, one.goals.quantities) or ["parameters"]
        self.medians = {method: one.median_trial(method) for method in one.methods}
        light = first_population(one, report.labels)
        methods = linked(
            [*map(self._front, shown_fronts(one, report.labels)), *report.published, *light],
            self.quantities,
            light=[first.name for first in light],
        )
        self.methods = [method for method in methods if len(method.series)]
        self.searches = [
            self._searched(place, trial)
            for place, trial in enumerate(self.medians.values())
            if trial.history is not None
        ]

    def _label(self, method: str) -> str:
        return self.report.labels.get(method, method)

    def _front(self, one: Series) -> Series:
        trials = {self._label(method): trial for method, trial in self.medians.items()}
        return with_generations(one, trials[one.name].history) if one.name in trials else one

    def _searched(self, place: int, trial: Trial) -> Searched:
        one, history = self.comparison, trial.history or {}
        most = MOST_POINTS // len(self.medians)
        name = self._label(trial.method)
        return searched(name, place, history, one.goals, one.parent, most=most)

    @cached_property
    def best(self) -> Linked:
        """The best of all runs, in the colours of their methods."""
        one = self.comparison
        columns = {**one.front, "generation": np.array(list(map(_generation, one.best_networks())))}
        (found,) = linked([Series("the best of all runs", columns)], self.quantities)
        places = [one.methods.index(trial.method) for trial, _ in one.best_networks()]
        found.source.data[COLOUR] = [COLOURS[place % len(COLOURS)] for place in places]
        return found

    @cached_property
    def explorer(self) -> Explorer:
        """The controls of the page."""
        return Explorer(
            "comparison", self.best, self.methods, self.quantities, searches=self.searches
        )

    # Sections.

    def fronts(self) -> list[Part]:
        """Each method's median run."""
        if not self.methods:
            return [paragraph("No method's median run found anything.")]
        legend, *panels = figure_of_fronts(self.methods, self.axes, self.quantities)
        self.explorer.mark(panels, self.axes)
        names = [name for name in self.best.fields if name not in EVALUATION]
        return [self.explorer.colours(names), legend, panels, CAPTION]

    def growth(self) -> list[Part]:
        """The evaluations of these runs, and which runs have none that can be compared."""
        parts = self._left_out()
        if not self.searches:
            return parts
        found = figure_of_searches(self.searches, self.comparison.goals, self.quantities)
        legend, panels = found[: -len(self.axes)], found[-len(self.axes) :]
        return [
            *parts,
            self.explorer.grow(panels),
            *legend,
            panels,
            GROWTH_CAPTION.format(self._judgements),
        ]

    @property
    def _judgements(self) -> str:
        """What says how good networks are."""
        judged = self.comparison.judged
        if judged.by_metric:
            return f"values of {judged.name}"
        return "divergences" if judged.by_divergence else "accuracies"

    def _left_out(self) -> list[Part]:
        """Says which runs have no evaluations that can be compared."""
        unknown = [self._label(m) for m, trial in self.medians.items() if trial.history is None]
        if not unknown:
            return []
        text = (
            f"The runs of {listed(unknown)} measured on other images in each generation, so their "
            "evaluations cannot be compared with each other. There is no picture of how their "
            "fronts grew."
        )
        return [paragraph(text)]

    def networks(self) -> list[Part]:
        """The best networks of all runs, and the command that exports one."""
        one, best = self.comparison, self.best
        wanted = (*one.goals.names, "parameters", "macs", one.judged.last, "evaluation")
        names = [n for n in dict.fromkeys(wanted) if n in one.front]
        known = {n: q for n, q in one.goals.quantities.items() if n in best.fields}
        found = judge_of(known) if known.keys() - {DIVERGENCE} else DIVERGENCE
        axes = [n for n in dict.fromkeys([*names, found]) if n in best.fields]
        axes = [n for n in axes if n not in EVALUATION]
        lines = figure_of_networks(best, axes, self.quantities)
        self.explorer.filter(ROWS)
        sizes = [n for n in dict.fromkeys([*self.axes, "parameters", "macs"]) if n in one.front]
        commands = [_export_command(trial, row) for trial, row in one.best_networks()]
        return [
            self.explorer.bounds(sizes, names, one.parent, commands),
            Markup('<div id="{}">{}</div>').format(ROWS, _table(one, names)),
            self.explorer.brush(lines),
            lines,
            PARALLEL_CAPTION.format(self._judgements),
        ]


def _generation(found: tuple[Trial, int]) -> float:
    trial, row = found
    if trial.history is None or "evaluation" not in trial.columns:
        return float("nan")
    generations: Values = trial.history["generation"]
    return float(generations[int(trial.columns["evaluation"][row])])


def _export_command(trial: Trial, row: int) -> str:
    return f"pymoo-prune export {shlex.quote(trial.origin)} --pick {row}"


def _table(one: Comparison, names: list[str]) -> Markup:
    """The best networks, with the run and the number of each."""
    rows = [
        (
            str(place),
            trial.method,
            str(trial.seed),
            trial.origin,
            str(row),
            *(one.quantities[n].format(float(trial.columns[n][row])) for n in names),
        )
        for place, (trial, row) in enumerate(one.best_networks())
    ]
    labels = [one.quantities[n].label for n in names]
    head = ("no.", "method", "seed", "run", "its number there", *labels)
    return html_table(head, rows, texts=(1, 3))
