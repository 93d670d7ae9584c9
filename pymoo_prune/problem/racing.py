"""Racing: few images settle clearly good and clearly bad candidates; the others see more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Measurements, Values

Score = Callable[[Measurements], Values]
MeasureSlice = Callable[[Array, int], Measurements]


@dataclass(frozen=True)
class Racing:
    """Finds the better part of a population without measuring all of it on all images.

    Images come in slices. After each slice, the candidates that are still open are sorted by what
    is known of them; the half farthest from the boundary is settled on either side, and the others
    go on. So most images are spent where the decision is close.

    Attributes:
        slices: Images in each slice: 256, 256, 512, 1024, ... doubles the images seen each time.
        share: The better part, as a share of the population.
    """

    slices: Sequence[int]
    share: float = 0.5

    def __post_init__(self) -> None:
        if not self.slices or min(self.slices) < 1 or not 0 < self.share < 1:
            msg = (
                "racing needs slices of at least one image and a share between 0 and 1, but they "
                f"are {list(self.slices)} and {self.share}"
            )
            raise PruneError(msg)

    @classmethod
    def doubling(cls, images: int, *, first: int = 256, share: float = 0.5) -> Racing:
        """Slices that double the images seen each time, until all `images` are seen."""
        ends = [first]
        while 0 < ends[-1] < images:
            ends.append(2 * ends[-1])
        ends[-1] = min(ends[-1], images)
        return cls(tuple(np.diff([0, *ends]).tolist()), share)

    def run(self, X: Array, measure: MeasureSlice, score: Score) -> tuple[Measurements, Array]:
        """Runs one race.

        Args:
            X: The population, (n, n_var).
            measure: Measures candidates on one slice of the images.
            score: Single-objective F of measurements, (m, 1).

        Returns:
            Means of each quantity over the images that a candidate saw, (n,) each, and the places,
            (n,): the better part comes first, whatever its means over different images are.
        """
        known: dict[str, Values] = {}
        images = np.zeros(len(X))
        open_, first, last = np.arange(len(X)), 0, len(X)
        places = np.empty(len(X), dtype=np.int64)
        winners = round(self.share * len(X))
        for number, size in enumerate(self.slices):
            for name, values in measure(X[open_], number).items():
                sums = known.setdefault(name, np.zeros(len(X)))
                sums[open_] += size * values
            images[open_] += size
            means = {name: sums[open_] / images[open_] for name, sums in known.items()}
            open_ = open_[np.argsort(score(means)[:, 0], kind="stable")]
            # Places first to last are open; half of those on either side of the boundary settle.
            best, worst = (winners - first + 1) // 2, (last - winners + 1) // 2
            if (
                number == len(self.slices) - 1
                or not best
                or not worst
                or best + worst >= len(open_)
            ):
                break
            places[open_[:best]] = np.arange(first, first + best)
            places[open_[-worst:]] = np.arange(last - worst, last)
            open_, first, last = open_[best:-worst], first + best, last - worst
        places[open_] = np.arange(first, last)
        return {name: sums / images for name, sums in known.items()}, places
