"""Checks of the chances that users give to operators."""

from __future__ import annotations

from pymoo_prune.errors import PruneError


def check_rate(rate: float, name: str = "rate") -> float:
    """Checks a chance and returns it; an error says its name."""
    if not 0 <= rate <= 1:
        msg = f"{name} must be between 0 and 1, but it is {rate}"
        raise PruneError(msg)
    return rate
