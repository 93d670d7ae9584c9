"""The simple alternatives to a search: filters chosen by weights, by losses, by torch-pruning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property

import numpy as np
from torch import nn

from pymoo_prune.chromosomes import Array
from pymoo_prune.data import Split
from pymoo_prune.errors import PruneError, TrainingDiverged
from pymoo_prune.measuring import goodness
from pymoo_prune.objectives import Values
from pymoo_prune.problem import Baseline, Rivals
from pymoo_prune_problems.distilled_filters.group_importance import Kind, group_importances
from pymoo_prune_problems.distilled_filters.populations import Populations

SIZES = 8
"""Networks of each method, at sizes spread evenly over those of a front."""
MIXTURES = {"macs": (0.0, 0.25, 0.5), "parameters": (1.0, 0.75, 0.5)}
"""What of the price is for parameters: the size itself decides, or half of the other one too."""
LABELS = {"macs": "MACs", "parameters": "parameters"}
TORCH_PRUNING = "torch-pruning"
KINDS: tuple[Kind, ...] = ("magnitude", "Taylor")


class FilterRivals(Rivals):
    """Networks that need no search, each with the recovery of a search's candidates.

    - L1 pruning: the filters with the largest weights, in all layers alike or over the network.
    - Least loss, all layers alike: the filters that are missed most when the rest is refitted.
    - Least loss for a size: the members of the first population's priced family that are nearest
      to the size, one for each mixture of prices; the best on the search images is taken.
    - torch-pruning's group importances, magnitude and Taylor, ranked over the whole network.

    Args:
        populations: Has the filters, and the priced family.
        recovered: From a chromosome, (n_var,), to its network after the search's recovery.
        sizes: From chromosomes, (n, n_var), to quantities, (n,) each.
        search_images: Candidates are measured on them.
        gradient_images: Training images, for the Taylor importance.
    """

    def __init__(
        self,
        populations: Populations,
        recovered: Callable[[Array], nn.Module],
        sizes: Callable[[Array], Mapping[str, Values]],
        search_images: Split,
        gradient_images: Split,
    ) -> None:
        self.populations, self.filters = populations, populations.filters
        self.recovered, self.sizes = recovered, sizes
        self.search_images, self.gradient_images = search_images, gradient_images

    def at(self, front: Mapping[str, Values]) -> list[Baseline]:
        """Networks at the sizes of a front: its parameters, or its MACs where it has only those.

        Those with the least loss for a size are given for each of the two that the front has.
        """
        axis = "parameters" if "parameters" in front else "macs"
        wanted = _spread(front[axis])
        return [
            *(self._nearest(name, family, axis, wanted) for name, family in self._plain.items()),
            *(self._priced(axis, _spread(front[axis])) for axis in MIXTURES if axis in front),
            *(
                self._nearest(name, family, axis, wanted)
                for name, family in self._ranked[0].items()
            ),
        ]

    def candidates(self, sizes: Mapping[str, Values]) -> Array | None:
        """All but torch-pruning's, so that a search does not depend on what is installed."""
        axis = next((axis for axis in MIXTURES if axis in sizes), None)
        if axis is None:
            return None
        families = [
            *self._plain.values(),
            *(self._family(share) for share in MIXTURES[axis]),
        ]
        return np.concatenate([one[self._places(one, axis, sizes[axis])] for one in families])

    @cached_property
    def _plain(self) -> Mapping[str, Array]:
        """Families without a price, (n, n_var) each."""
        shares = np.linspace(0, 1, 400)
        counts = self.filters.counts(np.repeat(shares[:, None], len(self.filters.genes.sizes), 1))
        return {
            "L1 pruning, all layers alike": self.filters.uniform(shares),
            "L1 pruning, whole network": self.filters.overall(shares),
            "least loss, all layers alike": self.populations.narrowed(counts),
        }

    def _family(self, share: float) -> Array:
        return self.populations.priced(np.logspace(-5, 2, 400), share)

    def left_out(self) -> tuple[str, ...]:
        """What torch-pruning cannot do here, and why."""
        return self._ranked[1]

    @cached_property
    def _ranked(self) -> tuple[Mapping[str, Array], tuple[str, ...]]:
        """Chromosomes by torch-pruning's importances, (n, n_var) each; and what is left out."""
        families: dict[str, Array] = {}
        reasons: dict[str, list[str]] = {}
        for kind in KINDS:
            try:
                found = group_importances(self.filters, kind, self.gradient_images)
            except PruneError as error:
                reasons.setdefault(str(error), []).append(kind)
                continue
            X = self.filters.with_branches(found.kept(np.linspace(1, 0, 400)))
            strengths = found.strengths(self.filters.strengths)
            families[f"{TORCH_PRUNING}, group {kind}"] = self.filters.genes.repaired(X, strengths)
        return families, tuple(
            f"{TORCH_PRUNING}, group {' and '.join(kinds)}, is left out: {reason}."
            for reason, kinds in reasons.items()
        )

    def _nearest(self, name: str, family: Array, axis: str, wanted: Values) -> Baseline:
        X = family[np.unique(self._places(family, axis, wanted))]
        return self._baseline(name, self._networks(X))

    def _places(self, family: Array, axis: str, wanted: Values) -> Array:
        """The members of a family with the nearest sizes, measured as ratios, (wanted,)."""
        distances = np.abs(np.log(self.sizes(family)[axis]) - np.log(wanted)[:, None])
        places: Array = distances.argmin(axis=1)
        return places

    def _priced(self, axis: str, wanted: Values) -> Baseline:
        """At each size, the best of those that lose least for it."""
        nearest = []
        for share in MIXTURES[axis]:
            family = self._family(share)
            nearest.append(family[self._places(family, axis, wanted)])
        best: dict[bytes, tuple[Array, nn.Module]] = {}
        for X in np.stack(nearest, axis=1):
            found = list(self._networks(np.unique(X, axis=0)))
            if found:
                networks = [network for _, network in found]
                good = goodness(networks, self.filters.whole, self.search_images)
                x, network = found[int(np.argmax(good))]
                best[x.tobytes()] = x, network
        name = f"least loss for its {LABELS[axis]}, best of {len(MIXTURES[axis])}"
        return self._baseline(name, best.values())

    def _networks(self, X: Array) -> Iterator[tuple[Array, nn.Module]]:
        """Chromosomes and their networks, without those that diverge."""
        for x in X:
            try:
                yield x, self.recovered(x)
            except TrainingDiverged:
                continue

    def _baseline(self, name: str, found: Iterable[tuple[Array, nn.Module]]) -> Baseline:
        pairs = list(found)
        X = np.array([x for x, _ in pairs], dtype=bool).reshape(-1, self.filters.genes.n_var)
        return Baseline(name, [network for _, network in pairs], self.sizes(X))


def _spread(sizes: Values) -> Values:
    return np.unique(np.quantile(sizes, np.linspace(0, 1, SIZES)))
