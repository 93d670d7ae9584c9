"""What comparisons use that others have published, and the bibliography of any folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pymoo_prune.comparing.campaign import Campaign
from pymoo_prune.runs import Citations, Run

IGD = "ishibuchi2015igd"
ATTAINMENT = ("grunert2001attainment", "fonseca2011attainment")
STATISTICS = ("mann1947test", "holm1979correction", "vargha2000effect")


def citations(folders: Iterable[Path | str] = ()) -> Citations:
    """What folders cite: problems, engines, data, rivals, indicators, tests and software.

    Args:
        folders: Folders of runs and comparisons; without any, pymoo-prune and pymoo alone.

    Returns:
        Each entry once; `text()` is the BibTeX.
    """
    found = Citations()
    for folder in folders:
        if Campaign.is_one(folder):
            found.merge(cited_by_campaign(Campaign.open(folder)))
        else:
            found.merge(Citations.of_run(Run.open(folder)))
    return found


def cited_by_campaign(campaign: Campaign) -> Citations:
    """What a comparison cites: its rivals, indicators and tests too, where it is finished.

    Args:
        campaign: The comparison.
    """
    found, methods = Citations(), campaign.plan.methods
    found.search(campaign.settings, [(method.algorithm, method.surrogate) for method in methods])
    if campaign.complete:
        shared = campaign.shared()
        found.retraining(campaign.settings, shared.quantities)
        found.rivals(shared.baselines)
        found.indicators(IGD, *(ATTAINMENT if len(shared.goals) == 2 else ()))
        if len(methods) > 1:
            found.cite(*STATISTICS)
    return found
