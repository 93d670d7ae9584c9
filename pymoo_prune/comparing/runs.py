"""One run of a comparison: created, made and read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pymoo_prune.comparing.files import NOTHING_FILE
from pymoo_prune.comparing.trials import Trial, recorded_trial
from pymoo_prune.errors import NothingFoundError
from pymoo_prune.files import part_of, remove_forgotten, write_text
from pymoo_prune.objectives import Values, objectives_text
from pymoo_prune.results import FIRST_POPULATION
from pymoo_prune.runs import PARENT_FOLDER, STORE_FILE, Run, Settings
from pymoo_prune.search import Relay, Store


def create_run(folder: Path, settings: Settings, *, parent: Path) -> None:
    """A new run with a parent that is trained already.

    Args:
        folder: The run's folder; it appears complete or not at all.
        settings: What the run depends on.
        parent: The parent's folder; there is none where the problem has no parent network.
    """
    remove_forgotten(folder.parent, folder.name)
    part = part_of(folder)
    Run.create(part, settings)
    if parent.is_dir():
        shutil.copytree(parent, part / PARENT_FOLDER, copy_function=_link)
    part.rename(folder)


def _link(source: str, target: str) -> None:
    """Links a file that is never written again; copies it where links are not possible."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def make_run(run: Run, report: Callable[[str, float, str], None]) -> str:
    """Makes a run, or goes on with it.

    Args:
        run: The run.
        report: Called with the phase, the share done and a text.

    Returns:
        How it ended, in words.
    """
    try:
        front = run.execute(Relay(report))
    except NothingFoundError as error:
        # Marks the run as done: another search would find nothing either.
        write_text(run.folder / NOTHING_FILE, f"{error}\n")
        return str(error)
    return f"{len(front)} networks"


def is_done(run: Run) -> bool:
    """Whether a run came to its end, with a result or without one."""
    return run.complete or _found_nothing(run)


def trial_of(run: Run, method: str) -> Trial:
    """A finished run as numbers.

    Args:
        run: The run; it may have found nothing.
        method: The method's name.
    """
    columns: Mapping[str, Values] = {}
    summary: Mapping[str, Any] = {}
    first: Mapping[str, Values] | None = None
    if not _found_nothing(run):
        (front, *others), summary = run.results()
        columns = front.columns
        if "first_population" in summary:
            there = (one.columns for one in others if one.name == FIRST_POPULATION)
            first = next(there, {})
    store = Store.existing(run.folder / STORE_FILE)
    try:
        return recorded_trial(
            store,
            columns,
            method=method,
            seed=run.settings.seed,
            generations=summary.get("generations"),
            evaluations=summary.get("evaluations"),
            goal=objectives_text(run.settings.objectives or summary.get("goals", ())),
            origin=str(run.folder),
            first=first,
        )
    finally:
        store.close()


def _found_nothing(run: Run) -> bool:
    return (run.folder / NOTHING_FILE).is_file()
