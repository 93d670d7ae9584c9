"""Searches side by side: indicators of each run, and statements about methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pymoo_prune.comparing.bounds import quantile_bounds, size_bounds
from pymoo_prune.comparing.methods import check_against
from pymoo_prune.comparing.statistics import Contrast, contrasts
from pymoo_prune.comparing.trials import Trial, best_of_all, trial_evaluations, union_front
from pymoo_prune.comparing.volumes import HypervolumeOptions, Scale, front_volumes
from pymoo_prune.exchange import Evaluations, frame_of
from pymoo_prune.objectives import (
    STANDARD,
    Constraint,
    Goals,
    Quantity,
    Series,
    Values,
    distance,
    feasible,
    hypervolume,
    hypervolumes,
    nondominated,
    without_judgements,
)
from pymoo_prune.results import RANDOM, Gain, Judged, final_of, stacked

if TYPE_CHECKING:
    import pandas as pd

CHECKPOINTS = 100
"""Points of a curve over the evaluations."""

SEARCHED, DISTANCE, TESTED, FINISHED = (
    "hypervolume", "IGD+", "hypervolume on test", "after the same retraining",
)  # fmt: skip


class Comparison:
    """Methods over the same problem, several runs each.

    Hypervolumes are over costs between 0 and 1, with 1 in each as the reference point: see
    `Goals.unit_costs`; options give another reference point, or logarithmic axes. IGD+ is the
    distance to the union of all fronts, without these options; the union has those networks of
    baselines that are known to keep the constraints. A run that found nothing has a hypervolume of
    0, and the IGD+ of the reference point.

    Args:
        trials: All runs; every method must have one.
        others: Baselines.
        goals: The quantities that runs are compared over, and the constraints.
        quantities: Labels and units of all columns.
        parent: The unpruned network's measurements.
        bounds: Bounds on sizes, at which accuracies are compared; None takes quantiles of the sizes
            on the union of all fronts.
        against: The method that each other one is tested against; None tests all pairs.
        volumes: The reference point and the logarithmic axes of hypervolumes.
        problem: The problem's name.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        others: Sequence[Series],
        *,
        goals: Goals,
        quantities: Mapping[str, Quantity],
        parent: Mapping[str, float],
        bounds: Sequence[str] | None = None,
        against: str | None = None,
        volumes: HypervolumeOptions | None = None,
        problem: str = "",
    ) -> None:
        self.problem = problem
        self.front = union_front(trials, goals)
        self.trials, self.others = tuple(trials), tuple(others)
        self.goals, self.quantities, self.parent = goals, quantities, parent
        self.against = check_against(against, self.methods)
        self.volumes = volumes or HypervolumeOptions()
        self.volumes.check(
            [self._judged_by, *goals.names], {**STANDARD, **goals.quantities}, parent
        )
        if bounds is None:
            size = next(iter(self.axes), "parameters")
            self.bounds = quantile_bounds(size, self.front[size], quantities[size], parent)
        else:
            self.bounds = size_bounds(bounds, goals.quantities, parent)

    def __repr__(self) -> str:
        runs = {method: len(self.of(method, self.decisive)) for method in self.methods}
        counted = ", ".join(f"{method} ({number} runs)" for method, number in runs.items())
        return f"Comparison({counted}; over {', '.join(self.goals.names)})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict, a picture and a table."""
        from pymoo_prune.comparing.showing import (  # noqa: PLC0415 - it brings Bokeh
            comparison_html,
        )

        return comparison_html(self)

    @property
    def methods(self) -> list[str]:
        """Names, in the order in which they were given."""
        return list(dict.fromkeys(trial.method for trial in self.trials))

    @property
    def axes(self) -> list[str]:
        """The axes of hypervolumes on test images, besides the error.

        All other quantities of the front. Those that some baseline does not have are left out,
        unless none would be left.
        """
        names = without_judgements(self.goals.names, self.goals.quantities)
        shared = [n for n in names if all(n in one.columns for one in self.others)]
        return shared or names

    @property
    def finished(self) -> bool:
        """Whether networks were retrained in the end."""
        return self.judged.finished

    @property
    def judged(self) -> Judged:
        """The columns that say how good networks are: accuracies, or divergences without labels."""
        return Judged.of({name for trial in self.trials for name in trial.columns})

    @property
    def _judged_by(self) -> str:
        return self.judged.name

    @property
    def decisive(self) -> str:
        """The indicator that the verdict is about: the last that is known."""
        return FINISHED if self.finished else TESTED

    # Indicators, one number a run.

    @cached_property
    def indicators(self) -> dict[str, Values]:
        """Each indicator of each trial, (trials,); NaN where it is not known."""
        names = [SEARCHED, DISTANCE, TESTED, *([FINISHED] if self.finished else [])]
        found = {name: self._every[name][: len(self.trials)] for name in names}
        for bound in self.bounds:
            found[str(bound)] = np.array([self.best(t.columns, bound)[1] for t in self.trials])
        return found

    @cached_property
    def indicators_of_others(self) -> list[dict[str, float]]:
        """Each indicator of each baseline."""
        return [
            {name: float(values[len(self.trials) + place]) for name, values in self._every.items()}
            | {str(bound): self.best(one.columns, bound)[1] for bound in self.bounds}
            for place, one in enumerate(self.others)
        ]

    @cached_property
    def _every(self) -> dict[str, Values]:
        """Each indicator of each trial, and then of each baseline."""
        nothing = np.ones((1, len(self.goals.names)))
        distances = [
            np.nan if costs is None else distance(costs if len(costs) else nothing, self.union)
            for costs in map(self._unit_costs, self._fronts)
        ]
        return {
            SEARCHED: front_volumes(self._fronts, self.goals, self.parent, self.volumes),
            DISTANCE: np.array(distances),
            TESTED: self._on_test(self.judged.found),
            FINISHED: self._on_test(f"finished_{self.judged.found}"),
        }

    @property
    def _fronts(self) -> list[Mapping[str, Values]]:
        """The columns of all runs, and then of all baselines."""
        return [one.columns for one in self.trials] + [one.columns for one in self.others]

    @property
    def _keeping(self) -> list[Mapping[str, Values]]:
        """The fronts, without networks of baselines that are not known to keep the constraints."""
        names = {*self.goals.names, *(bound.name for bound in self.goals.constraints)}
        kept = []
        for columns in (one.columns for one in self.others if names <= one.columns.keys()):
            known = {name: columns[name] for name in names}
            rows = feasible(known, self.goals.constraints, self.parent)
            kept.append({name: values[rows] for name, values in columns.items()})
        return [*(one.columns for one in self.trials), *kept]

    def _on_test(self, accuracy: str) -> Values:
        goals = Goals(
            {**final_of(self.goals.quantities), **self.quantities}, [accuracy, *self.axes]
        )
        return front_volumes(self._fronts, goals, self.parent, self.volumes)

    def _unit_costs(self, columns: Mapping[str, Values]) -> Values | None:
        """Costs of a front; None where a quantity is not known, which happens with baselines."""
        if not columns:
            return np.empty((0, len(self.goals.names)))
        if not set(self.goals.names) <= columns.keys():
            return None
        return self.goals.unit_costs(columns, self.parent)

    @cached_property
    def union(self) -> Values:
        """The best of all runs and baselines together, in unit costs."""
        every = [self._unit_costs(one) for one in self._keeping]
        costs = np.concatenate([one for one in every if one is not None])
        # Sorted: the last bits of a distance do not depend on the order of the methods.
        return np.unique(costs[nondominated(costs)], axis=0)

    # What the searches add.

    @cached_property
    def shares(self) -> Values:
        """The share that each run's search adds, (trials,); NaN where that is not known.

        It adds to its first population and to the baselines that need no search, by the decisive
        hypervolume: see `Gain`. A run that found nothing adds nothing.
        """
        names = [self.judged.last, *self.axes]
        goals = Goals({**final_of(self.goals.quantities), **self.quantities}, names)
        complete = [columns for columns in self._fronts if set(names) <= columns.keys()]
        scale = Scale.of(complete, goals, self.parent, self.volumes)
        rivals = [one.columns for one in self.others if one.name != RANDOM]

        def volume(*fronts: Mapping[str, Values]) -> float:
            return hypervolume(scale.unit_costs(stacked(fronts, names)))

        known = any(trial.first is not None for trial in self.trials)
        shares = []
        for trial in self.trials:
            if trial.first is None:
                shares.append(0.0 if known and not len(trial) else np.nan)
                continue
            before = trial.first, *rivals
            shares.append(Gain(volume(*before), volume(trial.columns, *before)).share)
        return np.array(shares)

    # Accuracies within bounds.

    def best(self, columns: Mapping[str, Values], bound: Constraint) -> tuple[int, float]:
        """The network that a user would take within a bound: its row, and its accuracy on test.

        It is chosen by its accuracy on the validation images, after retraining where there is one.
        Where images have no labels, these are divergences, and where a metric judges networks its
        values.
        """
        if not columns or bound.name not in columns:
            return -1, np.nan
        judged = Judged.of(columns)
        chosen_by = columns[judged.chosen_by]
        if self.quantities.get(judged.chosen_by, STANDARD["accuracy"]).better == "lower":
            chosen_by = -chosen_by
        within = bound.violation(columns, self.parent) <= 0
        rows = np.flatnonzero(within & ~np.isnan(chosen_by))
        if len(rows) == 0:
            return -1, np.nan
        row = int(rows[chosen_by[rows].argmax()])
        return row, float(columns[judged.last][row])

    # Statements about methods.

    def shares_of(self, method: str) -> Values:
        """The shares that the searches of a method add, (runs,)."""
        shares: Values = self.shares[[trial.method == method for trial in self.trials]]
        return shares

    def of(self, method: str, indicator: str) -> Values:
        """An indicator over a method's runs, (runs,)."""
        rows = [trial.method == method for trial in self.trials]
        values: Values = self.indicators[indicator][rows]
        return values

    def contrasts(self, indicator: str) -> list[Contrast]:
        """The pairs of methods that are tested; methods with an unknown value are left out."""
        samples = {method: self.of(method, indicator) for method in self.methods}
        known = {m: v.tolist() for m, v in samples.items() if np.isfinite(v).all()}
        return contrasts(known, self.against if self.against in known else None)

    def best_networks(self) -> list[tuple[Trial, int]]:
        """The networks that no network of any run beats: the trial and row of each."""
        return best_of_all(self.trials, self.goals)

    def leader(self) -> str:
        """The method with the largest mean of the decisive indicator."""
        return max(self.methods, key=lambda method: float(self.of(method, self.decisive).mean()))

    def median_trial(self, method: str) -> Trial:
        """The run with the median of the decisive indicator, which is shown for all runs."""
        trials = [trial for trial in self.trials if trial.method == method]
        order = np.argsort(self.of(method, self.decisive), kind="stable")
        return trials[int(order[(len(trials) - 1) // 2])]

    # Over the search.

    def curve(self, trial: Trial) -> tuple[Values, Values] | None:
        """Numbers of evaluations, and the hypervolume of what was found by then.

        None where the search measured approximately.
        """
        if trial.history is None:
            return None
        costs, n = self.evaluated(trial.history), trial.evaluations
        after = np.unique(np.linspace(1, n, min(n, CHECKPOINTS)).round().astype(np.int64))
        return after.astype(np.float64), hypervolumes(costs, after)

    def evaluated(self, history: Mapping[str, Values]) -> Values:
        """Unit costs of evaluations, with this comparison's options of hypervolumes, (n, axes).

        Rows are NaN where a candidate failed or breaks a constraint.

        Args:
            history: Measurements, (n,) each.
        """
        costs = self._scale.unit_costs(history)
        costs[~feasible(history, self.goals.constraints, self.parent)] = np.nan
        return costs

    @property
    def best_costs(self) -> Values:
        """The best of all runs and baselines together, in the unit costs of `evaluated`."""
        names = set(self.goals.names)
        fronts = [self._scale.unit_costs(one) for one in self._keeping if names <= one.keys()]
        costs = np.concatenate(fronts)
        best: Values = np.unique(costs[nondominated(costs)], axis=0)
        return best

    @cached_property
    def _scale(self) -> Scale:
        """The scale of the hypervolume on the search images."""
        names = set(self.goals.names)
        fronts = [columns for columns in self._fronts if names <= columns.keys()]
        return Scale.of(fronts, self.goals, self.parent, self.volumes)

    # All that was asked for.

    def evaluations(self) -> list[Evaluations]:
        """Every evaluation of each run, for other tools."""
        return [
            trial_evaluations(trial, self.goals, self.parent, self.problem) for trial in self.trials
        ]

    def to_pandas(self) -> pd.DataFrame:
        """A row for each evaluation of each run; chromosomes where runs are kept in a folder."""
        return frame_of(self.evaluations())
