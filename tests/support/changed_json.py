"""JSON files in which one key is missing, or has a value of another type."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MOST_OF_A_LIST = 1
"""Items of a list that are changed; the others are alike."""
OTHERS: dict[type, list[Any]] = {
    bool: [3, "x", None, []], int: ["1", 2.5, True, None, [], {}], float: ["1", True, None, {}],
    str: [3, None, ["x"], {}, True], list: ["x", 3, {}, None, [None]], dict: [[], "x", 3, None],
    type(None): [True, {}, []],
}  # fmt: skip
"""Values of other types."""
Place = tuple[str | int, ...]


def places(value: Any, here: Place = ()) -> Iterator[Place]:
    """Every key within a value, by its path; of lists the first items."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))[:MOST_OF_A_LIST]
    for key, one in inner:
        yield (*here, key)
        yield from places(one, (*here, key))


def without(value: Any, place: Place) -> Any:
    """A copy without a key."""
    found = copy.deepcopy(value)
    del _around(found, place)[place[-1]]
    return found


def retyped(value: Any, place: Place) -> Iterator[Any]:
    """Copies in which a key has a value of each other type."""
    before = _around(value, place)[place[-1]]
    for other in OTHERS[type(before)]:
        found = copy.deepcopy(value)
        _around(found, place)[place[-1]] = other
        yield found


def changes(path: Path, left_out: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Contents of a JSON file with one change each, and what the change is."""
    value = json.loads(path.read_text())
    for place in places(value):
        if place[0] in left_out:
            continue
        name = ".".join(map(str, place))
        if not isinstance(place[-1], int):
            yield f"without {name}", json.dumps(without(value, place))
        for one in retyped(value, place):
            changed = json.dumps(_around(one, place)[place[-1]])
            yield f"{name} is {changed}", json.dumps(one)


def _around(value: Any, place: Place) -> Any:
    for key in place[:-1]:
        value = value[key]
    return value
