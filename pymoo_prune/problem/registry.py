"""Problems by name, from every installed package that registers some."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

import torch
from torch import nn

from pymoo_prune.errors import PruneError, check_kind, in_users_code, unknown_name
from pymoo_prune.networks import copied, load_named, with_origin
from pymoo_prune.objectives import DIVERGENCE, Objectives, Scalarisation
from pymoo_prune.problem.arguments import arguments_of, check_argument
from pymoo_prune.problem.presets import Preset
from pymoo_prune.problem.pruning_problem import PruningProblem
from pymoo_prune.problem.unlabelled import judged_by
from pymoo_prune.training import seeded

PROBLEMS = "pymoo_prune.problems"
REPRODUCTIONS = "pymoo_prune.reproductions"
USERS_CHOICE = ("objectives", "constraints", "parent")
"""Arguments that a user sets by options of the run; a problem without one refuses the option."""
OF_THE_RUN = (*USERS_CHOICE, "seed", "progress")
"""Arguments that the run gives to a constructor; they are no options of the problem."""


def registered(group: str = PROBLEMS) -> dict[str, EntryPoint]:
    """Entry points of a group by name."""
    return {point.name: point for point in entry_points(group=group)}


def find_problem(name: str) -> type[PruningProblem]:
    """The problem class with a name.

    Args:
        name: As registered under the entry point `pymoo_prune.problems`, or "package.module:Class".
    """
    points = registered()
    check_kind("problem", name, str, "a name")
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


def called(kind: str, name: str, found: Callable[[], Any]) -> Any:
    """The result of a user's function, or class, without arguments.

    Args:
        kind: What it returns, for messages.
        name: Its name.
        found: The function.
    """
    try:
        inspect.signature(found).bind()
    except TypeError as error:
        msg = f"{kind} {name!r} must be a function without arguments, but it has a {error}"
        raise PruneError(msg) from error
    except ValueError:  # written in C: nothing is known of its arguments
        pass
    # What is random is the same each time.
    with in_users_code(f"{kind} {name!r} cannot be made"), seeded(0, torch.device("cpu")):
        return found()


def own_network(name: str) -> nn.Module:
    """A network of the user's own, "package.module:name": a module, or the result of a function.

    It remembers the name, so that it and what is pruned of it can be saved and loaded again.

    Args:
        name: "package.module:name" of a `torch.nn.Module`, or of a function or class without
            arguments.
    """
    found = load_named(name)
    if not isinstance(found, nn.Module) and callable(found):
        found = called("network", name, found)
    if not isinstance(found, nn.Module):
        msg = (
            f"network {name!r} is a {type(found).__name__}; it must be a torch.nn.Module, or a "
            "function without arguments that returns one"
        )
        raise PruneError(msg)
    # A copy: it may be the user's own object, or one that the function gives again.
    return with_origin(copied(found), {"network": name, "arguments": {}})


def preset_of(cls: type[PruningProblem], name: str | None) -> Preset:
    """A problem's settings by name.

    Args:
        cls: The problem's class.
        name: The preset's name; None is the first.
    """
    if name is None:
        return next(iter(cls.presets.values()))
    if name not in cls.presets:
        raise unknown_name("preset", name, cls.presets)
    return cls.presets[name]


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
        options: The user's options; an unknown name is an error.
        given: The run's arguments (objectives, seed, parent, ...); those it takes are passed on.
    """
    # By identity: a compiled network has no truth value.
    asked = [name for name in USERS_CHOICE if given.get(name) not in (None, (), [])]
    check_options(cls, options, asked)
    names = _parameters(cls)
    return cls(data, **options, **{n: v for n, v in given.items() if n in names})


def check_options(
    cls: type[PruningProblem], options: Mapping[str, Any], asked: Iterable[str] = ()
) -> None:
    """Raises an error if a problem's constructor cannot take what a user wants.

    Args:
        cls: The problem's class.
        options: The user's options: plain values, as in a command line and JSON.
        asked: Those of `USERS_CHOICE` that the user gave.
    """
    parameters = _parameters(cls)
    for name in asked:
        if name not in parameters:
            msg = f"{cls.__name__} takes no {name}: its constructor has no such argument"
            raise PruneError(msg)
    open_names = [name for name in parameters if name not in OF_THE_RUN]
    for name, value in options.items():
        if name not in open_names:
            raise unknown_name(f"option of {cls.__name__}", name, open_names)
        check_argument(parameters[name], value)


def default_objectives(cls: type[PruningProblem], *, labelled: bool = True) -> Objectives | None:
    """The default objectives of a problem; None where its constructor has none.

    Args:
        cls: The problem's class.
        labelled: Whether the images have labels.
    """
    parameter = _parameters(cls).get("objectives")
    default = None if parameter is None else parameter.default
    if default is None or default is inspect.Parameter.empty:
        return None
    if labelled or isinstance(default, Scalarisation):
        return cast("Objectives", default)
    return judged_by(DIVERGENCE, default)


def _parameters(cls: type[PruningProblem]) -> dict[str, inspect.Parameter]:
    """The constructor's parameters by name, without the data."""
    return dict(list(arguments_of(cls).items())[1:])
