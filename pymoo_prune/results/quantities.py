"""Quantities that are known of a network after the search."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

from pymoo_prune.objectives import Quantity

ACCURACIES: Mapping[str, Quantity] = {
    "test_accuracy": Quantity("higher", "test accuracy", share=True),
    "finished_accuracy": Quantity("higher", "validation accuracy after retraining", share=True),
    "finished_test_accuracy": Quantity("higher", "test accuracy after retraining", share=True),
}
"""Accuracies of networks that are retrained and tested."""
DIVERGENCES: Mapping[str, Quantity] = {
    "test_divergence": Quantity("lower", "divergence on the test images (nats)", whole=0.0),
    "finished_divergence": Quantity(
        "lower", "divergence on the validation images after retraining (nats)", whole=0.0
    ),
    "finished_test_divergence": Quantity(
        "lower", "divergence on the test images after retraining (nats)", whole=0.0
    ),
}
"""The same of divergences from the parent, where images have no labels."""
FINAL: Mapping[str, Quantity] = {**ACCURACIES, **DIVERGENCES}
"""What is known of networks that are retrained and tested."""
EVALUATION: Mapping[str, Quantity] = {"evaluation": Quantity("lower", "evaluation")}
"""When the search first asked for a network, counted from 0."""


@dataclass(frozen=True)
class Judged:
    """The columns that say how good networks are: accuracies, or divergences without labels.

    Attributes:
        found: On the test images, as the search found the networks.
        last: The same after retraining, where there was one; it decides.
        chosen_by: On the validation images, after retraining where there was one.
    """

    found: str
    last: str
    chosen_by: str

    @classmethod
    def of(cls, columns: Collection[str]) -> Self:
        """Those among the names of columns; accuracies where there is neither."""
        found = _accuracy_or_divergence("test_{}", columns)
        finished = f"finished_{found}" in columns
        stage = "finished_" if finished else ""
        return cls(found, stage + found, _accuracy_or_divergence(stage + "{}", columns))

    @property
    def finished(self) -> bool:
        """Whether networks were retrained in the end."""
        return self.last != self.found

    @property
    def by_divergence(self) -> bool:
        """Whether the test images have no labels, so that the divergence decides."""
        return self.found == "test_divergence"


def _accuracy_or_divergence(text: str, columns: Collection[str]) -> str:
    divergence = text.format("divergence")
    known = divergence in columns and text.format("accuracy") not in columns
    return divergence if known else text.format("accuracy")
