"""Energy by a table: what a multiplication costs by its bits, and what a byte costs to be read.

A product costs what its longer factor says: weights of four bits save nothing in a product with an
input that is a float, or one of eight bits.

The numbers are those of Horowitz, "Computing's energy problem (and what we can do about it)",
ISSCC 2014, for a 45 nm process: a product and a sum of 32-bit floats take 3.7 and .9 pJ, a product
of 8-bit integers .2 and a sum of 32-bit integers .1 pJ, and 32 bits from DRAM 640 pJ. With fewer
than eight bits the product is taken to shrink with the square of the bits. They are for comparing
candidates; nothing is measured.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from pymoo_prune.chromosomes import Floats
from pymoo_prune.errors import PruneError
from pymoo_prune.pruning.alphabets.letters import FEWEST_BITS, FLOAT_BITS, MOST_BITS


def _horowitz() -> dict[int, float]:
    few = {bits: 0.2 * (bits / 8) ** 2 + 0.1 for bits in range(FEWEST_BITS, MOST_BITS + 1)}
    return {**few, FLOAT_BITS: 3.7 + 0.9}


@dataclass(frozen=True)
class EnergyTable:
    """Picojoules of what a network does.

    Attributes:
        multiply: Of a product and a sum, by the bits of its longer factor.
        byte: Of a byte of the network that is read once.
    """

    multiply: Mapping[int, float] = field(default_factory=_horowitz)
    byte: float = 160.0

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """A table from a JSON file: {"multiply": {"8": 0.3, "32": 4.6}, "byte": 160}."""
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
            multiply = {int(bits): float(value) for bits, value in found["multiply"].items()}
            return cls(multiply, float(found["byte"]))
        except OSError as error:
            msg = f"the energy table {path} cannot be read: {error.strerror}"
            raise PruneError(msg) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            msg = (
                f"the energy table {path} must be JSON with picojoules, "
                f'{{"multiply": {{"8": 0.3, "32": 4.6}}, "byte": 160}}; wrong is: {error!r}'
            )
            raise PruneError(msg) from error

    def product(self, weights: Floats, inputs: Floats) -> Floats:
        """Picojoules of products and their sums.

        Args:
            weights: Bits of weights.
            inputs: Bits of inputs, of the same shape.
        """
        longer = np.maximum(weights, inputs).astype(int)
        found: Floats = np.vectorize(self.multiply.__getitem__, otypes=[float])(longer)
        return found

    def check(self, bits: Collection[int]) -> None:
        """Refuses a table that lacks one of these bits, or has no positive numbers."""
        missing = sorted(set(bits) - self.multiply.keys())
        if missing:
            has = ", ".join(map(str, sorted(self.multiply)))
            msg = (
                f"the energy table has no entry for {missing[0]} bits, which a letter has; it has "
                f"{has or 'none'}"
            )
            raise PruneError(msg)
        values = {str(bits): value for bits, value in self.multiply.items()}
        for name, value in {**values, "byte": self.byte}.items():
            if not 0 <= value < float("inf"):
                msg = f"the energy table's {name!r} must be at least 0, but it is {value}"
                raise PruneError(msg)
