"""Whether samples of a few runs differ: rank tests, with a correction for many of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, count
from math import comb

import numpy as np

from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Values

LEVEL = 0.05
"""The largest adjusted p at which a difference is called one."""
MOST_EXACT = 120
"""Up to this many runs of two methods together, p is exact; its cost is their fourth power."""


@dataclass(frozen=True)
class Contrast:
    """Two methods against each other.

    Attributes:
        first: One method.
        second: The other.
        effect: The share of pairs of runs in which the first has more, ties half: Vargha and
            Delaney's A. 0.5 is no difference; 1 and 0 mean that every run of one beats every run of
            the other.
        p: The p of the Mann-Whitney test, two-sided; see `mann_whitney`.
        adjusted: p after Holm's correction for all pairs that are tested.
        possible: The least p that so few runs can give, however different they are, after the
            correction.
    """

    first: str
    second: str
    effect: float
    p: float
    adjusted: float
    possible: float

    def __str__(self) -> str:
        """Which method is ahead, as far as the runs can show it."""
        if self.possible > LEVEL:
            return "too few seeds to say"
        if self.adjusted > LEVEL:
            return "not shown"
        return self.first if self.effect > 0.5 else self.second


def contrasts(samples: Mapping[str, Sequence[float]], against: str | None = None) -> list[Contrast]:
    """Pairs of methods against each other.

    Args:
        samples: One number for each run, by method.
        against: The method that each other one is tested against; None tests all pairs, which
            takes a stricter correction.
    """
    for name, values in samples.items():
        if len(values) == 0 or not np.isfinite(values).all():
            msg = f"{name} must have one finite number or more, but it has {list(values)}"
            raise PruneError(msg)
    pairs = pairs_of(list(samples), against)
    tests = [(samples[a], samples[b]) for a, b in pairs]
    p = np.array([mann_whitney(*two) for two in tests])
    # If no two methods' runs overlapped, every pair would have its least p.
    least = holm(np.array([least_p(len(a), len(b)) for a, b in tests]))
    return [
        Contrast(*pair, superiority(*two), *map(float, numbers))
        for pair, two, *numbers in zip(pairs, tests, p, holm(p), least, strict=True)
    ]


def pairs_of(methods: Sequence[str], against: str | None = None) -> list[tuple[str, str]]:
    """The pairs of methods that are tested.

    Args:
        methods: Their names.
        against: The method that is in every pair; None takes all pairs.
    """
    if against is None:
        return list(combinations(methods, 2))
    return [(against, other) for other in methods if other != against]


def enough_seeds(pairs: int) -> int:
    """The least number of runs of each method that can show a difference in every pair.

    Args:
        pairs: How many pairs are tested.
    """
    return next(n for n in count(1) if least_p(n, n) * pairs <= LEVEL)


def superiority(first: Sequence[float], second: Sequence[float]) -> float:
    """The share of pairs in which the first has more, ties half (Vargha and Delaney's A)."""
    a, b = np.asarray(first)[:, None], np.asarray(second)[None]
    return float(((a > b) + 0.5 * (a == b)).mean())


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> float:
    """The two-sided Mann-Whitney test's p: twice that of the smaller tail, exact with ties too.

    The rank sum of the first sample is compared with those of all ways to draw as many of the
    pooled values. scipy's exact test takes no ties, and accuracies on the same images have many.
    Of more than `MOST_EXACT` values it is the normal approximation, corrected for ties.
    """
    if len(first) + len(second) > MOST_EXACT:
        return _approximately(first, second)
    return _exactly(tuple(first), tuple(second))


@lru_cache(maxsize=1_000)  # one report asks for the same several times
def _exactly(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    _, place, counts = np.unique([*first, *second], return_inverse=True, return_counts=True)
    doubled = (2 * counts.cumsum() - counts + 1)[place]  # ranks; doubled, for ties have half ones
    n, total = len(first), int(doubled.sum())
    # ways[k, s]: how many choices of k values have the (doubled) rank sum s.
    ways = np.zeros((n + 1, total + 1))
    ways[0, 0] = 1
    for rank in doubled.tolist():
        ways[1:, rank:] += ways[:-1, : total + 1 - rank]
    observed = int(doubled[:n].sum())
    tail = min(ways[n, : observed + 1].sum(), ways[n, observed:].sum())
    return min(2 * float(tail) / comb(len(doubled), n), 1.0)


def _approximately(first: Sequence[float], second: Sequence[float]) -> float:
    from scipy.stats import mannwhitneyu  # noqa: PLC0415 - it takes half a second

    if len({*first, *second}) == 1:
        return 1.0
    return float(mannwhitneyu(first, second, method="asymptotic").pvalue)


def named_test(values: int, name: str = "Mann-Whitney") -> str:
    """The test in words.

    Args:
        values: How many values two samples have together, at most.
        name: Its name.
    """
    if values <= MOST_EXACT:
        return f"exact two-sided {name} test"
    return f"two-sided {name} test, by the normal approximation above {MOST_EXACT} runs of a pair"


def holm(p: Values) -> Values:
    """Holm's correction: the smallest p times all, the next times one less, never decreasing."""
    order = np.argsort(p, kind="stable")
    scaled = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1) if len(p) else []
    return adjusted


def least_p(n: int, m: int) -> float:
    """The p of samples in which every run of one beats every run of the other.

    Args:
        n: How many runs the one has.
        m: How many runs the other has.
    """
    return min(2 / comb(n + m, n), 1.0)
