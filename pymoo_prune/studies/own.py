"""Problems of a study that are no instances of the suite: a comparison each."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from pymoo_prune.comparing import Campaign, report_of_campaign
from pymoo_prune.comparing import Plan as CampaignPlan
from pymoo_prune.errors import DataError, PruneError, StoreError, UntrustedCode
from pymoo_prune.runs import Given
from pymoo_prune.studies.failures import read_failures, write_failures
from pymoo_prune.studies.plan import Plan
from pymoo_prune.studies.problems import OwnProblem
from pymoo_prune.studies.reading import page_of, problem_folder


def campaign_of(folder: Path, one: OwnProblem, plan: Plan) -> Campaign | None:
    """The comparison on a problem, of the methods that have not failed there; None without any.

    Args:
        folder: The study's folder.
        one: The problem.
        plan: The study's plan.
    """
    place = problem_folder(folder, one.name)
    failures = read_failures(place)
    methods = [method for method in plan.methods if method not in failures]
    if not methods:
        return None
    against = plan.against if plan.against in methods else None
    return Campaign(
        place,
        CampaignPlan.of(one.settings, methods, plan.seeds, plan.bounds, against, plan.volumes),
    )


def is_made(folder: Path, one: OwnProblem, plan: Plan) -> bool:
    """Whether the comparison on a problem has all runs and came to its end.

    Args:
        folder: The study's folder.
        one: The problem.
        plan: The study's plan.
    """
    place, campaign = problem_folder(folder, one.name), campaign_of(folder, one, plan)
    if campaign is None:
        return True
    if not Campaign.is_one(place):
        return False
    there = Campaign.open(place)
    same = there.plan.methods == campaign.plan.methods and there.plan.seeds == campaign.plan.seeds
    return same and there.complete


def make_own(
    folder: Path,
    one: OwnProblem,
    plan: Plan,
    console: Console,
    *,
    jobs: int,
    download: bool,
    given: Given,
) -> str:
    """Makes the comparison on a problem, with its report and its page.

    Args:
        folder: The study's folder.
        one: The problem.
        plan: The study's plan.
        console: Shows progress.
        jobs: How many runs at once.
        download: Whether to fetch the data set.
        given: The place of the images, if they have moved.

    Returns:
        Why there are no results; empty where there are some.
    """
    campaign = campaign_of(folder, one, plan)
    if campaign is None:
        return "no method can search it"
    if is_made(folder, one, plan) and _is_shown(folder, one, campaign):
        return ""
    console.print(f"{one.name}:", highlight=False, markup=False)
    campaign.folder.mkdir(parents=True, exist_ok=True)
    before = read_failures(campaign.folder)
    failures: dict[str, str] = {}
    try:
        campaign.execute(console, jobs=jobs, download=download, given=given, failures=failures)
        _write_page(campaign)
    except (StoreError, DataError, UntrustedCode):
        raise
    except PruneError as error:
        return str(error)
    finally:
        if failures:
            campaign.folder.mkdir(parents=True, exist_ok=True)
            write_failures(campaign.folder, before | failures)
        for method, why in failures.items():
            text = f"{one.name}: no results of {method}: {why}"
            console.print(text, highlight=False, markup=False, soft_wrap=True)
    return ""


def _is_shown(folder: Path, one: OwnProblem, campaign: Campaign) -> bool:
    """Whether there is a page of a finished comparison, with the options of the plan."""
    there, plan = Campaign.open(campaign.folder).plan, campaign.plan
    same = (there.against, there.bounds, there.volumes) == (
        *(plan.against, plan.bounds, plan.volumes),
    )
    return same and bool(page_of(folder, one.name))


def _write_page(campaign: Campaign) -> None:
    """Writes the report and the interactive page of a problem."""
    from pymoo_prune.comparing.page import write_page  # noqa: PLC0415 - Bokeh is slow to import

    report = report_of_campaign(campaign)
    report.write(campaign.folder)
    write_page(report, campaign.folder)
