"""One run of one method as numbers, and the best networks of many runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from pymoo_prune.errors import PruneError
from pymoo_prune.exchange import Evaluations
from pymoo_prune.objectives import Goals, Values, nondominated
from pymoo_prune.results import comparable
from pymoo_prune.runs import recorded_evaluations
from pymoo_prune.search import Store

NO_CHROMOSOMES = "Chromosomes were not kept: a comparison without a folder keeps measurements only."


@dataclass(frozen=True)
class Trial:
    """One run of one method.

    Attributes:
        method: Its name.
        seed: The engine's.
        columns: The front's measurements, accuracies on the test images, and the number of each
            network's evaluation, (n,) each; none where nothing keeps the constraints.
        history: Every evaluation, in the order of the search, (evaluations,) each; None where a
            search measured approximately, so that its numbers cannot be compared.
        evaluations: How many candidates it asked for.
        known: How many of them had been measured before.
        seconds: Working time of the search.
        goal: What it minimised, in words.
        origin: The run folder that its numbers are from.
        first: The columns of its first population; none where no candidate was feasible. None where
            it is not known: in folders of older versions, and where the run found nothing.
        store: The file with all its evaluations; empty where it was not kept.
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
    first: Mapping[str, Values] | None = None
    store: str = ""

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
    first: Mapping[str, Values] | None = None,
    rows: int | None = None,
) -> Trial:
    """A search from its store, however often it was interrupted.

    Args:
        store: The search's evaluations.
        columns: The front's numbers; none where the search found nothing.
        method: The method's name.
        seed: The engine's.
        generations: How many generations count, where the store has more; None counts all.
        evaluations: How many candidates it asked for; None counts what the store has.
        goal: What it minimised, in words.
        origin: The run folder that its numbers are from.
        first: The columns of its first population; None where it is not known.
        rows: How many evaluations count, where the store has more, of a search with a larger
            budget; None counts those of all generations.
    """
    asked = [row for row in store.history() if generations is None or row[1] <= generations][:rows]
    history = {name: column[: len(asked)] for name, column in store.evaluations().items()}
    images = [one for _, _, one, _ in asked]
    candidates = [(one, digest) for _, _, one, digest in asked]
    return Trial(
        method=method,
        seed=seed,
        columns=columns,
        history=history if comparable(history, columns, images) else None,
        evaluations=len(asked) if evaluations is None else evaluations,
        known=len(candidates) - len(set(candidates)),
        seconds=store.elapsed(asked[-1][1]) or 0.0,
        goal=goal,
        origin=origin,
        first=first,
        store="" if str(store.path) == ":memory:" else str(store.path),
    )


def trial_evaluations(
    trial: Trial, goals: Goals, parent: Mapping[str, float], problem: str
) -> Evaluations:
    """All that a run of a comparison asked for.

    Args:
        trial: The run.
        goals: What methods are compared over, and the constraints.
        parent: The unpruned network's measurements.
        problem: The problem's name.
    """
    if trial.store:
        with closing(Store.existing(trial.store)) as store:
            n = len(trial.history["generation"]) if trial.history else None
            return recorded_evaluations(
                store.record,
                goals,
                parent,
                problem=problem,
                method=trial.method,
                seed=trial.seed,
                first=n,
            )
    if trial.history is None:
        msg = (
            f"the evaluations of {trial.method}, seed {trial.seed} are not known: the search "
            "measured approximately, and nothing was kept; give compare() a folder"
        )
        raise PruneError(msg)
    names = [name for name in trial.history if name != "generation"]
    return Evaluations.of(
        {name: trial.history[name] for name in names},
        goals,
        parent,
        problem=problem,
        method=trial.method,
        seed=trial.seed,
        generation=trial.history["generation"].astype(np.int64),
        notes=[NO_CHROMOSOMES],
    )


def best_of_all(trials: Sequence[Trial], goals: Goals) -> list[tuple[Trial, int]]:
    """The networks that no network of any trial beats, the smallest first.

    Returns:
        The trial and row of each network.
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
