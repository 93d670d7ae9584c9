"""A run's report as one file that opens in a browser, offline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup

from pymoo_prune.files import write_text
from pymoo_prune.page import (
    Part,
    Section,
    beside,
    card,
    cards,
    code,
    document,
    html_table,
    layer_table,
    paragraph,
    picture,
    where_pruned,
)
from pymoo_prune.runs import words
from pymoo_prune.runs.files import (
    GENERATIONS_PICTURE,
    INTERACTIVE_PAGE,
    LAYERS_FILE,
    STORE_FILE,
)
from pymoo_prune.runs.pictures import TEXTS
from pymoo_prune.runs.report import Report
from pymoo_prune.runs.report_front import FrontPart


def write_page(report: Report, folder: Path | None = None) -> Path:
    """Writes `report.html` beside the files of the report, which must be there.

    Args:
        report: The run's report.
        folder: The report's folder; None is the run's.
    """
    folder = report.findings.run.folder if folder is None else folder
    path = folder / INTERACTIVE_PAGE
    write_text(path, ReportPage(report, folder).html())
    return path


class ReportPage:
    """The interactive page of a run.

    Args:
        report: The run's report; its pictures must be there.
        folder: The pictures' folder.
    """

    def __init__(self, report: Report, folder: Path) -> None:
        self.report, self.findings, self.folder = report, report.findings, folder
        self.columns = report.findings.front.columns
        self.quantities = report.findings.quantities

    def html(self) -> str:
        """The page."""
        report, findings = self.report, self.findings
        front = FrontPart(report)
        sections = [
            Section("The front", front.front(), "front"),
            Section("How the front grew", front.growth(), "growth"),
            Section("A network", self._networks(), "network"),
            Section("Methods", self._methods(), "methods"),
            Section("Generation by generation", self._generations(), "generations"),
            Section("Made with", self._made_with(), "made-with"),
        ]
        lead = [
            paragraph(text)
            for text in (report.verdict(), report.suggestion(), report.parent_line())
        ]
        return document(words.title(findings), sections, lead=lead, explorers=[front.explorer])

    # Sections.

    def _networks(self) -> list[Part]:
        last = len(self.findings.front) - 1
        return [
            cards(
                [
                    card(k, last, self._network(k), suggested=k == self.findings.chosen)
                    for k in range(last + 1)
                ]
            )
        ]

    def _network(self, place: int) -> list[Markup]:
        findings, parent = self.findings, self.findings.summary["parent"]
        rows = []
        for name, quantity in self.quantities.items():
            if name in self.columns:
                value = quantity.format(float(self.columns[name][place]))
                before = quantity.format(parent[name]) if name in parent else ""
                rows.append((quantity.label, value, before))
        known = [
            html_table(("", "this network", "the parent"), rows),
            paragraph(self._origin(place)),
            code(words.export_command(findings, place)),
        ]
        layers = findings.layers
        if layers is None:
            missing = (
                f"Its layers are not known: there is no {LAYERS_FILE} in {findings.run.folder}, "
                "which an older version made. Resuming adds none; a new run with the same settings "
                "does."
            )
            return [beside(known, [paragraph(missing)])]
        shares = layers.kept(place)
        pruned = [where_pruned(shares)] if shares else []
        whole = layers.parent if shares else None
        return [beside(known, [*pruned, layer_table(layers.networks[place], whole)])]

    def _origin(self, place: int) -> str:
        """Which evaluation a network comes from, in a sentence."""
        run = self.findings.run
        where = f"{run.folder}, seed {run.settings.seed}"
        if "evaluation" not in self.columns:
            return f"Of the last population, measured again: {where}."
        number = int(self.columns["evaluation"][place])
        return f"Evaluation {number:,} of {where}: number {number} in the history of {STORE_FILE}."

    def _methods(self) -> list[Part]:
        head, rows = self.report.volume_rows()
        origins = {**self.report.origins(), **words.MEANT}
        rows = [(*row, origins[row[0]].replace("`", "")) for row in rows]
        return [
            paragraph(self.report.verdict()),
            html_table((*head, "its networks"), rows, texts=(0, len(head))),
            paragraph(words.meaning(self.findings)),
        ]

    def _generations(self) -> list[Part]:
        path = (self.folder / GENERATIONS_PICTURE).with_suffix(".svg")
        return [picture(path, text=TEXTS[GENERATIONS_PICTURE])]

    def _made_with(self) -> list[Part]:
        findings, summary = self.findings, self.findings.summary
        settings = _texts(json.loads(findings.run.settings.to_json()))
        versions, machine = _texts(summary["versions"]), _texts(summary["machine"])
        return [
            paragraph(words.made_line(findings)),
            *(paragraph(note) for note in summary.get("notes", ())),
            beside(
                [html_table(("setting", "value"), settings, texts=(0, 1))],
                [
                    html_table(("library", "version"), versions, texts=(0, 1)),
                    html_table(("machine", ""), machine, texts=(0, 1)),
                ],
            ),
        ]


def _texts(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Values as text; a dash for what is not set."""
    texts = {n: v if isinstance(v, str) else json.dumps(v) for n, v in values.items()}
    return [(n, "–" if text in ("null", "[]", "{}") else text) for n, text in texts.items()]
