"""Refuses engines that cannot solve a problem, with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pymoo.algorithms.moo.ctaea import CTAEA
from pymoo.algorithms.moo.moead import MOEAD
from pymoo.algorithms.moo.nsga3 import comp_by_cv_then_random
from pymoo.algorithms.moo.rvea import RVEA
from pymoo.algorithms.moo.sms import SMSEMOA
from pymoo.algorithms.moo.spea2 import SPEA2Survival
from pymoo.algorithms.moo.unsga3 import comp_by_rank_and_ref_line_dist
from pymoo.algorithms.soo.nonconvex.ga import FitnessSurvival, comp_by_cv_and_fitness
from pymoo.algorithms.soo.nonconvex.ga_niching import (
    EpsilonClearingSurvival,
    comp_by_cv_and_clearing_fitness,
)
from pymoo.core.algorithm import Algorithm
from pymoo.core.repair import NoRepair
from pymoo.core.survival import Survival
from pymoo.operators.crossover.sbx import SBX, SimulatedBinaryCrossover
from pymoo.operators.mutation.pm import PM, PolynomialMutation
from pymoo.operators.sampling.lhs import LHS, LatinHypercubeSampling
from pymoo.operators.sampling.rnd import FloatRandomSampling

from pymoo_prune.engines.names import check_numba, follows_changes, moves_by_one_value, moves_points
from pymoo_prune.engines.variants import EndingCTAEA, PacedRVEA, ScaledMOEAD
from pymoo_prune.engines.walking import check_walks
from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Goals
from pymoo_prune.operators import (
    Elitism,
    Generational,
    PacedAPD,
    Remeasured,
    ShortArchives,
    SoftmaxRoulette,
    TruncationSelection,
)
from pymoo_prune.problem import Contract, PruningProblem, load_named
from pymoo_prune.surrogates import Prescreened, no_free_mating

FOR_SEVERAL = (SMSEMOA, CTAEA, MOEAD, RVEA)
"""Engines that break down where there is one objective."""
NAMED_FOR_SEVERAL = ("sms-emoa", "ctaea", "moead", "rvea")
"""The names of these engines."""
DIRECTED = ("nsga3", "unsga3", "ctaea", "moead", "rvea")
"""The names of engines that search along directions."""

_NEEDS_SEVERAL = "needs several objectives, but the problem has one; take ga, nsga2 or unsga3"
_FOR_ONE = (FitnessSurvival, EpsilonClearingSurvival, Elitism, SoftmaxRoulette, TruncationSelection)
_COMPARES_ONE = (comp_by_cv_and_fitness, comp_by_cv_and_clearing_fitness)
_UNSEEDED = (
    comp_by_cv_then_random,
    comp_by_rank_and_ref_line_dist,
    comp_by_cv_and_clearing_fitness,
)
# Exactly these: pymoo's sampling of whole numbers is a FloatRandomSampling too.
_FOR_REAL_GENES = (
    *(FloatRandomSampling, LatinHypercubeSampling, LHS),
    *(SimulatedBinaryCrossover, SBX, PolynomialMutation, PM),
)


def check_goals(
    name: str,
    cls: type[PruningProblem],
    goals: Goals,
    options: Mapping[str, Any] = MappingProxyType({}),
    *,
    pop_size: int | None = None,
    surrogate: str | None = None,
) -> None:
    """Refuses goals and sizes that an engine cannot search with, as far as its name tells.

    It serves before a problem is built, which may take hours of training. `check_engine` sees more.

    Args:
        name: One of `ENGINES`, or "package.module:factory", which is imported.
        cls: The class of the problem.
        goals: The goals that the problem will have.
        options: Arguments with which the problem will be built.
        pop_size: The size of the engine's population; None if it is not known yet.
        surrogate: A model that chooses the children worth measuring.
    """
    if ":" in name:
        load_named(name)
        return
    check_numba(name)
    if name == "own":
        check_own_algorithm(cls, goals)
    reason = None
    if goals.n_obj > 1 and one_objective(name):
        reason = _needs_one(goals)
    elif goals.n_obj == 1 and name in NAMED_FOR_SEVERAL:
        reason = _NEEDS_SEVERAL
    elif name == "moead" and (goals.constraints or cls.can_fail_with(options)):
        reason = _handles_none(_constraints_of(goals, can_fail=cls.can_fail_with(options)))
    elif name == "levels":
        reason = check_walks(goals)
    if reason is not None:
        msg = f"algorithm {name!r} {reason}"
        raise PruneError(msg)
    if name in DIRECTED and pop_size is not None:
        check_directions(goals.n_obj, pop_size)
    if name == "moead" and surrogate is not None:
        raise PruneError(no_free_mating(f"algorithm {name!r}"))


def check_directions(n_obj: int, pop_size: int) -> None:
    """Refuses a population with fewer candidates than an engine needs directions.

    Args:
        n_obj: The number of objectives.
        pop_size: The size of the population.
    """
    if pop_size < n_obj:
        msg = (
            f"this engine needs a direction for each of {n_obj} objectives at least, so its "
            f"population must be {n_obj} at least, but it is {pop_size}"
        )
        raise PruneError(msg)


def check_own_algorithm(cls: type[PruningProblem], goals: Goals) -> None:
    """Refuses goals that a problem's own algorithm cannot search for, or a problem without one.

    Args:
        cls: The problem's class.
        goals: The goals that the problem has, or will have.
    """
    if cls.algorithm is Contract.algorithm:
        msg = f"{cls.__name__} has no algorithm of its own; name one, for example nsga2"
        raise PruneError(msg)
    if cls.own_goal and goals.n_obj > 1:
        msg = (
            f"the paper's algorithm needs one objective, but the problem has {goals.n_obj}; "
            f"take {cls.own_goal}, or --algorithm nsga2"
        )
        raise PruneError(msg)


def takes_failures(algorithm: Algorithm) -> bool:
    """Whether an engine handles failed candidates, by constraints; MOEA/D ignores these."""
    return not isinstance(algorithm, MOEAD)


def check_engine(algorithm: Any, problem: PruningProblem, *, name: str | None = None) -> None:
    """Refuses an engine that cannot solve a problem, as far as that can be seen beforehand.

    It refuses engines that have been used; pymoo's engines with operators of their own; wrong
    numbers of objectives; constraints that are not handled; survivors that are not measured again
    where batches change; and pymoo's engines where they do not suit a search here. It refuses
    pymoo's operators for real numbers, which are its defaults, unless the problem's own crossover
    is one of them or a repair follows. A user's own engine is trusted to make chromosomes of the
    right kind.

    Args:
        algorithm: The engine.
        problem: The problem that it is to solve.
        name: The user's name for it.
    """
    called = f"this {type(algorithm).__name__}" if name is None else f"algorithm {name!r}"
    if not isinstance(algorithm, Algorithm):
        msg = f"{called} is not an engine: it must be a pymoo Algorithm, such as NSGA2(...)"
        raise PruneError(msg)
    reason = (
        _used(algorithm)
        or unsuited(type(algorithm), problem)
        or _objectives(algorithm, problem)
        or _constraints(algorithm, problem)
        # A paper's own algorithm treats its parents as the paper does.
        or (None if name == "own" else _batches(algorithm, problem))
        or _operators(algorithm, problem)
        or _pymoos_own(algorithm, problem)
    )
    if reason is not None:
        msg = f"{called} {reason}"
        raise PruneError(msg)


def unsuited(cls: type[Algorithm], problem: PruningProblem) -> str | None:
    """Why no engine of a class can solve a problem, as the rest of a sentence; or None."""
    if moves_points(cls) and not _has_real_genes(problem):
        return (
            "moves points in a continuous space with operators of its own, but "
            f"{type(problem).__name__} brings its own chromosomes; take an engine that uses them, "
            "such as NSGA2, SPEA2 or, for one objective, GA"
        )
    if follows_changes(cls):
        return "is for problems that change with time; take NSGA2"
    if issubclass(cls, FOR_SEVERAL) and problem.n_obj == 1:
        return _NEEDS_SEVERAL
    return None


def one_objective(engine: str | Algorithm) -> bool:
    """Whether an engine is for one objective only.

    Args:
        engine: An engine, or its name. A name tells nothing of a factory's engine or of a
            problem's own: hand over the engine itself.
    """
    if isinstance(engine, str):
        return engine == "ga"
    selection = _selection(engine)
    return (
        isinstance(_survival(engine), _FOR_ONE)
        or isinstance(selection, _FOR_ONE)
        or getattr(selection, "func_comp", None) in _COMPARES_ONE
        or moves_by_one_value(type(engine))
    )


def _needs_one(goals: Goals) -> str:
    first, second, *_ = goals.searched
    return (
        f"needs one objective, but the problem has {goals.n_obj}; weigh them into one, for example "
        f'--weights "{first}=1,{second}=0.5", or take nsga2'
    )


def _handles_none(constraints: Sequence[str]) -> str:
    return (
        f"handles no constraints, but the problem has {', '.join(constraints)}; take another "
        "engine, such as nsga3"
    )


def _constraints_of(goals: Goals, *, can_fail: bool) -> list[str]:
    """Bounds as text, and failures, which engines handle as a constraint."""
    bounds = [str(bound) for bound in goals.constraints]
    return [*bounds, *(["candidates that can fail, which counts as one"] if can_fail else [])]


def _survival(algorithm: Algorithm) -> Any:
    survival = getattr(algorithm, "survival", None)
    return survival.survival if isinstance(survival, Remeasured) else survival


def _selection(algorithm: Algorithm) -> Any:
    mating = getattr(algorithm, "mating", None)
    return getattr(mating.mating if isinstance(mating, Prescreened) else mating, "selection", None)


def _used(algorithm: Algorithm) -> str | None:
    if algorithm.problem is not None or algorithm.is_initialized:
        return "has been used; hand over a fresh one"
    survival = _survival(algorithm)
    ranges = survival.norm if isinstance(survival, SPEA2Survival) else None
    if ranges is not None and ranges.extreme_points is not None:
        return (
            "has a survival that has been used: by default, all of pymoo's SPEA2 share one; "
            "give it survival=SPEA2Survival(normalize=True)"
        )
    return None


def _objectives(algorithm: Algorithm, problem: PruningProblem) -> str | None:
    n_obj = problem.n_obj
    if n_obj > 1 and one_objective(algorithm):
        return _needs_one(problem.goals)
    directions = getattr(algorithm, "ref_dirs", None)
    points = (
        directions if directions is not None else getattr(_survival(algorithm), "ref_points", None)
    )
    if points is not None and points.shape[1] != n_obj:
        return (
            f"has reference points for {points.shape[1]} objectives, but the problem has {n_obj}; "
            f"give it points with {n_obj} coordinates"
        )
    return None


def _constraints(algorithm: Algorithm, problem: PruningProblem) -> str | None:
    if takes_failures(algorithm) or not problem.has_constraints():
        return None
    return _handles_none(_constraints_of(problem.goals, can_fail=problem.can_fail))


def _batches(algorithm: Algorithm, problem: PruningProblem) -> str | None:
    survival = getattr(algorithm, "survival", None)
    if not problem.changes_batches or isinstance(survival, Generational | Remeasured):
        return None
    measures = f"but {type(problem).__name__} measures every generation on other images"
    if isinstance(survival, Survival):
        return (
            f"compares children with the parents' old measurements, {measures}; let it measure "
            "them again: algorithm.survival = Remeasured(algorithm.survival)"
        )
    return (
        f"has no survival in which parents could be measured again, {measures}; measure on one "
        "fixed batch, or take another engine, such as nsga2"
    )


def _operators(algorithm: Algorithm, problem: PruningProblem) -> str | None:
    mating = getattr(algorithm, "mating", None)
    operators = {
        "sampling": getattr(getattr(algorithm, "initialization", None), "sampling", None),
        "crossover": getattr(mating, "crossover", None),
        "mutation": getattr(mating, "mutation", None),
    }
    foreign = {
        place: operator
        for place, operator in operators.items()
        if type(operator) in _FOR_REAL_GENES and getattr(operator, "repair", None) is None
    }
    repaired = not isinstance(getattr(algorithm, "repair", None), NoRepair)
    if not foreign or repaired or _has_real_genes(problem):
        return None
    place, operator = next(iter(foreign.items()))
    return (
        f"has the {place} {type(operator).__name__}, which is for real numbers and not for the "
        f"chromosomes of {type(problem).__name__}; give it **problem.operators()"
    )


def _pymoos_own(algorithm: Algorithm, problem: PruningProblem) -> str | None:
    survival = _survival(algorithm)
    paced = isinstance(algorithm, PacedRVEA) and isinstance(survival, PacedAPD)
    if isinstance(algorithm, RVEA) and not paced:
        return (
            "takes its pace from a number of generations, whatever the budget; take rvea by name, "
            "or PacedRVEA(ref_dirs, survival=PacedAPD(ref_dirs), ...)"
        )
    if isinstance(algorithm, MOEAD) and not isinstance(algorithm, ScaledMOEAD):
        return (
            "counts each candidate as a generation, and does not scale objectives; take moead "
            "by name, or ScaledMOEAD(...)"
        )
    ending = isinstance(algorithm, EndingCTAEA) and isinstance(survival, ShortArchives)
    if isinstance(algorithm, CTAEA) and not ending:
        return (
            "never ends where candidates are few; take ctaea by name, or "
            "EndingCTAEA(ref_dirs, survival=ShortArchives(ref_dirs), ...)"
        )
    if problem.has_constraints() and getattr(_selection(algorithm), "func_comp", None) in _UNSEEDED:
        return (
            "breaks ties without the search's seed where constraints are broken; give it "
            "selection=SeededTournament(...) with its own comparison"
        )
    return None


def _has_real_genes(problem: PruningProblem) -> bool:
    return type(problem.operators().get("crossover")) in _FOR_REAL_GENES
