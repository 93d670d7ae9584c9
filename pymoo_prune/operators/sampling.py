"""Sampling operators: the first population."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.infill import InfillCriterion
from pymoo.core.population import Population
from pymoo.core.sampling import Sampling

from pymoo_prune.genome import Array


class Candidates(Sampling):
    """The first population as a function of its size and of pymoo's generator.

    Args:
        make: Called with (n, generator), returns n chromosomes, (n, n_var).
    """

    def __init__(self, make: Callable[[int, np.random.Generator], Array]) -> None:
        super().__init__()
        self.make = make

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        n_samples: int,
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> Array:
        return self.make(n_samples, random_state)

    def __deepcopy__(self, memo: dict[int, Any]) -> Candidates:
        """Itself: `make` may be bound to a problem with a network, which need not be copied."""
        return self


class RandomMating(InfillCriterion):
    """Children that have nothing of their parents: with it, an engine is a random search.

    Args:
        make: Called with (n, generator), returns n chromosomes, (n, n_var).
        eliminate_duplicates: As an engine has it.
    """

    def __init__(
        self,
        make: Callable[[int, np.random.Generator], Array],
        eliminate_duplicates: DuplicateElimination | None = None,
    ) -> None:
        super().__init__(eliminate_duplicates=eliminate_duplicates)
        self.make = make

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        pop: Population,  # noqa: ARG002
        n_offsprings: int,
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> Population:
        return Population.new("X", self.make(n_offsprings, random_state))

    def __deepcopy__(self, memo: dict[int, Any]) -> RandomMating:
        """Itself, as `Candidates`."""
        return self
