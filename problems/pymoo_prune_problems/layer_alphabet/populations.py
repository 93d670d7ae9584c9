"""First populations: the cheapest choices of letters, in closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from pymoo_prune.chromosomes import Counts, Floats
from pymoo_prune.objectives import Values
from pymoo_prune.pruning.alphabets import cheapest, cheapest_within, undominated
from pymoo_prune_problems.layer_alphabet.tables import Tables

Bits: TypeAlias = tuple[int, int]
"""Bits of a letter's weights, and of its inputs."""
POWERS = (0.75, 1.0, 1.5, 2.0)
"""Powers of the losses that are added up: above 1, two layers that lose half as much each are
better than one that loses all of it."""
MIXES = np.linspace(0, 1, 11)
"""How the rates of several sums compare: each pair of sums shares one rate in these parts."""


class Alphabet:
    """Genes and the letters that they stand for: in each layer the ones that are worth having.

    A letter is left out if another one of the layer loses no more and is larger in no respect. The
    others are in order, from the largest file to the smallest.

    Args:
        tables: What letters cost.

    Attributes:
        letters: The places of each layer's letters in its alphabet, (genes,) each.
        losses: The loss of each letter, infinite for those that are left out, (letters, layers).
    """

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        each = tables.each
        costs = [np.where(np.isfinite(tables.losses), one, np.inf) for one in each.values()]
        worth = undominated([tables.losses, *costs])
        size = each["bytes"]
        self.letters = [
            places[np.lexsort((tables.losses[places, layer], -size[places, layer]))]
            for layer, places in enumerate(worth)
        ]
        self.last = np.array([len(places) - 1 for places in self.letters])
        self.losses: Floats = np.full_like(tables.losses, np.inf)
        longest = int(self.last.max()) + 1
        self._letter = np.zeros((longest, len(self.letters)), dtype=np.int64)
        self._gene = np.zeros(tables.losses.shape, dtype=np.int64)
        for layer, places in enumerate(self.letters):
            self.losses[places, layer] = tables.losses[places, layer]
            self._letter[: len(places), layer] = places
            self._gene[places, layer] = np.arange(len(places))

    def decode(self, X: Counts) -> Counts:
        """The places of letters that genes stand for, (n, layers)."""
        found: Counts = self._letter[X, np.arange(X.shape[1])]
        return found

    def genes(self, places: Counts) -> Counts:
        """The genes of letters that are worth having, (n, layers)."""
        found: Counts = self._gene[places, np.arange(places.shape[1])]
        return found

    def sizes_of(self, name: str) -> list[Floats]:
        """A size of the letters of each layer, (genes,) each."""
        return [self.tables.each[name][p, layer] for layer, p in enumerate(self.letters)]

    def ladder(self, name: str) -> list[Counts]:
        """The genes of each layer that lose least at their size, from large to small, (places,).

        Args:
            name: The size.
        """
        size = np.where(np.isfinite(self.losses), self.tables.each[name], np.inf)
        found = []
        for layer, places in enumerate(undominated([self.losses, size])):
            order = np.argsort(-size[places, layer], kind="stable")
            found.append(self._gene[places[order], layer])
        return found

    def cheapest(self, name: str, values: Values, power: float, bits: Bits | None = None) -> Counts:
        """The letters with the least sum of losses, to a power, at certain sizes, (n, layers).

        Args:
            name: The size.
            values: Its values at most, (n,).
            power: Of the losses.
            bits: None for all letters that are worth having, or the bits that letters must have,
                of weights and of inputs.
        """
        tables = self.tables
        losses = self.losses if bits is None else self._only(bits)
        budgets = np.asarray(values, dtype=float) - tables.rest[name]
        return cheapest(losses**power, tables.each[name], budgets)

    def cheapest_within(self, bounds: Mapping[str, float]) -> Counts:
        """The letters with the least sums of losses within several bounds, (n, layers).

        Each once, at all powers and mixes of rates; choices that break a bound are left out.

        Args:
            bounds: The largest value of each size.
        """
        tables, names = self.tables, list(bounds)
        budgets = [max(bounds[name] - tables.rest[name], 1e-12) for name in names]
        prices = [tables.each[name] for name in names]
        mixes = _mixes(len(names))
        several = [cheapest_within(self.losses**p, prices, budgets, mixes) for p in POWERS]
        found: Counts = np.unique(np.concatenate(several), axis=0)
        sizes = tables.sizes(found)
        return found[np.all([sizes[name] <= bounds[name] for name in names], axis=0)]

    def _only(self, bits: Bits) -> Floats:
        weights, inputs = bits
        tables = self.tables
        meant = (tables.bits == weights) & (tables.inputs == inputs)
        return np.where(meant, tables.losses, np.inf)

    def first(
        self,
        n: int,
        generator: np.random.Generator,
        names: Sequence[str],
        bounds: Mapping[str, float] | None = None,
    ) -> Counts:
        """Genes of a first population, (n, layers): spread over certain sizes, large to small.

        The cheapest choices at all powers take turns, plain and disturbed. Where several sizes are
        bound, half of the population at most are the cheapest choices within all bounds.

        Args:
            n: Candidates.
            generator: Disturbs.
            names: The sizes.
            bounds: The largest values of sizes.
        """
        if bounds and len(bounds) > 1:
            within = self.genes(self.cheapest_within(bounds))
            chosen = within[generator.permutation(len(within))[: n // 2]]
            return np.concatenate([chosen, self.first(n - len(chosen), generator, names)])
        kinds = [
            self.genes(self.cheapest(name, self._spread(name, n), power))
            for name in names
            for power in POWERS
        ]
        turns = np.arange(n)
        X = np.stack(kinds)[turns % len(kinds), turns]
        disturbed = X + np.rint(generator.normal(0, 1.0, X.shape)).astype(np.int64)
        again = turns // len(kinds) % 2 == 1
        found: Counts = np.where(again[:, None], disturbed, X).clip(0, self.last)
        return found

    def _spread(self, name: str, n: int) -> Values:
        sizes = self.sizes_of(name)
        low, high = (sum(float(f(one)) for one in sizes) for f in (np.min, np.max))
        rest = self.tables.rest[name]
        # Up to what is as good as the parent: above it is nothing to choose.
        spread: Values = np.geomspace(max(0.5 * (high + rest), low + rest), low + rest, n)
        return spread

    def random(self, n: int, generator: np.random.Generator) -> Counts:
        """Random genes of every layer, around random totals, (n, layers)."""
        middle = generator.random((n, 1))
        shares = (middle + generator.uniform(-0.2, 0.2, (n, len(self.last)))).clip(0, 1)
        found: Counts = np.rint(shares * self.last).astype(np.int64)
        return found


def _mixes(sums: int) -> Floats:
    """Shares of a rate, (n, sums): each sum alone, and each pair of sums in all parts."""
    found = list(np.eye(sums))
    for first in range(sums):
        for second in range(first + 1, sums):
            for part in MIXES[1:-1]:
                mix = np.zeros(sums)
                mix[[first, second]] = part, 1 - part
                found.append(mix)
    if sums > 2:
        found.append(np.full(sums, 1 / sums))
    return np.array(found)
