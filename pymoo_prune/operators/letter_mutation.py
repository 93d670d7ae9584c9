"""Mutation of letters: layers become a little smaller or larger, or trade their sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.core.mutation import Mutation

from pymoo_prune.chromosomes import Array, Floats
from pymoo_prune.errors import PruneError


class LetterMutation(Mutation):
    """Moves genes along ladders of letters, whose sizes fall from place to place.

    Every other mutation is a level switch (as in EvoPress, Sieberling et al., ICML 2025): one layer
    gets a smaller letter, and another the letter with which the sum comes nearest to what it was.
    The others move some genes by a few places. Every candidate changes that can.

    Args:
        sizes: The size of each letter of each layer, from the largest down.
        switching: The chance that a mutation is a level switch.
    """

    def __init__(self, sizes: Sequence[Floats], *, switching: float = 0.5) -> None:
        super().__init__(prob=1.0)
        if not 0 <= switching <= 1:
            msg = f"switching must be between 0 and 1, but it is {switching}"
            raise PruneError(msg)
        self.sizes, self.switching = [np.asarray(one, dtype=float) for one in sizes], switching
        self.last = np.array([len(one) - 1 for one in self.sizes])

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        X: Array,
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> Array:
        return np.stack([self._changed(row.copy(), random_state) for row in X])

    def _changed(self, row: Array, generator: np.random.Generator) -> Array:
        movable = np.flatnonzero(self.last > 0)
        if not len(movable):
            return row
        if generator.random() < self.switching:
            switched = self._switched(row, movable, generator)
            if switched is not None:
                return switched
        number = min(len(movable), 1 + int(generator.poisson(1.0)))
        for layer in generator.choice(movable, number, replace=False).tolist():
            step = int(generator.geometric(0.5)) * int(generator.choice([-1, 1]))
            # At an end there is one way to go.
            at_end = not 0 <= row[layer] + np.sign(step) <= self.last[layer]
            row[layer] = np.clip(row[layer] + (-step if at_end else step), 0, self.last[layer])
        return row

    def _switched(
        self, row: Array, movable: NDArray[np.intp], generator: np.random.Generator
    ) -> Array | None:
        """One layer smaller and another one larger; None where no two layers can."""
        losers, winners = movable[row[movable] < self.last[movable]], movable[row[movable] > 0]
        if not len(losers) or not len(winners):
            return None
        loser = int(generator.choice(losers))
        winners = winners[winners != loser]
        if not len(winners):
            return None
        winner = int(generator.choice(winners))
        smaller = min(int(row[loser] + generator.geometric(0.5)), int(self.last[loser]))
        freed = self.sizes[loser][row[loser]] - self.sizes[loser][smaller]
        taken = self.sizes[winner][: row[winner]] - self.sizes[winner][row[winner]]
        row[loser], row[winner] = smaller, int(np.abs(taken - freed).argmin())
        return row
