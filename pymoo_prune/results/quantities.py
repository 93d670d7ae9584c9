"""Quantities that are known of a network after the search."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Self

from pymoo_prune.objectives import DIVERGENCE, Quantity, judges

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


WHERE: Mapping[str, str] = {
    "test_{}": "{} on the test images",
    "finished_{}": "{} on the validation images after retraining",
    "finished_test_{}": "{} on the test images after retraining",
}
"""Names and labels of what is known of a metric."""


def final_of(quantities: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """What is known of retrained and tested networks, with the metric that judges them.

    Args:
        quantities: What the search measures.
    """
    found = dict(FINAL)
    for metric in judges(quantities):
        one = quantities[metric]
        for name, label in WHERE.items():
            found[name.format(metric)] = replace(one, label=label.format(one.label))
    if DIVERGENCE in quantities:  # its unit is that of the task
        unit = _unit_of(quantities[DIVERGENCE])
        for name, one in DIVERGENCES.items():
            found[name] = replace(one, label=one.label.replace("(nats)", unit))
    return found


def _unit_of(divergence: Quantity) -> str:
    return f"({divergence.label.rpartition('(')[2]}"


@dataclass(frozen=True)
class Judged:
    """The columns that say how good networks are: accuracies, or divergences without labels.

    A metric of the user's takes the place of the accuracy.

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
        """Those among the names of columns; accuracies where there is nothing else."""
        found = f"test_{_judge('test_{}', columns)}"
        finished = f"finished_{found}" in columns
        stage = "finished_" if finished else ""
        return cls(found, stage + found, stage + _judge(stage + "{}", columns))

    @property
    def name(self) -> str:
        """What these columns have: "accuracy", "divergence", or the name of a metric."""
        return self.found.removeprefix("test_")

    @property
    def by_metric(self) -> bool:
        """Whether a metric of the user's, or of the task, decides in place of the accuracy."""
        return self.name not in ("accuracy", DIVERGENCE)

    def axis(self, quantities: Mapping[str, Quantity], divergence: str = "divergence") -> str:
        """The name of the first axis of hypervolumes.

        Args:
            quantities: What the search measures.
            divergence: The same for divergences.
        """
        if self.by_metric:
            return quantities[self.name].label
        return divergence if self.by_divergence else "error"

    @property
    def finished(self) -> bool:
        """Whether networks were retrained in the end."""
        return self.last != self.found

    @property
    def by_divergence(self) -> bool:
        """Whether the test images have no labels, so that the divergence decides."""
        return self.found == "test_divergence"


def _judge(text: str, columns: Collection[str]) -> str:
    """What judges networks at a stage: its name fits the text, as that of a column."""
    for name in ("accuracy", *_metrics(columns), DIVERGENCE):
        if text.format(name) in columns:
            return name
    return "accuracy"


def _metrics(columns: Collection[str]) -> list[str]:
    """Metrics of the user's among columns: those that are known on test images too."""
    tested = [name.removeprefix("test_") for name in columns if name.startswith("test_")]
    known = [n for n in tested if n in columns or f"finished_test_{n}" in columns]
    return [name for name in known if name not in ("accuracy", DIVERGENCE)]
