"""Candidates in CSV files: a column for each gene, then objectives and measurements."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import PruneError
from pymoo_prune.suite.instance import Instance

MOST = 9
"""Names of columns that a message shows at most."""


def gene_columns(n_var: int) -> list[str]:
    """The names of the genes' columns: x0, x1, ..."""
    return [f"x{gene}" for gene in range(n_var)]


def candidates_csv(instance: Instance, X: Array, F: Array) -> str:
    """Candidates with objectives and measurements, as CSV.

    A measurement that has the name of an objective is called `measured_NAME`.

    Args:
        instance: The instance.
        X: Candidates, (n, n_var).
        F: Their objectives, (n, n_obj).
    """
    X = instance.genes.checked(X, instance.name())
    genes = X.astype(int) if X.dtype.kind == "b" else X
    measured = instance.measurements(X)
    names = [f"measured_{name}" if name in instance.objectives else name for name in measured]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*gene_columns(instance.n_var), *instance.objectives, *names])
    columns = np.column_stack([*measured.values()])
    for x, f, values in zip(genes.tolist(), F.tolist(), columns.tolist(), strict=True):
        writer.writerow([*x, *f, *values])
    return text.getvalue()


def read_candidates(path: Path, instance: Instance) -> Array:
    """The candidates of a CSV file, checked, (n, n_var); other columns do not count.

    Args:
        path: A file whose first line names the columns.
        instance: The instance.

    Raises:
        PruneError: The message names the file, the line and the column that is wrong.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = _columns(reader.fieldnames or (), path, instance)
            rows = list(_rows(reader, columns, path))
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise PruneError(msg) from error
    except (UnicodeDecodeError, csv.Error) as error:
        msg = f"{path} is not a CSV file: {error}"
        raise PruneError(msg) from error
    if not rows:
        msg = f"{path} has no candidates: no line follows the names of the columns"
        raise PruneError(msg)
    try:
        return instance.genes.checked(np.array(rows), instance.name())
    except PruneError as error:
        msg = f"{path}: {error}; candidate 0 is the first line after the names"
        raise PruneError(msg) from error


def _columns(found: Sequence[str], path: Path, instance: Instance) -> list[str]:
    wanted = gene_columns(instance.n_var)
    missing = [name for name in wanted if name not in found]
    twice = [name for name in wanted if list(found).count(name) > 1]
    for names, what in ((missing, "lacks"), (twice, "has twice")):
        if names:
            shown = f"{', '.join(names[:MOST])}{', ...' if len(names) > MOST else ''}"
            msg = (
                f"{path} {what} the columns {shown}; a candidate of {instance.name()} has the "
                f"genes x0 to x{instance.n_var - 1}, and the first line names the columns"
            )
            raise PruneError(msg)
    return wanted


def _rows(reader: csv.DictReader[str], columns: Sequence[str], path: Path) -> Iterator[list[float]]:
    for row in reader:
        yield [_number(row, name, f"line {reader.line_num} of {path}") for name in columns]


def _number(row: Mapping[str, str | None], name: str, where: str) -> float:
    text = row[name]
    try:
        return float(text or "")
    except ValueError:
        msg = f"{where}: {name} must be a number, but it is {text or 'missing'!r}"
        raise PruneError(msg) from None
