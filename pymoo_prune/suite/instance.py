"""An instance: a pymoo problem that is the same on each machine, and whose front is known."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from pymoo.core.problem import Problem

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import FAILED, Goals, Measurements, Quantity, parse_constraints
from pymoo_prune.operators import Candidates
from pymoo_prune.suite.definition import Definition
from pymoo_prune.suite.known import Known
from pymoo_prune.suite.measuring import Measurer, measurer


class Instance(Problem):
    """An instance of the suite.

    Its objectives are costs: less is better, and `objectives` names them in the order of F. A
    constraint is kept where its value in G is at most 0.

    Args:
        definition: What the instance is.

    Attributes:
        definition: The same.
        genes: Types and bounds of the genes.
        objectives: The names of the objectives.
        constraints: The constraints as text.
        reference: The reference point of hypervolumes, (n_obj,).
        unmeasured: Where it is a list, it gets the number of candidates of each evaluation without
            known measurements: nothing else counts those.
        can_fail: Whether engines must handle candidates that cannot be measured.
    """

    can_fail = False

    def __init__(self, definition: Definition) -> None:
        self.definition, self.genes = definition, definition.genes
        self.objectives = tuple(cost.name for cost in definition.costs)
        self.constraints = definition.constraints
        self.reference = np.array([cost.reference for cost in definition.costs])
        self._bounds = parse_constraints(definition.constraints)
        self.unmeasured: list[int] | None = None
        super().__init__(
            n_var=self.genes.n_var,
            n_obj=len(self.objectives),
            n_ieq_constr=len(self._bounds),
            xl=self.genes.xl,
            xu=self.genes.xu,
            vtype=self.genes.vtype,
            requires_kwargs=True,
        )

    def name(self) -> str:
        """The instance's name."""
        return self.definition.name

    @property
    def version(self) -> int:
        """Results of different versions do not compare."""
        return self.definition.version

    @property
    def changes_batches(self) -> bool:
        """Whether generations are measured on different images."""
        return self.definition.noisy

    @property
    def goals(self) -> Goals:
        """Objectives and constraints, as checks of engines ask for them."""
        names = [*self.objectives, *(bound.name for bound in self._bounds)]
        quantities = {name: Quantity("lower", name) for name in names}
        return Goals(quantities, self.objectives, self._bounds)

    def __deepcopy__(self, memo: dict[int, Any]) -> Instance:
        """The instance itself: nothing in it changes, and pymoo copies it often."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Instance, (self.definition,)

    # Candidates.

    def __call__(self, x: Any) -> dict[str, float]:
        """The objectives of one candidate by name, and its constraints' values.

        Args:
            x: Its genes, (n_var,).
        """
        genes = self.genes.one(x, self.name())
        found = self.measurer.measured(genes, None)
        values = dict(zip(self.objectives, self.costs(found)[0].tolist(), strict=True))
        return {
            **values,
            **dict(zip(self.constraints, self.constraint_values(found)[0].tolist(), strict=True)),
        }

    def measurements(self, X: Any) -> Measurements:
        """All that is known of candidates, (n,) each, in natural units and without noise.

        Args:
            X: One candidate, (n_var,), or several, (n, n_var).
        """
        return self.measurer.measured(self.genes.checked(X, self.name()), None)

    def measured(self, X: Any, generation: int) -> Measurements:
        """Measurements of candidates, (n,) each, as a generation of a search takes them.

        Args:
            X: One candidate, (n_var,), or several, (n, n_var).
            generation: It has its own images where the instance is noisy; 1 for the first.
        """
        genes = self.genes.checked(X, self.name())
        return self.measurer.measured(genes, generation if self.definition.noisy else None)

    def costs(self, measurements: Measurements) -> Array:
        """The objectives of candidates, (n, n_obj), from their measurements."""
        parent = self.measurer.parent
        return np.column_stack([c.of(measurements, parent) for c in self.definition.costs])

    def constraint_values(self, measurements: Measurements) -> Array:
        """The constraints' values of candidates, (n, constraints): at most 0 where they keep it."""
        parent = self.measurer.parent
        n = len(next(iter(measurements.values())))
        found = [bound.violation(measurements, parent) for bound in self._bounds]
        return np.column_stack(found) if found else np.empty((n, 0))

    def _evaluate(
        self,
        X: Array,
        out: dict[str, Any],
        *args: Any,  # noqa: ARG002
        algorithm: Any = None,
        **kwargs: Any,
    ) -> None:
        """F and G. Of a noisy instance, each generation of an algorithm has its own images."""
        genes = self.genes.checked(X, self.name())
        found = kwargs.get("measurements")
        if found is None and self.unmeasured is not None:
            self.unmeasured.append(len(genes))
        if not self.definition.noisy:
            F, G = self._scores(genes, found)
        else:
            batch = kwargs.get("batch", algorithm.n_iter if algorithm is not None else 1)
            found = self.measurer.measured(genes, batch) if found is None else found
            F, G = self.costs(found), self.constraint_values(found)
        # Engines would take NaN for a good value: what cannot be measured ranks last.
        failed = np.isnan(F).any(axis=1, keepdims=True) | np.isnan(G).any(axis=1, keepdims=True)
        out["F"] = np.where(failed, FAILED, F)
        if self._bounds:
            out["G"] = np.where(failed, FAILED, G)

    def _scores(self, genes: Array, found: Measurements | None) -> tuple[Array, Array]:
        table = self.measurer.table
        if table is None:
            found = self.measurer.measured(genes, None) if found is None else found
            return self.costs(found), self.constraint_values(found)
        rows = table.rows(genes)
        F, G = self.all_scores
        return F[rows], G[rows]

    @cached_property
    def all_scores(self) -> tuple[Array, Array]:
        """F and G of all rows of the table."""
        assert self.measurer.table is not None  # noqa: S101 - only tables come here
        columns = self.measurer.table.columns
        return self.costs(columns), self.constraint_values(columns)

    @cached_property
    def measurer(self) -> Measurer:
        """The table, or the networks."""
        return measurer(self.definition)

    def network(self, x: Any) -> Any:
        """The pruned network of a candidate, a `torch.nn.Module`.

        Args:
            x: Its genes, (n_var,).
        """
        genes = self.genes.one(x, self.name())
        return self.measurer.network(genes)

    def evaluate(self, X: Any, *args: Any, **kwargs: Any) -> Any:
        """F of candidates, (n, n_obj), or what pymoo's arguments ask for.

        Args:
            X: One candidate, (n_var,), or several, (n, n_var); lists do as well.
            args: As for pymoo's `Problem.evaluate`.
            kwargs: The same. A noisy instance takes `batch`, the number of its images; each takes
                `measurements`, where these are known already.
        """
        return super().evaluate(self.genes.shaped(X, self.name()), *args, **kwargs)

    # Searches.

    def random(self, n: int, generator: np.random.Generator) -> Array:
        """Random candidates, (n, n_var)."""
        return self.genes.random(n, generator)

    def first(self, n: int, generator: np.random.Generator) -> Array:
        """The first population: random, or where the instance is seeded, without search."""
        return (
            self.unsearched(n, generator) if self.definition.seeded else self.random(n, generator)
        )

    def unsearched(self, n: int, generator: np.random.Generator) -> Array:
        """Networks that need no search, as the paper's problem samples them, (n, n_var)."""
        made = self.measurer.first(n, generator)
        return made.clip(self.xl, self.xu) if self.vtype is float else made

    def operators(self) -> dict[str, Any]:
        """`sampling`, `crossover`, `mutation` and duplicates for pymoo's engines."""
        return {"sampling": Candidates(self.first), **self.genes.operators()}

    # What is known.

    @cached_property
    def known(self) -> Known:
        """The known front."""
        return Known.of(self.name())

    def hypervolume(self, F: Any, G: Any = None) -> float:
        """The hypervolume of a set of points as a share of the known front's.

        Args:
            F: Objectives, (n, n_obj); None for none.
            G: Constraints' values, (n, constraints); candidates that break one do not count. An
                instance with constraints needs them.
        """
        points = _points("F", F, self.objectives)
        if self._bounds and len(points):
            if G is None:
                msg = (
                    f"{self.name()} has constraints ({', '.join(self.constraints)}): give their "
                    "values too, hypervolume(F, G); candidates that break one do not count"
                )
                raise PruneError(msg)
            bounds = _points("G", G, self.constraints)
            if len(bounds) != len(points):
                msg = f"F has {len(points)} candidates, but G has {len(bounds)}"
                raise PruneError(msg)
            points = points[(bounds <= 0).all(axis=1)]
        return self.known.share(points, self.reference)

    def _calc_pareto_front(self) -> Array:
        return self.known.F

    def _calc_pareto_set(self) -> Array:
        return self.known.X.astype(self.genes.vtype)


def _points(what: str, values: Any, names: Sequence[str]) -> Array:
    """Values of candidates, (n, names); one candidate may be (names,), and None is none."""
    found = np.asarray([] if values is None else values, dtype=float)
    if found.size == 0:  # pymoo's F is None where no candidate keeps the constraints
        return np.empty((0, len(names)))
    found = np.atleast_2d(found)
    if found.ndim != 2 or found.shape[1] != len(names):
        msg = (
            f"{what} must be numbers of shape (n, {len(names)}), one column for each of "
            f"{', '.join(names)}, but its shape is {np.shape(values)}"
        )
        raise PruneError(msg)
    if len(wrong := np.argwhere(~np.isfinite(found))):
        row, column = wrong[0].tolist()
        msg = (
            f"{what} must be finite numbers, but {names[column]} of candidate {row} is "
            f"{found[row, column]}; leave out what failed"
        )
        raise PruneError(msg)
    return found
