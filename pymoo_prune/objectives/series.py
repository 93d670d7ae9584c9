"""Measured networks of one method, as tables and pictures show them."""

from __future__ import annotations

from dataclasses import dataclass, field

from pymoo_prune.objectives.quantities import Values


@dataclass(frozen=True)
class Series:
    """Networks of one method, as a report shows them.

    Attributes:
        name: The method.
        columns: Sizes and accuracies by name, (n,) each.
    """

    name: str
    columns: dict[str, Values] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))
