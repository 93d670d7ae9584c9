"""Walks over levels: each stays below its bound on the size, and changes two levels or a few.

With one bound this is the (1+λ) search of EvoPress (Sieberling, Kuznedelev, Kurtic and Alistarh,
ICML 2025); with several, walks along a front share what they measure, and cross.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pymoo.core.individual import Individual
from pymoo.core.infill import InfillCriterion
from pymoo.core.population import Population
from pymoo.core.survival import Survival

from pymoo_prune.chromosomes import Floats, hash_bytes
from pymoo_prune.operators.ladders import Moves, Places

TRIES = 10
"""Children that are made, at most, for each that has not been seen before."""


class Walks:
    """Walks below bounds, and the candidate that each stands on.

    Args:
        moves: The moves.
        bounds: The largest size of each walk, ascending, (walks,); or how many walks there are,
            spread evenly in the logarithm over the sizes of the first population.

    Attributes:
        standing: Each walk's candidate; None where there is none yet.
        repeats: Changes that made one walk better, and the neighbouring walks that try them next.
        seen: Digests of what was measured so far, so that no child is measured twice. Children that
            a surrogate leaves out may come again.
    """

    def __init__(self, moves: Moves, bounds: Sequence[float] | int) -> None:
        self.moves = moves
        self.number = bounds if isinstance(bounds, int) else len(bounds)
        self.bounds: Floats | None = None if isinstance(bounds, int) else np.sort(bounds)
        self.standing: list[Individual | None] = [None] * self.number
        self.repeats: list[tuple[int, Places]] = []
        self.seen: set[bytes] = set()

    def begin(self, sizes: Floats) -> Floats:
        """The bounds, from the sizes of the first population where they were not given."""
        if self.bounds is None:
            low, high = float(sizes.min()), float(sizes.max())
            # A size may be 0, of which there is no logarithm.
            low = max(low, high / 1_000)
            self.bounds = np.geomspace(low, high, self.number) if high > 0 else np.zeros(1)
        return self.bounds

    def stand(self, walk: int, candidate: Individual | None) -> None:
        """A walk's candidate from now on; if it is new, the neighbours try what changed it."""
        if candidate is None or candidate is self.standing[walk]:
            return
        self.standing[walk] = candidate
        change = candidate.get("change")
        if change is not None:
            near = [walk - 1, walk + 1]
            self.repeats += [(one, change) for one in near if 0 <= one < self.number]


class LevelSwitch(InfillCriterion):
    """Children of walks: most are level switches, some cross with a neighbouring walk.

    Args:
        walks: The walks.
        crossing: The chance that a child has two parents.
        eliminate_duplicates: The engine's duplicate elimination.
    """

    REACH = 2  # walks away that a second parent may be

    def __init__(
        self, walks: Walks, *, crossing: float = 0.2, eliminate_duplicates: Any = None
    ) -> None:
        super().__init__(eliminate_duplicates=eliminate_duplicates, n_max_iterations=20)
        self.walks, self.crossing, self.turn = walks, crossing, 0
        self._taken: set[bytes] = set()

    def do(self, *args: Any, **kwargs: Any) -> Population:
        """Children, as pymoo's matings make them; it asks `_do` until there are enough."""
        self._taken = set(self.walks.seen)
        return super().do(*args, **kwargs)

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        pop: Population,
        n_offsprings: int,
        *,
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> Population:
        sizes, ladders = self.walks.moves.cost(pop.get("X")), self.walks.moves.ladders
        bounds, smallest = self.walks.begin(sizes), pop[int(sizes.argmin())]
        standing = [smallest if one is None else one for one in self.walks.standing]
        places = [ladders.places(one.X) for one in standing]
        # Changes that were good next door are half of the children at most, the latest first.
        repeats = self.walks.repeats[::-1][: n_offsprings // 2]
        self.walks.repeats = []
        children: list[tuple[Places, Places | None]] = []
        for attempt in range(n_offsprings * TRIES):
            child: tuple[Places, Places | None]
            if attempt < len(repeats):
                walk, known = repeats[attempt]
                child = self._repeated(places[walk], known, bounds[walk], random_state), None
            else:
                walk, self.turn = self.turn, (self.turn + 1) % len(places)
                child = self._child(places, walk, bounds[walk], random_state)
            digest = hash_bytes(child[0].tobytes())
            if digest not in self._taken:
                self._taken.add(digest)
                children.append(child)
            if len(children) == n_offsprings:
                break
        if not children:
            return Population.create()
        found = Population.new(X=ladders.chromosomes(np.stack([child for child, _ in children])))
        for individual, (_, change) in zip(found, children, strict=True):
            individual.set("change", change)
        return found

    def _child(
        self, places: Sequence[Places], walk: int, bound: float, generator: np.random.Generator
    ) -> tuple[Places, Places | None]:
        """A child of a walk, and how it differs where its neighbours could try that as well."""
        moves, own = self.walks.moves, places[walk]
        other = places[self._neighbour(walk, generator)]
        if not np.array_equal(own, other) and generator.random() < self.crossing:
            chosen = generator.random(len(own)) < 0.5
            mixed = np.where(chosen, own, moves.shifted(other, bound))
            mixed = moves.shrunk(mixed, bound, generator)
            return moves.filled(mixed, bound, generator), None
        child = moves.switched(own, bound, generator)
        return child, child - own

    def _repeated(
        self, own: Places, change: Places, bound: float, generator: np.random.Generator
    ) -> Places:
        moves = self.walks.moves
        child = moves.shrunk((own + change).clip(0, moves.last), bound, generator)
        return moves.filled(child, bound, generator)

    def _neighbour(self, walk: int, generator: np.random.Generator) -> int:
        away = int(generator.integers(1, self.REACH + 1)) * int(generator.choice([-1, 1]))
        return int(np.clip(walk + away, 0, self.walks.number - 1))


class BestWithinBounds(Survival):
    """The best candidate of each walk lives on: the least fitness within the walk's bound.

    Every candidate competes in every walk, so walks share what they measure. Candidates that
    violate constraints do not compete; where no walk has a candidate, the smallest lives.

    Args:
        walks: The walks.
        objective: The column of F that a walk minimises.
    """

    def __init__(self, walks: Walks, *, objective: int = 0) -> None:
        super().__init__(filter_infeasible=False)
        self.walks, self.objective = walks, objective

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        pop: Population,
        *args: Any,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> Population:
        ladders = self.walks.moves.ladders
        self.walks.seen.update(hash_bytes(ladders.places(one.X).tobytes()) for one in pop)
        sizes = self.walks.moves.cost(pop.get("X"))
        fitness = pop.get("F")[:, self.objective]
        feasible = pop.get("CV")[:, 0] <= 0
        bounds = self.walks.begin(sizes[feasible] if feasible.any() else sizes)
        kept: list[int] = []
        for walk, bound in enumerate(bounds):
            there = np.flatnonzero(feasible & (sizes <= bound))
            best = int(there[fitness[there].argmin()]) if len(there) else None
            if best is not None and best not in kept:
                kept.append(best)
            self.walks.stand(walk, None if best is None else pop[best])
        return pop[kept or [int(sizes.argmin())]]
