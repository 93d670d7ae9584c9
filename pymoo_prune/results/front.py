"""The front that a search ends with: look at it, choose from it, carry a network away."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pymoo.core.result import Result
from torch import nn

from pymoo_prune import plots
from pymoo_prune.chromosomes import Array, candidate_seed, digests
from pymoo_prune.errors import NothingFoundError, PruneError, all_failed, unknown_name
from pymoo_prune.measuring import Layer, anatomy
from pymoo_prune.objectives import (
    Constraint,
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
from pymoo_prune.results.finishing import final_accuracies, finisher
from pymoo_prune.search import Found

ACCURACIES: Mapping[str, Quantity] = {
    "test_accuracy": Quantity("higher", "test accuracy", share=True),
    "finished_accuracy": Quantity("higher", "validation accuracy after retraining", share=True),
    "finished_test_accuracy": Quantity("higher", "test accuracy after retraining", share=True),
}
"""What is known of a network after the search."""
EVALUATION: Mapping[str, Quantity] = {"evaluation": Quantity("lower", "evaluation")}
"""Where a network was first asked for: counted from 0, in the order of the search."""


@dataclass(frozen=True)
class Member:
    """One network of a front.

    Attributes:
        front: Where it is from.
        place: Its row there, which is also its name.
    """

    front: Front
    place: int

    @property
    def values(self) -> dict[str, float]:
        """All that is known of it, by name."""
        return {name: float(column[self.place]) for name, column in self.front.columns.items()}

    @property
    def x(self) -> Array:
        """Its chromosome, (n_var,)."""
        x: Array = self.front.X[self.place]
        return x

    def network(self, *, finish_images: int = 0) -> nn.Module:
        """The small network, stand-alone.

        Args:
            finish_images: Training images that it is retrained with; the same number gives the
                same weights again.
        """
        problem = self.front.problem
        network = problem.network(self.x)
        if finish_images:
            seed = self.front.seeds[self.place]
            network = problem.finished(network, images=finish_images, seed=seed)
        return network

    def __str__(self) -> str:
        quantities = self.front.quantities
        parts = [f"{quantities[n].label} {quantities[n].format(v)}" for n, v in self.values.items()]
        return f"network {self.place}: " + ", ".join(parts)


class Front:
    """Candidates that no other candidate beats in every respect, the smallest first.

    Args:
        problem: What they are candidates of.
        X: Chromosomes, (n, n_var).
        columns: Measurements, and what was found out after the search, (n,) each.
        layers: What each network is made of; None until they are built, which `finish` does.
    """

    def __init__(
        self,
        problem: PruningProblem,
        X: Array,
        columns: Mapping[str, Values],
        layers: Sequence[Sequence[Layer]] | None = None,
    ) -> None:
        if len(X) == 0:
            msg = "there is no front: no candidate keeps the constraints"
            raise NothingFoundError(msg)
        self.problem, self.X = problem, X
        self.columns: dict[str, Values] = dict(columns)
        self.layers = layers

    @classmethod
    def from_candidates(
        cls, problem: PruningProblem, X: Array, measurements: Mapping[str, Values]
    ) -> Front:
        """The non-dominated ones among candidates, over what the objectives are made of."""
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
        """The front of what pymoo's `minimize` returned: of its last population."""
        X = result.pop.get("X")
        if problem.approximation is not None:
            return cls.from_candidates(problem, X, problem.measured(X))
        values = {name: result.pop.get(name).astype(float) for name in problem.quantities}
        reasons = {row: why for row, why in enumerate(result.pop.get("failure")) if why}
        return cls.from_candidates(problem, X, Measured(values, reasons))

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, place: int) -> Member:
        if not -len(self) <= place < len(self):
            msg = f"there is no network {place}; they are numbered 0 to {len(self) - 1}"
            raise PruneError(msg)
        return Member(self, place % len(self))

    @property
    def goals(self) -> Goals:
        """What the search was after."""
        return self.problem.goals

    @property
    def quantities(self) -> dict[str, Quantity]:
        """What the columns are."""
        return {**self.problem.quantities, **ACCURACIES, **EVALUATION}

    @property
    def seeds(self) -> list[int]:
        """The torch seed of each network's retraining."""
        return [candidate_seed(self.problem.seed, digest) for digest in digests(self.X)]

    # Choosing.

    def knee(self) -> Member:
        """The network farthest from the plane through the extremes of the front.

        With every objective scaled to [0, 1] over the front, that is the least sum.
        """
        costs = self.goals.costs(self.columns)
        spread = np.ptp(costs, axis=0)
        scaled = (costs - costs.min(axis=0)) / np.where(spread > 0, spread, 1)
        return self[int(scaled.sum(axis=1).argmin())]

    def fittest(self) -> Member:
        """The network with the best fitness, where the objectives are one weighted sum."""
        F = self.goals.F(self.columns)
        if F.shape[1] > 1:
            msg = "with several objectives there is no fittest network; pick the knee, or a bound"
            raise PruneError(msg)
        return self[int(F[:, 0].argmin())]

    def best(self, name: str, *, within: str | None = None) -> Member:
        """The best network in one quantity.

        Args:
            name: The quantity.
            within: A bound on another, such as "macs<=20%" of the parent's.
        """
        self._check_quantity(name)
        rows = np.arange(len(self)) if within is None else self._rows_within(within)
        costs = self.quantities[name].sign * self.columns[name][rows]
        # A network whose retraining diverged has no number, and is the best in nothing.
        return self[int(rows[np.nan_to_num(costs, nan=np.inf).argmin()])]

    def smallest(self, *, accuracy_drop: float) -> Member:
        """The network with the fewest parameters that loses at most this much accuracy."""
        return self.best("parameters", within=f"accuracy_drop<={float(accuracy_drop)!r}")

    def pick(self, choice: str) -> Member:
        """A network by a phrase.

        Args:
            choice: "knee", "fittest", a number, a quantity to be best in ("accuracy"), or a bound:
                one on accuracy ("accuracy_drop<=0.02") takes the smallest network that keeps it,
                one on size ("macs<=20%") takes the most accurate.
        """
        if re.fullmatch(r"-?[0-9]+", choice):
            return self[int(choice)]
        if choice in ("knee", "fittest"):
            return self.knee() if choice == "knee" else self.fittest()
        if re.search("[<>=]", choice):
            about_accuracy = "accuracy" in Constraint.parse(choice).name
            return self.best("parameters" if about_accuracy else "accuracy", within=choice)
        if choice not in self.columns:
            raise unknown_name("pick", choice, ["knee", "fittest", *self._choosable])
        return self.best(choice)

    @property
    def _choosable(self) -> list[str]:
        return [n for n in self.columns if "test" not in n and n not in EVALUATION]

    def _check_quantity(self, name: str) -> None:
        if name not in self.columns or name in EVALUATION:
            raise unknown_name("quantity", name, self._choosable)
        if name not in self._choosable:
            msg = (
                f"{name} is for reporting: a network chosen by its accuracy on the test images "
                f"looks better than it is; choose by {', '.join(self._choosable)}"
            )
            raise PruneError(msg)

    def _rows_within(self, bound: str) -> Array:
        constraint = Constraint.parse(bound)
        self._check_quantity(constraint.name)
        parent = self.problem.parent_values if constraint.relative else {}
        if constraint.relative and constraint.name not in parent:
            msg = f"{bound} is a share of the parent's, which is known for {', '.join(parent)} only"
            raise PruneError(msg)
        violation = np.nan_to_num(constraint.violation(self.columns, parent), nan=np.inf)
        rows = np.flatnonzero(violation <= 0)
        if len(rows) == 0:
            nearest = int(violation.argmin())
            value = self.columns[constraint.name][nearest]
            text = self.quantities[constraint.name].format(value)
            msg = f"no network keeps {bound}; the nearest is network {nearest} with {text}"
            raise PruneError(msg)
        return rows

    # After the search.

    def finish(self, *, images: int = 0, progress: Callable[[], None] | None = None) -> Front:
        """The front with accuracies on the test images, as found and after retraining.

        Args:
            images: Training images that each network is retrained with; 0 for no retraining.
            progress: Called after each network.
        """
        networks = [self.problem.network(x) for x in self.X]
        columns = final_accuracies(
            networks,
            self.problem.data_set,
            seeds=self.seeds,
            finished=finisher(self.problem, images),
            progress=progress,
        )
        layers = [anatomy(network, self.problem.data_set.shape) for network in networks]
        return Front(self.problem, self.X, {**self.columns, **columns}, layers)

    def series(self, name: str = "front") -> Series:
        """The numbers alone, under a name."""
        return Series(name, self.columns)

    def to_csv(self, path: Path | str) -> None:
        """Writes every number, exactly."""
        Path(path).write_text(csv_text([self.series()]), encoding="utf-8")

    def plot(self, path: Path | str, *, others: Sequence[Series] = ()) -> None:
        """Draws the front, and other methods' networks beside it, into a PNG or SVG file."""
        plots.draw_front(path, [self.series("this search"), *others], self.goals, self.quantities)

    def __str__(self) -> str:
        names = list(self.columns)
        quantities = self.quantities
        head = ["network", *names]
        rows = [
            [str(place), *(quantities[n].format(float(self.columns[n][place])) for n in names)]
            for place in range(len(self))
        ]
        widths = [max(len(row[k]) for row in [head, *rows]) for k in range(len(head))]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            for row in [head, *rows]
        )


def published_series(problem: type[PruningProblem], data: str) -> list[Series]:
    """What papers report on a data set, to be drawn beside fronts."""
    return [
        Series(name, {column: np.array(values) for column, values in columns.items()})
        for name, columns in problem.published.get(data, {}).items()
    ]


def csv_text(series: Sequence[Series]) -> str:
    """Series as CSV, with the method in the first column where there are several."""
    names = list(dict.fromkeys(name for one in series for name in one.columns))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "network", *names])
    for one in series:
        for place in range(len(one)):
            cells = [repr(float(one.columns[n][place])) if n in one.columns else "" for n in names]
            writer.writerow([one.name, place, *cells])
    return text.getvalue()


def read_csv(path: Path) -> list[Series]:
    """What `csv_text` wrote."""
    found: dict[str, list[dict[str, str]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row.pop("method"), []).append(row)
    series = []
    for method, rows in found.items():
        names = [name for name in rows[0] if name != "network" and rows[0][name] != ""]
        columns = {name: np.array([float(row[name]) for row in rows]) for name in names}
        series.append(Series(method, columns))
    if not series:
        msg = f"{path} has no rows"
        raise PruneError(msg)
    return series


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
