"""Reports of what lies in folders: a comparison, or runs that were made one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pymoo_prune.comparing.campaign import Campaign
from pymoo_prune.comparing.comparison import Comparison
from pymoo_prune.comparing.report import ComparisonReport
from pymoo_prune.comparing.runs import trial_of
from pymoo_prune.comparing.trials import Trial
from pymoo_prune.comparing.volumes import HypervolumeOptions
from pymoo_prune.errors import StoreError
from pymoo_prune.objectives import Goals, objectives_text, parse_constraints
from pymoo_prune.results import EVALUATION, FIRST_POPULATION, final_of
from pymoo_prune.runs import Run, Settings, measured_quantities, published_on
from pymoo_prune.search import Budget


def report_of_campaign(
    campaign: Campaign,
    volumes: HypervolumeOptions | None = None,
    labels: Mapping[str, str] | None = None,
) -> ComparisonReport:
    """The report of a finished comparison.

    Args:
        campaign: The comparison.
        volumes: Options of hypervolumes; what is not given is as the comparison was made with.
        labels: Names of methods and baselines in pictures, by their own names.
    """
    settings, shared = campaign.settings, campaign.shared()
    comparison = campaign.comparison(volumes)
    runs = [Run.open(trial.origin) for trial in comparison.trials]
    facts = {
        **_facts([run.settings for run in runs]),
        "processor": shared.processor,
        **shared.versions,
    }
    return _report(comparison, settings, facts, labels=labels)


def report_of_runs(
    folders: Sequence[Path],
    bounds: Sequence[str] | None = None,
    against: str | None = None,
    volumes: HypervolumeOptions | None = None,
    labels: Mapping[str, str] | None = None,
) -> ComparisonReport:
    """The report of runs that were made one by one; they must be of the same problem.

    Where runs of one engine have different budgets, their names say which. Baselines are those of
    the first run.

    Args:
        folders: Folders of finished runs.
        bounds: Bounds on sizes, as `Comparison` takes them.
        against: The method that each other one is tested against; None tests all pairs.
        volumes: The reference point and the logarithmic axes of hypervolumes.
        labels: Names of methods and baselines in pictures, by their own names.
    """
    runs = [Run.open(folder) for folder in folders]
    results = [run.results() for run in runs]
    first, summary = runs[0], results[0][1]
    for run, (_, other) in zip(runs[1:], results[1:], strict=True):
        _check_alike(first, summary, run, other)
    settings = [run.settings for run in runs]
    trials = [trial_of(run, name) for run, name in zip(runs, _names(settings), strict=True)]
    _check_different(trials, settings)
    measured = measured_quantities(first.settings, summary.get("quantities"))
    goals = Goals(measured, summary["goals"], parse_constraints(first.settings.constraints))
    # A first population belongs to its run.
    others = [one for one in results[0][0][1:] if one.name != FIRST_POPULATION]
    comparison = Comparison(
        trials,
        others,
        goals=goals,
        quantities={**goals.quantities, **final_of(goals.quantities), **EVALUATION},
        parent=summary["parent"],
        bounds=bounds,
        against=against,
        volumes=volumes,
        problem=first.settings.problem,
    )
    summaries = [one for _, one in results]
    facts = {
        **_facts(settings),
        **({"baselines": f"those of {first.folder}"} if others else {}),
        "processor": _all(one["machine"]["processor"] for one in summaries),
        **{n: _all(one["versions"].get(n, "?") for one in summaries) for n in summary["versions"]},
    }
    budgets = _all(_limits(one.budget) for one in settings)
    caution = f"The runs had different budgets: {budgets}." if " / " in budgets else ""
    return _report(comparison, first.settings, facts, caution, labels)


def _report(
    comparison: Comparison,
    settings: Settings,
    facts: Mapping[str, str],
    caution: str = "",
    labels: Mapping[str, str] | None = None,
) -> ComparisonReport:
    return ComparisonReport(
        comparison,
        title=settings.title,
        facts=facts,
        published=published_on(settings),
        caution=caution,
        labels=labels,
    )


def _names(settings: Sequence[Settings]) -> list[str]:
    """Names of runs: the engine, and what else the runs of that engine differ in."""
    about = [
        (
            one.algorithm if one.surrogate is None else f"{one.algorithm}+{one.surrogate}",
            "its own objectives" if one.objectives is None else objectives_text(one.objectives),
            f"population {one.pop_size}",
            _limits(one.budget),
        )
        for one in settings
    ]
    names = []
    for mine in about:
        alike = [other for other in about if other[0] == mine[0]]
        differing = [place for place in range(1, len(mine)) if len({o[place] for o in alike}) > 1]
        names.append(", ".join([mine[0], *(mine[place] for place in differing)]))
    return names


def _check_different(trials: Sequence[Trial], settings: Sequence[Settings]) -> None:
    """Refuses the same search in two folders."""
    origins: dict[tuple[str, int, int], str] = {}
    for trial, one in zip(trials, settings, strict=True):
        search = trial.method, trial.seed, _problem_seed(one)
        if search in origins:
            msg = (
                f"{origins[search]} and {trial.origin} are both {trial.method} with seed "
                f"{trial.seed}: the same search counted twice says nothing; leave one out"
            )
            raise StoreError(msg)
        origins[search] = trial.origin


def _check_alike(
    first: Run, summary: Mapping[str, Any], other: Run, theirs: Mapping[str, Any]
) -> None:
    """Refuses runs if their numbers do not mean the same."""
    names = ("problem", "options", "data", "validation", "constraints", "finish_images")
    pairs = [(n, getattr(first.settings, n), getattr(other.settings, n)) for n in names]
    pairs += [("objectives", summary["goals"], theirs["goals"])]
    sizes = ("parameters", "macs")
    pairs += [(f"parent's {n}", summary["parent"].get(n), theirs["parent"].get(n)) for n in sizes]
    if "data" in summary and "data" in theirs:  # older runs do not say
        pairs += [("images", summary["data"], theirs["data"])]
    different = [f"{n} ({a!r} and {b!r})" for n, a, b in pairs if _plain(a) != _plain(b)]
    if different:
        msg = (
            f"{first.folder} and {other.folder} cannot be compared: they differ in "
            f"{', '.join(different)}; 'pymoo-prune compare PROBLEM' makes runs that can"
        )
        raise StoreError(msg)


def _plain(value: Any) -> Any:
    """A value as a file has it: a tuple is a list there."""
    return list(value) if isinstance(value, tuple) else value


def _facts(settings: Sequence[Settings]) -> dict[str, str]:
    """How runs were made; where they differ, every value."""
    first = settings[0]  # options, constraints and retraining are the same for all
    options = ", ".join(f"{name}={value}" for name, value in first.options.items())
    return {
        "budget of each run": _all(_limits(one.budget) for one in settings),
        "population": _all(str(one.pop_size) for one in settings),
        "engine seeds": ", ".join(map(str, sorted({one.seed for one in settings}))),
        "problem's seed": ", ".join(map(str, sorted({_problem_seed(one) for one in settings}))),
        "retraining": f"{first.finish_images:,} images",
        **({"options": options} if options else {}),
        **({"constraints": ", ".join(first.constraints)} if first.constraints else {}),
        "threads of each run": _all(str(one.threads) for one in settings),
    }


def _problem_seed(settings: Settings) -> int:
    return settings.seed if settings.problem_seed is None else settings.problem_seed


def _limits(budget: Budget) -> str:
    limits = {
        "generations": budget.generations,
        "evaluations": budget.evaluations,
        "seconds": budget.seconds,
    }
    return " or ".join(f"{limit:,} {what}" for what, limit in limits.items() if limit is not None)


def _all(texts: Iterable[str]) -> str:
    """Each of several texts once."""
    return " / ".join(dict.fromkeys(texts))
