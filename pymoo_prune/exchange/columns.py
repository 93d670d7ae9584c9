"""Evaluations as rows: the names of the columns, and what stands in them.

One row is one evaluation: the run, its number from 0 on, the chromosome, every measurement, whether
it is feasible, and whether and why it failed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.objectives import Values

if TYPE_CHECKING:
    from pymoo_prune.exchange.evaluations import Evaluations

BEFORE = ("problem", "method", "seed", "number", "generation", "chromosome")
AFTER = ("feasible", "failed", "failure")
CHROMOSOME = "chromosome"


def measured_names(runs: Sequence[Evaluations]) -> list[str]:
    """The names of everything that any run measured."""
    return list(dict.fromkeys(name for run in runs for name in run.measurements))


def column_of(name: str) -> str:
    """The column of a measurement: its name, unless another column has that."""
    return f"measured_{name}" if name in {*BEFORE, *AFTER} else name


def header(runs: Sequence[Evaluations]) -> list[str]:
    """The names of all columns."""
    return [*BEFORE, *map(column_of, measured_names(runs)), *AFTER]


def measured(run: Evaluations, names: Sequence[str]) -> Mapping[str, Values]:
    """The columns of measurements, (n,) each; NaN where a run has none."""
    unknown = np.full(len(run), np.nan)
    return {column_of(name): run.measurements.get(name, unknown) for name in names}


def rows(run: Evaluations, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The rows of a run as text and numbers; what is not known is empty.

    Args:
        run: The run.
        names: The measurements, in order.
    """
    genes = [""] * len(run) if run.X is None else texts(run.X)
    values = [
        ["" if value != value else value for value in column.tolist()]  # noqa: PLR0124 - NaN
        for column in measured(run, names).values()
    ]
    columns = zip(
        run.generation.tolist(),
        genes,
        *values,
        ("true" if one else "false" for one in run.feasible),
        ("true" if one else "false" for one in run.failed),
        run.failures,
        strict=True,
    )
    for number, (generation, *others) in enumerate(columns):
        yield (run.problem, run.method, run.seed, number, generation, *others)


def texts(X: Array) -> list[str]:
    """Chromosomes as text: "0110" for booleans, "[3, 0.5]" for numbers.

    Args:
        X: Chromosomes, (n, ...); matrices are flattened.
    """
    flat = X.reshape(len(X), -1)
    if flat.dtype != bool:
        return [json.dumps(row) for row in flat.tolist()]
    if flat.shape[1] == 0:
        return [""] * len(flat)
    digits = np.ascontiguousarray(flat.astype(np.uint8) + ord("0"))
    return [row.decode() for row in digits.view(f"S{flat.shape[1]}")[:, 0].tolist()]


def genes(X: Array) -> list[Any]:
    """Chromosomes as Python has them: text for booleans, lists for numbers.

    Args:
        X: Chromosomes, (n, ...); matrices are flattened.
    """
    return texts(X) if X.dtype == bool else list(X.reshape(len(X), -1).tolist())
