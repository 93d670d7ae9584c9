"""Quantities that are known of a network after the search."""

from __future__ import annotations

from collections.abc import Mapping

from pymoo_prune.objectives import Quantity

ACCURACIES: Mapping[str, Quantity] = {
    "test_accuracy": Quantity("higher", "test accuracy", share=True),
    "finished_accuracy": Quantity("higher", "validation accuracy after retraining", share=True),
    "finished_test_accuracy": Quantity("higher", "test accuracy after retraining", share=True),
}
"""Accuracies of networks that are retrained and tested."""
EVALUATION: Mapping[str, Quantity] = {"evaluation": Quantity("lower", "evaluation")}
"""When the search first asked for a network, counted from 0."""
