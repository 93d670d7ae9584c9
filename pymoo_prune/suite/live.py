"""Candidates measured when they are asked for, by a paper's problem. This module brings torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.data import load_data
from pymoo_prune.errors import DataError
from pymoo_prune.objectives import Measurements
from pymoo_prune.problem import PruningProblem, find_problem
from pymoo_prune.suite.definition import Live
from pymoo_prune.suite.parents import parent


class Measuring:
    """A paper's problem, as an instance of the suite fixes it.

    Args:
        live: The problem, its options, its parent and data.
    """

    def __init__(self, live: Live) -> None:
        self.live = live
        network, about = parent(live.parent)
        data = load_data(live.data)
        if data.digest != about["data_digest"]:
            msg = (
                f"the images of {live.data} are not those that the suite was made with (their "
                f"digest is {data.digest[:12]}, not {about['data_digest'][:12]}), so results "
                "would not compare with anybody's; take the data set as it is published"
            )
            raise DataError(msg)
        self.problem: PruningProblem = find_problem(live.problem)(
            data, parent=network, **live.options
        )

    def chromosomes(self, genes: Array) -> Array:
        """The problem's chromosomes of an instance's genes, (n, n_var) each."""
        problem: Any = self.problem
        if self.live.genes == "levels":
            found: Array = problem.levels.pruned[genes, np.arange(genes.shape[1])]
            return found
        if self.live.genes == "widths":
            widths = [np.array(layer)[genes[:, i]] for i, layer in enumerate(self.live.widths)]
            return problem.narrowed(np.column_stack(widths))  # type: ignore[no-any-return]
        return genes

    def measured(self, genes: Array, batch: int | None = None) -> Measurements:
        """Measurements of candidates, (n,) each.

        Args:
            genes: Checked genes, (n, n_var).
            batch: The search batch, where images change; None takes all.
        """
        return self.problem.measured(self.chromosomes(genes), batch)

    @property
    def parent(self) -> Mapping[str, float]:
        """The unpruned network's measurements."""
        return self.problem.parent_values

    def first(self, n: int, generator: np.random.Generator) -> Array:
        """The first population that the problem's own sampling makes, (n, n_var)."""
        made = self.problem.operators()["sampling"].make(n, generator)
        if self.live.genes != "levels":
            return made  # type: ignore[no-any-return]
        pruned = self.problem.levels.pruned
        return np.stack(
            [np.searchsorted(pruned[:, i], made[:, i]) for i in range(made.shape[1])], 1
        )
