"""What a front is compared with: the networks of simple methods, and what papers report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from pymoo_prune.objectives import Values

Published = Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]
"""By data set and source: the columns of a front, as far as a paper has them."""


@dataclass(frozen=True)
class Baseline:
    """Networks that a simple method gives, to compare a front with.

    Attributes:
        name: The method.
        networks: Pruned networks, before any retraining.
        sizes: Their sizes, by quantity, (n,) each.
    """

    name: str
    networks: Sequence[nn.Module]
    sizes: Mapping[str, Values]
