"""What a user does without a search: the same letter in all layers, or a closed form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from torch import nn

from pymoo_prune.chromosomes import Array, Counts
from pymoo_prune.objectives import Values
from pymoo_prune.problem import Baseline, Rivals
from pymoo_prune.pruning import MagnitudeOrder
from pymoo_prune.pruning.alphabets import FLOAT_BITS, Letter
from pymoo_prune_problems.layer_alphabet.populations import POWERS, Alphabet

QUANTISED, PRUNED = "fewer bits alone", "pruning alone"
ALIKE, CHOSEN = "global pruning, the same bits", "least loss"
SIZES = 12
GLOBAL_SHARES = np.geomspace(1, 0.01, 40)


class SimplerChoices(Rivals):
    """Fewer bits alone, pruning alone, both in all layers alike, and the choice that loses least.

    Of several candidates at a size, each takes the one that the search images like best.

    Args:
        alphabet: The letters that are worth having.
        letters: All letters of each layer.
        order: The network's weights, by size.
        sizes: The sizes that a search is about; a front's values of each are kept within.
        network: From the places of letters, (layers,), to a network.
        error: From such places to how bad they are on the search images.
    """

    def __init__(
        self,
        alphabet: Alphabet,
        letters: Sequence[Sequence[Letter]],
        order: MagnitudeOrder,
        sizes: Sequence[str],
        *,
        network: Callable[[Array], nn.Module],
        error: Callable[[Array], float],
    ) -> None:
        self.alphabet, self.tables = alphabet, alphabet.tables
        self.letters, self.order = letters, order
        self.network, self.error, self.sizes = network, error, tuple(sizes)
        self.bits = sorted({(one.bits, one.inputs) for each in letters for one in each})

    def at(self, front: Mapping[str, Values]) -> list[Baseline]:
        """All of them, at the sizes of a front."""
        wanted = {
            name: np.unique(np.quantile(front[name], np.linspace(0, 1, SIZES)))
            for name in self.sizes
        }
        found = []
        for kind in (QUANTISED, PRUNED, ALIKE, CHOSEN):
            several = [self.places(kind, values, name) for name, values in wanted.items()]
            places = np.unique(np.concatenate(several), axis=0)
            networks = [self.network(row) for row in places]
            found.append(Baseline(kind, networks, self.tables.sizes(places)))
        return [one for one in found if one.networks]

    def places(self, kind: str, values: Values, size: str = "bytes") -> Counts:
        """The letters of a rival at a certain size, (n, layers); values that none keeps go.

        Args:
            kind: One of the names above.
            values: Of the size at most, (n,).
            size: Its name.
        """
        if kind == QUANTISED:
            several = self._alike(np.ones(1))
        elif kind == ALIKE:
            several = self._alike(GLOBAL_SHARES)
        else:
            bits = (FLOAT_BITS, FLOAT_BITS) if kind == PRUNED else None
            if bits is not None and not self._all_have(lambda one: _bits(one) == bits):
                return np.empty((0, len(self.letters)), dtype=np.int64)
            several = [self.alphabet.cheapest(size, values, power, bits) for power in POWERS]
        chosen = [self._best(several, size, most) for most in values]
        kept = [one for one in chosen if one is not None]
        if not kept:
            return np.empty((0, len(self.letters)), dtype=np.int64)
        return np.unique(np.stack(kept), axis=0)

    def _best(self, several: Sequence[Counts], size: str, most: float) -> Array | None:
        """The candidate that the search images like best, of the largest of each kind."""
        found = []
        for places in several:
            there = self.tables.sizes(places)[size]
            within = np.flatnonzero(there <= most)
            if len(within):
                found.append(places[within[there[within].argmax()]])
        return min(found, key=self.error) if found else None

    def _alike(self, shares: Values) -> list[Counts]:
        """Global magnitude pruning to some shares, and then the same bits: (shares, layers) each.

        Each layer has the letter whose share is nearest.
        """
        kept = 1 - self.order.smallest(1 - shares) / self.order.counts  # (shares, layers)
        found = []
        for bits in self.bits:
            if not self._all_have(lambda one, bits=bits: _bits(one) == bits and _single(one)):
                continue
            columns = []
            for layer, letters in enumerate(self.letters):
                own = [i for i, one in enumerate(letters) if _bits(one) == bits and _single(one)]
                known = np.log([letters[i].share for i in own])
                wanted = np.log(np.maximum(kept[:, layer], 1e-6))
                columns.append(np.array(own)[np.abs(wanted[:, None] - known).argmin(axis=1)])
            if len(shares) > 1 or all(
                letters[place].share == 1
                for letters, place in zip(self.letters, np.array(columns)[:, 0], strict=True)
            ):
                found.append(np.column_stack(columns))
        return found

    def _all_have(self, has: Callable[..., bool]) -> bool:
        return all(any(has(one) for one in letters) for letters in self.letters)

    def candidates(self, sizes: Mapping[str, Values]) -> Counts | None:
        """The choices that lose least at certain sizes, as chromosomes, (n, layers)."""
        name, values = next(iter(sizes.items()))
        if name == "sparsity":
            name, values = "parameters", (1 - values) * self.tables.all_parameters
        if name not in self.tables.each:
            return None
        found = [self.alphabet.cheapest(name, values, power) for power in POWERS]
        genes: Counts = self.alphabet.genes(np.concatenate(found))
        return genes

    def candidates_within(self, bounds: Mapping[str, float]) -> Counts | None:
        """The choices that lose least within several bounds, as chromosomes, (n, layers)."""
        wanted = dict(bounds)
        if "sparsity" in wanted:
            most = (1 - wanted.pop("sparsity")) * self.tables.all_parameters
            wanted["parameters"] = min(most, wanted.get("parameters", np.inf))
        if not wanted.keys() <= self.tables.each.keys():
            return None
        return self.alphabet.genes(self.alphabet.cheapest_within(wanted))


def _bits(letter: Letter) -> tuple[int, int]:
    return letter.bits, letter.inputs


def _single(letter: Letter) -> bool:
    return not str(letter.pattern)
