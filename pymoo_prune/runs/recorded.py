"""What a run's folder says of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import StoreError
from pymoo_prune.exchange import Evaluations
from pymoo_prune.measuring import Anatomies
from pymoo_prune.objectives import Series
from pymoo_prune.problem import PruningProblem
from pymoo_prune.runs.evaluations import evaluations_of
from pymoo_prune.runs.folder import RunFolder
from pymoo_prune.runs.settings import Settings
from pymoo_prune.search import Display


class RecordedRun(ABC):
    """A run as its folder has it: results where it is finished, evaluations in any case.

    Args:
        folder: The run's folder.
        settings: What the run depends on.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self.settings = folder, settings

    @abstractmethod
    def prepare(self, display: Display, *, download: bool = False) -> PruningProblem:
        """The problem, with its parent."""

    @property
    def _files(self) -> RunFolder:
        return RunFolder(self.folder)

    @property
    def complete(self) -> bool:
        """Whether the run came to its end, and its results can be read."""
        try:
            self.results()
            self._files.chromosomes()
            self.layers()
            self.matrices()
        except StoreError:
            return False
        return True

    def results(self) -> tuple[list[Series], dict[str, Any]]:
        """The numbers of a finished run: the search's, the baselines', and the summary."""
        return self._files.results()

    def layers(self) -> Anatomies | None:
        """The layers of the front's networks; None in folders of older versions."""
        return self._files.layers()

    def matrices(self) -> tuple[Array, Array] | None:
        """The front's chromosomes as matrices, and cells that may live; None if it has none."""
        return self._files.matrices()

    def evaluations(self) -> Evaluations:
        """All that the search asked for, with chromosomes; also of a run that is not finished."""
        return evaluations_of(self)
