"""A study's numbers, exactly, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

import numpy as np

from pymoo_prune.standings.ranks import Ranks
from pymoo_prune.standings.standings import Standings


def numbers(standings: Standings) -> dict[str, str]:
    """All numbers as CSV, by the names of their files. An empty field is not known."""
    found = {
        "runs.csv": _csv(*_runs(standings)),
        "times.csv": _csv(*_times(standings)),
        "standings.csv": _csv(*_cells(standings)),
        "running-times.csv": _csv(*_running_times(standings)),
        "targets-reached.csv": _csv(*_reached(standings)),
    }
    if standings.ranks is not None:
        found["ranks.csv"] = _csv(*_ranks(standings.ranks))
    return found


def _csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    for row in rows:
        writer.writerow(["" if isinstance(v, float) and not np.isfinite(v) else v for v in row])
    return text.getvalue()


def _runs(standings: Standings) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
    rows = [
        (
            task.name, c.method, c.seed, float(c.value), task.measure, c.evaluations,
            "yes" if c.outside else "no", c.origin,
        )
        for task in standings.tasks
        for c in task.courses
    ]  # fmt: skip
    head = "problem", "method", "seed", "value", "measure", "evaluations", "outside"
    return (*head, "from"), rows


def _times(standings: Standings) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
    """Working seconds, which are never the same twice; no other file has any."""
    rows = [
        (task.name, course.method, course.seed, float(course.seconds))
        for task in standings.tasks
        for course in task.courses
    ]
    return ("problem", "method", "seed", "seconds"), rows


def _cells(standings: Standings) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
    rows = []
    for (name, method), cell in standings.cells.items():
        deviation = float(cell.values.std(ddof=1)) if len(cell.values) > 1 else float("nan")
        about = name, method, len(cell.values), cell.mean, deviation, "yes" if cell.best else "no"
        rows.append((*about, standings.against, cell.sign, cell.adjusted, cell.missing))
    head = "problem", "method", "runs", "mean", "sd", "best", "against", "sign", "p (Holm)"
    return (*head, "missing"), rows


def _running_times(standings: Standings) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
    one = standings.over_time
    rows = [
        (task.name, method, float(share), float(time), int(reached), len(hits.lengths))
        for task in one.tasks
        for method in one.methods
        for hits in [one.hits(task, method)]
        for share, time, reached in zip(one.shares, hits.running_times, hits.successes, strict=True)
    ]
    return ("problem", "method", "share", "expected running time", "successes", "runs"), rows


def _reached(standings: Standings) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
    one = standings.over_time
    rows = [
        (method, int(evaluations), float(share))
        for method in one.methods
        for evaluations, share in zip(*one.reached(method), strict=True)
    ]
    return ("method", "evaluations", "share of targets reached"), rows


def _ranks(ranks: Ranks) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
    rows = [(name, *row) for name, row in zip(ranks.problems, ranks.table.tolist(), strict=True)]
    return ("problem", *ranks.methods), [*rows, ("mean", *ranks.mean.values())]
