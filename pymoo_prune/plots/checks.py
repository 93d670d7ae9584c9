"""Errors for inputs that cannot be drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized

import numpy as np

from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.objectives import Quantity, Values


def check_some(what: str, given: Sized) -> None:
    """Raises an error where there is nothing to draw."""
    if not len(given):
        msg = f"{what} must not be empty, or there is nothing to draw"
        raise PruneError(msg)


def check_known(names: Iterable[str], quantities: Mapping[str, Quantity]) -> None:
    """Raises an error where a name is not that of a quantity."""
    for name in names:
        if name not in quantities:
            raise unknown_name("quantity", name, quantities)


def check_columns(owner: str, columns: Mapping[str, Values], required: Iterable[str] = ()) -> None:
    """Raises an error where columns are missing, or differ in length.

    Args:
        owner: The owner of the columns, as messages name it.
        columns: Numbers by name, (n,) each.
        required: Names of columns that must exist.
    """
    for name in required:
        if name not in columns:
            raise unknown_name(f"column of {owner}", name, columns)
    shapes = {name: np.shape(column) for name, column in columns.items()}
    if any(len(shape) != 1 for shape in shapes.values()) or len(set(shapes.values())) > 1:
        msg = f"columns of {owner} must be equally long, but their shapes are {shapes}"
        raise PruneError(msg)
