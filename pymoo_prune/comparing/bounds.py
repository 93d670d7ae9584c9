"""Bounds on sizes at which accuracies are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from typing import Literal

import numpy as np

from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.objectives import Constraint, Quantity, Values, without_judgements

QUANTILES = (0.25, 0.5, 0.75)
"""Unless bounds are given, they are these quantiles of the sizes on the union of all fronts."""


def size_bounds(
    texts: Sequence[str],
    quantities: Mapping[str, Quantity],
    parent: Mapping[str, float] | None = None,
) -> list[Constraint]:
    """Bounds at which accuracies can be compared, or an error that names one that cannot be.

    Args:
        texts: Such as "macs<=20%".
        quantities: All that the problem measures.
        parent: The unpruned network's measurements; None where they are not known yet.
    """
    sizes = without_judgements(quantities, quantities)
    bounds = [Constraint.parse(text) for text in texts]
    for bound in bounds:
        if bound.name not in quantities:
            raise unknown_name("size to bound", bound.name, sizes)
        if bound.name not in sizes:
            msg = f"{bound} must bound a size: one of {', '.join(sizes)}"
            raise PruneError(msg)
        if parent is not None and bound.relative and parent.get(bound.name, 0) == 0:
            msg = f"{bound} is a share of the parent's, but the parent's {bound.name} is 0"
            raise PruneError(msg)
    return list(dict.fromkeys(bounds))


def quantile_bounds(
    name: str, values: Values, quantity: Quantity, parent: Mapping[str, float]
) -> list[Constraint]:
    """Bounds on a size, with two digits, between which networks lie.

    Args:
        name: The size.
        values: The networks' sizes, (n,).
        quantity: Which way the size is better.
        parent: The unpruned network's measurements.
    """
    relative = parent.get(name, 0) > 0
    scale = parent[name] if relative else 1.0
    lower = quantity.better == "lower"
    relation: Literal["<=", ">="] = "<=" if lower else ">="
    quantiles = np.quantile(values, QUANTILES).tolist()
    # A bound in percent is written as one, without a last bit's noise.
    parts = 100 if relative else 1
    limits = [_two_digits(quantile, scale, parts, up=lower) for quantile in quantiles]
    return [Constraint(name, relation, limit, relative) for limit in dict.fromkeys(limits)]


def _two_digits(value: float, scale: float, parts: int, *, up: bool) -> float:
    """A value in units of a scale, rounded to the side on which it keeps the bound."""
    digits = Context(prec=2, rounding=ROUND_CEILING if up else ROUND_FLOOR)
    limit = digits.create_decimal_from_float(parts * value / scale)
    if up and float(limit) / parts * scale < value:  # by the last bit
        limit = limit.next_plus(digits)
    if not up and float(limit) / parts * scale > value:
        limit = limit.next_minus(digits)
    return float(limit) / parts
