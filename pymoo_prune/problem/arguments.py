"""The arguments of a problem's constructor: their shapes, and checks of what is given."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, get_args, get_origin, is_typeddict

import numpy as np

from pymoo_prune.errors import MOST, PruneError, check_whole, shown
from pymoo_prune.problem.shapes import UNIONS, option_shape, shape_text, suits

AS_GIVEN = ("objectives", "constraints")
"""Arguments that goals check, with messages of their own."""
_CALLABLE = get_origin(Callable[[], None])


def arguments_of(constructor: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The arguments of a class, or of a function, by name.

    Args:
        constructor: The class, or the function.
    """
    try:
        signature = inspect.signature(constructor, eval_str=True)
    except (AttributeError, NameError, TypeError):  # annotations that only a type checker can read
        signature = inspect.signature(constructor)
    open_ended = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return {n: one for n, one in signature.parameters.items() if one.kind not in open_ended}


def check_argument(parameter: inspect.Parameter, value: Any) -> None:
    """Refuses a value of the wrong type, such as a slip on the command line.

    Args:
        parameter: The constructor's.
        value: The value, as a command line and JSON can give it.
    """
    wanted = option_shape(parameter)
    if not suits(value, wanted):
        raise _refusal(parameter, value, wanted)
    _check_size(parameter.name, value)


def checked(init: Callable[..., None]) -> Callable[..., None]:
    """An `__init__` that refuses arguments of other types than its annotations, and odd seeds.

    Args:
        init: The `__init__` of a problem.
    """

    @wraps(init)
    def checking(self: Any, *args: Any, **options: Any) -> None:
        try:
            given = inspect.signature(init).bind(self, *args, **options).arguments
        except TypeError:  # too few or too many: Python's own message says it
            given = {}
        for name, parameter in list(arguments_of(init).items())[1:]:
            if name in given and name not in AS_GIVEN:
                _check_any(parameter, given[name])
        init(self, *args, **options)

    return checking


def _check_any(parameter: inspect.Parameter, value: Any) -> None:
    """As `check_argument`, where a value may be an object of the user's."""
    wanted = parameter.annotation
    if isinstance(wanted, str) or wanted is parameter.empty or value is parameter.default:
        return
    if not _fits(value.item() if isinstance(value, np.generic) else value, wanted):
        raise _refusal(parameter, value, wanted)
    _check_size(parameter.name, value)
    if parameter.name == "seed":
        check_whole(parameter.name, value)


def _check_size(name: str, value: Any) -> None:
    """Refuses whole numbers that no array and no generator takes."""
    for one in value if isinstance(value, list | tuple) else (value,):
        if isinstance(one, int) and abs(one) > MOST:
            msg = f"option {name} must be at most {MOST:,}, but it is {shown(one)}"
            raise PruneError(msg)


def _fits(value: Any, wanted: Any) -> bool:
    origin = get_origin(wanted)
    if origin in UNIONS:
        return any(_fits(value, part) for part in get_args(wanted))
    if origin is _CALLABLE:
        return callable(value)
    if isinstance(wanted, type) and origin is None and not is_typeddict(wanted):
        try:
            return suits(value, wanted) and (wanted is float or isinstance(value, wanted))
        except TypeError:  # a protocol, say
            return True
    return suits(value, wanted)


def _refusal(parameter: inspect.Parameter, value: Any, wanted: Any) -> PruneError:
    """An error that shows how the argument is written."""
    must, default = shape_text(wanted), parameter.default
    if default is not None and default is not parameter.empty:
        example = list(default) if isinstance(default, tuple) else default  # as a user writes it
        must = f"like {example!r} ({must})"
    return PruneError(f"option {parameter.name} must be {must}, but it is {shown(value)}")
