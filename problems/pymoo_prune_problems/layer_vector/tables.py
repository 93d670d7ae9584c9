"""Tables I to III of the layer-vector paper, with its figures in brackets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pymoo_prune.tables import listed, markdown_table
from pymoo_prune_problems.layer_vector.iterations import RIVALS
from pymoo_prune_problems.layer_vector.published import (
    ACCEPTABLE_DROP,
    STATE_OF_THE_ART_PEPE,
    published_row,
)

Rows = Sequence[Mapping[str, Any]]
"""The rows of one network and seed: the parent's, and one for each iteration."""

FITTEST = ("fittest at first", "fittest found")
BEST_BEFORE = "best rival before"
HEAD = (
    "iteration",
    "parameters",
    "sparsity %",
    "epochs",
    "accuracy %",
    "drop",
    "before retraining",
    BEST_BEFORE,
    *RIVALS,
    f"PEPE, drop ≤ {ACCEPTABLE_DROP:g}",
    "search s",
    "retraining s",
    *FITTEST,
)


def tables(done: Mapping[str, Sequence[Rows]], data: str) -> str:
    """Tables I to III in Markdown, the paper's figures in brackets.

    Args:
        done: The rows of each seed, by network.
        data: The data set's name.
    """
    lines = [
        f"# Layer vector on {data}",
        "",
        "In brackets the paper's figures, where it has some: of CIFAR-100, else of CIFAR-10, and",
        "of EgoGesture for R(2+1)D-18; all after hours of search. Methods without a search go to",
        f"the same sparsities, with the same retraining: {listed(RIVALS)}; their columns are",
        "accuracies in percent. PEPE, sparsity per epoch of retraining, is stated where the",
        f"network loses at most {ACCEPTABLE_DROP:g} points. The paper's state of the art has",
        f"{STATE_OF_THE_ART_PEPE:.2f} in every row (eq. 12). The last columns are what the search",
        "adds to its first population: the share of the weights that are left which the fittest",
        "candidate prunes, and the points of accuracy that it loses before retraining. Beside the",
        "accuracy before retraining stands that of the best method without a search.",
    ]
    for name, seeds in done.items():
        lines += ["", f"## {name}", "", markdown_table(HEAD, table_rows(name, seeds, data))]
        lines += [f"\n{note}" for note in notes(seeds)]
    return "\n".join(lines) + "\n"


def notes(seeds: Sequence[Rows]) -> list[str]:
    """Which seeds' parents were not pruned, and why."""
    return [
        f"A parent with {100 * rows[0]['accuracy']:.2f} % is hardly better than guessing, and was "
        "not pruned: that would say nothing. Train it longer, or take larger data."
        for rows in seeds
        if rows[0].get("at_chance")
    ]


def table_rows(name: str, seeds: Sequence[Rows], data: str) -> list[list[str]]:
    """The table below `HEAD`, averaged over seeds; each row is of the seeds that have it.

    Args:
        name: The network's name.
        seeds: The rows of each seed.
        data: The data set's name.
    """
    length = max(len(rows) for rows in seeds)
    return [
        _cells(name, data, number, [rows for rows in seeds if number < len(rows)])
        for number in range(length)
    ]


def _cells(name: str, data: str, number: int, seeds: Sequence[Rows]) -> list[str]:
    rows = [rows[number] for rows in seeds]
    theirs = published_row(name, data, number)

    def average(values: Sequence[float | None], scale: float = 1.0, digits: int = 2) -> str:
        found = [value for value in values if value is not None]
        return f"{scale * float(np.mean(found)):,.{digits}f}" if found else ""

    def of(key: str, scale: float = 1.0, digits: int = 2) -> str:
        return average([row.get(key) for row in rows], scale, digits)

    def beside(text: str, value: float | None) -> str:
        return text if value is None else f"{text} ({value:,})".lstrip()

    drop = 100 * float(np.mean([one[0]["accuracy"] - one[number]["accuracy"] for one in seeds]))
    acceptable = round(drop, 2) <= ACCEPTABLE_DROP
    return [
        str(number),
        beside(of("parameters", digits=0), theirs.parameters),
        beside(of("sparsity", 100), theirs.sparsity),
        beside(of("epochs"), theirs.epochs),
        beside(of("accuracy", 100), theirs.accuracy),
        beside(f"{drop:.2f}", theirs.drop),
        beside(of("pruned_accuracy", 100), theirs.before_retraining),
        _best_before(rows),
        *(average([row.get("rivals", {}).get(kind) for row in rows], 100) for kind in RIVALS),
        beside(of("pepe") if acceptable else "–" if number else "", theirs.pepe),
        of("search_seconds", digits=0),
        beside(of("retrain_seconds", digits=0), theirs.runtime),
        *(_fittest([row["fittest"][at] for row in rows if row.get("fittest")]) for at in (0, 1)),
    ]


def _best_before(rows: Rows) -> str:
    """The method without a search that is best before retraining, mean over the rows that know."""
    known = [row["rivals_pruned"] for row in rows if row.get("rivals_pruned")]
    if not known:
        return ""
    means = {name: 100 * float(np.mean([one[name] for one in known])) for name in known[0]}
    best = max(means, key=means.__getitem__)
    some = "" if len(known) == len(rows) else f"; {len(known)} of {len(rows)} seeds"
    return f"{best} {means[best]:.2f}{some}"


def _fittest(seeds: Sequence[Mapping[str, float]]) -> str:
    """What the fittest candidates prune and lose, mean over seeds."""
    if not seeds:
        return ""
    pruned, lost = (
        100 * float(np.mean([one[name] for one in seeds])) for name in ("pruned", "accuracy_drop")
    )
    return f"{pruned:.1f} % for {lost:.2f}"
