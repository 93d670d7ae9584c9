"""The names of engines, and why pymoo's other engines are not among them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.util import find_spec

from pymoo_prune.errors import PruneError, check_kind, unknown_name

ENGINES: dict[str, str] = {
    "own": "the paper's own algorithm",
    "ga": "pymoo's genetic algorithm, for one objective",
    "nsga2": "NSGA-II",
    "nsga3": "NSGA-III: a front spread along given directions, for three objectives and more",
    "unsga3": "U-NSGA-III: the same with parents that compete, for any number of objectives",
    "spea2": "SPEA2",
    "sms-emoa": "SMS-EMOA: the largest hypervolume, for two objectives and more",
    "age-moea": "AGE-MOEA: fits itself to the shape of the front; needs numba",
    "age-moea2": "AGE-MOEA-II: the same with a better fit; needs numba",
    "ctaea": "C-TAEA: a second archive that may break constraints, for two objectives and more",
    "moead": "MOEA/D: one candidate at a time, for two objectives and more, no constraints",
    "rvea": "RVEA: along directions that count more and more, for two objectives and more",
    "levels": "level switches below a bound on the size, or along a front; needs ordered genes",
    "sparse-ea": "SparseEA: masks by scores of genes; first measures the network without each gene",
    "random": "random search: the problem's random candidates, nothing learnt",
}

COMPILED = {
    "age-moea": ("pymoo.algorithms.moo.age", "AGEMOEA"),
    "age-moea2": ("pymoo.algorithms.moo.age2", "AGEMOEA2"),
}
"""Modules and classes of engines that pymoo compiles, for which it needs numba."""

_BY_HAND = (
    "write a function (problem, pop_size) that returns it, and name 'package.module:function'"
)
_CONTINUOUS = (
    "moves points in a continuous space with operators of its own, but problems here bring their "
    f"own chromosomes; take {', '.join(name for name in ENGINES if name != 'own')}, or, where all "
    f"genes are real numbers, {_BY_HAND}"
)
_CHANGES = "is for problems that change with time, and measures candidates between generations"
_POINTS = f"needs reference points, which a name cannot give; {_BY_HAND}"
_DISTANCES = f"needs to know how far apart two chromosomes are; where that makes sense, {_BY_HAND}"

# Names, and modules of pymoo.
_MOVERS = {
    "brkga": "soo.nonconvex.brkga",
    "cmaes": "soo.nonconvex.cmaes",
    "cmopso": "moo.cmopso",
    "de": "soo.nonconvex.de",
    "direct": "soo.nonconvex.direct",
    "eppso": "soo.nonconvex.pso_ep",
    "es": "soo.nonconvex.es",
    "g3pcx": "soo.nonconvex.g3pcx",
    "gde3": "moo.gde3",
    "isres": "soo.nonconvex.isres",
    "mopso-cd": "moo.mopso_cd",
    "nelder-mead": "soo.nonconvex.nelder",
    "nrbo": "soo.nonconvex.nrbo",
    "nsde": "moo.nsde",
    "nsder": "moo.nsder",
    "optuna": "soo.nonconvex.optuna",
    "pattern-search": "soo.nonconvex.pattern",
    "pso": "soo.nonconvex.pso",
    "sres": "soo.nonconvex.sres",
}
_FOLLOWERS = {"dnsga2": "moo.dnsga2", "kgb": "moo.kgb"}
_REASONS = {
    **dict.fromkeys(_MOVERS, _CONTINUOUS),
    **dict.fromkeys(_FOLLOWERS, _CHANGES),
    "rnsga2": _POINTS,
    "rnsga3": _POINTS,
    "pinsga2": f"asks a person which of two candidates is better; {_BY_HAND}",
    "niche-ga": _DISTANCES,
    "omni-optimizer": _DISTANCES,
}


def check_engine_name(name: str) -> None:
    """Refuses an unknown name, and the name of an engine that cannot be used.

    Args:
        name: One of `ENGINES`, or "package.module:factory", which is not imported here.
    """
    check_kind("algorithm", name, str, "a name")
    if name in ENGINES or re.fullmatch(r"[\w.]+:[\w.]+", name):
        return
    for refused, reason in _REASONS.items():
        if _folded(refused) == _folded(name):
            msg = f"algorithm {name!r} {reason}"
            raise PruneError(msg)
    raise unknown_name("algorithm", name, ENGINES)


def check_numba(name: str) -> None:
    """Refuses engines that pymoo compiles where numba is not installed."""
    if name in COMPILED and find_spec("numba") is None:
        msg = f"algorithm {name!r} needs numba; pip install 'pymoo-prune[age-moea]'"
        raise PruneError(msg)


def _folded(name: str) -> str:
    """A name without case and separators: CMA-ES, cma_es and cmaes are one name."""
    return re.sub("[-_ ]", "", name.lower())


def moves_points(cls: type) -> bool:
    """Whether an engine of pymoo has operators of its own, for real numbers."""
    return _is_of(cls, _MOVERS.values())


def moves_by_one_value(cls: type) -> bool:
    """Whether an engine of pymoo has operators of its own, and is for one objective."""
    return _is_of(cls, [module for module in _MOVERS.values() if module.startswith("soo.")])


def follows_changes(cls: type) -> bool:
    """Whether an engine of pymoo is for problems that change with time."""
    return _is_of(cls, _FOLLOWERS.values())


def _is_of(cls: type, modules: Iterable[str]) -> bool:
    paths = {f"pymoo.algorithms.{module}" for module in modules}
    return any(base.__module__ in paths for base in cls.__mro__)
