"""What a search itself adds to what was there before its first generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pymoo_prune.objectives import Series, Values
from pymoo_prune.results.baselines import RANDOM

TINY = 1e-12
"""Two sums of the same areas differ by less than this."""


@dataclass(frozen=True)
class Gain:
    """A search's own part of a hypervolume.

    With V for the hypervolume, B for the networks that were there before the search (the first
    population and the rivals that need no search), and F for its front, the share that the search
    adds is (V(B ∪ F) - V(B)) / V(B ∪ F).

    Attributes:
        before: V(B).
        together: V(B ∪ F).
    """

    before: float
    together: float

    @property
    def added(self) -> float:
        """V(B ∪ F) - V(B)."""
        difference = self.together - self.before
        return difference if difference > TINY else 0.0

    @property
    def share(self) -> float:
        """The added part, as a share of V(B ∪ F)."""
        return self.added / self.together if self.added else 0.0


def there_before(series: Sequence[Series]) -> list[Series]:
    """The methods that need no search: the first population and the rivals.

    Args:
        series: The search's networks first, then those of all that it is compared with.
    """
    return [one for one in series[1:] if one.name != RANDOM]


def stacked(fronts: Sequence[Mapping[str, Values]], names: Sequence[str]) -> dict[str, Values]:
    """The networks of several fronts as one, with some columns.

    Args:
        fronts: The fronts, (n,) a column; a front that lacks one of the columns is left out.
        names: The columns.
    """
    complete = [front for front in fronts if front.keys() >= set(names)]
    return {n: np.concatenate([np.empty(0), *(one[n] for one in complete)]) for n in names}
