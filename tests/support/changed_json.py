"""JSON files in which one key is missing, or has a value of another type."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from pymoo_prune import PruneError

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


def told_and_silent(
    folder: Path, file: str, read: Callable[[Path], object], free: Collection[str] = ()
) -> tuple[int, list[str]]:
    """Reads a folder with every change of a file; how many were refused, and what went wrong.

    Args:
        folder: A folder without digests, which would tell first.
        file: The JSON file in it.
        read: Reads the folder; the result must be what it was, or the error be named.
        free: Changes after which a reader may find something else; "without KEY." begins those of
            the keys in an object that may have any.
    """
    path = folder / file
    before, expected = path.read_text(), read(folder)
    told, silent = 0, []
    for change, content in changes(path):
        path.write_text(content)
        try:
            may_differ = change in free or any(
                change.startswith(one) for one in free if one.endswith(".")
            )
            if read(folder) != expected and not may_differ:
                silent.append(f"{read.__name__}: {change}")
        except PruneError as error:
            told += 1
            if not str(error):
                silent.append(f"{read.__name__}: {change}: no message")
        except Exception as error:  # noqa: BLE001 - all of them are named at once
            silent.append(f"{read.__name__}: {change}: {error!r}")
    path.write_text(before)
    return told, silent


def _around(value: Any, place: Place) -> Any:
    for key in place[:-1]:
        value = value[key]
    return value
