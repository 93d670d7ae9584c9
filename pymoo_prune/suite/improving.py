"""Candidates from elsewhere, measured again and set beside the known front."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.suite.facts import Facts
from pymoo_prune.suite.instance import Instance
from pymoo_prune.suite.known import Known, hypervolume, nondominated


@dataclass(frozen=True)
class Improvement:
    """What candidates add to the known front of an instance.

    Attributes:
        measured: Candidates that were measured.
        kept: Those that keep the constraints.
        new: Different points that no known point, and no other candidate, dominates or equals.
        equal: Candidates that equal a known point.
        X: The better front's candidates, (n, n_var).
        F: Their objectives, (n, n_obj).
        alone: The hypervolume of the candidates as a share of the known front's; None without a
            known front.
        together: That of the better front.
    """

    measured: int
    kept: int
    new: int
    equal: int
    X: Array
    F: Array
    alone: float | None
    together: float | None


def improvement(instance: Instance, X: Array) -> Improvement:
    """Measures candidates, without noise, and says what they add to the known front.

    Args:
        instance: The instance.
        X: Candidates, (n, n_var).
    """
    X = instance.genes.checked(X, instance.name())
    F, G = scores(instance, X)
    kept = (G <= 0).all(axis=1)
    X_kept, F_kept = X[kept], F[kept]
    known = Facts(instance.definition).known
    old_X = X[:0] if known is None else known.X.astype(X.dtype)
    old_F = F[:0] if known is None else known.F
    # Of equal points the first stays: known ones come first.
    all_X, all_F = np.concatenate([old_X, X_kept]), np.concatenate([old_F, F_kept])
    front = nondominated(all_F) if len(all_F) else np.empty(0, dtype=int)
    new = int((front >= len(old_F)).sum())
    front = front[np.lexsort(all_F[front].T[::-1])]
    return Improvement(
        measured=len(X),
        kept=int(kept.sum()),
        new=new,
        equal=int((F_kept[:, None] == old_F).all(axis=2).any(axis=1).sum()),
        X=all_X[front],
        F=all_F[front],
        alone=_share(known, F_kept, instance),
        together=_share(known, all_F[front], instance),
    )


def scores(instance: Instance, X: Array) -> tuple[Array, Array]:
    """F and G of candidates, without noise.

    Args:
        instance: The instance.
        X: Candidates, (n, n_var).
    """
    found = instance.evaluate(X, return_values_of=["F", "G"], return_as_dictionary=True, batch=None)
    return found["F"], found["G"]


def _share(known: Known | None, F: Array, instance: Instance) -> float | None:
    if known is None or hypervolume(known.F, known.ideal, instance.reference) == 0:
        return None
    return known.share(F, instance.reference)
