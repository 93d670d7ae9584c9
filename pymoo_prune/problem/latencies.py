"""Latencies of candidates, where an objective or a constraint asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from torch import nn

from pymoo_prune.chromosomes import Array
from pymoo_prune.measuring import LATENCY, Stopwatch
from pymoo_prune.objectives import Measured, Measurements, Values, failures_of


class Latencies:
    """Measures the latency of candidates beside their parent.

    Args:
        stopwatch: Measures networks, and remembers them.
        architecture: From a chromosome to a network of the right shape.
    """

    def __init__(self, stopwatch: Stopwatch, architecture: Callable[[Array], nn.Module]) -> None:
        self.stopwatch, self.architecture = stopwatch, architecture

    @property
    def parent(self) -> float:
        """The parent's latency, in milliseconds."""
        return self.stopwatch.parent_milliseconds

    def added(self, X: Array, measurements: Measurements) -> Measured:
        """Measurements, with the latency of each candidate that did not fail.

        Args:
            X: Chromosomes, (n, n_var).
            measurements: Their other measurements, (n,) each.
        """
        failures = failures_of(measurements)
        there = [row for row in range(len(X)) if row not in failures]
        values = np.full(len(X), np.nan)
        values[there] = [self.stopwatch.milliseconds(self.architecture(X[row])) for row in there]
        return Measured({**measurements, LATENCY: values}, failures)

    def of(self, networks: Sequence[nn.Module]) -> Mapping[str, Values]:
        """Latencies of networks other than candidates, (n,), by the name of the quantity.

        Args:
            networks: For example a baseline's; they are not changed.
        """
        return {LATENCY: np.array([self.stopwatch.milliseconds(one) for one in networks])}

    def note(self, X: Array) -> tuple[str, float]:
        """How the latencies of a front were measured, and how noisy they are.

        Args:
            X: The front's chromosomes, (n, n_var); each is measured again.

        Returns:
            A sentence, and the largest difference of two measurements as a share of the latency.
        """
        return self.stopwatch.note([self.architecture(x) for x in X])
