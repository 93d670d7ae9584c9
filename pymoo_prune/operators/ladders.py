"""Levels in order, and moves on them that keep a bound on the size.

The levels of a layer are ordered, from all of it to the least of it; as are those of a neuron,
which lives or does not. A level switch takes some of one layer's size and gives it to another, so
that the sum stays what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from pymoo_prune.chromosomes import Array, Floats

Places = NDArray[np.int64]
FILLED = 32
"""Ladders that are tried, at most, for the room that a move leaves."""


class Ladders:
    """Chromosomes as places on ladders: 0 is all of a layer, the last place the least of it.

    Here a ladder is a gene. Subclasses may have other ladders, of which chromosomes are made.

    Args:
        values: The values of each ladder, from the whole layer to the least of it.
    """

    def __init__(self, values: Sequence[Array]) -> None:
        self.values = [np.asarray(one) for one in values]
        self.last: Places = np.array([len(one) - 1 for one in self.values])
        # One table for all, whose rows end with copies of the last level, so that hundreds of
        # ladders cost no more than one.
        longest = int(self.last.max()) + 1
        self._table = np.stack(
            [one[np.minimum(np.arange(longest), len(one) - 1)] for one in self.values]
        )

    def read(self, x: Array) -> Array:
        """The value of each ladder in a chromosome, (ladders,)."""
        return x

    def made(self, values: Array) -> Array:
        """Chromosomes with certain values, (n, n_var) from (n, ladders)."""
        return values

    def places(self, x: Array) -> Places:
        """A chromosome's place on each ladder, (ladders,): the nearest."""
        distances = np.abs(self._table.astype(float) - self.read(x).astype(float)[:, None])
        found: Places = distances.argmin(axis=1)
        return found

    def chromosomes(self, places: Places) -> Array:
        """Chromosomes at certain places, (n, n_var) from (n, ladders)."""
        return self.made(self._table[np.arange(len(self.last)), places])


class Moves:
    """Moves on ladders that keep a bound on the size.

    Args:
        ladders: The ladders.
        cost: The size of chromosomes, (n, n_var), as (n,) numbers of which less is smaller.
    """

    def __init__(self, ladders: Ladders, cost: Callable[[Array], Floats]) -> None:
        self.ladders, self.cost = ladders, cost
        self.last = ladders.last

    def size(self, places: Places) -> Floats:
        """The size of places, (n, ladders), as (n,) numbers."""
        return self.cost(self.ladders.chromosomes(places))

    def shifted(self, places: Places, bound: float) -> Places:
        """All places moved by as many levels, by as few down or as many up as the bound allows."""
        longest = int(self.last.max())
        offsets = np.arange(-longest, longest + 1)
        several = (places + offsets[:, None]).clip(0, self.last)
        fits = np.flatnonzero(self.size(several) <= bound)
        found: Places = several[fits[0]] if len(fits) else several[-1]
        return found

    def grown(self, places: Places, ladder: int, bound: float, *, most: int) -> Places:
        """One place moved up as far as the bound allows.

        Args:
            places: (ladders,).
            ladder: The ladder.
            bound: The largest size.
            most: The most levels that it moves.
        """
        steps = min(most, int(places[ladder]))
        if steps == 0:
            return places
        several = np.repeat(places[None], steps, axis=0)
        several[:, ladder] -= np.arange(steps, 0, -1)
        fits = np.flatnonzero(self.size(several) <= bound)
        return several[fits[0]] if len(fits) else places

    def shrunk(self, places: Places, bound: float, generator: np.random.Generator) -> Places:
        """Random places moved down, a level each time, until the bound is kept."""
        places = places.copy()
        while self.size(places[None])[0] > bound:
            movable = np.flatnonzero(places < self.last)
            if not len(movable):
                break
            places[generator.choice(movable)] += 1
        return places

    def filled(
        self,
        places: Places,
        bound: float,
        generator: np.random.Generator,
        losers: Collection[int] = (),
    ) -> Places:
        """Random places moved up, one after the other, as far as the bound allows.

        Args:
            places: (ladders,).
            bound: The largest size.
            generator: Chooses the order.
            losers: Ladders that come last.
        """
        order = generator.permutation(len(places))
        last = np.isin(order, list(losers))
        for ladder in np.concatenate([order[~last], order[last]])[:FILLED].tolist():
            places = self.grown(places, ladder, bound, most=int(self.last[ladder]))
        return places

    def switched(self, places: Places, bound: float, generator: np.random.Generator) -> Places:
        """One level switch, and as many more as a Poisson variable of mean 1 says.

        A single ladder has no other to give to: it gets a random place, within the bound.
        """
        if len(places) == 1:
            return self.shrunk(generator.integers(self.last + 1), bound, generator)
        places, losers = places.copy(), set()
        for _ in range(1 + generator.poisson(1.0)):
            loser, winner = generator.choice(len(places), 2, replace=False)
            losers.add(int(loser))
            step = int(generator.geometric(0.5))
            places[loser] = min(places[loser] + step, self.last[loser])
            places = self.grown(places, int(winner), bound, most=2 * step + 2)
        places = self.shrunk(places, bound, generator)
        return self.filled(places, bound, generator, losers)
