"""Quantities that a user adds to a problem by name, without writing a class."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from pymoo_prune.errors import PruneError
from pymoo_prune.networks import load_named
from pymoo_prune.objectives import Quantity, from_measurements
from pymoo_prune.problem.names import check_names
from pymoo_prune.problem.pruning_problem import PruningProblem


def extended(cls: type[PruningProblem], added: Sequence[str]) -> type[PruningProblem]:
    """A problem's class with further quantities, which follow from what it measures.

    Args:
        cls: The problem's class.
        added: "package.module:name" or "NAME=package.module:name" of each: a function from
            measurements to values, of which lower is better, or a `Quantity` that
            `from_measurements` made.
    """
    if not added:
        return cls
    base: Any = cls  # classes are hashable, even if their instances are not
    made: type[PruningProblem] = _extended(base, tuple(added))
    return made


@cache
def _extended(cls: Any, added: tuple[str, ...]) -> Any:
    quantities = dict(cls.quantities)
    for text in added:
        name, _, place = text.rpartition("=")
        name = name or place.rpartition(":")[2].lower()
        if name in quantities:
            msg = f"{cls.__name__} measures {name!r} already; give another name, NAME={place}"
            raise PruneError(msg)
        quantities[name] = _quantity(name, place)
    check_names(cls.__name__, quantities)

    def reduce_ex(self: PruningProblem, protocol: Any) -> Any:  # noqa: ARG001
        return _empty, (cls, added), self.__dict__

    about = {"quantities": quantities, "__module__": cls.__module__, "__doc__": cls.__doc__}
    return type(cls)(cls.__name__, (cls,), {**about, "__reduce_ex__": reduce_ex})


def _empty(cls: Any, added: tuple[str, ...]) -> Any:
    """An instance without its state; pickle cannot find a class that was made at run time."""
    made = _extended(cls, added)
    return made.__new__(made)


def _quantity(name: str, place: str) -> Quantity:
    if ":" not in place:
        msg = f"a quantity is named package.module:function, or NAME=..., but this is {place!r}"
        raise PruneError(msg)
    found = load_named(place)
    if isinstance(found, Quantity) and found.follows is not None:
        return found
    if isinstance(found, Quantity) or not callable(found):
        msg = (
            f"quantity {place!r} is {found!r}; it must be a function from measurements to values, "
            "or a quantity that from_measurements made"
        )
        raise PruneError(msg)
    return from_measurements(found, "lower", name.replace("_", " "))
