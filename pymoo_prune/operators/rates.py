"""Chances that a user gives."""

from __future__ import annotations

from pymoo_prune.errors import PruneError


def check_rate(rate: float, name: str = "rate") -> float:
    """A chance, or an error that names it."""
    if not 0 <= rate <= 1:
        msg = f"{name} must be between 0 and 1, but it is {rate}"
        raise PruneError(msg)
    return rate
