"""The front on a run's page: pictures, controls and tables that are linked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from markupsafe import Markup

from pymoo_prune.objectives import (
    Goals,
    Series,
    Values,
    parse_constraints,
    without_judgements,
)
from pymoo_prune.page import (
    GENERATION,
    Explorer,
    Part,
    anchor,
    figure_of_fronts,
    figure_of_networks,
    figure_of_searches,
    linked,
    network_table,
    paragraph,
    searched,
    sparkline,
    with_generations,
)
from pymoo_prune.results import EVALUATION, FIRST_POPULATION
from pymoo_prune.runs import words
from pymoo_prune.runs.report import Report

POINTING = (
    "Point at a network for all its measurements, click it for its layers. A row of the table and "
    "its points are chosen together. A click on a method hides it. The square is the best within "
    "the bounds below."
)
GROWTH_CAPTION = Markup(
    '<p class="caption">The front of the first evaluations, on the search images. Point at a '
    "candidate for its measurements and its number. Colours, bounds and axes of the front above "
    "count here too; no candidate has the {} that are measured after the search.</p>"
)
PARALLEL_CAPTION = Markup(
    '<p class="caption">The search\'s networks{}. Better is up on every axis; the dashed line is '
    "the suggestion. Networks outside of what you drag are grey in all pictures, and not in the "
    "table; so are those of which a quantity is not known.</p>"
)
ONCE_ONLY = (
    "The search measured candidates on other images in each generation, so its evaluations cannot "
    "be compared with each other. There is no picture of how its front grew."
)


class FrontPart:
    """The front of a run, and how it grew.

    Args:
        report: The run's report.
    """

    def __init__(self, report: Report) -> None:
        self.report, self.findings = report, report.findings
        self.quantities = {**report.findings.quantities, "generation": GENERATION}
        goals = report.findings.goals.names
        # What is removed and what is left are the same picture twice.
        sizes = ["macs"] if "sparsity" in goals else ["parameters", "macs"]
        self.axes = without_judgements(dict.fromkeys([*goals, *sizes]), self.quantities)
        links = [f"#{anchor(place)}" for place in range(len(report.findings.front))]
        history = report.findings.history
        own, *others = report.findings.series
        named = [with_generations(one, self._history_of(one)) for one in report.findings.series]
        self.methods = linked(
            named,
            self.quantities,
            links=[links, *map(self._links, others)],
            light=[FIRST_POPULATION],
        )
        self.searches = (
            []
            if history is None
            else [searched(own.name, 0, history, self._goals, report.findings.summary["parent"])]
        )

    @cached_property
    def explorer(self) -> Explorer:
        """The controls of the page."""
        own, *others = self.methods
        return Explorer("run", own, others, self.quantities, searches=self.searches)

    @property
    def _goals(self) -> Goals:
        """The search's goals, with its constraints."""
        goals, bounds = self.findings.goals, self.findings.run.settings.constraints
        return Goals(goals.quantities, goals.objectives, parse_constraints(bounds))

    def _history_of(self, one: Series) -> Mapping[str, Values] | None:
        """The evaluations that a method's networks are numbered by, where they can be compared."""
        own = one is self.findings.front or one is self.findings.first
        return self.findings.history if own else None

    def _links(self, one: Series) -> list[str]:
        """Links of a method's networks: to a network of the front where it is the same."""
        links, columns = ["#methods"] * len(one), self.findings.front.columns
        if one is self.findings.first and "evaluation" in columns:
            places = {number: k for k, number in enumerate(columns["evaluation"].tolist())}
            for row, number in enumerate(one.columns["evaluation"].tolist()):
                if number in places:
                    links[row] = f"#{anchor(places[number])}"
        return links

    def front(self) -> list[Part]:
        """Pictures, the best within bounds, the table, and parallel coordinates."""
        findings, own, explorer = self.findings, self.methods[0], self.explorer
        legend, *panels = figure_of_fronts(
            self.methods, self.axes, self.quantities, suggested=findings.chosen
        )
        explorer.mark(panels, self.axes)
        shown = "Filled: after retraining. Hollow: before. " if findings.finished else ""
        caption = Markup('<p class="caption">{}The ring is the suggestion. {}</p>')
        table = network_table(own, self.report.shown, self.quantities, profiles=self._profiles())
        explorer.filter(table)
        return [
            explorer.colours(self._colours()),
            legend,
            panels,
            caption.format(shown, POINTING),
            self._bounds(),
            table,
            *self._lines(),
        ]

    def _lines(self) -> list[Part]:
        """Parallel coordinates."""
        findings, own = self.findings, self.methods[0]
        goals = findings.goals.names
        names = [*goals, *self.axes, findings.searched, findings.tested]
        names = [name for name in dict.fromkeys(names) if name in own.fields]
        lines = figure_of_networks(own, names, self.quantities, suggested=findings.chosen)
        several = len(goals) > 2
        over = f" over all objectives, then sizes and {self._judgements}"
        text = PARALLEL_CAPTION.format(over if several else ", one line each")
        return [self.explorer.brush(lines), lines, text]

    @property
    def _judgements(self) -> str:
        """What says how good networks are."""
        judged = self.findings.judged
        if judged.by_metric:
            return f"values of {judged.name}"
        return "divergences" if judged.by_divergence else "accuracies"

    def _colours(self) -> list[str]:
        """The quantities that colours can show."""
        return [name for name in self.methods[0].fields if name not in EVALUATION]

    def _bounds(self) -> Markup:
        findings = self.findings
        commands = [words.export_command(findings, k) for k in range(len(findings.front))]
        return self.explorer.bounds(
            self.axes,
            self.report.shown,
            findings.summary["parent"],
            commands,
            command=words.export_command(findings, ""),
        )

    def _profiles(self) -> list[Markup]:
        """Small pictures of what is left of each layer, where that is known of every network."""
        if (layers := self.findings.layers) is None:
            return []
        shares = [layers.kept(place) for place in range(len(layers.networks))]
        return [sparkline(one.values()) for one in shares if one] if all(shares) else []

    def growth(self) -> list[Part]:
        """All evaluations, or why there is no picture of them."""
        if not self.searches:
            return [paragraph(ONCE_ONLY)]
        panels = figure_of_searches(self.searches, self._goals, self.quantities)
        return [self.explorer.grow(panels), panels, GROWTH_CAPTION.format(self._judgements)]
