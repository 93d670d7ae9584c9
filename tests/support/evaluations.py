"""Made-up evaluations of runs, some of which failed or broke a constraint."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.exchange import Evaluations

Genes = Literal["booleans", "whole", "reals", "none"]
REASON = 'it said "no", then; stopped'


def chromosomes(kind: Genes, n: int, generator: np.random.Generator) -> Array | None:
    return {
        "booleans": generator.random((n, 12)) < 0.5,
        "whole": generator.integers(-3, 40, (n, 5)),
        "reals": generator.random((n, 3)),
        "none": None,
    }[kind]


def made_up(
    seed: int = 0,
    *,
    problem: str = "pixels",
    method: str = "nsga2",
    n: int = 60,
    genes: Genes = "booleans",
    failed: tuple[int, ...] = (),
    infeasible: tuple[int, ...] = (),
    **changes: Any,
) -> Evaluations:
    """A run with accuracy and parameters as objectives.

    Args:
        seed: Also of its numbers.
        problem: Its name.
        method: Its name.
        n: Evaluations.
        genes: The chromosomes.
        failed: Evaluations that failed.
        infeasible: Evaluations that broke a constraint.
        changes: Other fields.
    """
    generator = np.random.default_rng((seed, len(method), len(problem)))
    accuracy, parameters = generator.random(n), np.floor(1_000 * generator.random(n))
    accuracy[list(failed)] = np.nan
    fields = {
        "generation": np.arange(n) // 10 + 1,
        "X": chromosomes(genes, n, generator),
        "measurements": {"accuracy": accuracy, "parameters": parameters},
        "objectives": ("accuracy", "parameters"),
        "F": np.column_stack([-accuracy, parameters]),
        "feasible": ~np.isin(np.arange(n), [*failed, *infeasible]),
        "failures": [REASON if row in failed else "" for row in range(n)],
        "maximised": ("accuracy",),
    }
    return Evaluations(problem, method, seed, **{**fields, **changes})


def feasible_costs(run: Evaluations) -> Array:
    """Costs of all evaluations that count."""
    costs: Array = run.F[run.feasible & ~run.failed]
    return costs
