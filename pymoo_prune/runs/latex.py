"""A report's tables in LaTeX, for a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pymoo_prune.objectives import Quantity, Values
from pymoo_prune.results import EVALUATION
from pymoo_prune.runs import words
from pymoo_prune.runs.findings import Findings
from pymoo_prune.tables import BEST, LatexTable, Row, best_cells


def methods_table(findings: Findings, head: Row, rows: Sequence[Row]) -> LatexTable:
    """The table of methods.

    Args:
        findings: The numbers.
        head: The columns' names.
        rows: A row for each method, and then what the search adds.
    """
    methods, rest = len(findings.series), [np.nan] * (len(rows) - len(findings.series))
    bold = set()
    for column, volumes in enumerate(findings.hypervolumes.values(), start=2):
        bold |= best_cells(rows, column, [*volumes, *rest], "higher")
    caption = [
        f"{words.title(findings)}: hypervolumes of the networks of each method; larger is better.",
        words.meaning(findings),
        BEST,
        f"{words.search_line(findings)}.",
    ]
    return LatexTable("methods", head, rows, " ".join(caption), bold, rules=(methods,))


def networks_table(
    findings: Findings, head: Row, rows: Sequence[Row], names: Sequence[str]
) -> LatexTable:
    """The table of the front's networks.

    Args:
        findings: The numbers.
        head: The columns' names: a number first, then those of the quantities.
        rows: A row for each network that is shown.
        names: The quantities.
    """
    places = [int(number.split()[0]) for number, *_ in rows]
    shown = {name: findings.front.columns[name][places] for name in names}
    judged = "Test accuracies"
    if findings.judged.by_metric:
        judged = f"Values of {findings.judged.name} on the test images"
    elif findings.judged.by_divergence:
        judged = "Divergences on the test images"
    caption = [
        f"{words.title(findings)}: networks of the front of the search.",
        f"Every network is retrained with the same {findings.run.settings.finish_images:,} images."
        if findings.finished
        else "",
        f"{judged} are on images that no search sees.",
        words.parent_line(findings),
        f"The arrow marks the suggestion: {findings.suggestion.reason}.",
        BEST,
        f"{words.search_line(findings)}.",
    ]
    text = " ".join(part for part in caption if part)
    return LatexTable("networks", head, rows, text, best_networks(rows, shown, findings.quantities))


def best_networks(
    rows: Sequence[Row], columns: Mapping[str, Values], quantities: Mapping[str, Quantity]
) -> set[tuple[int, int]]:
    """The cells of the best networks, for each quantity that networks are measured by.

    Args:
        rows: A row for each network: its number, then a cell for each column.
        columns: The values, (rows,) each.
        quantities: Which way is better.
    """
    bold = set()
    for column, (name, values) in enumerate(columns.items(), start=1):
        if name not in EVALUATION:  # its number is neither good nor bad
            bold |= best_cells(rows, column, values.tolist(), quantities[name].better)
    return bold


def versions_table(findings: Findings) -> LatexTable:
    """The table of the libraries' versions."""
    rows = list(findings.summary["versions"].items())
    caption = f"{words.title(findings)}: made with these versions. {words.made_line(findings)}"
    return LatexTable("versions", ("what", "version"), rows, caption)
