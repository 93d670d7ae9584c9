"""Some rows of a long benchmark: `python -m benchmarks NAME --only resnet-18,googlenet`.

The rows that are named are made. Tables show them with the rows that are finished already. Without
the option, all rows are made. Some tables grow on many machines: rows that are in the last result
stay in the next one, with the commit that made them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.catalogue import commit, result
from pymoo_prune.errors import PruneError, unknown_name

NONE = "none"


def chosen(text: str, names: Sequence[str]) -> list[str]:
    """The rows to make, in their order in the table.

    Args:
        text: Names of rows, joined by commas; "none" makes none, and shows what is there.
        names: The names of all rows.

    Raises:
        PruneError: A row is not there, or none is named.
    """
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    if wanted == [NONE]:
        return []
    if not wanted:
        msg = f"--only names no row; take some of {', '.join(names)}, joined by commas"
        raise PruneError(msg)
    for name in wanted:
        if name not in names:
            raise unknown_name("row", name, names)
    return [name for name in names if name in wanted]


def shown(
    names: Sequence[str], wanted: Sequence[str], finished: Callable[[str], bool]
) -> list[str]:
    """The rows of a table: those that are made now, and those that are finished already.

    Args:
        names: All rows.
        wanted: Those that are made now.
        finished: Whether all parts of a row are there.
    """
    return [name for name in names if name in wanted or finished(name)]


def said(there: Sequence[str], names: Sequence[str]) -> str:
    """Which rows a table has, as its title says it; empty where it has all.

    Args:
        there: The rows that it has.
        names: All rows.
    """
    missing = [name for name in names if name not in there]
    if not missing:
        return ""
    return f"; {len(there)} of {len(names)} rows: without {', '.join(missing)}"


def last_alike(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The last result; empty if there is none, or if it was made with other settings.

    Args:
        name: The benchmark's name.
        settings: Entries of the result.
    """
    last = result(name) or {}
    same = json.loads(json.dumps(settings))
    return last if all(last.get(key) == value for key, value in same.items()) else {}


def joined(
    name: str, settings: Mapping[str, Any], here: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Rows that were made here, and those of the last result, whichever machine made them.

    Args:
        name: The benchmark's name.
        settings: Entries of the result; rows that were made with others are left out.
        here: Rows by name, as JSON holds them.

    Returns:
        All rows, and the commit that made each.

    Raises:
        PruneError: There is no row.
    """
    last = last_alike(name, settings)
    before, known = last.get("rows", {}), last.get("commits", {})
    rows = {**before, **json.loads(json.dumps(here))}
    if not rows:
        msg = f"no row of {name} is there yet; make one first: --only takes their names"
        raise PruneError(msg)
    now = commit()
    commits = {
        row: known.get(row, last["commit"]) if found == before.get(row) else now
        for row, found in rows.items()
    }
    return rows, commits
