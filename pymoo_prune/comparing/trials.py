"""One run of one method as numbers, and what nothing beats among the networks of many runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Goals, Values, nondominated
from pymoo_prune.search import Store


@dataclass(frozen=True)
class Trial:
    """One run of one method.

    Attributes:
        method: Its name.
        seed: The engine's.
        columns: Of its front: measurements, accuracies on the test images, and the number of each
            network's evaluation, (n,) each; none where nothing keeps the constraints.
        history: Every evaluation, in the order of the search, (evaluations,) each; None where a
            search measured approximately, so that its numbers cannot be compared.
        evaluations: How many candidates it asked for.
        known: How many of them had been measured before.
        seconds: Working time of the search.
        goal: What it minimised, in words.
        origin: Where its numbers are from: a run folder.
    """

    method: str
    seed: int
    columns: Mapping[str, Values]
    history: Mapping[str, Values] | None
    evaluations: int
    known: int
    seconds: float
    goal: str = ""
    origin: str = ""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))


def recorded_trial(
    store: Store,
    columns: Mapping[str, Values],
    *,
    method: str,
    seed: int,
    generations: int | None,
    evaluations: int | None,
    goal: str,
    origin: str = "",
) -> Trial:
    """A search as its store has it, however often it was interrupted.

    Args:
        store: Its evaluations.
        columns: Of its front; none where it found nothing.
        method: What it is called.
        seed: The engine's.
        generations: How many it took, where the store may have more; None is all.
        evaluations: How many candidates it asked for; None counts what the store has.
        goal: What it minimised, in words.
        origin: Where its numbers are from.
    """
    asked = [row for row in store.history() if generations is None or row[1] <= generations]
    history = {name: column[: len(asked)] for name, column in store.evaluations().items()}
    candidates = [(images, digest) for _, _, images, digest in asked]
    return Trial(
        method=method,
        seed=seed,
        columns=columns,
        history=history if _is_exact(history, columns, asked) else None,
        evaluations=len(asked) if evaluations is None else evaluations,
        known=len(candidates) - len(set(candidates)),
        seconds=store.elapsed(asked[-1][1]) or 0.0,
        goal=goal,
        origin=origin,
    )


def _is_exact(
    history: Mapping[str, Values],
    columns: Mapping[str, Values],
    asked: Sequence[tuple[int, int, str, bytes]],
) -> bool:
    """Whether a front's numbers are those of its search, which all are of the same images."""
    if len({images for _, _, images, _ in asked}) > 1:
        return False
    if "evaluation" not in columns:  # nothing was found, or the run is older than this column
        return True
    rows = columns["evaluation"].astype(np.int64)
    measured = history.keys() & columns.keys()
    return all(np.array_equal(history[name][rows], columns[name]) for name in measured)


def best_of_all(trials: Sequence[Trial], goals: Goals) -> list[tuple[Trial, int]]:
    """What nothing beats among the networks of all trials, the smallest first.

    Returns:
        Whose network it is, and its row there.
    """
    found = [trial for trial in trials if len(trial)]
    if not found:
        msg = "there is nothing to compare: no run found a network that keeps the constraints"
        raise PruneError(msg)
    networks = [(trial, row) for trial in found for row in range(len(trial))]
    best = np.flatnonzero(nondominated(np.concatenate([goals.costs(t.columns) for t in found])))
    sizes = np.concatenate([trial.columns["parameters"] for trial in found])[best]
    return [networks[place] for place in best[np.argsort(sizes, kind="stable")]]


def union_front(trials: Sequence[Trial], goals: Goals) -> dict[str, Values]:
    """The columns of `best_of_all` that all trials have."""
    best = best_of_all(trials, goals)
    found = [trial.columns for trial in trials if len(trial)]
    shared = [name for name in found[0] if all(name in columns for columns in found)]
    return {name: np.array([trial.columns[name][row] for trial, row in best]) for name in shared}
