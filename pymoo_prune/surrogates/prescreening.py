"""Puts a model between an engine and its mating: it chooses the children to measure."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from pymoo.algorithms.moo.moead import MOEAD
from pymoo.algorithms.moo.nsde import NSDE
from pymoo.algorithms.soo.nonconvex.de import DE
from pymoo.algorithms.soo.nonconvex.es import ES
from pymoo.algorithms.soo.nonconvex.ga import FitnessSurvival
from pymoo.algorithms.soo.nonconvex.pso_ep import EPPSO
from pymoo.core.algorithm import Algorithm
from pymoo.core.infill import InfillCriterion
from pymoo.core.population import Population
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding
from threadpoolctl import threadpool_limits

from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Values
from pymoo_prune.problem import PruningProblem
from pymoo_prune.surrogates.evaluated import (
    Evaluated,
    check_values,
    checked_features,
    checked_sizes,
)
from pymoo_prune.surrogates.models import DEFAULT_MODEL, Model, model_factory

WARM_UP = 50
"""Measured candidates that a model needs: fewer say little about many genes."""

UNSUITED = (DE, EPPSO, ES, MOEAD, NSDE)
"""Engines of pymoo whose children each belong to one parent, or that do not use their mating."""


class Prescreened(InfillCriterion):
    """A mating that makes many children and returns those that a model predicts to be best.

    Objectives and constraints are computed from predictions in the same way as from measurements.
    Quantities that the problem's `sizes` know are not predicted. Every other quantity has a model
    of its own, which learns from all individuals seen in the engine's population and among its
    last children.

    The pool has no duplicates, and no candidate of the population or of an earlier evaluation.
    Children that keep the constraints come first; then pymoo's rank and crowding decide, or the
    fitness where there is one objective. Some children are taken at random instead, so that the
    model also learns from candidates that it would not choose. All random numbers come from
    pymoo's generator.

    It remembers the candidates of its search: each search needs a new one.

    Args:
        mating: The engine's mating.
        model: A model, as `model_factory` takes it.
        factor: Children in the pool for each that is returned.
        explore: The share of the children that is taken at random.
        warm_up: Measured candidates that the model needs. Until then children come straight from
            the mating.
    """

    def __init__(
        self,
        mating: InfillCriterion,
        *,
        model: str | Model | Callable[[int], Model] = DEFAULT_MODEL,
        factor: int = 10,
        explore: float = 0.1,
        warm_up: int = WARM_UP,
    ) -> None:
        super().__init__()
        if factor < 2 or not 0 <= explore < 1 or warm_up < 1:
            msg = (
                "factor must be at least 2, explore at least 0 and below 1, and warm_up at least "
                f"1, but they are {factor}, {explore} and {warm_up}"
            )
            raise PruneError(msg)
        if isinstance(mating, Prescreened):
            msg = "this mating is prescreened already; a second surrogate would only see its choice"
            raise PruneError(msg)
        self.mating, self.make_model = mating, model_factory(model)
        self.factor, self.explore, self.warm_up = int(factor), explore, warm_up
        self.evaluated = Evaluated()

    def do(
        self,
        problem: Any,
        pop: Population,
        n_offsprings: int,
        random_state: np.random.Generator | None = None,
        n_max_iterations: int | None = None,
        **kwargs: Any,
    ) -> Population:
        """Children for an engine, as pymoo's matings make them.

        Args:
            problem: A `PruningProblem`.
            pop: The population.
            n_offsprings: The number of children.
            random_state: pymoo's generator.
            n_max_iterations: Handed to the mating.
            kwargs: Handed to the mating; `algorithm` is the engine.

        Returns:
            The children; fewer than asked for where the mating finds no more new ones.
        """
        _check_usable(problem, kwargs.get("parents"))
        if random_state is None:
            msg = "a surrogate needs pymoo's generator: give random_state"
            raise PruneError(msg)
        last = getattr(kwargs.get("algorithm"), "off", None)
        self.evaluated.add(problem, pop if last is None else Population.merge(last, pop))
        options = kwargs | {"random_state": random_state, "n_max_iterations": n_max_iterations}
        if len(self.evaluated) < self.warm_up:
            return self.mating.do(problem, pop, n_offsprings, **options)
        pool = self._pool(problem, pop, n_offsprings, **options)
        if len(pool) <= n_offsprings:
            return pool
        return pool[self._chosen(problem, pool.get("X"), n_offsprings, random_state)]

    def _pool(self, problem: PruningProblem, pop: Population, n: int, **options: Any) -> Population:
        """New children, `factor` for each of n; fewer if the mating repeats itself."""
        pool: list[Any] = []
        taken, wanted = set(self.evaluated.keys), self.factor * n
        for _ in range(self.n_max_iterations):
            asked, before = wanted - len(pool), len(pool)
            children = self.mating.do(problem, pop, asked, **options)
            for child, key in zip(children, digests(children.get("X")), strict=True):
                if key not in taken:
                    taken.add(key)
                    pool.append(child)
            # A mating that returns fewer than it was asked for has tried often enough itself.
            stuck = len(pool) == before and len(pool) >= n
            if stuck or len(children) < asked or len(pool) >= wanted:
                break
        return Population.create(*pool)

    def _chosen(
        self, problem: PruningProblem, X: Array, n: int, generator: np.random.Generator
    ) -> Array:
        """Rows of the n children to return: the best, then those taken at random."""
        seed = int(generator.integers(2**31 - 1))
        share = self.explore * n  # a fraction of a child is drawn with that probability
        drawn = int(share) + int(generator.random() < share % 1)
        best = best_rows(problem, self._predicted(problem, X, seed), n - drawn, generator)
        rest = np.setdiff1d(np.arange(len(X)), best)
        return np.concatenate([best, generator.choice(rest, drawn, replace=False)])

    def _predicted(self, problem: PruningProblem, X: Array, seed: int) -> dict[str, Values]:
        """The quantities that the goals need, (n,) each: known sizes, and predictions."""
        values = checked_sizes(problem, X)
        needed = [*problem.goals.searched, *(bound.name for bound in problem.goals.constraints)]
        unknown = [name for name in dict.fromkeys(needed) if name not in values]
        if unknown:
            Z = checked_features(problem, X)
        # Threads change the order of sums, and so their last bits; a run must not depend on that.
        with threadpool_limits(1):
            for name in unknown:
                model = self.make_model(seed)
                model.fit(self.evaluated.Z, self.evaluated.values[name])
                values[name] = np.asarray(model.predict(Z), dtype=np.float64)
                check_values(f"the surrogate's prediction of {name!r}", values[name], len(X))
        return values

    def __deepcopy__(self, memo: dict[int, Any]) -> Prescreened:
        """Copies the mating and the evaluated candidates, and shares the model factory.

        pymoo deep-copies algorithms, and a user's factory may be bound to a problem.
        """
        made = copy.copy(self)
        memo[id(self)] = made
        made.mating = copy.deepcopy(self.mating, memo)
        made.evaluated = copy.deepcopy(self.evaluated, memo)
        return made


def no_free_mating(engine: str) -> str:
    """Why an engine cannot have a surrogate.

    Args:
        engine: Its name.
    """
    return (
        f"{engine} has no mating that makes children freely, so a surrogate cannot choose among "
        "them; take an engine such as GA, NSGA2, SPEA2, SMSEMOA or NSGA3"
    )


def check_batches(problem: PruningProblem) -> None:
    """Refuses a surrogate where every generation is measured on other images."""
    if problem.changes_batches:
        msg = (
            f"{type(problem).__name__} measures every generation on other images, so a surrogate "
            "has nothing to compare; measure on one fixed batch, or search without a surrogate"
        )
        raise PruneError(msg)


def _check_usable(problem: Any, parents: Any) -> None:
    """Refuses searches in which a model cannot choose children."""
    if parents is not None:
        msg = (
            "this engine chooses the parents of each child itself, so a surrogate cannot choose "
            "among children; take an engine such as GA, NSGA2, SPEA2, SMSEMOA or NSGA3"
        )
        raise PruneError(msg)
    if not isinstance(problem, PruningProblem):
        msg = (
            f"a surrogate needs a PruningProblem, which says what it measures, but the problem is "
            f"a {type(problem).__name__}"
        )
        raise PruneError(msg)
    check_batches(problem)


def best_rows(
    problem: PruningProblem, values: Mapping[str, Values], n: int, generator: np.random.Generator
) -> Array:
    """The n best candidates: by constraints, then by rank and crowding, or by fitness.

    Args:
        problem: The problem, which scores them.
        values: Their quantities, known or predicted, (m,) each.
        n: The number of candidates to choose; at most m.
        generator: Decides between equally crowded candidates.

    Returns:
        Their rows, (n,).
    """
    candidates = Population.new(**problem.score(values))
    survival = FitnessSurvival() if problem.n_obj == 1 else RankAndCrowding()
    rows = survival.do(
        problem, candidates, n_survive=n, random_state=generator, return_indices=True
    )
    return np.array(rows, dtype=np.int64)


def prescreen(
    algorithm: Algorithm,
    *,
    model: str | Model | Callable[[int], Model] = DEFAULT_MODEL,
    factor: int = 10,
    explore: float = 0.1,
    warm_up: int = WARM_UP,
) -> Algorithm:
    """Gives an engine a surrogate that chooses its children; see `Prescreened`.

    Args:
        algorithm: A fresh engine. It is changed.
        model: A model, as `model_factory` takes it.
        factor: Children that are predicted for each that is measured.
        explore: The share of the children that is taken at random.
        warm_up: Measured candidates that the surrogate needs before it chooses.

    Returns:
        The same engine.
    """
    mating = getattr(algorithm, "mating", None)
    if not isinstance(mating, InfillCriterion) or isinstance(algorithm, UNSUITED):
        raise PruneError(no_free_mating(type(algorithm).__name__))
    algorithm.mating = Prescreened(
        mating, model=model, factor=factor, explore=explore, warm_up=warm_up
    )
    return algorithm
