"""Selection operators: they choose the candidates that become parents."""

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

    Van den Beemt et al., section 3.1.3. Single-objective: several objectives give no one fitness.
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
    """Draws parents from the better part of the population, with equal chances.

    Tang et al., sections III.A.3 and 4: the top half by fitness, in random pairs of different
    individuals. Individuals that violate constraints rank behind all that do not. If the better
    part has fewer individuals than a mating has parents, an individual is a parent of a mating more
    than once. In a population that was raced, places replace fitness; with `Generational`, all
    places are from one race.

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
        # A race measures clear cases on fewer images, so F values do not compare, but places do.
        if all(place is not None for place in places):
            fitness = places.astype(float)
        # By violation, then by fitness, then in the order of the population: lexsort is stable.
        order = np.lexsort([fitness, pop.get("CV")[:, 0]])
        best = order[: max(1, round(self.share * len(pop)))]
        shuffled = random_state.random((n_select, len(best))).argsort(axis=1)
        return best[shuffled[:, np.arange(n_parents) % len(best)]]


class SeededTournament(TournamentSelection):
    """One of pymoo's binary tournaments, with all random numbers from the search's generator.

    For two candidates that break the constraints by the same amount, some comparisons of pymoo
    0.6.2 toss a coin that no seed controls: those of NSGA-III, U-NSGA-III and NicheGA. All failed
    candidates break the constraints by the same amount, so such pairs are common. Here the search's
    generator decides between them, and pymoo's comparison in all other cases.

    Args:
        comparison: pymoo's comparison, a `func_comp`.
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
    """The only F of each individual, (n,); an error if the problem has several objectives."""
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
