"""Results that were made elsewhere, as further methods of a study."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pymoo_prune.comparing import file_name
from pymoo_prune.errors import DataError, PruneError, StoreError
from pymoo_prune.files import writing
from pymoo_prune.objectives import FLOPS, Goals, Values
from pymoo_prune.studies.cache import digest_of
from pymoo_prune.studies.files import OUTSIDE_FOLDER
from pymoo_prune.studies.instances import RunCosts, Scale
from pymoo_prune.studies.problems import OnInstance, OwnProblem, StudyProblem
from pymoo_prune.studies.sheets import Result, Sheet, Wanted, read_sheets
from pymoo_prune.suite import Instance, problem


@dataclass(frozen=True, eq=False)  # each is a key
class Outside:
    """Results of one method that were made elsewhere.

    Attributes:
        name: The method's name.
        sheets: Its results by problem.
        notes: What is to be said of its files.
    """

    name: str
    sheets: Mapping[str, Sheet]
    notes: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, name: str, paths: Sequence[Path], problems: Sequence[str]) -> Outside:
        """Results from files.

        Args:
            name: The method's name.
            paths: CSV files.
            problems: The names of the study's problems.
        """
        sheets: dict[str, Sheet] = {}
        notes: list[str] = []
        for path in paths:
            found, said = read_sheets(path, problems)
            for about, sheet in found.items():
                if about in sheets:
                    msg = f"{sheets[about].path} and {path} both have results of {about}"
                    raise DataError(msg)
                sheets[about] = sheet
            notes += said
        return cls(name, sheets, notes)

    def on_instance(
        self, on: OnInstance, scale: Scale, seeds: Sequence[int]
    ) -> tuple[dict[int, RunCosts], list[str]]:
        """The runs on an instance by seed, and what is to be said of them.

        Args:
            on: The instance.
            scale: From measurements to costs.
            seeds: The seeds of the study.
        """
        if on.name not in self.sheets:
            return {}, []
        results, notes = self.sheets[on.name].results(wanted_of_instance(on, scale.instance, seeds))
        return {one.seed: _run_costs(one, scale) for one in results}, notes

    def on_problem(
        self, one: OwnProblem, goals: Goals, seeds: Sequence[int]
    ) -> tuple[list[Result], list[str]]:
        """The runs on a problem that is no instance, and what is to be said of them.

        Args:
            one: The problem.
            goals: The quantities that its fronts are over, and the constraints.
            seeds: The seeds of the study.
        """
        if one.name not in self.sheets:
            return [], []
        constraints = [bound.name for bound in goals.constraints if bound.name not in goals.names]
        wanted = Wanted(
            one.name,
            tuple((name,) for name in goals.names),
            tuple(dict.fromkeys(constraints)),
            tuple(seeds),
            one.evaluations,
            _limits_of_quantities(goals),
        )
        return self.sheets[one.name].results(wanted)


def wanted_of_instance(on: OnInstance, instance: Instance, seeds: Sequence[int]) -> Wanted:
    """What an instance asks of results from elsewhere.

    Args:
        on: The instance, and how it is searched.
        instance: The same, as a problem.
        seeds: The seeds of the study.
    """
    objectives = [
        tuple(dict.fromkeys((cost.name, cost.quantity))) for cost in instance.definition.costs
    ]
    return Wanted(
        on.name,
        tuple(objectives),
        instance.constraints,
        tuple(seeds),
        on.evaluations,
        _limits_of_instance(instance),
    )


def _limits_of_instance(instance: Instance) -> dict[str, tuple[float, float]]:
    """The lowest and the highest value of costs, and of the quantities that they are made of."""
    # Candidates that break a constraint may be better than the known front.
    known = bool(instance.definition.table) and not instance.constraints
    found: dict[str, tuple[float, float]] = {}
    for place, cost in enumerate(instance.definition.costs):
        low, high = cost.limits
        if known:
            column = instance.all_scores[0][:, place]
            low, high = float(np.nanmin(column)), float(np.nanmax(column))
        if cost.scale == "error":
            found[cost.quantity] = 1 - high, 1 - low
        elif cost.scale == "log":
            whole = instance.measurer.parent[cost.quantity] if known else np.inf
            found[cost.quantity] = (whole * 10**low if known else 1.0), whole * 10**high
        found[cost.name] = low, high
    return found


def _limits_of_quantities(goals: Goals) -> dict[str, tuple[float, float]]:
    """The same for quantities: shares are no percents, and no network has less than one weight.

    A share may be negative: accuracy that is lost is gained now and then.
    """
    sizes = dict.fromkeys(("parameters", "macs", FLOPS), (1.0, np.inf))
    shares = {name: (-1.0, 1.0) for name, one in goals.quantities.items() if one.share}
    return {**sizes, **shares, "accuracy": (0.0, 1.0)}


def noisy_reason(on: OnInstance) -> str:
    """Why results from elsewhere do not compare on an instance with noise."""
    return (
        f"{on.name} is measured on other images in each generation, and is judged by all images: "
        "results from elsewhere do not have these"
    )


def _run_costs(result: Result, scale: Scale) -> RunCosts:
    instance, columns = scale.instance, result.columns
    found = [
        columns[cost.name]
        if cost.name in columns
        else cost.of({cost.quantity: columns[cost.quantity]}, scale.parent)
        for cost in instance.definition.costs
    ]
    costs: Values = np.column_stack(found)
    broken = [columns[name] > 0 for name in instance.constraints]
    if broken:
        costs[np.any(broken, axis=0)] = np.nan
    return RunCosts(result.after, scale.unit(costs), scale.value(costs), result.evaluations)


# Files.


def check_sources(
    sources: Mapping[str, Sequence[Path]], problems: Sequence[StudyProblem], seeds: Sequence[int]
) -> None:
    """Refuses files with results that cannot be read, before they are copied.

    Args:
        sources: The files by method.
        problems: The study's problems.
        seeds: The study's seeds.
    """
    for name, paths in sources.items():
        outside = Outside.read(name, paths, [one.name for one in problems])
        for one in problems:
            if one.name not in outside.sheets:
                continue
            if isinstance(one, OwnProblem):
                _check_own(outside, one, seeds)
            elif not (instance := problem(one.name, one.version)).changes_batches:
                outside.sheets[one.name].results(wanted_of_instance(one, instance, seeds))
        if not outside.sheets:
            files = ", ".join(str(path) for path in paths)
            msg = (
                f"results of {name}: {files}: nothing is about a problem of the study; a file is "
                "called PROBLEM.csv, or has a column 'problem'"
            )
            raise PruneError(msg)


def _check_own(outside: Outside, one: OwnProblem, seeds: Sequence[int]) -> None:
    """Refuses files that suit the problem neither with labels nor, where that may be, without."""
    try:
        outside.on_problem(one, one.settings.check(), seeds)
    except DataError:
        goals = one.settings.goals_without_labels()
        if goals is not None:
            with suppress(DataError):
                outside.on_problem(one, goals, seeds)
                return
        raise


def files_at(name: str, path: Path) -> list[Path]:
    """The CSV files of a method.

    Args:
        name: The method's name.
        path: A folder with a file for each problem, or one file.
    """
    check_outside_name(name)
    found = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    if not path.exists() or not found:
        what = "there is no CSV file in it" if path.is_dir() else "there is no such file or folder"
        msg = f"results of {name}: {path}: {what}"
        raise PruneError(msg)
    return found


def check_outside_name(name: str) -> None:
    """Refuses a name that is no name of a folder."""
    if not re.fullmatch(r"\w[\w.+=@, -]*", name):
        msg = (
            f"results from elsewhere need a name that begins with a letter or digit and has no "
            f"slashes, but it is {name!r}"
        )
        raise PruneError(msg)


def copies(folder: Path, name: str, files: Mapping[str, str]) -> list[Path]:
    """The copied files of a method; an error where one is missing or changed.

    Args:
        folder: The study's folder.
        name: The method's name.
        files: The digest of each file, by its name.
    """
    check_outside_name(name)
    found = []
    for file, digest in files.items():
        path = folder / OUTSIDE_FOLDER / file_name(name) / Path(file).name
        if not path.is_file():
            msg = f"{path} is missing: copy it back, or give '--outside {name}=...' once more"
            raise StoreError(msg)
        if digest_of(path) != digest:
            msg = (
                f"{path} was changed after it was copied; give changed results another name with "
                "--outside"
            )
            raise StoreError(msg)
        found.append(path)
    return found


def copy_files(folder: Path, name: str, paths: Sequence[Path]) -> None:
    """Copies the files of a method into a study's folder.

    Args:
        folder: The study's folder.
        name: The method's name.
        paths: The files.
    """
    place = folder / OUTSIDE_FOLDER / file_name(name)
    place.mkdir(parents=True, exist_ok=True)
    for path in paths:
        with writing(place / path.name) as part:
            shutil.copyfile(path, part)
