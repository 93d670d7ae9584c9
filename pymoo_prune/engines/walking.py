"""Makes the engine that walks over levels: it finds the sizes, and the bounds on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from pymoo.algorithms.base.genetic import GeneticAlgorithm
from pymoo.core.sampling import Sampling

from pymoo_prune.chromosomes import Array, Floats
from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Constraint, Goals
from pymoo_prune.operators import BestWithinBounds, Ladders, LevelSwitch, Moves, Walks
from pymoo_prune.problem import PruningProblem

CHILDREN = 4
"""Children of each walk in a generation, where there are several walks."""


def level_walks(
    problem: PruningProblem, pop_size: int, *, at: Sequence[float] | None = None
) -> GeneticAlgorithm:
    """The engine "levels".

    With one objective, constraints bound one size or several, and one walk has `pop_size` children
    a generation. With two, one of them a size, there are walks at several sizes.

    Args:
        problem: The problem; its genes must have an order (`ladders`), and its sizes must be known
            without measuring (`preview`).
        pop_size: The size of the first population, and the children of a generation.
        at: Values of the size at which walks go, for example sparsities; None spreads them over the
            sizes of the first population.
    """
    reason = check_walks(problem.goals)
    if reason is not None:
        msg = f"algorithm 'levels' {reason}"
        raise PruneError(msg)
    ladders = _ladders(problem)
    name, below = _size(problem, ladders)
    goals, parent = Goals(problem.quantities, (name,)), problem.parent_values
    operators = problem.operators()
    sampling, duplicates = operators["sampling"], operators.get("eliminate_duplicates")
    cost: Callable[[Array], Floats] = _Size(problem, goals)
    bounds: Sequence[float] | int = max(2, pop_size // CHILDREN)
    objective = 0
    if below:
        if at is not None:
            msg = f"the walk goes below {' and '.join(map(str, below))}; `at` is for two objectives"
            raise PruneError(msg)
        bounds, cost = [0.0], _Excess(problem, below)
    else:
        objective = 1 - list(problem.goals.searched).index(name)
        if at is not None:
            values = {name: np.asarray(at, dtype=np.float64)}
            bounds = goals.unit_costs(values, parent)[:, 0].tolist()
    walks = Walks(Moves(ladders, cost), bounds)
    return GeneticAlgorithm(
        pop_size=pop_size,
        sampling=_Start(problem, sampling, name, at, walks, below),
        repair=operators.get("repair"),
        eliminate_duplicates=True if duplicates is None else duplicates,
        mating=LevelSwitch(walks, eliminate_duplicates=duplicates),
        survival=BestWithinBounds(walks, objective=objective),
        advance_after_initial_infill=True,
    )


class _Start(Sampling):
    """Begins where rivals end: all methods that need no search, at the sizes of all walks.

    The problem's own sampling fills the rest of the population; it is all where the rivals are no
    chromosomes.
    """

    def __init__(
        self,
        problem: PruningProblem,
        sampling: Sampling,
        name: str,
        at: Sequence[float] | None,
        walks: Walks,
        below: Sequence[Constraint],
    ) -> None:
        super().__init__()
        self.rivals, self.sizes = problem.rivals, problem.preview.sizes
        self.sampling, self.name, self.at, self.walks = sampling, name, at, walks
        self.below = {one.name: one.limit(problem.parent_values) for one in below}

    def _do(self, problem: Any, n_samples: int, *args: Any, **kwargs: Any) -> Array:
        own: Array = self.sampling(problem, n_samples, *args, **kwargs).get("X")
        if self.rivals is None:
            return own
        found = self._within() if self.below else self._along(own)
        if found is None:
            return own
        return np.concatenate([found, own[: max(0, n_samples - len(found))]])

    def _within(self) -> Array | None:
        """The rivals below the walk's bounds."""
        assert self.rivals is not None  # noqa: S101 - only then it is called
        if len(self.below) > 1:
            return self.rivals.candidates_within(self.below)
        return self.rivals.candidates({n: np.array([v]) for n, v in self.below.items()})

    def _along(self, own: Array) -> Array | None:
        """The rivals at the sizes of the walks."""
        assert self.rivals is not None  # noqa: S101 - only then it is called
        at = self.at
        if at is None:
            # Spread like the walks' bounds, which follow from the first population.
            costs = self.walks.moves.cost(own)
            bounds = Walks(self.walks.moves, self.walks.number).begin(costs)
            nearest = np.abs(costs - bounds[:, None]).argmin(axis=1)
            at = self.sizes(own)[self.name][nearest].tolist()
        return self.rivals.candidates({self.name: np.asarray(at, dtype=np.float64)})

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The sampling itself, as rivals belong to a problem with a large network."""
        return self


class _Excess:
    """How far chromosomes are past the bound that they break most, in closed form."""

    def __init__(self, problem: PruningProblem, bounds: Sequence[Constraint]) -> None:
        self.sizes, self.parent, self.bounds = problem.preview.sizes, problem.parent_values, bounds
        # Sizes have different units: each is seen as a share of its bound.
        self.units = [abs(one.limit(self.parent)) or 1.0 for one in bounds]

    def __call__(self, X: Array) -> Floats:
        sizes = self.sizes(X)
        excess: Floats = np.max(
            [
                one.violation(sizes, self.parent) / unit
                for one, unit in zip(self.bounds, self.units, strict=True)
            ],
            axis=0,
        )
        return excess


class _Size:
    """A size of chromosomes as a cost between 0 and 1, in closed form."""

    def __init__(self, problem: PruningProblem, goals: Goals) -> None:
        self.sizes, self.parent, self.goals = problem.preview.sizes, problem.parent_values, goals

    def __call__(self, X: Array) -> Floats:
        costs: Floats = self.goals.unit_costs(self.sizes(X), self.parent)[:, 0]
        return costs


def check_walks(goals: Goals) -> str | None:
    """Why walks cannot search for goals, as the rest of a sentence; or None.

    It serves before a problem is built; `level_walks` sees which quantities are sizes.
    """
    if goals.n_obj > 2:
        return (
            f"walks below bounds on one size, but there are {goals.n_obj} objectives; take two, "
            "one of them a size, or nsga2"
        )
    if goals.n_obj == 1 and not goals.constraints:
        return (
            "needs a bound on a size where there is one objective, for example --constraint "
            "'sparsity>=0.9'; or a size as a second objective"
        )
    return None


def _ladders(problem: PruningProblem) -> Ladders:
    if problem.ladders is not None:
        return problem.ladders
    if problem.vtype is bool:
        return Ladders([np.array([True, False])] * problem.n_var)
    msg = (
        f"algorithm 'levels' needs genes with ordered levels, which {type(problem).__name__} does "
        "not have with these options (ladders); take another engine, such as nsga2"
    )
    raise PruneError(msg)


def _size(problem: PruningProblem, ladders: Ladders) -> tuple[str, list[Constraint]]:
    """The quantity that is the size, and the bounds on sizes where these are constraints."""
    whole = ladders.chromosomes(np.zeros((1, len(ladders.last)), dtype=np.int64))
    sizes = problem.preview.sizes(whole).keys()
    goals = problem.goals
    if goals.n_obj == 1:
        found = [one for one in goals.constraints if one.name in sizes]
        if found:
            return found[0].name, found
        wanted = "a bound on one of them, for example as a constraint"
    else:
        named = [name for name in goals.searched if name in sizes]
        if len(named) == 1:
            return named[0], []
        wanted = "one of them as one of two objectives"
    msg = (
        f"algorithm 'levels' walks below bounds on a size that is known without measuring "
        f"({', '.join(sizes) or 'this problem knows none'}); it needs {wanted}, but the objectives "
        f"are {', '.join(goals.searched)} and the constraints "
        f"{', '.join(map(str, goals.constraints)) or 'none'}"
    )
    raise PruneError(msg)
