"""Ranks of methods over many problems, and the tests that belong to them.

Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006: Friedman's
test in Iman and Davenport's version, Nemenyi's critical difference, and Wilcoxon's signed ranks
against one method with Holm's correction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pymoo_prune.comparing import LEVEL, holm
from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Values

DIGITS = 10
"""Means that agree in so many decimal places are ties."""
FEW_PROBLEMS = 10
"""With fewer problems than this Friedman's p is of random permutations."""
PERMUTATIONS = 100_000
RESAMPLES = 10_000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Friedman:
    """Friedman's test of whether all methods have the same mean rank.

    Attributes:
        statistic: The chi-squared statistic, corrected for ties.
        f: Iman and Davenport's F, with k - 1 and (k - 1)(N - 1) degrees of freedom; infinite
            where every problem ranks all methods alike.
        p: The p of F; where there are fewer than `FEW_PROBLEMS` problems, of random permutations.
        permuted: Whether p is of permutations.
    """

    statistic: float
    f: float
    p: float
    permuted: bool


@dataclass(frozen=True)
class SignedRanks:
    """Wilcoxon's signed ranks of a method against another, over problems.

    Attributes:
        method: The method.
        wins: The number of problems on which its mean is larger.
        losses: The number of problems on which its mean is smaller.
        difference: The median difference of the means, the method's minus the other's.
        ahead: Whether the method has the larger sum of ranks.
        p: The exact two-sided p.
        adjusted: p after Holm's correction for all methods.
        possible: The least p that so few problems can give, after the correction.
    """

    method: str
    wins: int
    losses: int
    difference: float
    ahead: bool
    p: float
    adjusted: float
    possible: float


class Ranks:
    """Ranks over problems on which all methods have results.

    The best method of a problem has rank 1. Ties share the mean of their ranks.

    Args:
        methods: The methods' names, two or more.
        problems: The problems' names, two or more.
        means: The mean of each method's runs on each problem, (problems, methods); higher is
            better.
        against: The method that the signed ranks are against.
        generator: For permutations and for bootstrap samples.
    """

    def __init__(
        self,
        methods: Sequence[str],
        problems: Sequence[str],
        means: Values,
        *,
        against: str,
        generator: np.random.Generator,
    ) -> None:
        if means.shape != (len(problems), len(methods)) or not np.isfinite(means).all():
            msg = (
                f"means must be finite numbers, ({len(problems)}, {len(methods)}), but they have "
                f"shape {means.shape} or are not finite"
            )
            raise PruneError(msg)
        if len(problems) < 2 or len(methods) < 2:
            msg = (
                f"ranks need two problems and two methods or more, but there are {len(problems)} "
                f"and {len(methods)}"
            )
            raise PruneError(msg)
        self.methods, self.problems, self.against = list(methods), list(problems), against
        self.means = np.round(means, DIGITS)
        self.table: Values = np.array([tied_ranks(-row) for row in self.means])
        permuting, resampling = generator.spawn(2)
        self.friedman = friedman(self.table, permuting)
        self.intervals = bootstrap_intervals(self.table, resampling)

    @property
    def tied(self) -> bool:
        """Whether all methods tie on every problem."""
        return bool((self.table == self.table[:, :1]).all())

    @cached_property
    def mean(self) -> dict[str, float]:
        """The mean rank of each method."""
        return dict(zip(self.methods, self.table.mean(axis=0).tolist(), strict=True))

    @property
    def order(self) -> list[str]:
        """The methods, the best mean rank first."""
        return sorted(self.methods, key=lambda method: self.mean[method])

    @cached_property
    def critical(self) -> float:
        """The critical difference of mean ranks."""
        return critical_difference(len(self.methods), len(self.problems))

    def differ(self, first: str, second: str) -> bool:
        """Whether two methods' mean ranks differ: Friedman's test says so, and Nemenyi's."""
        apart = abs(self.mean[first] - self.mean[second])
        return self.friedman.p <= LEVEL and apart >= self.critical

    @property
    def groups(self) -> list[list[str]]:
        """Neighbours in the order that were not shown to differ, as many together as can be."""
        found: list[list[str]] = []
        for place, first in enumerate(self.order):
            group = [first]
            for other in self.order[place + 1 :]:
                if self.differ(first, other):
                    break
                group.append(other)
            if len(group) > 1 and not (found and set(group) <= set(found[-1])):
                found.append(group)
        return found

    def interval(self, method: str) -> tuple[float, float]:
        """The bootstrap interval of a method's mean rank."""
        low, high = self.intervals[self.methods.index(method)].tolist()
        return low, high

    @cached_property
    def signed(self) -> list[SignedRanks]:
        """Every other method against one."""
        column = self.methods.index(self.against)
        others = [place for place in range(len(self.methods)) if place != column]
        differences = [
            np.round(self.means[:, place] - self.means[:, column], DIGITS) for place in others
        ]
        p = np.array([signed_rank(one) for one in differences])
        # If one method were ahead on every problem, with no ties, each pair would have this p.
        least = holm(np.full(len(p), 2.0 ** (1 - len(self.problems))))
        return [
            SignedRanks(
                method=self.methods[place],
                wins=int((one > 0).sum()),
                losses=int((one < 0).sum()),
                difference=float(np.median(one)),
                ahead=float(np.sign(one) @ _ranks_of_sizes(one)) > 0,
                p=float(single),
                adjusted=float(adjusted),
                possible=float(possible),
            )
            for place, one, single, adjusted, possible in zip(
                others, differences, p, holm(p), least, strict=True
            )
        ]


def tied_ranks(values: Values) -> Values:
    """Ranks from 1 on, the smallest value first; ties share the mean of their ranks, (n,)."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    found: Values = (counts.cumsum() - (counts - 1) / 2)[place]
    return found


def friedman(ranks: Values, generator: np.random.Generator) -> Friedman:
    """Friedman's test.

    Args:
        ranks: The rank of each method on each problem, (problems, methods), ties averaged.
        generator: For permutations, where problems are few.
    """
    from scipy import stats  # noqa: PLC0415 - it takes half a second

    n, k = ranks.shape
    statistic = float(_chi_squared(ranks.sum(axis=0), ranks))
    rest = n * (k - 1) - statistic
    f = (n - 1) * statistic / rest if rest > 1e-9 else np.inf
    if n >= FEW_PROBLEMS:
        p = float(stats.f.sf(f, k - 1, (k - 1) * (n - 1)))
        return Friedman(statistic, float(f), p, permuted=False)
    # Random permutations of the ranks of each problem; the observed ones are one of them.
    sums = np.zeros((PERMUTATIONS, k))
    for row in ranks:
        sums += generator.permuted(np.tile(row, (PERMUTATIONS, 1)), axis=1)
    extreme = int((_chi_squared(sums, ranks) >= statistic - 1e-9).sum())
    return Friedman(statistic, float(f), (extreme + 1) / (PERMUTATIONS + 1), permuted=True)


def _chi_squared(sums: Values, ranks: Values) -> Values:
    """The statistic for sums of ranks, (..., methods); 0 where all methods tie everywhere."""
    n, k = ranks.shape
    spread = float((ranks**2).sum() - n * k * (k + 1) ** 2 / 4)
    between: Values = ((sums - n * (k + 1) / 2) ** 2).sum(axis=-1)
    return (k - 1) * between / spread if spread > 1e-9 else 0.0 * between


def critical_difference(methods: int, problems: int, level: float = LEVEL) -> float:
    """Nemenyi's critical difference: mean ranks that are so far apart differ.

    Args:
        methods: The number of methods.
        problems: The number of problems.
        level: The error probability over all pairs.
    """
    from scipy import stats  # noqa: PLC0415 - it takes half a second

    q = float(stats.studentized_range.ppf(1 - level, methods, np.inf)) / np.sqrt(2)
    return float(q * np.sqrt(methods * (methods + 1) / (6 * problems)))


def bootstrap_intervals(ranks: Values, generator: np.random.Generator) -> Values:
    """Percentile intervals of mean ranks, over problems drawn with replacement, (methods, 2).

    Args:
        ranks: (problems, methods).
        generator: Draws the problems.
    """
    drawn = generator.integers(len(ranks), size=(RESAMPLES, len(ranks)))
    weights = np.zeros((RESAMPLES, len(ranks)))
    np.add.at(weights, (np.arange(RESAMPLES)[:, None], drawn), 1 / len(ranks))
    ends = [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)]
    return np.asarray(np.percentile(weights @ ranks, ends, axis=0).T)


def signed_rank(differences: Values) -> float:
    """Wilcoxon's signed-rank test's p: exact with ties too, two-sided, without zeros.

    Args:
        differences: One number for each problem.
    """
    some = differences[differences != 0]
    if len(some) == 0:
        return 1.0
    doubled = np.round(2 * _ranks_of_sizes(some)).astype(np.int64)
    # ways[s]: the probability that the (doubled) ranks with a positive sign have the sum s.
    ways = np.zeros(int(doubled.sum()) + 1)
    ways[0] = 1.0
    for rank in doubled.tolist():
        ways /= 2
        ways[rank:] += ways[:-rank].copy()
    observed = int(doubled[some > 0].sum())
    return min(2 * min(float(ways[: observed + 1].sum()), float(ways[observed:].sum())), 1.0)


def _ranks_of_sizes(differences: Values) -> Values:
    """The ranks of the sizes of differences; zeros get 0 and do not count."""
    ranks = np.zeros(len(differences))
    some = differences != 0
    ranks[some] = tied_ranks(np.abs(differences[some]))
    return ranks
