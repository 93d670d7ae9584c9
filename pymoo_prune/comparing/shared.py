"""What all runs of a comparison share, in a file of its own: goals, parent, baselines, versions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np

from pymoo_prune.comparing.files import SHARED_FILE
from pymoo_prune.errors import StoreError
from pymoo_prune.files import write_text
from pymoo_prune.machine import processor, versions
from pymoo_prune.objectives import Series
from pymoo_prune.problem import PruningProblem
from pymoo_prune.runs import reading


@dataclass(frozen=True)
class Shared:
    """What all runs of a comparison share, as plain values.

    Attributes:
        goals: Names of the quantities that fronts are over.
        parent: The unpruned network's measurements.
        baselines: Columns of each baseline, by its name.
        versions: Of the libraries, by name.
        processor: The processor's name.
    """

    goals: Sequence[str]
    parent: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, Sequence[float]]]
    versions: Mapping[str, str]
    processor: str

    @classmethod
    def of(cls, problem: PruningProblem, baselines: Sequence[Series]) -> Self:
        """What the runs on a problem share, on this machine."""
        columns = {
            one.name: {name: column.tolist() for name, column in one.columns.items()}
            for one in baselines
        }
        parent = dict(problem.parent_values)
        return cls(list(problem.goals.names), parent, columns, versions(), processor())

    @property
    def series(self) -> list[Series]:
        """The baselines as series."""
        return [
            Series(name, {n: np.array(values) for n, values in columns.items()})
            for name, columns in self.baselines.items()
        ]

    def write(self, folder: Path) -> None:
        """Writes it into a comparison's folder, which finishes the comparison."""
        write_text(folder / SHARED_FILE, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What the runs of a finished comparison share."""
        path, resume = folder / SHARED_FILE, f"'pymoo-prune resume {folder}'"
        if not path.is_file():
            msg = f"{folder} is not finished; {resume} goes on with it"
            raise StoreError(msg)
        with reading(path, f"{resume} makes it again"):
            found = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{field.name: found[field.name] for field in fields(cls)})
