"""The front of a finished run, read from its folder; the problem is prepared where it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from pymoo_prune.chromosomes import Array
from pymoo_prune.objectives import Goals, Quantity, Values
from pymoo_prune.problem import PruningProblem
from pymoo_prune.results import (
    EVALUATION,
    Choice,
    FinishedNetworks,
    Front,
    Suggestion,
    final_of,
    no_fittest,
    suggest,
)
from pymoo_prune.runs.settings import recorded_quantity


def recorded_suggestion(
    summary: Mapping[str, Any], columns: Mapping[str, Values], quantities: Mapping[str, Quantity]
) -> Suggestion:
    """The network that a run suggests, and why: the fittest, or what `suggest` says.

    Args:
        summary: The run's summary.
        columns: The numbers of the front's table, (n,) each.
        quantities: Labels and units of the columns.
    """
    fittest = summary["fittest"]
    if fittest is not None:
        return Suggestion(int(fittest), "the fittest")
    return suggest(Goals(quantities, summary["goals"]), columns, summary["parent"])


@dataclass(frozen=True)
class RecordedChoice(Choice):
    """Knows the suggestion, the knee and the fittest network from the run's summary.

    Attributes:
        places: The summary, which names their places.
    """

    places: Mapping[str, Any]

    def suggestion(self) -> Suggestion:
        """The network to take, as the report names it."""
        return recorded_suggestion(self.places, self.columns, self.quantities)

    def knee(self) -> int:
        """The network farthest from the plane through the extremes of the front."""
        return int(self.places["knee"])

    def fittest(self) -> int:
        """The network with the best fitness, where the objectives are one weighted sum."""
        if self.places["fittest"] is None:
            raise no_fittest()
        return int(self.places["fittest"])


class RunFront(Front):
    """A front whose networks can be chosen, and read where they are kept, without the problem.

    Args:
        prepare: Makes the problem, which may need data, a parent and the user's trust.
        X: Chromosomes, (n, n_var).
        columns: The numbers of the front's table, (n,) each.
        summary: The run's summary.
        finished: The finished networks, where the run keeps them.
    """

    def __init__(
        self,
        prepare: Callable[[], PruningProblem],
        X: Array,
        columns: Mapping[str, Values],
        summary: Mapping[str, Any],
        finished: FinishedNetworks | None,
    ) -> None:
        self.X, self.columns, self.layers = X, dict(columns), None
        self.finished = finished
        self._prepare, self._summary = prepare, summary
        self._prepared: PruningProblem | None = None

    @property
    def problem(self) -> PruningProblem:
        """The problem that was searched; prepared the first time."""
        if self._prepared is None:
            self._prepared = self._prepare()
        return self._prepared

    @property
    def device(self) -> torch.device:
        """Where networks go: to the problem's images, or to the processor without a problem."""
        return torch.device("cpu") if self._prepared is None else super().device

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Channels, height and width of an image."""
        return super().input_shape if self.finished is None else self.finished.input_shape

    @property
    def quantities(self) -> dict[str, Quantity]:
        """Labels and units of the columns."""
        kept = self._summary.get("quantities")
        if kept is None:  # folders of older versions
            return super().quantities
        measured = {name: recorded_quantity(about) for name, about in kept.items()}
        return {**measured, **final_of(measured), **EVALUATION}

    @property
    def _shown_goals(self) -> Goals:
        """The goals of pictures, without the problem."""
        return Goals(self.quantities, self._summary["goals"])

    @property
    def _choice(self) -> Choice:
        parent = self._summary["parent"]
        known = replace(super()._choice, parent=lambda: parent)
        return RecordedChoice(**vars(known), places=self._summary)
