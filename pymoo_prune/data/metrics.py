"""Metrics: numbers that say how good a network's outputs are for labels that are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from types import NoneType
from typing import Any, Literal

import torch
from torch import Tensor

from pymoo_prune.errors import PruneError, check_kind

UNKNOWN = 1e6
"""What outputs that are not numbers count as: a divergence, or a metric of that size."""
TAKEN = ("accuracy", "accuracy_drop", "divergence")
PREFIXES = ("test_", "finished_")


@dataclass(frozen=True)
class Metric:
    """A number that says how good outputs are; it takes the place of the accuracy.

    Attributes:
        function: (outputs, labels) of all items at once -> a number. Outputs are the network's in
            float32; for several labels and for regression they have the shape of the labels. Give
            it a name in a module (no lambda) where candidates are measured by workers.
        better: Whether a higher or a lower value is better.
        name: Its name in objectives, tables and files, such as "mae".
        label: Its name on axes; None takes the name.
        share: Whether values are between 0 and 1, and written in percent.
        worst: The value of a network that is of no use: the end of the axis of hypervolumes. None
            takes 0 where higher is better, and twice the parent's where lower is better; shares
            end at 0 and at 1.
    """

    function: Callable[[Tensor, Tensor], Any]
    better: Literal["higher", "lower"]
    name: str
    label: str | None = None
    share: bool = False
    worst: float | None = None

    def __post_init__(self) -> None:
        if not callable(self.function):
            msg = (
                "a metric's function must take (outputs, labels) and give a number, but it is "
                f"{self.function!r}"
            )
            raise PruneError(msg)
        if not isinstance(self.better, str) or self.better not in ("higher", "lower"):
            msg = f"a metric's better must be 'higher' or 'lower', but it is {self.better!r}"
            raise PruneError(msg)
        check_kind("a metric's name", self.name, str, "a text")
        check_kind("a metric's label", self.label, (str, NoneType), "a text, or None")
        check_kind("a metric's share", self.share, bool, "True or False")
        check_kind("a metric's worst", self.worst, (Real, NoneType), "a number, or None")
        if not self.name.isidentifier() or self.name in TAKEN or self.name.startswith(PREFIXES):
            msg = (
                f"a metric's name must be one word, none of {', '.join(TAKEN)}, and not begin with "
                f"{' or '.join(PREFIXES)}, but it is {self.name!r}"
            )
            raise PruneError(msg)
        if self.worst is not None and not math.isfinite(self.worst):
            msg = f"a metric's worst must be finite, but it is {self.worst}"
            raise PruneError(msg)

    @torch.no_grad()
    def of(self, outputs: Tensor, labels: Tensor) -> float:
        """The value for some outputs.

        Args:
            outputs: (n, ...).
            labels: (n, ...).

        Raises:
            PruneError: The outputs are finite, but the function fails, or gives no finite number.
        """
        finite = bool(torch.isfinite(outputs).all())
        unknown = UNKNOWN if self.better == "lower" else -UNKNOWN
        try:
            found = self.function(outputs, labels)
        except Exception as error:  # a user's function may raise anything
            if not finite:
                return unknown
            about = f"{type(error).__name__}: {error}"
            msg = f"metric {self.name!r} fails for {len(outputs)} items: {about}"
            raise PruneError(msg) from error
        try:
            value = float(found)
        except (TypeError, ValueError, RuntimeError) as error:
            msg = f"metric {self.name!r} must give one number, but it gives {found!r}"
            raise PruneError(msg) from error
        if math.isfinite(value):
            return value
        if finite:
            msg = (
                f"metric {self.name!r} gives {value} for {len(outputs)} items whose outputs are "
                "finite; it must give a finite number for any outputs"
            )
            raise PruneError(msg)
        return unknown


def explained(outputs: Tensor, labels: Tensor) -> float:
    """R²: the share of the labels' variance that outputs explain, on average over the outputs.

    Args:
        outputs: (n, ...).
        labels: (n, ...).
    """
    labels = labels.double().reshape(len(labels), -1)
    wrong = (outputs.double().reshape(labels.shape) - labels).square().sum(dim=0)
    whole = (labels - labels.mean(dim=0)).square().sum(dim=0)
    varied = whole > 0  # of a label that is always the same, there is nothing to explain
    return float((1 - wrong[varied] / whole[varied]).clamp(-UNKNOWN).mean())


R2 = Metric(explained, "higher", "r2", "explained variance (R²)", share=True)
"""How good networks are at regression, unless the user has another metric."""
