"""What an instance is: the part that people write. numpy only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.objectives import Measurements
from pymoo_prune.suite.genes import Bits, Genes, Whole

BUDGET = 2_000
"""Evaluations that the suite's own results are for, where nothing else is said."""


@dataclass(frozen=True)
class Cost:
    """An objective: what is minimised.

    Attributes:
        quantity: The quantity that is measured.
        scale: "error" is 1 − the accuracy; "share" divides it by the parent's; "log" is the
            logarithm to base 10 of that share; "plain" leaves it.
        reference: The reference point's value.
    """

    quantity: str
    scale: Literal["error", "share", "log", "plain"]
    reference: float

    @property
    def name(self) -> str:
        """Its name in results."""
        if self.scale == "error":
            return "error"
        return f"log_{self.quantity}" if self.scale == "log" else self.quantity

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest and the highest value that any candidate could have.

        None is larger than the parent.
        """
        if self.scale in ("error", "share"):
            return 0.0, 1.0
        return -math.inf, 0.0 if self.scale == "log" else math.inf

    def of(self, measurements: Measurements, parent: Mapping[str, float]) -> Array:
        """The costs of candidates, (n,)."""
        values = np.asarray(measurements[self.quantity], dtype=float)
        if self.scale == "error":
            return 1 - values
        if self.scale == "plain":
            return values
        share: Array = values / parent[self.quantity]
        return np.log10(share) if self.scale == "log" else share


ERROR = Cost("accuracy", "error", 0.3)
"""The share of wrong answers on the validation images."""


@dataclass(frozen=True)
class Live:
    """How candidates are measured.

    Attributes:
        problem: A registered problem.
        parent: The suite's network that is pruned.
        data: The images.
        options: The problem's options.
        genes: What the genes mean: the problem's own chromosomes; levels of its layers; or widths
            of layers, of which the parts that are missed most stay.
        widths: The width of each layer by gene value, where genes are widths.
    """

    problem: str
    parent: str
    data: Literal["digits", "fashion-mnist"]
    options: Mapping[str, Any] = field(default_factory=dict)
    genes: Literal["own", "levels", "widths"] = "own"
    widths: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Definition:
    """An instance of the suite.

    Attributes:
        name: Its name.
        what: What is pruned, in a sentence.
        genes: Its genes.
        costs: Its objectives.
        live: How candidates are measured; None where only the table can tell.
        table: The table with all candidates; empty where there is none.
        constraints: Bounds on quantities.
        noisy: Whether the images change from generation to generation.
        seeded: Whether the first population has networks that need no search.
        most: Evaluations of a search that results are given for; fewer where a candidate is slow.
        version: Rises with each change of what candidates measure.
    """

    name: str
    what: str
    genes: Genes
    costs: tuple[Cost, ...]
    live: Live | None
    table: str = ""
    constraints: tuple[str, ...] = ()
    noisy: bool = False
    seeded: bool = False
    most: int = BUDGET
    version: int = 1

    @property
    def candidates(self) -> int | None:
        """How many candidates there are; None where genes are real numbers."""
        if isinstance(self.genes, Whole):
            return math.prod(self.genes.choices)
        return 2**self.genes.n_var if isinstance(self.genes, Bits) else None

    @property
    def budget(self) -> int:
        """`most`, or an eighth of a small space."""
        total = self.candidates
        return self.most if total is None else min(self.most, max(40, total // 8 // 40 * 40))
