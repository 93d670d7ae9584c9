"""The parts of a long reproduction: kept in a folder, so that one that was stopped goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from pymoo_prune.results import load_network, save_network
from pymoo_prune.runs import kept


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


class KeptIn:
    """Keeps parts in a folder: a file NAME.json each, and networks in folders beside.

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
