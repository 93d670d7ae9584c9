"""The front that a search ends with, and its networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast, overload

import numpy as np
import torch
from matplotlib.figure import Figure
from pymoo.core.result import Result
from torch import nn

from pymoo_prune import plots
from pymoo_prune.chromosomes import Array, candidate_seed, digests
from pymoo_prune.errors import NoSuchNetwork, NothingFoundError, all_failed
from pymoo_prune.measuring import Layer, anatomy
from pymoo_prune.objectives import (
    Goals,
    Measured,
    Quantity,
    Series,
    Values,
    failed_rows,
    failures_of,
    nondominated,
)
from pymoo_prune.problem import PruningProblem
from pymoo_prune.results.choosing import Choice, Suggestion
from pymoo_prune.results.finished_networks import FinishedNetworks
from pymoo_prune.results.finishing import final_accuracies, finisher
from pymoo_prune.results.front_tables import Tabulated, text_table
from pymoo_prune.results.member import Member
from pymoo_prune.results.quantities import EVALUATION, final_of
from pymoo_prune.search import Found


class Front(Tabulated):
    """Candidates that no other candidate beats in every respect, the smallest first.

    Args:
        problem: The problem that was searched.
        X: Chromosomes, (n, n_var).
        columns: Measurements, and accuracies after the search, (n,) each.
        layers: What each network is made of; None until `finish` has built the networks.
        finished: The finished networks, where a run keeps them.
    """

    def __init__(
        self,
        problem: PruningProblem,
        X: Array,
        columns: Mapping[str, Values],
        layers: Sequence[Sequence[Layer]] | None = None,
        finished: FinishedNetworks | None = None,
    ) -> None:
        if len(X) == 0:
            msg = "there is no front: no candidate keeps the constraints"
            raise NothingFoundError(msg)
        self._problem, self.X = problem, X
        self.columns: dict[str, Values] = dict(columns)
        self.layers, self.finished = layers, finished

    @classmethod
    def from_candidates(
        cls, problem: PruningProblem, X: Array, measurements: Mapping[str, Values]
    ) -> Front:
        """The non-dominated ones among candidates, over the quantities of the objectives."""
        if len(X) == 0:
            msg = "there is no front: there is no candidate"
            raise NothingFoundError(msg)
        measured = ~failed_rows(measurements)
        if not measured.any():
            unknown = ["their measurements are NaN"] * len(X)
            raise all_failed("candidates", failures_of(measurements).values() or unknown)
        X = X[measured]
        measurements = {n: np.asarray(column)[measured] for n, column in measurements.items()}
        scores = problem.score(measurements)
        feasible = np.flatnonzero((scores.get("G", np.zeros((len(X), 1))) <= 0).all(axis=1))
        if len(feasible) == 0:
            raise NothingFoundError(_nearest_miss(problem, measurements))
        costs = problem.goals.costs({n: column[feasible] for n, column in measurements.items()})
        best = feasible[nondominated(costs)]
        order = best[np.argsort(measurements["parameters"][best], kind="stable")]
        return cls(problem, X[order], {n: column[order] for n, column in measurements.items()})

    @classmethod
    def from_found(cls, problem: PruningProblem, found: Found) -> Front:
        """The front of what `search` ended with, with the number of each network's evaluation."""
        columns = dict(found.measurements)
        if (found.numbers >= 0).all():
            columns["evaluation"] = found.numbers.astype(np.float64)
        return cls.from_candidates(problem, found.X, columns)

    @classmethod
    def from_result(cls, problem: PruningProblem, result: Result) -> Front:
        """The front of the last population that pymoo's `minimize` returned."""
        X = result.pop.get("X")
        if problem.approximation is not None:
            return cls.from_candidates(problem, X, problem.measured(X))
        values = {name: result.pop.get(name).astype(float) for name in problem.quantities}
        reasons = {row: why for row, why in enumerate(result.pop.get("failure")) if why}
        return cls.from_candidates(problem, X, Measured(values, reasons))

    def __len__(self) -> int:
        return len(self.X)

    def __iter__(self) -> Iterator[Member]:
        return (Member(self, place) for place in range(len(self)))

    @overload
    def __getitem__(self, place: int) -> Member: ...

    @overload
    def __getitem__(self, place: slice) -> list[Member]: ...

    def __getitem__(self, place: int | slice) -> Member | list[Member]:
        if isinstance(place, slice):
            return [Member(self, row) for row in range(len(self))[place]]
        if not -len(self) <= place < len(self):
            msg = f"there is no network {place}; they are numbered 0 to {len(self) - 1}"
            raise NoSuchNetwork(msg)
        return Member(self, place % len(self))

    @property
    def problem(self) -> PruningProblem:
        """The problem that was searched."""
        return self._problem

    @property
    def device(self) -> torch.device:
        """Where networks go."""
        return self.problem.data_set.train.images.device

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Channels, height and width of an image."""
        return self.problem.data_set.shape

    @property
    def goals(self) -> Goals:
        """The search's goals."""
        return self.problem.goals

    @property
    def quantities(self) -> dict[str, Quantity]:
        """Labels and units of the columns."""
        return {**self.problem.quantities, **final_of(self.problem.quantities), **EVALUATION}

    @property
    def seeds(self) -> list[int]:
        """The torch seed of each network's retraining."""
        return [candidate_seed(self.problem.seed, digest) for digest in digests(self.X)]

    # Choosing.

    @property
    def _choice(self) -> Choice:
        return Choice(
            self.columns,
            self.quantities,
            goals=lambda: self.goals,
            parent=lambda: self.problem.parent_values,
        )

    @property
    def suggestion(self) -> Suggestion:
        """The network that `pick` takes where none is named, and why."""
        return self._choice.suggestion()

    def knee(self) -> Member:
        """The network farthest from the plane through the extremes of the front.

        With every objective scaled to [0, 1] over the front, that is the least sum.
        """
        return self[self._choice.knee()]

    def fittest(self) -> Member:
        """The network with the best fitness, where the objectives are one weighted sum."""
        return self[self._choice.fittest()]

    def best(self, name: str, *, within: str | None = None) -> Member:
        """The best network in one quantity.

        Args:
            name: The quantity.
            within: A bound on another, such as "macs<=20%" of the parent's.
        """
        return self[self._choice.best(name, within)]

    def smallest(self, *, accuracy_drop: float) -> Member:
        """The network with the fewest parameters that loses at most this much accuracy."""
        return self.best("parameters", within=f"accuracy_drop<={float(accuracy_drop)!r}")

    def pick(self, choice: str = "suggestion") -> Member:
        """A network by a phrase.

        The suggestion is the smallest network within one point of the parent's accuracy on the
        validation images, by the first size among the objectives. Where none is within one point,
        it is the most accurate one. It is the knee where the objectives have no accuracy or no
        size, and the fittest where they are one weighted sum. Where images have no labels, the
        divergence decides in place of the accuracy; see `choosing.suggest`.

        Args:
            choice: "suggestion", "knee", "fittest", a number, a quantity to be best in
                ("accuracy"), or a bound: one on accuracy ("accuracy_drop<=0.02") takes the smallest
                network that keeps it, one on size ("macs<=20%") takes the most accurate.
        """
        return self[self._choice.by_phrase(choice)]

    # After the search.

    def finish(
        self,
        *,
        images: int = 0,
        keep: Callable[[nn.Module | None], None] | None = None,
        progress: Callable[[], None] | None = None,
    ) -> Front:
        """The front with accuracies on the test images, as found and after retraining.

        Args:
            images: Training images that each network is retrained with; 0 for no retraining. What
                `finished` keeps is not retrained.
            keep: Called with each finished network; with None where its retraining diverged.
            progress: Called after each network.
        """
        retrain, kept = finisher(self.problem, images), self.finished
        if retrain is not None and kept is not None and kept.finishing.images == images:
            retrain = kept.finisher(self.problem.seed, self.device)
        layers: list[list[Layer]] = []

        def networks() -> Iterator[nn.Module]:
            # One at a time: a large front of large networks does not fit into memory.
            for x in self.X:
                network = self.problem.network(x)
                layers.append(anatomy(network, self.problem.data_set.shape))
                yield network

        columns = final_accuracies(
            networks(),
            self.problem.data_set,
            seeds=self.seeds,
            finished=retrain,
            parent=self.problem.parent,
            keep=keep,
            progress=progress,
        )
        return Front(self.problem, self.X, {**self.columns, **columns}, layers, self.finished)

    def series(self, name: str = "front") -> Series:
        """The numbers alone, under a name."""
        return Series(name, self.columns)

    def plot(self, path: Path | str | None = None, *, others: Sequence[Series] = ()) -> Figure:
        """Draws the front, and other methods' networks beside it.

        Args:
            path: PNG, SVG or PDF file; None writes none.
            others: Other methods' networks.

        Returns:
            The picture, which a notebook shows.
        """
        series = [self.series("this search"), *others]
        # Without a figure of the caller's it is a new one.
        return cast("Figure", plots.draw_front(path, series, self.goals, self.quantities))

    def __str__(self) -> str:
        return text_table(self.series(), self.quantities)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """What a notebook shows: a picture and a table."""
        from pymoo_prune.results.showing import front_html  # noqa: PLC0415 - it brings Bokeh

        return front_html(self, self._shown_goals)

    @property
    def _shown_goals(self) -> Goals:
        """The goals of pictures."""
        return self.goals


def _nearest_miss(problem: PruningProblem, measurements: Mapping[str, Any]) -> str:
    G = problem.score(measurements)["G"][:, : len(problem.goals.constraints)]
    nearest = int(np.maximum(G, 0).sum(axis=1).argmin())
    texts = []
    for constraint, violation in zip(problem.goals.constraints, G[nearest], strict=True):
        if violation > 0:
            value = float(measurements[constraint.name][nearest])
            text = problem.quantities[constraint.name].format(value)
            texts.append(f"{constraint} (it has {text})")
    return f"no candidate keeps the constraints; the nearest misses {', '.join(texts)}"
