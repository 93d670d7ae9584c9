"""Where an instance's numbers come from: its table, or the network itself."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Measurements
from pymoo_prune.suite.definition import Definition
from pymoo_prune.suite.tables import Table

if TYPE_CHECKING:
    from pymoo_prune.suite.live import Measuring


class Measurer:
    """Measures candidates of an instance: looks them up where there is a table.

    Args:
        definition: An instance.

    Attributes:
        table: The table; None where there is none.
    """

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.table = Table(definition.table) if definition.table else None

    @property
    def parent(self) -> Mapping[str, float]:
        """The unpruned network's measurements."""
        return self.live.parent if self.table is None else self.table.parent

    def measured(self, genes: Array, batch: int | None) -> Measurements:
        """Measurements of candidates, (n,) each.

        Args:
            genes: Checked genes, (n, n_var).
            batch: The images of a noisy instance; None takes all.
        """
        if self.table is None:
            return self.live.measured(genes, batch)
        rows = self.table.rows(genes)
        return {name: values[rows] for name, values in self.table.columns.items()}

    def network(self, genes: Array) -> Any:
        """The network of one candidate, (1, n_var)."""
        return self.live.problem.network(self.live.chromosomes(genes)[0])

    def first(self, n: int, generator: np.random.Generator) -> Array:
        """Candidates that need no search, as the problem's own sampling makes them."""
        return self.live.first(n, generator)

    @cached_property
    def live(self) -> Measuring:
        """The problem that measures candidates; it brings torch."""
        from pymoo_prune.suite.live import Measuring  # noqa: PLC0415 - tables need no torch

        if self.definition.live is None:
            msg = (
                f"{self.definition.name} has a table alone: its networks were trained from "
                "scratch, and are not part of the package"
            )
            raise PruneError(msg)
        return Measuring(self.definition.live)


_MEASURERS: dict[str, Measurer] = {}


def measurer(definition: Definition) -> Measurer:
    """The one measurer of instances that have the same table or network: tables are read once."""
    key = repr((definition.table, definition.live))
    if key not in _MEASURERS:
        _MEASURERS[key] = Measurer(definition)
    return _MEASURERS[key]
