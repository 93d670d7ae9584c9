"""The quantities that problems measure: their names, and whether higher or lower is better."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from types import NoneType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pymoo_prune.errors import PruneError, check_kind, in_users_code, shown

Values = NDArray[np.float64]
Measurements = Mapping[str, Values]
"""By the name of a quantity, its value for each of n candidates, (n,)."""


@dataclass(frozen=True)
class Quantity:
    """A quantity that a problem measures: which way is better, and how values are written.

    Attributes:
        better: Whether a higher or a lower value is better.
        label: Its name on axes and in tables.
        share: Whether values are between 0 and 1, and written in percent.
        whole: The unpruned network's value, where it is known without measuring.
        follows: From the other measurements, (n,) each, to this quantity, (n,), where it follows
            from them.
        judges: Whether it says how good outputs are, in place of the accuracy.
        worst: The value of a network that is of no use, for a quantity that judges and is no
            share; None takes 0 where higher is better, and twice the parent's otherwise.
    """

    better: Literal["higher", "lower"]
    label: str
    share: bool = False
    whole: float | None = None
    follows: Callable[[Measurements], Values] | None = None
    judges: bool = False
    worst: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.better, str) or self.better not in ("higher", "lower"):
            msg = f"a quantity's better must be 'higher' or 'lower', but it is {shown(self.better)}"
            raise PruneError(msg)
        check_kind("a quantity's label", self.label, str, "a text")
        check_kind("a quantity's share", self.share, bool, "True or False")
        check_kind("a quantity's judges", self.judges, bool, "True or False")
        for name in ("whole", "worst"):
            must = "a number, or None"
            check_kind(f"a quantity's {name}", getattr(self, name), (Real, NoneType), must)

    def about(self) -> dict[str, Any]:
        """Direction, label and unit as JSON values, which results keep."""
        more = {"judges": True, "worst": self.worst} if self.judges else {}
        return {"better": self.better, "label": self.label, "share": self.share, **more}

    @property
    def sign(self) -> float:
        """The factor that makes lower values better, as pymoo minimises."""
        return -1.0 if self.better == "higher" else 1.0

    def format(self, value: float) -> str:
        """The value as text for a person; a dash for NaN."""
        if np.isnan(value):
            return "–"
        if self.share:
            return f"{100 * value:.2f}\u00a0%"
        return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"


def from_measurements(
    function: Callable[[Measurements], Values],
    better: Literal["higher", "lower"],
    label: str,
    *,
    share: bool = False,
) -> Quantity:
    """A quantity that follows from what is measured: of candidates, parents and baselines alike.

    Args:
        function: From measurements by name, (n,) each, to this quantity, (n,). Give it a name in a
            module (no lambda) where candidates are measured by workers.
        better: Whether a higher or a lower value is better.
        label: Its name on axes and in tables.
        share: Whether values are between 0 and 1, and written in percent.
    """
    return Quantity(better, label, share, follows=function)


def completed(
    measurements: Measurements,
    quantities: Mapping[str, Quantity],
    parent: Callable[[], Mapping[str, float]] | None = None,
) -> dict[str, Values]:
    """Measurements with the quantities that follow from them.

    Args:
        measurements: What is measured, (n,) each.
        quantities: All quantities, by name; one may follow from others that stand before it.
        parent: Gives the parent's values, from which accuracy drop and sparsity follow where they
            are missing. None leaves them out.
    """
    found = dict(measurements)
    if parent is not None and "accuracy_drop" not in found and "accuracy" in found:
        found["accuracy_drop"] = parent()["accuracy"] - np.asarray(found["accuracy"])
    if parent is not None and "sparsity" not in found and "parameters" in found:
        found["sparsity"] = 1 - np.asarray(found["parameters"]) / parent()["parameters"]
    for name, quantity in quantities.items():
        if quantity.follows is not None and name not in found:
            with in_users_code(f"quantity {name!r} cannot be computed"):
                found[name] = np.asarray(quantity.follows(found), dtype=np.float64)
    return found


STANDARD: Mapping[str, Quantity] = {
    "accuracy": Quantity("higher", "accuracy", share=True),
    "accuracy_drop": Quantity("lower", "accuracy lost against the parent", share=True),
    "parameters": Quantity("lower", "parameters"),
    "sparsity": Quantity("higher", "parameters removed", share=True),
    "macs": Quantity("lower", "MACs"),
}
"""The quantities that every problem measures."""


def twice_macs(found: Measurements) -> Values:
    """FLOPs: a multiplication and an addition for each MAC."""
    return 2 * np.asarray(found["macs"], dtype=np.float64)


FLOPS = "flops"
TWICE_MACS = Quantity("lower", "FLOPs (2 × MACs)", follows=twice_macs)
"""FLOPs as objectives and bounds may name them; they are measured where these do."""

DIVERGENCE = "divergence"
NATS = Quantity("lower", "divergence from the parent (nats)", whole=0.0)


def without_judgements(
    names: Iterable[str], quantities: Mapping[str, Quantity] | None = None
) -> list[str]:
    """The names of quantities that do not say how good a network's outputs are: mostly sizes.

    In the end accuracy on test images takes the place of all that do.

    Args:
        names: The names.
        quantities: Tells which of them judge; None where none but accuracies and divergences can.
    """
    judging = {DIVERGENCE, *judges(quantities or {})}
    return [name for name in names if "accuracy" not in name and name not in judging]


def judges(quantities: Mapping[str, Quantity]) -> list[str]:
    """The metrics that take the place of the accuracy among quantities: mostly none, else one.

    Args:
        quantities: The quantities, by name.
    """
    return [name for name, quantity in quantities.items() if quantity.judges]


def judge_of(quantities: Mapping[str, Quantity]) -> str:
    """What says how good networks are: a metric, the accuracy, or else the divergence.

    Args:
        quantities: What is measured, by name.
    """
    names = [*judges(quantities), "accuracy", DIVERGENCE]
    return next((name for name in names if name in quantities), "accuracy")


def signed(
    names: Sequence[str], measurements: Measurements, quantities: Mapping[str, Quantity]
) -> Values:
    """Quantities as columns, with the signs that make lower better, (n, number of names)."""
    return np.column_stack([quantities[name].sign * measurements[name] for name in names])
