"""A comparison's report as one file that opens in a browser, offline."""

from __future__ import annotations

import shlex
from pathlib import Path

from markupsafe import Markup

from pymoo_prune.comparing import tables
from pymoo_prune.comparing.files import ATTAINMENT_PICTURE, CURVES_PICTURE, PARALLEL_PICTURE
from pymoo_prune.comparing.pictures import first_population, shown_fronts
from pymoo_prune.comparing.report import ComparisonReport
from pymoo_prune.comparing.words import meaning
from pymoo_prune.files import write_text
from pymoo_prune.objectives import without_judgements
from pymoo_prune.page import (
    Part,
    Section,
    code,
    document,
    figure_of_fronts,
    html_table,
    linked,
    paragraph,
    picture,
)
from pymoo_prune.runs import INTERACTIVE_PAGE

CAPTION = Markup(
    '<p class="caption">Each method\'s median run, and the baselines. Crosses are the first '
    "population of the run of the method that leads, where it is known. Point at a "
    "network for all its measurements, click it to find it in every panel. A click on a method "
    "hides it.</p>"
)
TEXTS = {
    CURVES_PICTURE: "{} of what was found so far, over the evaluations.",
    ATTAINMENT_PICTURE: "What half of the runs attain, with the best and the worst of them.",
    PARALLEL_PICTURE: "The best of all runs, one line a network.",
}


def write_page(report: ComparisonReport, folder: Path) -> Path:
    """Writes `report.html` beside the files of the report, which must be there."""
    path = folder / INTERACTIVE_PAGE
    write_text(path, ComparisonPage(report, folder).html())
    return path


class ComparisonPage:
    """The interactive page of a comparison.

    Args:
        report: The comparison's report.
        folder: The pictures' folder.
    """

    def __init__(self, report: ComparisonReport, folder: Path) -> None:
        self.report, self.folder = report, folder
        self.comparison = report.comparison

    def html(self) -> str:
        """The page."""
        sections = [
            Section("Fronts", self._fronts(), "fronts"),
            Section("Methods", self._methods(), "methods"),
            Section("Runs side by side", self._pictures(), "runs"),
            Section("The best of all runs", self._networks(), "networks"),
            Section("Where the numbers are from", self._origins(), "origins"),
            Section("Made with", self._made_with(), "made-with"),
        ]
        return document(self.report.title, sections, lead=[paragraph(self.report.verdict())])

    # Sections.

    def _fronts(self) -> list[Part]:
        one = self.comparison
        axes = without_judgements(one.goals.names) or ["parameters"]
        labels, published = self.report.labels, self.report.published
        light = first_population(one, labels)
        methods = linked(
            [*shown_fronts(one, labels), *published, *light],
            one.quantities,
            light=[first.name for first in light],
        )
        found = [method for method in methods if len(method.series)]
        if not found:
            return [paragraph("No method's median run found anything.")]
        legend, *panels = figure_of_fronts(found, axes, one.quantities)
        return [legend, panels, CAPTION]

    def _methods(self) -> list[Part]:
        return [
            *map(paragraph, self.report.options()),
            html_table(*tables.quality_rows(self.comparison)),
            paragraph(meaning(self.comparison)),
            html_table(*tables.contrast_rows(self.comparison), texts=(0, 1, 5)),
            paragraph(self._of_bounds()),
            html_table(*tables.bound_rows(self.comparison)),
            html_table(*tables.cost_rows(self.comparison), texts=(0, 1)),
        ]

    def _of_bounds(self) -> str:
        judged = "Test accuracy, in percent,"
        if self.comparison.judged.by_divergence:
            judged = "Divergence on the test images, in nats,"
        return f"{judged} of the network that one would take in a bound:"

    def _pictures(self) -> list[Part]:
        parts: list[Part] = []
        volume = self.comparison.volumes.named("Hypervolume")
        for name, text in ((n, t.format(volume)) for n, t in TEXTS.items()):
            path = self.folder / f"{name}.svg"
            if path.is_file():
                parts += [paragraph(text), picture(path, text=text)]
        return parts

    def _networks(self) -> list[Part]:
        """The best networks of all runs, and the command that exports one."""
        one = self.comparison
        last = one.judged.last
        wanted = (*one.goals.names, "parameters", "macs", last, "evaluation")
        names = [n for n in dict.fromkeys(wanted) if n in one.front]
        best = one.best_networks()
        rows = [
            (
                trial.method,
                str(trial.seed),
                trial.origin,
                str(row),
                *(one.quantities[n].format(float(trial.columns[n][row])) for n in names),
            )
            for trial, row in best
        ]
        labels = [one.quantities[n].label for n in names]
        trial, row = best[-1]
        return [
            html_table(("method", "seed", "run", "network", *labels), rows, texts=(0, 2)),
            paragraph("To carry one away, name its run and its number there:"),
            code(f"pymoo-prune export {shlex.quote(trial.origin)} --pick {row}"),
        ]

    def _origins(self) -> list[Part]:
        return [html_table(*tables.run_rows(self.comparison), texts=(0, 2))]

    def _made_with(self) -> list[Part]:
        return [html_table(("what", "value"), list(self.report.facts.items()), texts=(0, 1))]
