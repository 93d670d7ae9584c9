"""Checks of what must fit together in a run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.errors import PruneError, StoreError
from pymoo_prune.files import Digests
from pymoo_prune.objectives import Series
from pymoo_prune.runs.files import (
    CHROMOSOMES_FILE,
    FRONT_TABLE,
    PARENT_FILES,
    STORE_FILE,
    SUMMARY_FILE,
)
from pymoo_prune.search import Store


def check_parent(folder: Path) -> None:
    """Refuses another parent than the one that the results of a finished run are of.

    Args:
        folder: A run's folder, or a comparison's.
    """
    if (folder / SUMMARY_FILE).is_file():
        Digests(folder, "restore it from a copy, or start a new run").check(*PARENT_FILES)


def check_fits(summary: Mapping[str, Any], networks: int) -> None:
    """Refuses a summary that is not of a front with so many networks.

    Args:
        summary: The summary, of the right shape.
        networks: How many networks the front's table has.
    """
    for name in ("knee", "fittest"):
        place = summary[name]
        if place is not None and not 0 <= place < networks:
            msg = f"{SUMMARY_FILE} says that {name} is network {place}, but there are {networks}"
            raise PruneError(msg)
    for name in ("parameters", *summary["goals"]):
        if name not in summary["parent"]:
            msg = f"{SUMMARY_FILE} has no parent.{name}"
            raise PruneError(msg)


def check_rows(folder: Path, X: Array, series: Series) -> None:
    """Refuses chromosomes that are not those of a front's numbers.

    Args:
        folder: A run's folder.
        X: The front's chromosomes, (n, n_var).
        series: Its numbers.
    """
    path, remedy = folder / CHROMOSOMES_FILE, f"'pymoo-prune resume {folder}' makes both again"
    if len(X) != len(series):
        msg = f"{path} has {len(X)} networks, but {FRONT_TABLE} has {len(series)}; {remedy}"
        raise StoreError(msg)
    numbers = series.columns.get("evaluation")
    if numbers is None or not (folder / STORE_FILE).is_file():  # folders of older versions
        return
    with closing(Store.existing(folder / STORE_FILE)) as store:
        asked = {number: digest for number, _, _, digest in store.history()}
    for place, (number, digest) in enumerate(zip(numbers, digests(X), strict=True)):
        if asked.get(int(number)) != digest:
            msg = (
                f"network {place} in {path} is not evaluation {number:.0f}, as {FRONT_TABLE} says; "
                f"{remedy}"
            )
            raise StoreError(msg)
