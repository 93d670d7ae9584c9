"""Fronts as tables: CSV, which keeps every number exactly, for pandas, and text."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pymoo_prune.errors import PruneError
from pymoo_prune.exchange import networks_frame
from pymoo_prune.objectives import Quantity, Series, Values

if TYPE_CHECKING:
    import pandas as pd


class Tabulated:
    """What has columns about networks, and can be written as tables.

    Attributes:
        columns: What is known of each network, (n,) each.
    """

    columns: dict[str, Values]

    def to_csv(self, path: Path | str) -> None:
        """Writes every number, exactly."""
        Path(path).write_text(csv_text([Series("front", self.columns)]), encoding="utf-8")

    def to_pandas(self) -> pd.DataFrame:
        """A row for each network, named by its number, with every number."""
        return networks_frame(self.columns)


def csv_text(series: Sequence[Series]) -> str:
    """Series as CSV: the method in the first column, then the network, then its numbers."""
    names = list(dict.fromkeys(name for one in series for name in one.columns))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "network", *names])
    for one in series:
        for place in range(len(one)):
            cells = [repr(float(one.columns[n][place])) if n in one.columns else "" for n in names]
            writer.writerow([one.name, place, *cells])
    return text.getvalue()


def read_csv(path: Path) -> list[Series]:
    """Series from a file with what `csv_text` gives."""
    found: dict[str, list[dict[str, str]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row.pop("method"), []).append(row)
    series = []
    for method, rows in found.items():
        names = [name for name in rows[0] if name != "network" and rows[0][name] != ""]
        columns = {name: np.array([float(row[name]) for row in rows]) for name in names}
        series.append(Series(method, columns))
    if not series:
        msg = f"{path} has no rows"
        raise PruneError(msg)
    return series


def text_table(series: Series, quantities: Mapping[str, Quantity]) -> str:
    """All networks of a series in lines, with units.

    Args:
        series: The networks.
        quantities: How the values of each column are written.
    """
    rows = [["network", *series.columns]]
    for place in range(len(series)):
        values = ((name, float(column[place])) for name, column in series.columns.items())
        rows.append([str(place), *(quantities[name].format(value) for name, value in values)])
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
