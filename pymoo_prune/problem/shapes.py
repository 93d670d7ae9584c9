"""The shapes of plain values: options, settings, and what JSON files hold.

A shape is a type as in a signature: plain types, unions, literals, lists, dictionaries with texts
as keys, and `TypedDict`. Other types suit every value: what they are for checks them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import (
    Any,
    Literal,
    TypedDict,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from pymoo_prune.errors import PruneError, shown

UNIONS, _LISTS, _OBJECTS = (Union, UnionType), (list, Sequence), (dict, Mapping)
_PLAIN = (bool, int, float, str, NoneType)


class _QuantityAlways(TypedDict):
    better: str
    label: str
    share: bool


class QuantityShape(_QuantityAlways, total=False):
    """A quantity, as results keep it; the rest is of those that judge."""

    judges: bool
    worst: float | None


def check_format(values: Any, expected: int) -> None:
    """Refuses what a file holds if it is no object, or has another format.

    Args:
        values: What the file holds.
        expected: The format that this version reads.
    """
    if not isinstance(values, dict):
        msg = f"it must hold an object, but it holds {shown(values)}"
        raise PruneError(msg)
    check_shape(values, _Formatted)
    if values["format"] != expected:
        msg = f"it has format {values['format']}, but this version reads format {expected}"
        raise PruneError(msg)


class _Formatted(TypedDict):
    format: int


def suits(value: Any, wanted: Any) -> bool:
    """Whether a value has a shape.

    Args:
        value: The value.
        wanted: The shape.
    """
    return next(_faults(value, wanted, ""), None) is None


def shape_text(wanted: Any) -> str:
    """A shape in words, for a message."""
    origin, parts = get_origin(wanted), get_args(wanted)
    if origin in UNIONS:
        return " or ".join(shape_text(part) for part in parts)
    if origin is Literal:
        return " or ".join(dict.fromkeys(type(choice).__name__ for choice in parts))
    if origin in _LISTS:
        return f"list of {shape_text(parts[0])}"
    if origin in _OBJECTS:
        return f"object of {shape_text(parts[1])}"
    if is_typeddict(wanted):
        return "object"
    return "None" if wanted is NoneType else str(getattr(wanted, "__name__", wanted))


def check_shape(value: Any, wanted: Any, name: str = "") -> None:
    """Refuses a value that has not the wanted shape.

    Args:
        value: The value; an object may have more keys than its shape.
        wanted: The shape.
        name: The value's name, for messages; nothing for all that a file holds.

    Raises:
        PruneError: The message names the first wrong or missing key by its path.
    """
    for message in _faults(value, wanted, name):
        raise PruneError(message)


def _faults(value: Any, wanted: Any, path: str) -> Iterator[str]:
    """What is wrong, as messages; the first names a key that is within others."""
    origin = get_origin(wanted)
    if origin in UNIONS:
        return _faults_of_union(value, get_args(wanted), path)
    if origin in _LISTS:
        return _faults_of_list(value, wanted, path)
    if origin in _OBJECTS or is_typeddict(wanted):
        return _faults_of_object(value, wanted, path)
    if origin is Literal:  # what it is for checks the choice
        fits = type(value) in {type(choice) for choice in get_args(wanted)}
    elif wanted is float:
        fits = type(value) in (int, float)
    else:
        fits = wanted not in _PLAIN or type(value) is wanted
    return iter(() if fits else (_fault(value, wanted, path),))


def _faults_of_union(value: Any, parts: Sequence[Any], path: str) -> Iterator[str]:
    if any(suits(value, part) for part in parts):
        return
    wanted = [part for part in parts if part is not NoneType]
    if len(wanted) == 1 and value is not None:  # its own keys are named
        yield from _faults(value, wanted[0], path)
        return
    yield _fault(value, Union[tuple(parts)], path)  # noqa: UP007 - of any number of parts


def _faults_of_list(value: Any, wanted: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list | tuple):
        yield _fault(value, wanted, path)
        return
    for place, one in enumerate(value):
        yield from _faults(one, get_args(wanted)[0], f"{path}[{place}]")


def _faults_of_object(value: Any, wanted: Any, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield _fault(value, wanted, path)
        return
    if is_typeddict(wanted):
        shapes, required = get_type_hints(wanted), wanted.__required_keys__
    else:
        shapes, required = dict.fromkeys(value, get_args(wanted)[1]), frozenset[str]()
    for key, shape in shapes.items():
        if key in value:
            yield from _faults(value[key], shape, _within(path, key))
        elif key in required:
            yield f"it has no {_within(path, key)!r}"


def _within(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _fault(value: Any, wanted: Any, path: str) -> str:
    return f"{path or 'it'} must be {shape_text(wanted)}, but it is {shown(value)}"


def option_shape(parameter: inspect.Parameter) -> Any:
    """The shape of a constructor's argument: its annotation, or the type of its default.

    What objects hold is left to the problem.
    """
    wanted, default = parameter.annotation, parameter.default
    if wanted is parameter.empty or isinstance(wanted, str):
        return Any if default is None else type(default)
    return _without_objects(wanted)


def _without_objects(wanted: Any) -> Any:
    if get_origin(wanted) in UNIONS:
        return Union[tuple(_without_objects(part) for part in get_args(wanted))]  # noqa: UP007
    return Any if get_origin(wanted) in _OBJECTS else wanted
