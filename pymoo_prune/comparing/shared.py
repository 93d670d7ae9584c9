"""The common results of a comparison's runs, in a file: goals, parent, baselines, versions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self, TypedDict

import numpy as np

from pymoo_prune.comparing.files import SHARED_FILE
from pymoo_prune.comparing.trials import Trial, union_front
from pymoo_prune.errors import StoreError, command
from pymoo_prune.files import Digests, write_text
from pymoo_prune.machine import processor, versions
from pymoo_prune.objectives import Goals, Series, parse_constraints
from pymoo_prune.problem import PruningProblem, QuantityShape, check_shape
from pymoo_prune.results import simple_series
from pymoo_prune.runs import PARENT_FOLDER, PLAN_FILE, Settings, measured_quantities, reading
from pymoo_prune.search import Display
from pymoo_prune.tables import printable


class _SharedAlways(TypedDict):
    goals: list[str]
    parent: dict[str, float]
    baselines: dict[str, dict[str, list[float]]]
    versions: dict[str, str]
    processor: str


class SharedShape(_SharedAlways, total=False):
    """`results.json`; older folders lack some."""

    quantities: dict[str, QuantityShape] | None


@dataclass(frozen=True)
class Shared:
    """The common results of a comparison's runs, as plain values.

    Attributes:
        goals: Names of the quantities that fronts are over.
        parent: The unpruned network's measurements.
        baselines: Columns of each baseline, by its name.
        versions: The libraries' versions, by name.
        processor: The processor's name.
        quantities: What was measured, and which way is better; None in older folders.
    """

    goals: Sequence[str]
    parent: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, Sequence[float]]]
    versions: Mapping[str, str]
    processor: str
    quantities: Mapping[str, Mapping[str, Any]] | None = None

    @classmethod
    def of(
        cls, problem: PruningProblem, trials: Sequence[Trial], *, images: int, display: Display
    ) -> Self:
        """The common results of runs, with baselines at the sizes that the runs found.

        Args:
            problem: The problem that all runs searched.
            trials: All runs.
            images: Training images for retraining.
            display: Shows progress.
        """
        goals = Goals(problem.quantities, problem.goals.names)
        found = union_front(trials, goals)
        baselines = simple_series(problem, found, seed=problem.seed, images=images, display=display)
        columns = {
            one.name: {name: column.tolist() for name, column in one.columns.items()}
            for one in baselines
        }
        parent = dict(problem.parent_values)
        about = {name: one.about() for name, one in problem.quantities.items()}
        return cls(list(goals.names), parent, columns, versions(), processor(), about)

    @property
    def series(self) -> list[Series]:
        """The baselines as series."""
        return [
            Series(name, {n: np.array(values) for n, values in columns.items()})
            for name, columns in self.baselines.items()
        ]

    def over(self, settings: Settings) -> Goals:
        """The goals that fronts are over.

        Args:
            settings: What all runs share.
        """
        measured = measured_quantities(settings, self.quantities)
        return Goals(measured, self.goals, parse_constraints(settings.constraints))

    def write(self, folder: Path) -> None:
        """Writes it into a comparison's folder, which finishes the comparison."""
        text = json.dumps(asdict(self), indent=2) + "\n"
        parent = sorted((folder / PARENT_FOLDER).glob("network.*"))
        files = [PLAN_FILE, *(path.relative_to(folder).as_posix() for path in parent)]
        _digests(folder).write(files, {SHARED_FILE: text})
        write_text(folder / SHARED_FILE, text)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The common results of a finished comparison."""
        path, resume = folder / SHARED_FILE, f"'{command('resume', folder)}'"
        if not path.is_file():
            msg = f"{folder} is not finished; {resume} goes on with it"
            raise StoreError(msg)
        with reading(path, f"{resume} makes it again"):
            found = printable(json.loads(path.read_text(encoding="utf-8")))
            check_shape(found, SharedShape)
            given = {"quantities": None, **found}
            for name, about in (given["quantities"] or {}).items():
                if not about["share"] and name not in given["parent"]:
                    raise KeyError(name)
            shared = cls(**{field.name: given[field.name] for field in fields(cls)})
        _digests(folder).check(SHARED_FILE, PLAN_FILE)
        return shared


def _digests(folder: Path) -> Digests:
    """What the files were when the comparison ended."""
    remedy = f"restore it from a copy, or '{command('resume', folder)}' makes the results again"
    return Digests(folder, remedy)
