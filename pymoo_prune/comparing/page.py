"""A comparison's report as one file that opens in a browser, offline."""

from __future__ import annotations

from pathlib import Path

from pymoo_prune.comparing import tables
from pymoo_prune.comparing.files import ATTAINMENT_PICTURE, CURVES_PICTURE, PARALLEL_PICTURE
from pymoo_prune.comparing.page_fronts import FrontsPart
from pymoo_prune.comparing.report import ComparisonReport
from pymoo_prune.comparing.words import meaning, shown_within_bounds
from pymoo_prune.files import write_text
from pymoo_prune.page import (
    Part,
    Section,
    document,
    html_table,
    paragraph,
    picture,
)
from pymoo_prune.runs import INTERACTIVE_PAGE

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
        fronts = FrontsPart(self.report)
        sections = [
            Section("Fronts", fronts.fronts(), "fronts"),
            Section("The best of all runs", fronts.networks(), "networks"),
            Section("How the fronts grew", fronts.growth(), "growth"),
            Section("Methods", self._methods(), "methods"),
            Section("Runs side by side", self._pictures(), "runs"),
            Section("Where the numbers are from", self._origins(), "origins"),
            Section("Made with", self._made_with(), "made-with"),
        ]
        lead = [paragraph(self.report.verdict())]
        return document(self.report.title, sections, lead=lead, explorers=[fronts.explorer])

    # Sections.

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
        what, unit = shown_within_bounds(self.comparison)
        judged = f"{what[0].upper()}{what[1:]}"
        if unit:
            judged += f", in {'percent' if unit == '%' else unit}"
        return f"{judged}, of the network that one would take in a bound:"

    def _pictures(self) -> list[Part]:
        parts: list[Part] = []
        volume = self.comparison.volumes.named("Hypervolume")
        for name, text in ((n, t.format(volume)) for n, t in TEXTS.items()):
            path = self.folder / f"{name}.svg"
            if path.is_file():
                parts += [paragraph(text), picture(path, text=text)]
        return parts

    def _origins(self) -> list[Part]:
        return [html_table(*tables.run_rows(self.comparison), texts=(0, 2))]

    def _made_with(self) -> list[Part]:
        return [html_table(("what", "value"), list(self.report.facts.items()), texts=(0, 1))]
