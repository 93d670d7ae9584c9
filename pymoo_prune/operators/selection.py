"""Selection operators: who becomes a parent."""

from __future__ import annotations

from typing import Any

import numpy as np
from pymoo.core.selection import Selection

from pymoo_prune.errors import PruneError
from pymoo_prune.genome import Array


class SoftmaxRoulette(Selection):
    """Draws parents with replacement, with chances softmax(fitness), where fitness = -F.

    Van den Beemt et al., section 3.1.3. Single-objective: with several there is no one fitness.
    """

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        pop: Any,
        n_select: int,
        n_parents: int,
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> Array:
        F = pop.get("F")
        if F.shape[1] != 1:
            msg = (
                f"SoftmaxRoulette needs one objective, but the problem has {F.shape[1]}; "
                "give a WeightedSum as objectives, or use another selection"
            )
            raise PruneError(msg)
        fitness = -F[:, 0]
        chances = np.exp(fitness - fitness.max())
        chances /= chances.sum()
        return random_state.choice(len(pop), size=(n_select, n_parents), p=chances)
