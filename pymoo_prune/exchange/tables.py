"""CSV and Parquet: one table of all evaluations."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.exchange.columns import (
    AFTER,
    BEFORE,
    CHROMOSOME,
    column_of,
    header,
    measured,
    measured_names,
    rows,
    texts,
)
from pymoo_prune.exchange.evaluations import Evaluations
from pymoo_prune.exchange.packages import needed


def write_csv(runs: Sequence[Evaluations], path: Path, progress: Callable[[int], None]) -> None:
    """Writes a CSV file, row by row.

    Args:
        runs: What is written.
        path: The file.
        progress: Called with the number of evaluations that were written.
    """
    names = measured_names(runs)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header(runs))
        for run in runs:
            writer.writerows(rows(run, names))
            progress(len(run))


def write_parquet(runs: Sequence[Evaluations], path: Path, progress: Callable[[int], None]) -> None:
    """Writes a Parquet file, with a row group for each run.

    Args:
        runs: What is written.
        path: The file.
        progress: Called with the number of evaluations that were written.
    """
    arrow, parquet = needed("pyarrow"), needed("pyarrow.parquet")
    names, kind = measured_names(runs), _kind(runs)
    genes = {
        "b": arrow.string(),
        "i": arrow.list_(arrow.int64()),
        "f": arrow.list_(arrow.float64()),
    }
    types = {
        **dict.fromkeys(BEFORE, arrow.int64()),
        **dict.fromkeys(("problem", "method", "failure"), arrow.string()),
        **dict.fromkeys(("feasible", "failed"), arrow.bool_()),
        CHROMOSOME: genes[kind],
        **{column_of(name): arrow.float64() for name in names},
    }
    schema = arrow.schema([(name, types[name]) for name in header(runs)])
    with parquet.ParquetWriter(path, schema) as writer:
        for run in runs:
            columns = {
                **_before(run),
                CHROMOSOME: _genes(arrow, run, kind, types[CHROMOSOME]),
                **{
                    name: arrow.array(column, mask=np.isnan(column))
                    for name, column in measured(run, names).items()
                },
                **dict(zip(AFTER, (run.feasible, run.failed, list(run.failures)), strict=True)),
            }
            writer.write_table(arrow.table(columns, schema=schema))
            progress(len(run))


def _before(run: Evaluations) -> dict[str, Any]:
    n = len(run)
    return {
        "problem": [run.problem] * n,
        "method": [run.method] * n,
        "seed": np.full(n, run.seed),
        "number": np.arange(n),
        "generation": run.generation.astype(np.int64),
    }


def _kind(runs: Sequence[Evaluations]) -> str:
    """How all chromosomes fit into one column: text, whole numbers or reals."""
    kinds = {_kind_of(run.X) for run in runs if run.X is not None}
    if kinds <= {"i"} and kinds:
        return "i"
    return "f" if kinds == {"f"} else "b"


def _kind_of(X: Array) -> str:
    # Whole numbers above the largest of 64 bits with a sign have no list of their own.
    if X.dtype == np.uint64:
        return "b"
    return {"u": "i"}.get(X.dtype.kind, X.dtype.kind)


def _genes(arrow: Any, run: Evaluations, kind: str, dtype: Any) -> Any:
    if run.X is None:
        return arrow.nulls(len(run), dtype)
    if kind == "b":
        return arrow.array(texts(run.X), dtype)
    flat = run.X.reshape(len(run), -1)
    ends = np.arange(len(run) + 1, dtype=np.int32) * flat.shape[1]
    values = flat.ravel().astype(np.int64 if kind == "i" else np.float64)
    return arrow.ListArray.from_arrays(arrow.array(ends), arrow.array(values))
