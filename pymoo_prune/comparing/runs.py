"""A run as one of many: created, made, known to be done, and read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pymoo_prune.comparing.files import NOTHING_FILE
from pymoo_prune.comparing.trials import Trial, recorded_trial
from pymoo_prune.errors import NothingFoundError
from pymoo_prune.files import write_text
from pymoo_prune.objectives import Values, objectives_text
from pymoo_prune.runs import PARENT_FOLDER, STORE_FILE, Run, Settings
from pymoo_prune.search import Relay, Store


def create_run(folder: Path, settings: Settings, *, parent: Path) -> None:
    """A new run, whose parent is trained already.

    Args:
        folder: Where to; it is there whole or not at all.
        settings: What the run does.
        parent: The parent's folder; a problem that has no parent leaves none.
    """
    part = folder.with_name(f".part-{folder.name}")
    shutil.rmtree(part, ignore_errors=True)
    Run.create(part, settings)
    if parent.is_dir():
        shutil.copytree(parent, part / PARENT_FOLDER, copy_function=_link)
    part.rename(folder)


def _link(source: str, target: str) -> None:
    """Another name for a file that nobody writes again; a copy where the file system has none."""
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
        What there is to say of it in the end.
    """
    try:
        front = run.execute(Relay(report))
    except NothingFoundError as error:
        # So that it is not searched again: nothing will be found then either.
        write_text(run.folder / NOTHING_FILE, f"{error}\n")
        return str(error)
    return f"{len(front)} networks"


def is_done(run: Run) -> bool:
    """Whether it came to its end, with a result or without one."""
    return run.complete or _found_nothing(run)


def trial_of(run: Run, method: str) -> Trial:
    """A finished run as numbers.

    Args:
        run: A run; one that found nothing counts.
        method: What it is called.
    """
    columns: Mapping[str, Values] = {}
    summary: Mapping[str, Any] = {}
    if not _found_nothing(run):
        (front, *_), summary = run.results()
        columns = front.columns
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
        )
    finally:
        store.close()


def _found_nothing(run: Run) -> bool:
    return (run.folder / NOTHING_FILE).is_file()
