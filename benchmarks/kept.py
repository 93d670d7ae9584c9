"""Kept from one benchmark to the next: trained parents, and parts of one that was stopped."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from benchmarks.quick import is_quick
from pymoo_prune import load_network, save_network
from pymoo_prune.files import write_text

FOLDER = Path(os.environ.get("PYMOO_PRUNE_PARENTS", "~/.cache/pymoo-prune/parents")).expanduser()
"""Where trained parents are kept: minutes of work, and up to more than a megabyte each."""


def kept_parent(name: str, train: Callable[[], nn.Module]) -> nn.Module:
    """A trained network, from the last time or now.

    Args:
        name: Says how it was trained.
        train: Trains it.
    """
    folder = FOLDER / name
    if not folder.is_dir():
        print(f"training a parent; it is kept in {folder}", flush=True)
        # Moved when it is complete: several processes may train it at once.
        part = FOLDER / f".{name}-{os.getpid()}"
        save_network(train(), part, about={"role": "parent", "trained": name})
        if not folder.is_dir():
            part.replace(folder)
    return load_network(folder)


class Parts:
    """The finished parts of a benchmark of hours, so that one that was stopped goes on.

    They are kept until the benchmark is complete: the next one measures anew.

    Args:
        name: The benchmark's name, and what its parts depend on.
    """

    def __init__(self, name: str) -> None:
        self.folder = FOLDER.parent / "parts" / name

    def of(self, name: str, make: Callable[[], Any]) -> Any:
        """A part, from before or made now.

        Args:
            name: The part's name.
            make: Makes it, as JSON can hold it.
        """
        path = self.folder / f"{name}.json"
        if not self.has(name):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps(make()))
        return json.loads(path.read_text(encoding="utf-8"))

    def has(self, name: str) -> bool:
        """Whether a part is there."""
        return (self.folder / f"{name}.json").exists()

    def forget(self) -> None:
        """Removes all parts, and the folders that a part keeps its networks in.

        At the reduced size they are those of a longer one that was stopped, and stay.
        """
        if not is_quick():
            shutil.rmtree(self.folder, ignore_errors=True)
