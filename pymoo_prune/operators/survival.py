"""Survival operators: who lives on."""

from __future__ import annotations

from typing import Any

from pymoo.core.population import Population
from pymoo.core.survival import Survival


class Generational(Survival):
    """The children replace their parents, good or bad."""

    def __init__(self) -> None:
        super().__init__(filter_infeasible=False)

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        pop: Population,  # noqa: ARG002
        *args: Any,  # noqa: ARG002
        algorithm: Any,
        **kwargs: Any,  # noqa: ARG002
    ) -> Population:
        return algorithm.off


class Remeasured(Survival):
    """Measures the old population on the new generation's images before it may compete.

    Where every generation has a search batch of its own, an elitist engine would compare children
    on this batch with parents on another, and who once met an easy batch would live for ever.

    Args:
        survival: The survival that then chooses.
    """

    def __init__(self, survival: Survival) -> None:
        # The wrapped survival splits by feasibility itself, after the values are fresh.
        super().__init__(filter_infeasible=False)
        self.survival = survival

    def _do(
        self,
        problem: Any,
        pop: Population,
        *args: Any,
        algorithm: Any,
        **kwargs: Any,
    ) -> Population:
        if algorithm.is_initialized:
            # pymoo keeps the constraint violation of the first time.
            for individual in algorithm.pop:
                individual.CV = None
            algorithm.evaluator.eval(
                problem, algorithm.pop, skip_already_evaluated=False, algorithm=algorithm
            )
        return self.survival.do(problem, pop, *args, algorithm=algorithm, **kwargs)
