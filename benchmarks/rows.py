"""Some rows of a long benchmark: `PYMOO_PRUNE_ROWS=resnet-18,googlenet python -m benchmarks NAME`.

The rows that are named are made. Tables show them with the rows that are finished already. Without
the variable, all rows are made.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from pymoo_prune.errors import PruneError, unknown_name

VARIABLE = "PYMOO_PRUNE_ROWS"


def chosen(names: Sequence[str]) -> list[str]:
    """The rows to make, in their order in the table.

    Args:
        names: The names of all rows.

    Raises:
        PruneError: The variable names a row that is not there, or none.
    """
    text = os.environ.get(VARIABLE)
    if text is None:
        return list(names)
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    if not wanted:
        msg = f"{VARIABLE} names no row; take some of {', '.join(names)}, joined by commas"
        raise PruneError(msg)
    for name in wanted:
        if name not in names:
            raise unknown_name("row", name, names)
    return [name for name in names if name in wanted]


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
