"""Duplicate elimination by digest, which works for objects and is fast for 200,000 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.population import Population

from pymoo_prune.chromosomes import digests


class DigestDuplicates(DuplicateElimination):
    """Removes every candidate whose chromosome is in the population already."""

    def _do(
        self, pop: Population, other: Population | None, is_duplicate: np.ndarray[Any, Any]
    ) -> np.ndarray[Any, Any]:
        seen = set() if other is None else set(digests(other.get("X")))
        for row, digest in enumerate(digests(pop.get("X"))):
            is_duplicate[row] = digest in seen
            if other is None:
                seen.add(digest)
        return is_duplicate
