"""Problems by name, from every installed package that registers some."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.problem import PruningProblem

PROBLEMS = "pymoo_prune.problems"
REPRODUCTIONS = "pymoo_prune.reproductions"
USERS_CHOICE = ("objectives", "constraints", "parent")
"""What a user asks for by options of the run; a problem that has no use for it must say so."""


def registered(group: str = PROBLEMS) -> dict[str, EntryPoint]:
    """Entry points of a group by name."""
    return {point.name: point for point in entry_points(group=group)}


def find_problem(name: str) -> type[PruningProblem]:
    """The problem class with a name.

    Args:
        name: As registered under the entry point `pymoo_prune.problems`, or "package.module:Class".
    """
    points = registered()
    if ":" in name:
        found = load_named(name)
    elif name in points:
        found = _loaded(points[name])
    else:
        raise unknown_name("problem", name, points)
    if not (isinstance(found, type) and issubclass(found, PruningProblem)):
        msg = f"problem {name!r} is {found!r}, which is not a PruningProblem class"
        raise PruneError(msg)
    return found


def find_reproduction(name: str) -> Callable[..., None]:
    """The function that redraws a paper's figures."""
    points = registered(REPRODUCTIONS)
    if name not in points:
        raise unknown_name("reproduction", name, points)
    function: Callable[..., None] = _loaded(points[name])
    return function


def load_named(name: str) -> Any:
    """What is called "package.module:Name"; the folder one works in is looked at too.

    Args:
        name: Module and name.
    """
    # As `python -m` does: what is under work lies in the folder one works in.
    if "" not in sys.path:
        sys.path.insert(0, "")
    return _loaded(EntryPoint(name, name, PROBLEMS))


def _loaded(point: EntryPoint) -> Any:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        msg = f"{point.name!r} cannot be imported from {point.value}: {error}"
        raise PruneError(msg) from error


def build_problem(
    cls: type[PruningProblem], data: Any, options: Mapping[str, Any], given: Mapping[str, Any]
) -> PruningProblem:
    """A problem from named options, each checked against the constructor.

    Args:
        cls: The problem's class.
        data: Its first argument.
        options: What the user set; an unknown name is an error.
        given: What the run adds where the constructor takes it (objectives, seed, parent, ...).
    """
    parameters = list(inspect.signature(cls).parameters.values())[1:]
    names = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    for name in USERS_CHOICE:
        if given.get(name) and name not in names:
            msg = f"{cls.__name__} takes no {name}: its constructor has no such argument"
            raise PruneError(msg)
    open_names = [name for name in names if name not in given and name not in USERS_CHOICE]
    for name in options:
        if name not in open_names:
            raise unknown_name(f"option of {cls.__name__}", name, open_names)
        _check_type(name, options[name], inspect.signature(cls).parameters[name].default)
    return cls(data, **options, **{n: v for n, v in given.items() if n in names})


def _check_type(name: str, value: Any, default: Any) -> None:
    """Options come from a command line: one of another kind than the default is a slip."""
    wanted = type(default)
    if wanted not in (bool, int, float, str):
        return
    given = float if wanted is float and type(value) is int else type(value)
    if given is not wanted:
        msg = f"option {name} must be like {default!r} ({wanted.__name__}), but it is {value!r}"
        raise PruneError(msg)
