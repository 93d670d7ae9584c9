"""Optuna's storage: a SQLite file with a study for each run, which its dashboard opens.

A study is one run, since a dashboard shows a study's history over the numbers of its trials. Optuna
makes the file and the studies. Their trials are written past it, in its own tables and many at
once: one by one, 100,000 of them take it an hour.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import PruneError
from pymoo_prune.exchange.evaluations import Evaluations
from pymoo_prune.exchange.packages import needed

EPOCH = "1970-01-01 00:00:00.000000"
"""The time of every trial: times of single evaluations are not kept."""
FINITE = "FINITE"
Row = tuple[Any, ...]
"""A row of one of Optuna's tables."""
NO_GENES = "Parameters of trials are left out: chromosomes are weights, or were not kept."

EXPAND = """
INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)
SELECT chromosome.trial_id, gene.name, {value}, gene.distribution
FROM chromosome CROSS JOIN gene ORDER BY chromosome.trial_id, gene.place
"""


def write_optuna(
    runs: Sequence[Evaluations], path: Path, progress: Callable[[int], None]
) -> list[str]:
    """Writes a storage of Optuna.

    Args:
        runs: What is written.
        path: The file; it must not hold anything yet.
        progress: Called with the number of evaluations that were written.

    Returns:
        Sentences that a reader should know.
    """
    needed("optuna")
    with _explained():
        studies = _make_studies(runs, path)
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            # The file is new, and is moved to its place when it is complete.
            db.execute("PRAGMA journal_mode = OFF")
            db.execute("PRAGMA synchronous = OFF")
            for study, run in zip(studies, runs, strict=True):
                db.execute("BEGIN")
                _write_trials(db, study, run)
                db.execute("COMMIT")
                progress(len(run))
    return [NO_GENES] if any(run.X is None for run in runs) else []


@contextmanager
def _explained() -> Iterator[None]:
    """Turns errors of the database into errors that say what to do."""
    try:
        yield
    except (sqlite3.Error, needed("sqlalchemy.exc").SQLAlchemyError) as error:
        text = str(getattr(error, "orig", error))
        if "disk" in text or "full" in text:
            msg = f"{text}: there is too little space on the disk"
            raise OSError(msg) from error
        version = needed("optuna").__version__
        msg = f"Optuna {version} has other tables than those known here ({text}); write csv instead"
        raise PruneError(msg) from error


def _make_studies(runs: Sequence[Evaluations], path: Path) -> list[int]:
    """Makes the file with all studies; returns their numbers."""
    optuna = needed("optuna")
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # not a line for each study
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
        directions = optuna.study.StudyDirection
        names = _names(runs)
        found = []
        for run, name in zip(runs, names, strict=True):
            study = storage.create_new_study(
                [
                    directions.MAXIMIZE if one in run.maximised else directions.MINIMIZE
                    for one in run.objectives
                ],
                name,
            )
            # The key of `study.set_metric_names`.
            storage.set_study_system_attr(study, "study:metric_names", list(run.objectives))
            for key in ("problem", "method", "seed", "notes"):
                storage.set_study_user_attr(study, key, getattr(run, key))
            found.append(study)
        storage.remove_session()
        storage.engine.dispose()
    finally:
        optuna.logging.set_verbosity(level)
    return found


def _names(runs: Sequence[Evaluations]) -> list[str]:
    """A name for each study."""
    names: list[str] = []
    for run in runs:
        name, number = run.name, 1
        while name in names:
            number += 1
            name = f"{run.name} ({number})"
        names.append(name)
    return names


def _write_trials(db: sqlite3.Connection, study: int, run: Evaluations) -> None:
    (last,) = db.execute("SELECT COALESCE(MAX(trial_id), 0) FROM trials").fetchone()
    trials = range(last + 1, last + 1 + len(run))
    states = np.where(run.failed, "FAIL", "COMPLETE").tolist()
    db.executemany(
        "INSERT INTO trials (trial_id, number, study_id, state, datetime_start, "
        "datetime_complete) VALUES (?, ?, ?, ?, ?, ?)",
        (
            (trial, number, study, state, EPOCH, EPOCH)
            for number, (trial, state) in enumerate(zip(trials, states, strict=True))
        ),
    )
    db.executemany(
        "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?, ?, ?, ?)",
        _values(run, trials),
    )
    db.executemany(
        "INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES (?, ?, ?)",
        _attributes(run, trials),
    )
    if not (run.feasible | run.failed).all():
        db.executemany(
            "INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES (?, ?, ?)",
            (
                # Optuna keeps constraints here: above 0 is infeasible.
                (trial, "constraints", "[0.0]" if feasible else "[1.0]")
                for trial, feasible in zip(trials, run.feasible.tolist(), strict=True)
            ),
        )
    if run.X is not None:
        _write_genes(db, trials, run.X.reshape(len(run), -1))


def _values(run: Evaluations, trials: range) -> Iterator[Row]:
    """Objectives in their natural units."""
    signs = [-1.0 if name in run.maximised else 1.0 for name in run.objectives]
    costs = np.where(run.failed[:, None], np.nan, run.F)
    rows = _side_by_side(
        zip(trials, repeat(place), column.tolist(), repeat(FINITE), strict=False)
        for place, column in enumerate((costs * signs).T)
    )
    return (row for row in rows if not math.isnan(row[2])) if run.failed.any() else rows


def _attributes(run: Evaluations, trials: range) -> Iterator[Row]:
    """Generation, measurements, and why a candidate failed, as JSON values."""
    columns: dict[str, Iterable[str]] = {
        "generation": map(repr, run.generation.tolist()),
        **{name: map(repr, column.tolist()) for name, column in run.measurements.items()},
        "feasible": ["true" if one else "false" for one in run.feasible],
    }
    if run.failed.any():
        columns["failure"] = map(json.dumps, run.failures)
    rows = _side_by_side(
        zip(trials, repeat(name), texts, strict=False) for name, texts in columns.items()
    )
    return (row for row in rows if row[2] not in ("nan", '""')) if run.failed.any() else rows


def _side_by_side(columns: Iterable[Iterable[Row]]) -> Iterator[Row]:
    """Rows of all columns, a trial's together: the tables' indices want them in this order."""
    return chain.from_iterable(zip(*columns, strict=True))


def _write_genes(db: sqlite3.Connection, trials: range, X: Array) -> None:
    """A parameter for each gene; SQLite makes the rows, which is faster than Python."""
    db.execute("CREATE TEMP TABLE gene (place INTEGER PRIMARY KEY, name TEXT, distribution TEXT)")
    db.execute("CREATE TEMP TABLE chromosome (trial_id INTEGER PRIMARY KEY, genes)")
    width = len(str(X.shape[1] - 1))
    db.executemany(
        "INSERT INTO gene VALUES (?, ?, ?)",
        ((n, f"x{n:0{width}}", text) for n, text in enumerate(_distributions(X))),
    )
    if X.dtype == bool:
        digits = np.ascontiguousarray(X.astype(np.uint8) + ord("0"))
        texts = [row.decode() for row in digits.view(f"S{X.shape[1]}")[:, 0].tolist()]
        value = "CAST(substr(chromosome.genes, gene.place + 1, 1) AS REAL)"
    else:
        texts = [json.dumps(row) for row in X.tolist()]
        value = "CAST(json_extract(chromosome.genes, '$[' || gene.place || ']') AS REAL)"
    db.executemany("INSERT INTO chromosome VALUES (?, ?)", zip(trials, texts, strict=True))
    db.execute(EXPAND.format(value=value))
    db.execute("DROP TABLE temp.gene")
    db.execute("DROP TABLE temp.chromosome")


def _distributions(X: Array) -> list[str]:
    """The distribution of each gene, as Optuna writes it: between the values that there are."""
    distributions = needed("optuna").distributions
    to_json = distributions.distribution_to_json
    if X.dtype == bool:
        return [to_json(distributions.CategoricalDistribution([False, True]))] * X.shape[1]
    make = distributions.FloatDistribution if X.dtype.kind == "f" else distributions.IntDistribution
    return [
        to_json(make(least, most))
        for least, most in zip(X.min(axis=0).tolist(), X.max(axis=0).tolist(), strict=True)
    ]
