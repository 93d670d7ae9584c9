"""The parts of a long reproduction: kept in a folder, so that one that was stopped goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from pymoo_prune.machine import versions
from pymoo_prune.problem import PruningProblem
from pymoo_prune.results import load_network, save_network
from pymoo_prune.runs import kept
from pymoo_prune.search import Store


class Keeper(Protocol):
    """Makes parts, or has them from before."""

    def values(self, name: str, make: Callable[[], Any]) -> Any:
        """Values that JSON can hold.

        Args:
            name: The part's name.
            make: Makes them.
        """

    def network(
        self, name: str, make: Callable[[], tuple[nn.Module, Any]]
    ) -> tuple[nn.Module, Any]:
        """A network, and values about it.

        Args:
            name: The part's name.
            make: Makes both.
        """

    def store(self, name: str, problem: PruningProblem) -> AbstractContextManager[Store | None]:
        """A search's evaluations; None keeps none.

        Args:
            name: The part's name.
            problem: The problem that is searched.
        """


class Nothing:
    """Keeps nothing: a `Keeper` that makes all parts."""

    def values(self, name: str, make: Callable[[], Any]) -> Any:  # noqa: ARG002
        """See `Keeper`."""
        return make()

    def network(
        self,
        name: str,  # noqa: ARG002
        make: Callable[[], tuple[nn.Module, Any]],
    ) -> tuple[nn.Module, Any]:
        """See `Keeper`."""
        return make()

    def store(self, name: str, problem: PruningProblem) -> AbstractContextManager[Store | None]:  # noqa: ARG002
        """See `Keeper`."""
        return nullcontext()


class KeptIn:
    """Keeps parts in a folder: a file NAME.json each; networks and evaluations lie beside.

    Args:
        folder: The folder; it is made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def values(self, name: str, make: Callable[[], Any]) -> Any:
        """See `Keeper`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return kept(self.folder / f"{name}.json", make)

    def network(
        self, name: str, make: Callable[[], tuple[nn.Module, Any]]
    ) -> tuple[nn.Module, Any]:
        """See `Keeper`; the network comes back on the CPU."""

        def saved() -> Any:
            network, values = make()
            save_network(network, self.folder / name, about={"role": "part", "part": name})
            return values

        # The values are written last: without them, the part is made again.
        values = self.values(name, saved)
        return load_network(self.folder / name), values

    def store(self, name: str, problem: PruningProblem) -> AbstractContextManager[Store | None]:
        """See `Keeper`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path, names = self.folder / f"{name}.sqlite", tuple(problem.quantities)
        return closing(Store(path, names, problem.fingerprint, versions()))
