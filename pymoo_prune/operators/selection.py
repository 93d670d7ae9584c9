"""Selection operators: who becomes a parent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from pymoo.core.selection import Selection
from pymoo.core.survival import Survival
from pymoo.operators.selection.tournament import TournamentSelection

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import PruneError


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
        fitness = -single_objective(pop, self)
        chances = np.exp(fitness - fitness.max())
        chances /= chances.sum()
        return random_state.choice(len(pop), size=(n_select, n_parents), p=chances)


class TruncationSelection(Selection):
    """Draws parents from the better part of the population, each alike; those of a mating differ.

    Tang et al., sections III.A.3 and 4: the top half by fitness, in random pairs of which no one
    is paired with itself. Who violates constraints stands behind everybody who does not. Only a
    part with fewer individuals than a mating has parents makes one a parent twice. In a population
    that was raced, places count; with `Generational`, all of them are from one race.

    Args:
        share: The better part, as a share of the population.
    """

    def __init__(self, share: float = 0.5) -> None:
        super().__init__()
        if not 0 < share <= 1:
            msg = f"share must be above 0 and at most 1, but it is {share}"
            raise PruneError(msg)
        self.share = share

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
        fitness, places = single_objective(pop, self), pop.get("place")
        # Who was raced was measured on fewer images the clearer the case: places, not F, decide.
        if all(place is not None for place in places):
            fitness = places.astype(float)
        # By violation, then by fitness, then as they stand in the population: lexsort is stable.
        order = np.lexsort([fitness, pop.get("CV")[:, 0]])
        best = order[: max(1, round(self.share * len(pop)))]
        shuffled = random_state.random((n_select, len(best))).argsort(axis=1)
        return best[shuffled[:, np.arange(n_parents) % len(best)]]


class SeededTournament(TournamentSelection):
    """A binary tournament of pymoo's in which chance comes from the search's generator alone.

    Between two who break the constraints by the same amount, some comparisons of pymoo 0.6.2 toss
    a coin of their own, which no seed governs: those of NSGA-III, U-NSGA-III and NicheGA. Who
    failed breaks them all alike, so such pairs are common. Here the search's generator decides
    between them; everywhere else it is pymoo's comparison.

    Args:
        comparison: pymoo's, a `func_comp`.
    """

    def __init__(self, comparison: Callable[..., Array]) -> None:
        def compare(
            pop: Any, pairs: Array, *, random_state: np.random.Generator, **kwargs: Any
        ) -> Array:
            winners = comparison(pop, pairs, random_state=random_state, **kwargs)
            broken = pop.get("CV")[pairs, 0]
            alike = np.flatnonzero((broken[:, 0] > 0) & (broken[:, 0] == broken[:, 1]))
            if len(alike) > 0:
                winners[alike, 0] = pairs[alike, random_state.integers(2, size=len(alike))]
            return winners

        super().__init__(func_comp=compare)


def single_objective(pop: Any, operator: Selection | Survival) -> Array:
    """The one F of each individual, (n,), or an error that says what to do."""
    F = pop.get("F")
    if F.shape[1] != 1:
        kind = "selection" if isinstance(operator, Selection) else "survival"
        msg = (
            f"{type(operator).__name__} needs one objective, but the problem has {F.shape[1]}; "
            f"give one scalarisation, such as a WeightedSum, as objectives, or use another {kind}"
        )
        raise PruneError(msg)
    values: Array = F[:, 0]
    return values
