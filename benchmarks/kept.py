"""Trained parents that several benchmarks start from: kept from one to the next."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from torch import nn

from pymoo_prune import load_network, save_network

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
