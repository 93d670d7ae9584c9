from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pymoo_prune.objectives import STANDARD, Quantity, Series
from pymoo_prune.runs import words
from pymoo_prune.runs.findings import Findings


class MadeUp(Findings):
    """Findings over (error, latency), without a run."""

    def __init__(self, ours: float, theirs: float, noise: dict[str, float]) -> None:
        self.series = [self.one("this search", ours), self.one("L1 pruning", theirs)]
        self.summary: dict[str, Any] = {"parent": {"latency": 1.0}, "noise": noise}
        self.quantities = {**STANDARD, "latency": Quantity("lower", "latency in ms")}

    @staticmethod
    def one(name: str, latency: float) -> Series:
        return Series(name, {"test_accuracy": np.array([0.9]), "latency": np.array([latency])})

    axes = ["latency"]  # noqa: RUF012 - a property of findings


@pytest.mark.parametrize(
    ("ours", "noise", "expected"),
    [
        (0.50, {}, "The search dominates most on the test images: 0.4500."),
        (0.52, {}, "The search does not win on the test images: L1 pruning has 0.4410, "),
        (0.50, {"latency": 0.001}, "The search dominates most on the test images: 0.4500."),
        (0.50, {"latency": 0.03}, "The search and L1 pruning cannot be told apart on the test"),
        (0.52, {"latency": 0.03}, "The search and L1 pruning cannot be told apart on the test"),
        (0.50, {"macs": 0.03}, "The search dominates most on the test images: 0.4500."),
        (0.51, {"latency": 0.03}, "The search and L1 pruning dominate alike"),
    ],
)
def test_a_verdict_knows_the_noise_of_its_axes(
    ours: float, noise: dict[str, float], expected: str
) -> None:
    assert words.verdict(MadeUp(ours, 0.51, noise)).startswith(expected)


def test_the_words_name_the_noise() -> None:
    text = words.verdict(MadeUp(0.50, 0.51, {"latency": 0.03}))
    assert (
        "0.4500 and 0.4410, but measured twice, the same networks differ in latency by 3.0 %"
        in text
    )
