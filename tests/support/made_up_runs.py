"""Comparisons with made-up numbers, for which the right statements are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pymoo_prune import Quantity, Series
from pymoo_prune.comparing import Comparison, ComparisonReport, Trial
from pymoo_prune.objectives import STANDARD, Goals, Values
from pymoo_prune.results import ACCURACIES, EVALUATION

HIGH = (0.81, 0.82, 0.83, 0.84, 0.85)
LOW = (0.61, 0.62, 0.63, 0.64, 0.65)
MIXED = (0.60, 0.90, 0.70, 0.86, 0.835)
QUANTITIES = {**STANDARD, "pixels": Quantity("lower", "pixels kept", share=True)}
ALL = {**QUANTITIES, **ACCURACIES, **EVALUATION}
PARENT = {"accuracy": 0.9, "accuracy_drop": 0.0, "parameters": 1000.0, "macs": 2000.0}
GOALS = Goals(QUANTITIES, ["accuracy", "parameters"])


def front(accuracy: Sequence[float], sizes: Sequence[float]) -> dict[str, Values]:
    values, shares = np.array(accuracy), np.array(sizes)
    return {
        "accuracy": values,
        "parameters": 1000 * shares,
        "macs": 2000 * shares,
        "pixels": shares,
        "evaluation": 3.0 + np.arange(len(values)),
        "test_accuracy": values,
    }


def runs(method: str, *volumes: float) -> list[Trial]:
    """Runs with these hypervolumes on the test images; a run with None or 0 found nothing."""
    return [
        Trial(
            *(method, seed, front([1.0], [1 - volume]) if volume else {}),
            history={"generation": np.ones(4), **front([0.2, 0.4, 0.6, 0.8], [0.1, 0.3, 0.5, 0.7])},
            evaluations=4,
            known=1,
            seconds=2.0,
            goal="accuracy,parameters",
            origin=f"runs/{method}-{seed}",
        )
        for seed, volume in enumerate(volumes)
    ]


def report(
    trials: Sequence[Trial], others: Sequence[Series] = (), caution: str = "", **given: Any
) -> ComparisonReport:
    comparison = Comparison(
        trials, others, **{"goals": GOALS, "quantities": ALL, "parent": PARENT, **given}
    )
    facts = {"budget of each run": "4 evaluations"}
    return ComparisonReport(comparison, title="Pixels on digits", facts=facts, caution=caution)


def cells(rows: tuple[tuple[str, ...], list[tuple[str, ...]]]) -> list[dict[str, str]]:
    head, body = rows
    return [dict(zip(head, row, strict=True)) for row in body]
