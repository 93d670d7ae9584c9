"""Instances by name."""

from __future__ import annotations

from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.suite.definition import Definition
from pymoo_prune.suite.definitions import DEFINITIONS, GROUPS
from pymoo_prune.suite.instance import Instance


def problem(name: str, version: int | None = None) -> Instance:
    """An instance of the suite, ready for pymoo's `minimize`.

    Args:
        name: Its name; `suite()` has all.
        version: The version that results are to compare with; None is this package's.
    """
    if name not in DEFINITIONS:
        raise unknown_name("instance of the suite", name, DEFINITIONS)
    definition = DEFINITIONS[name]
    if version not in (None, definition.version):
        msg = (
            f"this package has version {definition.version} of {name}, not {version}; "
            "results of different versions do not compare"
        )
        raise PruneError(msg)
    return Instance(definition)


def suite(group: str = "all") -> list[Definition]:
    """The definitions of the instances of a group.

    Args:
        group: "all", "tabular", "live" or "quick".
    """
    if group not in GROUPS:
        raise unknown_name("group of the suite", group, GROUPS)
    return [DEFINITIONS[name] for name in GROUPS[group]]
