"""What a study uses that others have published."""

from __future__ import annotations

from pymoo_prune.comparing import Campaign, Method, cited_by_campaign
from pymoo_prune.problem import find_problem
from pymoo_prune.runs import Citations
from pymoo_prune.studies.folder import Study
from pymoo_prune.studies.reading import problem_folder
from pymoo_prune.suite import problem

SIGNED_PAIRS = ("mann1947test", "holm1979correction")
RANKS = (
    "demsar2006comparisons", "friedman1937ranks", "iman1980friedman", "nemenyi1963comparisons",
    "wilcoxon1945ranking",
)  # fmt: skip
OVER_TIME = ("hansen2021coco",)
DIFFERENCES = ("grunert2001attainment", "fonseca2011attainment", "lopezibanez2010differences")


def cited_by_study(study: Study) -> Citations:
    """What a study cites: its problems, engines, indicators and tests.

    Args:
        study: The study, finished or not.
    """
    folder, plan = study.folder, study.plan
    found = Citations()
    engines = [(one.algorithm, one.surrogate) for one in map(Method.parse, plan.methods)]
    for on in plan.instances:
        definition = problem(on.name, on.version).definition
        if definition.live is not None:
            found.problem(find_problem(definition.live.problem), definition.live.problem)
            found.data(definition.live.data)
    if plan.instances:
        found.engines(engines)
    for one in plan.own:
        where = problem_folder(folder, one.name)
        if Campaign.is_one(where):
            found.merge(cited_by_campaign(Campaign.open(where)))
        else:
            found.search(one.settings, engines)
    found.indicators(*DIFFERENCES)
    found.cite(*SIGNED_PAIRS, *OVER_TIME)
    if len(plan.problems) > 1:
        found.cite(*RANKS)
    for name in plan.outside:
        found.note(f"{name} was made elsewhere: cite its authors and its program")
    return found
