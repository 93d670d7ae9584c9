"""All that the runs in a folder asked for: a run's folder, or a comparison's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pymoo_prune.comparing.campaign import Campaign
from pymoo_prune.comparing.runs import is_done
from pymoo_prune.errors import StoreError, command
from pymoo_prune.exchange import Evaluations
from pymoo_prune.runs import STORE_FILE, Run, RunFolder, evaluations_of
from pymoo_prune.tables import listed


def evaluations_in(
    folder: Path | str, progress: Callable[[float, str], None] | None = None
) -> list[Evaluations]:
    """All that the runs in a folder asked for, finished or not.

    Args:
        folder: A run's folder, or a comparison's.
        progress: Called with the share done and a text.
    """
    folder = Path(folder)
    if not Campaign.is_one(folder) and not RunFolder(folder).is_run:
        why = "it holds no run and no comparison"
        if not folder.is_dir():
            why = "it is a file" if folder.exists() else "there is no such folder"
        msg = f"{folder} has no evaluations: {why}"
        raise StoreError(msg)
    if not Campaign.is_one(folder):
        return [Run.open(folder).evaluations()]
    return _of_campaign(Campaign.open(folder), progress)


def _of_campaign(
    campaign: Campaign, progress: Callable[[float, str], None] | None
) -> list[Evaluations]:
    parent = campaign.shared().parent if campaign.complete else None
    plan = campaign.plan
    planned = [(method, seed) for method in plan.methods for seed in plan.seeds]
    found, missing = [], []
    for place, (method, seed) in enumerate(planned):
        folder = campaign.run_folder(method, seed)
        if (folder / STORE_FILE).is_file():
            with campaign.remedied(folder):
                run = Run.open(folder)
                done = is_done(run)
                found.append(evaluations_of(run, method=method.name, parent=parent, done=done))
        else:
            missing.append(f"{method.name}, seed {seed}")
        if progress is not None:
            progress((place + 1) / len(planned), f"{place + 1} of {len(planned)} runs")
    if not found:
        msg = (
            f"{campaign.folder} has no evaluations yet; '{command('resume', campaign.folder)}' "
            "goes on with it"
        )
        raise StoreError(msg)
    if missing:
        text = f"{campaign.folder} is not finished: {listed(missing)} did not begin."
        found[0] = replace(found[0], notes=(text, *found[0].notes))
    return found
