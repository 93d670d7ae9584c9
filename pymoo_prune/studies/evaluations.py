"""All that the runs of a study asked for, for other tools."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from pymoo_prune.comparing import Campaign, evaluations_in
from pymoo_prune.errors import StoreError, command
from pymoo_prune.exchange import Evaluations
from pymoo_prune.objectives import feasible, parse_constraints
from pymoo_prune.search import Store
from pymoo_prune.studies.files import RUNS_FOLDER
from pymoo_prune.studies.folder import Study
from pymoo_prune.studies.instances import Scale
from pymoo_prune.studies.plan import Plan
from pymoo_prune.studies.problems import OnInstance
from pymoo_prune.studies.reading import problem_folder, remedied
from pymoo_prune.suite import Cost

NOISY = "{} is noisy: each generation was measured on images of its own."


def evaluations_of_study(
    study: Study, progress: Callable[[float, str], None] | None = None
) -> list[Evaluations]:
    """All that the runs of a study asked for; results that were made elsewhere are left out.

    Args:
        study: The study, finished or not.
        progress: Called with the share done and a text.
    """
    folder, plan = study.folder, study.plan
    found: list[Evaluations] = []
    for place, one in enumerate(plan.problems):
        where = problem_folder(folder, one.name)
        if isinstance(one, OnInstance):
            found += _on_instance(folder, where, one, plan)
        elif Campaign.is_one(where):
            found += [replace(run, problem=one.name) for run in evaluations_in(where)]
        if progress is not None:
            progress((place + 1) / len(plan.problems), f"{place + 1} of {len(plan.problems)}")
    if not found:
        msg = f"{folder} has no evaluations yet; '{command('resume', folder)}' goes on with it"
        raise StoreError(msg)
    if plan.outside:
        text = f"Results that were made elsewhere are left out: {', '.join(plan.outside)}."
        found[0] = replace(found[0], notes=(text, *found[0].notes))
    return found


def _on_instance(study: Path, folder: Path, on: OnInstance, plan: Plan) -> Iterator[Evaluations]:
    for method in plan.methods:
        for seed in plan.seeds:
            path = folder / RUNS_FOLDER / plan.run_file(method, seed)
            if path.is_file():
                with remedied(study, path):
                    found = _of_run(path, on, method, seed, Scale.read(folder, on))
                yield found


def _of_run(path: Path, on: OnInstance, method: str, seed: int, scale: Scale) -> Evaluations:
    """The evaluations of a run on an instance; F are the instance's own objectives."""
    instance = scale.instance
    with closing(Store.existing(path)) as store:
        columns = store.record.evaluations()
        generation = columns.pop("generation").astype(np.int64)
        X, reasons = store.record.chromosomes(), store.record.reasons()
        without = store.record.without_chromosomes
    costs = {_name(cost, scale): cost for cost in instance.definition.costs}
    notes = [NOISY.format(on.name)] if instance.changes_batches else []
    return Evaluations(
        problem=on.name,
        method=method,
        seed=seed,
        generation=generation,
        X=X,
        measurements=columns,
        objectives=tuple(costs),
        F=np.column_stack([cost.of(columns, scale.parent) for cost in costs.values()]),
        feasible=feasible(columns, parse_constraints(instance.constraints), scale.parent),
        failures=reasons,
        notes=(*notes, *([without] if X is None else [])),
        shares={name: cost.quantity for name, cost in costs.items() if name != cost.name},
    )


def _name(cost: Cost, scale: Scale) -> str:
    """The name of an objective beside measurements: a share is not called like its count."""
    of_count = cost.scale == "share" and scale.parent[cost.quantity] != 1
    return f"{cost.name}_share" if of_count else cost.name
