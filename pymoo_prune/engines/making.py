"""Makes engines for a problem."""

from __future__ import annotations

import copy
import inspect
from importlib import import_module

from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.nsga3 import NSGA3, ReferenceDirectionSurvival, comp_by_cv_then_random
from pymoo.algorithms.moo.sms import SMSEMOA
from pymoo.algorithms.moo.spea2 import SPEA2, SPEA2Survival
from pymoo.algorithms.moo.unsga3 import UNSGA3, comp_by_rank_and_ref_line_dist
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.algorithm import Algorithm
from pymoo.core.problem import Problem
from pymoo.core.survival import Survival
from pymoo.util.reference_direction import (
    UniformReferenceDirectionFactory,
    get_partition_closest_to_points,
)

from pymoo_prune.chromosomes import Array
from pymoo_prune.engines.checks import check_directions, check_engine, unsuited
from pymoo_prune.engines.names import COMPILED, check_engine_name, check_numba
from pymoo_prune.engines.sparse import sparse_ea
from pymoo_prune.engines.variants import EndingCTAEA, PacedRVEA, ScaledMOEAD
from pymoo_prune.engines.walking import level_walks
from pymoo_prune.errors import PruneError, check_kind, check_whole, unknown_name
from pymoo_prune.operators import (
    Candidates,
    Generational,
    OpenRanges,
    PacedAPD,
    RandomMating,
    Remeasured,
    SeededTournament,
    ShortArchives,
)
from pymoo_prune.problem import PruningProblem, load_named
from pymoo_prune.surrogates import MODELS, check_batches, prescreen

MOST_CANDIDATES = 1_000_000
WHY = "engines compare each candidate of a population with each other one"
_SIZED: dict[str, type[Algorithm]] = {
    "ga": GA,
    "nsga2": NSGA2,
    "sms-emoa": SMSEMOA,
}
_DIRECTED: dict[str, type[Algorithm]] = {
    "nsga3": NSGA3,
    "unsga3": UNSGA3,
    "ctaea": EndingCTAEA,
    "moead": ScaledMOEAD,
    "rvea": PacedRVEA,
}


def make_algorithm(
    name: str, problem: PruningProblem, pop_size: int, *, surrogate: str | None = None
) -> Algorithm:
    """Makes an engine by name, with the problem's operators.

    Args:
        name: One of `ENGINES`; or "package.module:factory", a function (problem, pop_size) that
            returns a pymoo Algorithm, or the class of one that needs no more than a population's
            size and operators.
        problem: The problem that it will solve.
        pop_size: The size of its population. The problem's own algorithm keeps the paper's size.
            Engines with one direction for each candidate have as many candidates as there are
            evenly spread directions; see `population_of`.
        surrogate: A model of `surrogates.MODELS` that chooses the children worth measuring.

    Returns:
        A fresh engine. Where batches change, it measures survivors again.
    """
    check_kind("problem", problem, Problem, "a problem")  # the suite's instances are some too
    check_engine_name(name)
    check_whole("pop_size", pop_size, least=1, most=MOST_CANDIDATES, why=WHY)
    if surrogate is not None and (not isinstance(surrogate, str) or surrogate not in MODELS):
        raise unknown_name("surrogate model", surrogate, MODELS)
    if name == "own":
        algorithm = problem.algorithm()
    else:
        make = _from_factory if ":" in name else _by_name
        # A copy: pymoo's SPEA2 has its survival, with its state, as a default argument.
        algorithm = copy.deepcopy(make(name, problem, pop_size))
        survival = getattr(algorithm, "survival", None)
        again = not isinstance(survival, Generational | Remeasured)
        if problem.changes_batches and isinstance(survival, Survival) and again:
            algorithm.survival = Remeasured(survival)
    check_engine(algorithm, problem, name=name)
    if surrogate is None:
        return algorithm
    check_batches(problem)
    return prescreen(algorithm, model=surrogate)


def population_of(algorithm: Algorithm) -> int | None:
    """The size of an engine's population, which may differ from the size that was asked for.

    Args:
        algorithm: An engine.

    Returns:
        The size, or None where the engine does not say.
    """
    size = getattr(algorithm, "pop_size", None)
    return None if size is None else int(size)


def _by_name(name: str, problem: PruningProblem, pop_size: int) -> Algorithm:
    if name in _DIRECTED:
        return _directed(name, problem, pop_size)
    if name == "levels":
        return level_walks(problem, pop_size)
    if name == "sparse-ea":
        return sparse_ea(problem, pop_size)
    operators = problem.operators()
    if name == "random":
        operators |= {
            "sampling": Candidates(problem.random),
            "mating": RandomMating(problem.random, operators.get("eliminate_duplicates")),
        }
        return (GA if problem.n_obj == 1 else NSGA2)(pop_size=pop_size, **operators)
    if name == "spea2":
        survival = SPEA2Survival(normalize=True)
        survival.norm = OpenRanges(problem.n_obj)
        return SPEA2(pop_size=pop_size, **{"survival": survival, **operators})
    engine = _compiled(name) if name in COMPILED else _SIZED[name]
    return engine(pop_size=pop_size, **operators)


def _directed(name: str, problem: PruningProblem, pop_size: int) -> Algorithm:
    """An engine that searches along reference directions."""
    reason = unsuited(_DIRECTED[name], problem)
    if reason is not None:
        msg = f"algorithm {name!r} {reason}"
        raise PruneError(msg)
    directions, operators = even_directions(problem.n_obj, pop_size), problem.operators()
    if name == "moead":
        operators.pop("eliminate_duplicates", None)  # MOEA/D sets this option itself
        return ScaledMOEAD(directions, **operators)
    if name == "ctaea":
        return EndingCTAEA(directions, survival=ShortArchives(directions), **operators)
    if name == "rvea":
        return PacedRVEA(directions, pop_size=pop_size, survival=PacedAPD(directions), **operators)
    if name == "nsga3":
        engine, comparison = NSGA3, comp_by_cv_then_random
    else:
        engine, comparison = UNSGA3, comp_by_rank_and_ref_line_dist
    survival = ReferenceDirectionSurvival(directions)
    survival.norm = OpenRanges(problem.n_obj)
    own = {"selection": SeededTournament(comparison), "survival": survival}
    return engine(directions, pop_size=pop_size, **{**own, **operators})


def even_directions(n_obj: int, most: int) -> Array:
    """The largest set of evenly spread directions, up to a number.

    Das and Dennis, "Normal-boundary intersection", SIAM Journal on Optimization 8(3), 1998.

    Args:
        n_obj: The number of objectives.
        most: The largest number of directions.

    Returns:
        Directions, (directions, n_obj); the sum of each is 1. With two objectives there are `most`;
        with three there are 3, 6, 10, 15, ...
    """
    check_directions(n_obj, most)
    parts = get_partition_closest_to_points(most, n_obj)
    directions: Array = UniformReferenceDirectionFactory(n_obj, n_partitions=parts).do()
    return directions


def _compiled(name: str) -> type[Algorithm]:
    """An engine that pymoo compiles, imported only when it is needed: that takes a second."""
    check_numba(name)
    module, cls = COMPILED[name]
    engine: type[Algorithm] = getattr(import_module(module), cls)
    return engine


def _from_factory(name: str, problem: PruningProblem, pop_size: int) -> Algorithm:
    factory = load_named(name)
    if inspect.isclass(factory) and issubclass(factory, Algorithm):
        return _from_class(name, factory, problem, pop_size)
    wanted = f"algorithm {name!r} must be a function (problem, pop_size) that returns an Algorithm"
    if inspect.isclass(factory) or not callable(factory):
        what = "another class" if inspect.isclass(factory) else f"of type {type(factory).__name__}"
        msg = f"{wanted}, or a class of those, but it is {what}"
        raise PruneError(msg)
    try:
        inspect.signature(factory).bind(problem, pop_size)
    except TypeError as error:
        msg = f"{wanted}, but it cannot be called so: {error}"
        raise PruneError(msg) from error
    made = factory(problem, pop_size)
    if not isinstance(made, Algorithm):
        msg = f"{wanted}, but it returned a {type(made).__name__}"
        raise PruneError(msg)
    return made


def _from_class(
    name: str, cls: type[Algorithm], problem: PruningProblem, pop_size: int
) -> Algorithm:
    reason = unsuited(cls, problem)
    if reason is not None:
        msg = f"algorithm {name!r} {reason}"
        raise PruneError(msg)
    try:
        return cls(pop_size=pop_size, **problem.operators())
    except TypeError as error:
        msg = (
            f"algorithm {name!r} cannot be made from pop_size and problem.operators() alone: "
            f"{error}; write a function (problem, pop_size) that returns it, and name that"
        )
        raise PruneError(msg) from error
