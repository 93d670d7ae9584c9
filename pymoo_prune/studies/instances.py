"""Runs on an instance of the suite: made whole, one file each, and read again."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.comparing import Method, first_line, is_of_method
from pymoo_prune.errors import DataError, PruneError, StoreError
from pymoo_prune.files import Digests, content_digest, write_text, writing
from pymoo_prune.machine import on_threads, processor, versions
from pymoo_prune.networks import module_of
from pymoo_prune.objectives import (
    Measured,
    Part,
    Values,
    failed_rows,
    nondominated,
    parse_constraints,
)
from pymoo_prune.problem import check_shape
from pymoo_prune.runs import reading
from pymoo_prune.search import Store, settle, times_of
from pymoo_prune.studies.files import INSTANCE_FILE
from pymoo_prune.studies.problems import OnInstance
from pymoo_prune.studies.searches import Asked, asked, best
from pymoo_prune.suite import Instance, problem

WITHOUT_NOISE = "all batches"
"""A store's name for the images of the front of a noisy instance."""
PROCESSOR, CODE = "processor", "code of {}"
"""What a run says of what it was made by, beside the versions of packages."""
AGAIN = "remove {}: the next 'pymoo-prune resume' writes it again"
"""What to do about a damaged file, by its path."""


@dataclass(frozen=True)
class Job:
    """A run that is to be made.

    Attributes:
        on: The instance, and how it is searched.
        method: The method's name.
        seed: The engine's seed.
        folder: The problem's folder.
        path: The run's file.
    """

    on: OnInstance
    method: str
    seed: int
    folder: Path
    path: Path


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        failure: Why the method has no results here; empty where the run was made.
        lacking: What the problem lacks on this machine, such as images; empty where nothing.
    """

    failure: str = ""
    lacking: str = ""


@lru_cache(maxsize=2)  # a table takes tens of megabytes
def instance_of(name: str, version: int) -> Instance:
    """An instance, read once in each process."""
    return problem(name, version)


def make_run(job: Job) -> Ended:
    """Makes a run; the file appears when the run is whole.

    Args:
        job: The run.
    """
    with on_threads(1):
        instance = instance_of(job.on.name, job.on.version)
        try:
            engine = _engine_name(job.method)
            found = asked(engine, instance, job.on.evaluations, job.seed, job.on.pop_size)
        except DataError as error:
            return Ended(lacking=first_line(error))
        except Exception as error:  # an engine may be a user's own
            if not is_of_method(error):
                raise
            known = isinstance(error, PruneError)
            return Ended(first_line(error) if known else f"seed {job.seed}: {first_line(error)}")
        keep_instance(job.folder, instance)
        job.path.parent.mkdir(parents=True, exist_ok=True)
        with writing(job.path) as part, writing(times_of(job.path)) as times:
            keep_run(part, instance, found, times, code_of(engine))
    return Ended()


def _engine_name(text: str) -> str:
    """The engine of a method; an error where the method is more than an engine."""
    method = Method.parse(text)
    if method.surrogate is not None:
        raise PruneError("surrogates are for problems that are no instances of the suite")
    if method.objectives is not None:
        raise PruneError("the objectives of an instance are fixed: it takes none of a method's own")
    return method.algorithm


# Files.


def fingerprint(on: OnInstance) -> str:
    """What the store of a run belongs to."""
    return f"{on.name} version {on.version}"


def code_of(engine: str) -> dict[str, str]:
    """The digest of the file that a user's own engine is from; nothing for other engines.

    Args:
        engine: The engine's name.
    """
    module = sys.modules.get(module_of(engine) or "")
    file = getattr(module, "__file__", None)
    return (
        {} if file is None else {CODE.format(engine): content_digest(Path(file).read_bytes())[:12]}
    )


def keep_run(
    path: Path,
    instance: Instance,
    found: Asked,
    times: Path | None = None,
    code: Mapping[str, str] | None = None,
) -> None:
    """Writes the evaluations of a run as a store.

    Args:
        path: A new or empty file.
        instance: The instance.
        found: All that the search asked for.
        times: The file of working seconds; None is the one beside it.
        code: See `code_of`.
    """
    names = tuple(found.measurements)
    X = instance.genes.checked(found.X, instance.name())
    on = OnInstance(instance.name(), instance.version, len(X))
    made_by = {PROCESSOR: processor(), **versions(), **(code or {})}
    store = Store(path, names, fingerprint(on), made_by)
    try:
        for generation in dict.fromkeys(found.generations.tolist()):
            rows = np.flatnonzero(found.generations == generation)
            images = f"batch {generation if instance.changes_batches else 0}"
            store.follow(int(rows[0]), generation, images, digests(X[rows]))
            measured = {name: found.measurements[name][rows] for name in names}
            _keep(store, images, X[rows], measured)
            store.finish_generation(generation, found.seconds[generation])
        if instance.changes_batches:
            front, _ = best(instance, found)
            if len(front):
                front = instance.genes.checked(front, instance.name())
                _keep(store, WITHOUT_NOISE, front, instance.measurements(front))
    finally:
        store.close()
    settle(path, times)


def _keep(store: Store, images: str, X: Array, measured: Mapping[str, Values]) -> None:
    """Keeps measurements of candidates."""
    reasons = {int(row): "not measured" for row in np.flatnonzero(failed_rows(measured))}
    with store.writing(images) as keep:
        keep(digests(X), Part(range(len(X)), Measured(dict(measured), reasons), 0.0), X)


def keep_instance(folder: Path, instance: Instance) -> None:
    """Writes what the costs of an instance depend on besides measurements, once."""
    path = folder / INSTANCE_FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        values = {
            "name": instance.name(),
            "version": instance.version,
            "objectives": instance.objectives,
            "reference": instance.reference.tolist(),
            "constraints": instance.constraints,
            "parent": {name: float(value) for name, value in instance.measurer.parent.items()},
        }
        text = json.dumps(values, indent=2) + "\n"
        _digests(folder).write([], {INSTANCE_FILE: text})
        write_text(path, text)


def _digests(folder: Path) -> Digests:
    return Digests(folder, AGAIN.format(folder / INSTANCE_FILE))


class InstanceShape(TypedDict):
    """`instance.json`; what else it says is for readers."""

    parent: dict[str, float]


@dataclass(frozen=True)
class Scale:
    """From the measurements of an instance to unit costs, without its networks.

    Attributes:
        instance: The instance.
        parent: The unpruned network's measurements that costs and constraints need.
    """

    instance: Instance
    parent: Mapping[str, float]

    @classmethod
    def read(cls, folder: Path, on: OnInstance) -> Scale:
        """The scale of a problem's folder.

        Args:
            folder: The problem's folder; where it has no runs yet, the suite knows the same.
            on: The instance.
        """
        instance = instance_of(on.name, on.version)
        path = folder / INSTANCE_FILE
        needed = [cost.quantity for cost in instance.definition.costs]
        needed += [bound.name for bound in parse_constraints(instance.constraints)]
        if not path.exists():
            return cls(instance, {name: instance.measurer.parent[name] for name in needed})
        with reading(path, AGAIN.format(path)):
            found = json.loads(path.read_text(encoding="utf-8"))
            check_shape(found, InstanceShape)
            parent = {name: float(found["parent"][name]) for name in needed}
        _digests(folder).check(INSTANCE_FILE)
        return cls(instance, parent)

    def costs(self, measurements: Mapping[str, Values]) -> Values:
        """The instance's objectives, (n, objectives).

        Rows are NaN where a candidate failed or breaks a constraint.
        """
        costs = np.column_stack(
            [cost.of(measurements, self.parent) for cost in self.instance.definition.costs]
        )
        kept = ~np.isnan(costs).any(axis=1)
        for bound in parse_constraints(self.instance.constraints):
            kept &= bound.violation(measurements, self.parent) <= 0
        costs[~kept] = np.nan
        return costs

    def unit(self, costs: Values) -> Values:
        """Costs where 0 is the known front's best and 1 the reference point."""
        ideal = self.instance.known.ideal
        unit: Values = (costs - ideal) / (self.instance.reference - ideal)
        return unit

    def value(self, costs: Values) -> float:
        """The hypervolume of candidates that keep the constraints, as a share of the known."""
        points = costs[~np.isnan(costs).any(axis=1)]
        instance = self.instance
        return instance.known.share(points[nondominated(points)], instance.reference)


@dataclass(frozen=True)
class RunCosts:
    """A run on an instance, or results from elsewhere, in unit costs.

    Attributes:
        after: Numbers of evaluations, increasing, (n,).
        costs: Their unit costs, (n, objectives); no rows where the instance is noisy.
        value: The figure of the run.
        evaluations: How many candidates it asked for.
        seconds: Working time; NaN where it is not known.
        made_by: What it was made by: versions of packages, the processor, the code of an engine
            from elsewhere. Empty where that is not known.
    """

    after: NDArray[np.int64]
    costs: Values
    value: float
    evaluations: int
    seconds: float = float("nan")
    made_by: Mapping[str, str] = field(default_factory=dict)


def read_run(path: Path, on: OnInstance, scale: Scale) -> RunCosts:
    """A run from its file.

    Args:
        path: The file.
        on: The instance, and how it was searched.
        scale: From measurements to costs.
    """
    store = Store.existing(path)
    try:
        if store.fingerprint != fingerprint(on):
            msg = f"{path} is a run on {store.fingerprint}, not on {fingerprint(on)}"
            raise StoreError(msg)
        columns = dict(store.evaluations())
        generations = columns.pop("generation")
        n = len(generations)
        if n == 0 or n > on.evaluations:
            msg = f"{path} has {n:,} evaluations, but a run has 1 to {on.evaluations:,}"
            raise StoreError(msg)
        seconds, made_by = store.elapsed(int(generations[-1])), store.recorded_versions
        if scale.instance.changes_batches:
            front = _front(store)
            after, costs = np.empty(0, np.int64), np.empty((0, scale.instance.n_obj))
            value = scale.value(scale.costs(front)) if front else 0.0
        else:
            found = scale.costs(columns)
            after, costs, value = np.arange(1, n + 1), scale.unit(found), scale.value(found)
    finally:
        store.close()
    seconds = float("nan") if seconds is None else seconds
    return RunCosts(after, costs, value, n, seconds, made_by)


def _front(store: Store) -> Mapping[str, Values]:
    """The measurements of the front of a run, without noise; none where nothing was found."""
    keys = list(dict.fromkeys(row[3] for row in store.history()))
    missing = set(store.missing(WITHOUT_NOISE, keys))
    there = [key for place, key in enumerate(keys) if place not in missing]
    return store.measured(WITHOUT_NOISE, there) if there else {}
