"""Quantities as users add them."""

from __future__ import annotations

from pymoo_prune.objectives import Measurements, Values, from_measurements


def energy(measurements: Measurements) -> Values:
    """Nanojoules, by a formula."""
    return 4.6 * measurements["macs"] / 1000 + 640 * measurements["parameters"] / 1000


def _left(measurements: Measurements) -> Values:
    return 1 - measurements["sparsity"]


def _speed(measurements: Measurements) -> Values:
    return 1e6 / measurements["macs"]


SPEED = from_measurements(_speed, "higher", "networks a second")
SHARE_LEFT = from_measurements(_left, "lower", "parameters left", share=True)
NUMBER = 5
