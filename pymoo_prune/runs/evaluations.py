"""All that a run asked for, from its folder; also while it is not finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from pymoo_prune.errors import StoreError
from pymoo_prune.exchange import Evaluations
from pymoo_prune.objectives import Goals, parse_constraints
from pymoo_prune.problem import default_objectives
from pymoo_prune.runs.files import STORE_FILE
from pymoo_prune.runs.settings import Settings, measured_quantities
from pymoo_prune.search import Display, Record, Store

if TYPE_CHECKING:
    from pymoo_prune.runs.recorded import RecordedRun

CHANGING = "Candidates were measured on images that change: {}'s evaluations do not all compare."


def recorded_evaluations(
    record: Record,
    goals: Goals,
    parent: Mapping[str, float],
    *,
    problem: str,
    method: str,
    seed: int,
    first: int | None = None,
    notes: Sequence[str] = (),
) -> Evaluations:
    """The evaluations of a run, from its store.

    Args:
        record: What the store knows of the search.
        goals: What methods are compared over, and the constraints.
        parent: The unpruned network's measurements.
        problem: The problem's name.
        method: The method's name.
        seed: The engine's seed.
        first: How many evaluations count, from the first on; None counts all that are measured.
        notes: What a reader must know, as sentences.
    """
    n = record.measured() if first is None else first
    columns = {name: column[:n] for name, column in record.evaluations().items()}
    X = record.chromosomes(n)
    more = [record.without_chromosomes] if X is None and n else []
    if len({images for _, _, images, _ in record.history()[:n]}) > 1:
        more.append(CHANGING.format(method))
    return Evaluations.of(
        {name: column for name, column in columns.items() if name != "generation"},
        goals,
        parent,
        problem=problem,
        method=method,
        seed=seed,
        generation=columns["generation"].astype(np.int64),
        X=X,
        failures=record.reasons()[:n],
        notes=(*notes, *more),
    )


def evaluations_of(
    run: RecordedRun,
    *,
    method: str | None = None,
    parent: Mapping[str, float] | None = None,
    done: bool = False,
) -> Evaluations:
    """The evaluations of a run, from its folder.

    Args:
        run: The run.
        method: The method's name; None takes that of the engine, with its surrogate.
        parent: The unpruned network's measurements, where they are known.
        done: Whether the run came to its end, though it found nothing.
    """
    settings = run.settings
    with closing(Store.existing(run.folder / STORE_FILE)) as store:
        summary = _summary(run)
        n = store.record.measured(None if summary is None else summary["generations"])
        goals, values = _goals(run, summary, parent, store.record.quantities)
        return recorded_evaluations(
            store.record,
            goals,
            values,
            problem=settings.problem,
            method=method or _engine(settings),
            seed=settings.seed,
            first=n,
            notes=() if summary is not None or done else [_unfinished(run, n)],
        )


def _summary(run: RecordedRun) -> Mapping[str, Any] | None:
    """The run's summary; None while it is not finished."""
    try:
        return run.results()[1]
    except StoreError:
        return None


def _unfinished(run: RecordedRun, n: int) -> str:
    return f"{run.folder} is not finished: these are its first {n:,} evaluations."


def _engine(settings: Settings) -> str:
    model = "" if settings.surrogate is None else f"+{settings.surrogate}"
    return f"{settings.algorithm}{model}"


def _goals(
    run: RecordedRun,
    summary: Mapping[str, Any] | None,
    parent: Mapping[str, float] | None,
    measured: Sequence[str],
) -> tuple[Goals, Mapping[str, float]]:
    """The goals of a run, and its parent's measurements as far as they are needed."""
    settings = run.settings
    bounds = parse_constraints(settings.constraints)
    if summary is not None:
        kept = measured_quantities(settings, summary.get("quantities"))
        return Goals(kept, summary["goals"], bounds), summary["parent"]
    cls = settings.problem_class
    labelled = "accuracy" in measured
    objectives = settings.objectives or default_objectives(cls, labelled=labelled)
    if objectives is not None and set(measured) <= cls.offered().keys():
        goals = cls.goals_for(objectives, bounds, settings.front)
        if parent is not None or not any(bound.relative for bound in bounds):
            return goals, parent or {}
    # Only the problem itself knows them.
    problem = run.prepare(Display(Console(quiet=True)))
    return problem.goals, problem.parent_values
