"""Checks of what must fit together in a run's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.errors import PruneError, StoreError, command, shown
from pymoo_prune.files import Digests
from pymoo_prune.objectives import STANDARD, Series
from pymoo_prune.results import FIRST_POPULATION
from pymoo_prune.runs.files import (
    CHROMOSOMES_FILE,
    FRONT_TABLE,
    PARENT_FILES,
    SETTINGS_FILE,
    STORE_FILE,
    SUMMARY_FILE,
)
from pymoo_prune.search import Store


def check_parent(folder: Path) -> None:
    """Refuses another parent than the one that earlier results are of.

    Args:
        folder: A run's folder, or a comparison's.
    """
    digests = Digests(folder, "restore it from a copy, or start anew with another --output")
    # Comparisons of older versions have digests, but none of the parent.
    if digests.has(SETTINGS_FILE) or digests.has(PARENT_FILES[0]):
        digests.check(*PARENT_FILES)


def check_fits(summary: Mapping[str, Any], series: Sequence[Series]) -> None:
    """Refuses a summary that is not of these numbers.

    Args:
        summary: The summary, of the right shape.
        series: The numbers of the front, then those of each baseline.
    """
    networks = len(series[0])
    if FIRST_POPULATION in {one.name for one in series} and "first_population" not in summary:
        msg = f"{SUMMARY_FILE} has no first_population, but {FRONT_TABLE} has its networks"
        raise PruneError(msg)
    for name in ("knee", "fittest"):
        place = summary[name]
        if place is not None and not 0 <= place < networks:
            msg = f"{SUMMARY_FILE} says that {name} is network {place}, but there are {networks}"
            raise PruneError(msg)
    parent = summary["parent"]
    quantities = summary.get("quantities", parent)  # older folders have none
    standard = [name for name in STANDARD if name in {**parent, **quantities}]
    for name in ("parameters", *standard, *summary["goals"]):
        for what, there in (("parent", parent), ("quantities", quantities)):
            if name not in there:
                msg = f"{SUMMARY_FILE} has no {what}.{name}"
                raise PruneError(msg)
    for name, about in summary.get("quantities", {}).items():
        if about["better"] not in ("higher", "lower"):
            better = shown(about["better"])
            msg = f"quantities.{name}.better must be 'higher' or 'lower', but it is {better}"
            raise PruneError(msg)


def check_rows(folder: Path, X: Array, series: Series) -> None:
    """Refuses chromosomes that are not those of a front's numbers.

    Args:
        folder: A run's folder.
        X: The front's chromosomes, (n, n_var).
        series: Its numbers.
    """
    path, remedy = folder / CHROMOSOMES_FILE, f"'{command('resume', folder)}' makes both again"
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
