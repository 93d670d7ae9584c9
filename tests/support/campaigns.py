"""Small comparisons in folders, and checks that two of them are the same."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from pymoo_prune import Budget, Settings
from pymoo_prune.comparing import Campaign, Comparison, tables
from tests.support.running import HISTORY, query

METHODS = ("ga", "nsga2", "random")


def settings(problem: str = "tiny_problem:Pixels", **changes: Any) -> Settings:
    given = {"pop_size": 8, "budget": Budget(generations=3), "threads": 1, **changes}
    return Settings(problem=f"tests.support.{problem}", algorithm="nsga2", **given)


def created(
    folder: Path,
    methods: Sequence[str] = METHODS,
    seeds: Sequence[int] = (0, 1),
    bounds: Sequence[str] | None = None,
    **changes: Any,
) -> Campaign:
    return Campaign.create(folder, settings(**changes), methods, seeds, bounds)


def done(campaign: Campaign, jobs: int = 1) -> tuple[Comparison, str]:
    """The comparison, and what was printed."""
    console = Console(file=io.StringIO(), width=300)
    comparison = campaign.execute(console, jobs=jobs)
    return comparison, console.file.getvalue()  # type: ignore[attr-defined]


def numbers(campaign: Campaign) -> list[dict[str, str]]:
    """runs.csv without what may differ: working time and paths."""
    rows = list(csv.DictReader(io.StringIO(tables.indicators_csv(campaign.comparison()))))
    return [{n: v for n, v in row.items() if n not in ("seconds", "from")} for row in rows]


def assert_same_runs(one: Campaign, other: Campaign) -> None:
    """The same searches and fronts to the last bit, and the same indicators."""
    names = [path.name for path in sorted((one.folder / "runs").iterdir())]
    assert names == [path.name for path in sorted((other.folder / "runs").iterdir())]
    for name in names:
        mine, theirs = one.folder / "runs" / name, other.folder / "runs" / name
        assert (mine / "front.csv").read_bytes() == (theirs / "front.csv").read_bytes(), name
        for sql in (HISTORY, "SELECT * FROM measurements"):
            assert query(mine, sql) == query(theirs, sql) != []
    assert numbers(one) == numbers(other)


def times(folder: Path) -> dict[str, int]:
    """When each file of the runs was written."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in (folder / "runs").rglob("*")
        if path.is_file() and "sqlite" not in path.name and path.name != "lock.json"
    }
