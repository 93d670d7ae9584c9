"""The measured networks of one method, as tables and plots take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pymoo_prune.errors import check_kind
from pymoo_prune.objectives.quantities import Values


@dataclass(frozen=True)
class Series:
    """The networks of one method, as a report shows them.

    Attributes:
        name: The name of the method.
        columns: Measurements, such as sizes and accuracies, by name, (n,) each.
    """

    name: str
    columns: dict[str, Values] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_kind("a method's name", self.name, str, "a text")
        check_kind("columns", self.columns, Mapping, "arrays by name")

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))
