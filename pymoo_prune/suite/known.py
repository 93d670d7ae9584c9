"""The known fronts: the true one where all candidates are measured, else the best ever found."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.suite.contents import index, read


@dataclass(frozen=True)
class Known:
    """A known front.

    Attributes:
        X: Candidates, (n, n_var).
        F: Their objectives, (n, n_obj).
        facts: What was measured on the instance: evaluations behind the front, seconds, ...
    """

    X: Array
    F: Array
    facts: dict[str, Any]

    @classmethod
    def of(cls, name: str) -> Known:
        """The known front of an instance.

        Args:
            name: The instance's name.
        """
        with np.load(io.BytesIO(read(f"fronts/{name}.npz")), allow_pickle=False) as arrays:
            return cls(arrays["X"], arrays["F"], index()["instances"].get(name, {}))

    @property
    def ideal(self) -> Array:
        """The best value of each objective, (n_obj,)."""
        found: Array = self.F.min(axis=0)
        return found

    @property
    def nadir(self) -> Array:
        """The worst value of each objective on the front, (n_obj,)."""
        found: Array = self.F.max(axis=0)
        return found

    def share(self, F: Array, reference: Array) -> float:
        """The hypervolume of points as a share of the front's.

        Args:
            F: Points, (n, n_obj).
            reference: The reference point, (n_obj,).
        """
        return hypervolume(F, self.ideal, reference) / self._whole(tuple(reference.tolist()))

    def _whole(self, reference: tuple[float, ...]) -> float:
        if reference not in self._wholes:
            found = hypervolume(self.F, self.ideal, np.array(reference))
            self._wholes[reference] = found
        return self._wholes[reference]

    @cached_property
    def _wholes(self) -> dict[tuple[float, ...], float]:
        return {}


def hypervolume(F: Array, ideal: Array, reference: Array) -> float:
    """The hypervolume of points, where the box from ideal to reference has 1.

    Args:
        F: Points, (n, n_obj); those that are not better than the reference do not count.
        ideal: The corner of the best values, (n_obj,).
        reference: The other corner, (n_obj,).
    """
    import moocore  # noqa: PLC0415 - loading it takes longer than a table

    unit = (F - ideal) / (reference - ideal)
    inside = unit[(unit < 1).all(axis=1)]
    if len(inside) == 0:
        return 0.0
    return float(moocore.hypervolume(inside, ref=np.ones(len(ideal))))


def nondominated(F: Array) -> Array:
    """Rows of the points that no other point dominates; of equal points the first.

    Args:
        F: Points, (n, n_obj).
    """
    import moocore  # noqa: PLC0415 - as above

    keep: Array = np.flatnonzero(moocore.is_nondominated(F, keep_weakly=False))
    return keep
