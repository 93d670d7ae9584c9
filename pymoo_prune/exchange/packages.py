"""Packages that only some formats need."""

from __future__ import annotations

import importlib
from typing import Any

from pymoo_prune.errors import PruneError


def needed(module: str) -> Any:
    """A module of a package that the extra `data` brings.

    Args:
        module: Its name.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        msg = f"this needs {package}: pip install 'pymoo-prune[data]' ({error})"
        raise PruneError(msg) from error
