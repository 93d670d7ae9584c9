"""Pairs of networks of one size, one of which has multiples of a number of filters."""

from __future__ import annotations

import numpy as np

from benchmarks.distilled_filters import multiples
from pymoo_prune import Data
from pymoo_prune.networks import SimpleCNN
from pymoo_prune_problems import DistilledFilters
from tests.support.distilled_filters import seeded, small


def test_pairs_have_as_many_macs_and_other_widths(digits: Data) -> None:
    parent = seeded(lambda: SimpleCNN(1, 10, (8, 8), widths=(24, 32), hidden=32))

    def problem(**options: int) -> DistilledFilters:
        return small(digits, parent, recovery="none", **options)

    free, here = problem(), problem(multiple_of=8)
    pairs = multiples.chosen(free, here, (0.6, 0.4, 0.2))
    assert len(pairs) == 3
    X, others = (np.stack(part) for part in zip(*pairs, strict=True))
    counts = here.filters.genes.counts(X)
    assert (counts % 8 == 0).all()
    assert (free.filters.genes.counts(others) % 8 != 0).any(axis=1).all()
    macs = multiples.macs_of(here, X)
    assert (np.diff(macs) < 0).all()
    np.testing.assert_allclose(multiples.macs_of(free, others), macs, rtol=0.03)
