"""Rooms that import their modules when a name is first used, since torch takes seconds to import.

A lazy room lists its imports as any other, but for the type checker only:

    if TYPE_CHECKING:
        from pymoo_prune.data.loading import load_data
    else:
        __getattr__, __dir__ = lazily(__name__)

    __all__ = ["load_data"]

No export of a lazy room may have the name of one of its modules: Python binds that name to the
module as soon as the module is imported.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import sys
from collections.abc import Callable
from functools import cache
from typing import Any


def lazily(room: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A room's `__getattr__` and `__dir__`, which import what its source lists when it is used.

    Args:
        room: The room's `__name__`.
    """

    @cache
    def modules() -> dict[str, str]:
        return listed_imports(room)

    def get(name: str) -> Any:
        if name not in modules():
            msg = f"module {room!r} has no attribute {name!r}"
            raise AttributeError(msg, name=name, obj=sys.modules[room])
        value = getattr(importlib.import_module(modules()[name]), name)
        setattr(sys.modules[room], name, value)  # the next use finds it at once
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[room]), *modules()})

    return get, names


def listed_imports(room: str) -> dict[str, str]:
    """The names that a lazy room's source lists under `if TYPE_CHECKING:`, and their modules.

    Args:
        room: The room's `__name__`.
    """
    source = pkgutil.get_data(room, "__init__.py")
    if source is None:
        msg = f"{room}/__init__.py cannot be read, which lists the room's imports"
        raise ImportError(msg)
    return {
        alias.name: node.module
        for block in ast.parse(source).body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }
