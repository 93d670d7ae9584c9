"""What is measured, and which way is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Measurements = Mapping[str, Values]
"""From a quantity's name to its value for each of n candidates, (n,)."""


@dataclass(frozen=True)
class Quantity:
    """Something that a problem measures: which way is better, and how it is written.

    Attributes:
        better: Whether a higher or a lower value is better.
        label: What an axis or a column is called.
        share: A value between 0 and 1, written in percent.
        whole: The unpruned network's value, where it is known without measuring.
    """

    better: Literal["higher", "lower"]
    label: str
    share: bool = False
    whole: float | None = None

    @property
    def sign(self) -> float:
        """What the value is multiplied with to be minimised."""
        return -1.0 if self.better == "higher" else 1.0

    def format(self, value: float) -> str:
        """The value as a person reads it; a dash for NaN."""
        if np.isnan(value):
            return "–"
        if self.share:
            return f"{100 * value:.2f}\u00a0%"
        return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"


STANDARD: Mapping[str, Quantity] = {
    "accuracy": Quantity("higher", "accuracy", share=True),
    "accuracy_drop": Quantity("lower", "accuracy lost against the parent", share=True),
    "parameters": Quantity("lower", "parameters"),
    "sparsity": Quantity("higher", "parameters removed", share=True),
    "macs": Quantity("lower", "MACs"),
}
"""What every problem measures."""


def signed(
    names: Sequence[str], measurements: Measurements, quantities: Mapping[str, Quantity]
) -> Values:
    """Quantities side by side, with the sign that makes lower better, (n, number of names)."""
    return np.column_stack([quantities[name].sign * measurements[name] for name in names])
