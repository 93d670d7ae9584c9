"""Operators as a user writes them, without a thought of empty layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.mutation import Mutation

from pymoo_prune import PruningProblem
from pymoo_prune.chromosomes import Array


class EmptyFirstLayer(Mutation):
    """Takes the first eight genes away: all neurons of the first layer in the tests' networks."""

    def _do(self, problem: Any, X: Array, *args: Any, random_state: Any, **kwargs: Any) -> Array:
        return X & (np.arange(X.shape[1]) >= 8)


def emptying(problem: PruningProblem, pop_size: int) -> NSGA2:
    """An engine with this mutation."""
    operators = {**problem.operators(), "mutation": EmptyFirstLayer(prob=1.0)}
    return NSGA2(pop_size=pop_size, **operators)
