"""Runs by problem and method, and the names of their files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from pymoo_prune.errors import PruneError
from pymoo_prune.exchange.evaluations import Evaluations
from pymoo_prune.objectives import Values


def by_problem_and_method(
    runs: Sequence[Evaluations],
) -> dict[tuple[str, str], list[Evaluations]]:
    """The runs of each method on each problem, in the order in which they were given."""
    groups: dict[tuple[str, str], list[Evaluations]] = {}
    for run in runs:
        groups.setdefault((run.problem, run.method), []).append(run)
    for (problem, method), group in groups.items():
        if len({run.objectives for run in group}) > 1:
            kinds = " and ".join(sorted({", ".join(run.objectives) for run in group}))
            msg = f"runs of {method} on {problem} must have the same objectives, but have {kinds}"
            raise PruneError(msg)
    return groups


def file_names(names: Iterable[str]) -> dict[str, str]:
    """A part of a path for each of several names, all different.

    Args:
        names: Names of problems or methods.
    """
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        part = plain = re.sub(r"[^\w.+=@,-]+", "-", name).strip(".") or "unnamed"
        number = 1
        # Case does not tell files apart everywhere.
        while part.lower() in {other.lower() for other in found.values()}:
            number += 1
            part = f"{plain}-{number}"
        found[name] = part
    return found


def cost_words(run: Evaluations) -> list[str]:
    """What each column of costs is, as text for a reader."""
    return [f"cost of {name}: {_value(run, name)}, less is better" for name in run.objectives]


def _value(run: Evaluations, name: str) -> str:
    if name in run.shares:
        return f"the share of the whole network's {run.shares[name]}"
    return "its value times -1" if name in run.maximised else "its value"


def compared(run: Evaluations) -> tuple[list[int], Values]:
    """The evaluations that count: numbers from 0 on, and costs, of feasible candidates alone."""
    places = np.flatnonzero(run.feasible & ~np.isnan(run.F).any(axis=1))
    return places.tolist(), run.F[places]


def left_out(runs: Sequence[Evaluations]) -> list[str]:
    """A sentence on the evaluations that do not count; an error where none counts."""
    total = sum(map(len, runs))
    count = total - sum(len(compared(run)[0]) for run in runs)
    if count == total:
        msg = "no evaluation is feasible, and this format has feasible ones alone; csv has all"
        raise PruneError(msg)
    return [f"{count:,} infeasible or failed evaluations are left out."] if count else []
