"""A study in sentences: which method is ahead, and what its tables mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pymoo_prune.comparing import LEVEL, probability, spread
from pymoo_prune.standings.over_time import budget
from pymoo_prune.standings.ranks import CONFIDENCE, PERMUTATIONS, RESAMPLES, Ranks
from pymoo_prune.standings.standings import BETTER, SAME, WORSE, Standings
from pymoo_prune.standings.tasks import Task
from pymoo_prune.tables import listed


def verdict(standings: Standings) -> str:
    """Which method is ahead over all problems, as far as the tests show it."""
    if len(standings.ranked) == 1:
        return f"{standings.ranked[0]} is the only method with results, so none is ahead."
    if standings.ranks is not None:
        return _by_ranks(standings.ranks)
    if len(standings.tasks) == 1:
        return _on_one(standings, standings.tasks[0])
    return f"No method is shown to be ahead. {standings.why_no_ranks}"


def _by_ranks(ranks: Ranks) -> str:
    first = [name for name in ranks.order if np.isclose(ranks.mean[name], min(ranks.mean.values()))]
    where = f"over {len(ranks.problems)} problems"
    number = f"{ranks.mean[first[0]]:.2f} of {len(ranks.methods)}"
    if len(first) > 1:
        return f"{listed(first)} share the best mean rank {where} ({number})" + _shown(ranks, first)
    return f"{first[0]} has the best mean rank {where} ({number})" + _shown(ranks, first)


def _shown(ranks: Ranks, first: Sequence[str]) -> str:
    """Which methods the first ones are shown to be ahead of."""
    test = f"Friedman's test, p {probability(ranks.friedman.p, '= ')}"
    if ranks.friedman.p > LEVEL:
        return f", but no difference between methods is shown ({test})."
    others = [name for name in ranks.order if name not in first]
    ahead = [name for name in others if all(ranks.differ(one, name) for one in first)]
    unclear = [name for name in others if name not in ahead]
    it = "it is" if len(first) == 1 else "they are"
    parts = [f"{it} ahead of {listed(ahead)}"] if ahead else []
    parts += [f"not shown to be ahead of {listed(unclear)}"] if unclear else []
    if not ahead and parts:
        parts[0] = f"{it} {parts[0]}"
    return f"; by Nemenyi's test {', but '.join(parts)} (methods differ: {test})."


def _on_one(standings: Standings, task: Task) -> str:
    """Which method is ahead on the only problem, by the rank-sum tests against one method."""
    there = standings.ranked
    cells = {method: standings.cells[task.name, method] for method in there}
    best = [method for method in there if cells[method].best]
    has = "has" if len(best) == 1 else "have"
    text = (
        f"On {task.name}, {listed(best)} {has} the largest mean "
        f"({spread(cells[best[0]].values, 4)})"
    )
    by = {sign: [m for m in there if cells[m].sign == sign] for sign in (BETTER, WORSE, SAME)}
    phrases = {BETTER: "better", WORSE: "worse", SAME: "not shown to differ"}
    parts = [f"{listed(by[sign])} {phrases[sign]}" for sign in by if by[sign]]
    return f"{text}; beside {standings.against}: {', '.join(parts)}."


def cautions(standings: Standings) -> list[str]:
    """What a reader must know before the tables."""
    found = []
    if standings.wanted is not None and not standings.chosen:
        found.append(
            f"{standings.wanted} has no results, so methods are tested against {standings.against}."
        )
    if standings.unfinished:
        few = sorted(
            {
                task.name
                for task in standings.tasks
                for method in task.methods
                if len(task.of(method)) < standings.seeds
            }
        )
        found.append(
            f"This study is not finished: some methods have fewer than {standings.seeds} runs on "
            f"{_some(few)}. Numbers in brackets in the table are the runs that are there."
        )
    if (needed := standings.needed_seeds) > 0:
        found.append(
            f"So few seeds cannot show a difference on any single problem: for {standings.tests} "
            f"rank-sum tests, {needed} seeds of each method can."
        )
    return found


def _some(names: Sequence[str], most: int = 4) -> str:
    """A few names, and how many more there are."""
    if len(names) <= most:
        return listed(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def how_made(standings: Standings) -> str:
    """Problems, seeds and budgets, for captions."""
    budgets = sorted({budget(task) for task in standings.tasks})
    spent = f"{budgets[0]:,}" if len(budgets) == 1 else f"{budgets[0]:,} to {budgets[-1]:,}"
    seeds = f"{standings.seeds} seed{'s' if standings.seeds > 1 else ''}"
    count = len(standings.tasks)
    return f"{count} problem{'s' if count > 1 else ''}, {seeds}, {spent} evaluations"


def measures(standings: Standings) -> str:
    """What the figures are; by problem where they differ."""
    by: dict[str, list[str]] = {}
    for task in standings.tasks:
        by.setdefault(task.measure, []).append(task.name)
    if len(by) == 1:
        return next(iter(by))
    return "; ".join(f"{measure} ({_some(names)})" for measure, names in by.items())


def table_meaning(standings: Standings) -> str:
    """What the first table shows."""
    text = (
        f"Mean ± standard deviation over the runs of: {measures(standings)}; higher is better, and "
        "the best of a problem is bold."
    )
    if standings.tests:
        text += (
            f" {BETTER}, {WORSE} and {SAME} say that a method is better than {standings.against}, "
            f"worse, or that neither is shown: the {standings.named_test}, "
            f"p at most {LEVEL} after Holm's correction for the {standings.tests} tests of the "
            "table."
        )
    if not standings.chosen and standings.tests:
        text += (
            f" {standings.against} has the best mean rank and was chosen after the runs, which "
            "favours it in every test."
        )
    return text


def rank_meaning(ranks: Ranks, standings: Standings) -> str:
    """How ranks are taken, and what the tests say."""
    test = ranks.friedman
    k, n = len(ranks.methods), len(ranks.problems)
    text = (
        f"Methods are ranked on each problem by their means; 1 is the best, and ties share the "
        f"mean of their ranks. {left_out(standings)}Friedman's test: "
        f"chi-squared {test.statistic:.2f}"
    )
    f = "infinite" if np.isinf(test.f) else f"{test.f:.2f}"
    text += f", F {f} (Iman and Davenport; {k - 1} and {(k - 1) * (n - 1)} degrees of freedom), "
    text += f"p {probability(test.p, '= ')}"
    if test.permuted:
        text += (
            f" of {PERMUTATIONS:,} random permutations, because F is not exact for so few problems"
        )
    text += (
        f". Nemenyi's critical difference of mean ranks at {LEVEL} is {ranks.critical:.2f}; a bar "
        "connects methods that were not shown to differ. Intervals are "
        f"{100 * CONFIDENCE:.0f} % bootstrap intervals over problems ({RESAMPLES:,} samples)."
    )
    if test.p > LEVEL:
        text += " Because Friedman's test shows no difference, the bar connects all methods."
    return text


def left_out(standings: Standings) -> str:
    """Problems that are not ranked, and why; empty where all are."""
    names = [task.name for task in standings.tasks if task not in standings.complete]
    if not names:
        return ""
    return (
        f"{_some(names)} {'is' if len(names) == 1 else 'are'} left out here, because a method is "
        "missing: the tests need every method on every problem, and a last rank would call a "
        "method bad where it was never tried. "
    )


def signed_meaning(ranks: Ranks) -> str:
    """What the signed ranks are, and which methods differ."""
    text = (
        f"Every method against {ranks.against}: Wilcoxon's signed ranks of the differences of "
        "means over the problems, exact and two-sided, ties included and zeros left out, with "
        f"Holm's correction for {len(ranks.signed)} tests."
    )
    if (least := max(one.possible for one in ranks.signed)) > LEVEL:
        text += (
            f" So few problems cannot show a difference between two methods: p cannot be below "
            f"{least:.3f}."
        )
    return text


def over_time_meaning(standings: Standings) -> str:
    """What targets are, and which runs count how."""
    one = standings.over_time
    text = (
        f"A target is a share of a problem's best hypervolume. There are {len(one.gaps)}, whose "
        f"gaps 1 − share are spaced evenly on a logarithmic scale, from {one.gaps.max():.2g} to "
        f"{one.gaps.min():.2g}. The picture shows the share of all targets of all runs of all "
        "problems that were reached within a number of evaluations; a target is reached when the "
        "hypervolume of what was evaluated so far, in unit costs with 1 as reference point, is at "
        "least that large."
    )
    unknown = [task.name for task in one.tasks if not task.known]
    if unknown:
        text += (
            f" The best hypervolume of {_some(unknown)} is that of all runs and baselines "
            "together, because no front is known."
        )
    if one.only_ends:
        text += (
            f" On {_some(one.only_ends)} some searches measured approximately: such a run counts "
            "only at its end."
        )
    if one.other_measures:
        text += (
            f" The figures of {_some(one.other_measures)} in the first table are not of what the "
            "search evaluated, so that a method may be ahead there and behind here."
        )
    apart = [task.name for task in standings.tasks if task not in one.tasks]
    if apart:
        text += (
            f" {_some(apart)} {'is' if len(apart) == 1 else 'are'} left out: a method is missing "
            "there, or its runs are not known in costs that compare."
        )
    return text


def running_time_meaning() -> str:
    """What expected running times are."""
    return (
        "The expected running time (ERT) is the number of evaluations of all runs until they "
        "reached the target, or until they ended, over the number of runs that reached it; in "
        "brackets are these runs and all runs. A dash: no run reached it."
    )


def nothing_over_time(standings: Standings) -> str:
    """Why there is no picture over time."""
    return (
        "Nothing is shown over time: on no problem do all methods "
        f"({listed(standings.ranked)}) have runs that are known in costs that compare."
    )


def difference_meaning(standings: Standings) -> str:
    """What the differences of attainments are."""
    first, second = standings.pair or ("", "")
    return (
        f"{first} beside {second}: the darker a place, the larger the difference between the "
        "shares of their runs that attain such costs or better ones (their empirical attainment "
        "functions). "
        "Thin lines are what one run and all runs of both attain, the dashed line is a method's "
        "median. The table has the area where each is ahead, weighted with the difference, as a "
        "share of the best hypervolume: the first less the second is the difference of their mean "
        "hypervolumes."
    )


def no_differences(standings: Standings) -> str:
    """Why no differences are shown."""
    if standings.pair is None:
        return "There is one method with results, so there is nothing to compare it with."
    return f"No problem can show where {listed(standings.pair)} differ."


def without_differences(standings: Standings) -> str:
    """Problems of which no differences are shown, and why; empty where there are none."""
    if standings.pair is None:
        return ""
    many = [task.name for task in standings.tasks if len(task.objectives) != 2]
    text = f"{_some(many)}: only two objectives can be shown so. " if many else ""
    other = [
        task.name
        for task in standings.tasks
        if len(task.objectives) == 2
        and (
            not set(standings.pair) <= set(task.methods)
            or any(c.costs is None for m in standings.pair for c in task.of(m))
        )
    ]
    if other:
        text += f"{_some(other)}: one of the two has no runs there, or its costs are not known."
    return text.strip()
