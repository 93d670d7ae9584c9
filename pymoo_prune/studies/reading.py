"""From the files of a study to tasks: what is there, and what is still missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pymoo_prune.comparing import SEARCHED, Campaign, Comparison, HypervolumeOptions, Trial
from pymoo_prune.errors import DataError, StoreError, command
from pymoo_prune.objectives import Values, hypervolume, nondominated
from pymoo_prune.runs import INTERACTIVE_PAGE
from pymoo_prune.standings import PROBLEMS_FOLDER, Course, Task
from pymoo_prune.studies.cache import cached_runs
from pymoo_prune.studies.failures import read_failures
from pymoo_prune.studies.files import RUNS_FOLDER
from pymoo_prune.studies.instances import PROCESSOR, RunCosts, Scale, read_run
from pymoo_prune.studies.outside import Outside, noisy_reason
from pymoo_prune.studies.plan import Plan
from pymoo_prune.studies.problems import OnInstance, OwnProblem, folder_name
from pymoo_prune.studies.provenance import changed_code, each_once, ended_early
from pymoo_prune.studies.sheets import Result

SHARE = "hypervolume as a share of the known front's"
NOT_MADE, NOT_GIVEN = "not made yet", "its files have no results of this problem"


@dataclass(frozen=True)
class Found:
    """What a study has of one problem.

    Attributes:
        task: The results; None where there are none yet.
        missing: Runs that are still to be made.
        notes: What is to be said of runs, and of results from elsewhere.
        made_by: What runs were made by, each once: versions of packages, and the processor.
    """

    task: Task | None
    missing: int = 0
    notes: list[str] = field(default_factory=list)
    made_by: list[Mapping[str, str]] = field(default_factory=list)


def problem_folder(folder: Path, name: str) -> Path:
    """A problem's folder.

    Args:
        folder: The study's folder.
        name: The problem's name.
    """
    return folder / PROBLEMS_FOLDER / folder_name(name)


def page_of(folder: Path, name: str) -> str:
    """The page of a problem, relative to the study's folder; empty where there is none."""
    page = problem_folder(folder, name) / INTERACTIVE_PAGE
    return page.relative_to(folder).as_posix() if page.is_file() else ""


# Instances of the suite.


def on_instance(folder: Path, on: OnInstance, plan: Plan, outside: Sequence[Outside]) -> Found:
    """What a study has of an instance.

    Args:
        folder: The study's folder.
        on: The instance.
        plan: The study's plan.
        outside: Results from elsewhere.
    """
    place = problem_folder(folder, on.name)
    failures = read_failures(place)
    methods = [method for method in plan.methods if method not in failures]
    paths = {
        (method, seed): path
        for method in methods
        for seed in plan.seeds
        if (path := place / RUNS_FOLDER / plan.run_file(method, seed)).is_file()
    }
    missing = len(methods) * len(plan.seeds) - len(paths)
    if not paths and not any(on.name in one.sheets for one in outside):
        return Found(None, missing)
    try:
        scale = Scale.read(place, on)
    except DataError as error:  # nothing was made here yet, and nothing can be
        return Found(None, missing, [f"{on.name}: results from elsewhere do not count: {error}"])
    runs = cached_runs(
        place,
        {path.name: path for path in paths.values()},
        scale,
        lambda _, path: _read(folder, path, on, scale),
    )
    courses = [
        _course(method, seed, runs[path.name], scale, str(path))
        for (method, seed), path in paths.items()
    ]
    without = _without(plan, failures, {method for method, _ in paths})
    by_method: dict[str, dict[int, RunCosts]] = {}
    for (method, seed), path in paths.items():
        by_method.setdefault(method, {})[seed] = runs[path.name]
    notes = [*ended_early(on, by_method), *changed_code(on, by_method)]
    for one in outside:
        there, said = _outside_courses(one, on, scale, plan.seeds)
        courses += there
        notes += said
        if not there:
            without[one.name] = noisy_reason(on) if scale.instance.changes_batches else NOT_GIVEN
    front = scale.unit(scale.instance.known.F)
    task = Task(
        on.name,
        scale.instance.objectives,
        SHARE,
        hypervolume(front),
        known=True,
        courses=tuple(courses),
        front=front,
        missing=without,
        page=page_of(folder, on.name),
    )
    return Found(task, missing, notes, each_once(run.made_by for run in runs.values()))


def _read(folder: Path, path: Path, on: OnInstance, scale: Scale) -> RunCosts:
    with remedied(folder, path):
        return read_run(path, on, scale)


@contextmanager
def remedied(folder: Path, path: Path) -> Iterator[None]:
    """Says what to do about a damaged run.

    Args:
        folder: The study's folder.
        path: The run's file.
    """
    try:
        yield
    except StoreError as error:
        msg = f"{error}; remove {path}, and '{command('resume', folder)}' makes that run again"
        raise StoreError(msg) from error


def _without(plan: Plan, failures: Mapping[str, str], there: set[str]) -> dict[str, str]:
    """Methods that are run and have no results, and why."""
    return {
        method: failures.get(method, NOT_MADE)
        for method in plan.methods
        if method in failures or method not in there
    }


def _course(
    method: str, seed: int, run: RunCosts, scale: Scale, origin: str, *, outside: bool = False
) -> Course:
    return Course(
        method,
        seed,
        run.after,
        None if scale.instance.changes_batches else run.costs,
        run.value,
        run.evaluations,
        outside=outside,
        origin=origin,
        seconds=run.seconds,
        final_share=run.value,
    )


def _outside_courses(
    one: Outside, on: OnInstance, scale: Scale, seeds: Sequence[int]
) -> tuple[list[Course], list[str]]:
    if on.name not in one.sheets:
        return [], []
    if scale.instance.changes_batches:
        return [], [noisy_reason(on)]
    runs, notes = one.on_instance(on, scale, seeds)
    origin = str(one.sheets[on.name].path)
    return [
        _course(one.name, seed, run, scale, origin, outside=True) for seed, run in runs.items()
    ], notes


# Problems with a comparison of their own.


def on_problem(
    folder: Path,
    one: OwnProblem,
    plan: Plan,
    outside: Sequence[Outside],
    volumes: HypervolumeOptions | None = None,
) -> Found:
    """What a study has of a problem that is no instance.

    Args:
        folder: The study's folder.
        one: The problem.
        plan: The study's plan.
        outside: Results from elsewhere.
        volumes: Options of hypervolumes; what is not given is as the study was made with.
    """
    place = problem_folder(folder, one.name)
    failures = read_failures(place)
    wanted = (len(plan.methods) - len(failures.keys() & set(plan.methods))) * len(plan.seeds)
    campaign = Campaign.open(place) if Campaign.is_one(place) else None
    if campaign is None or not campaign.complete:
        return Found(None, wanted)
    comparison = campaign.comparison((volumes or HypervolumeOptions()).or_else(plan.volumes))
    trials = [
        trial
        for trial in comparison.trials
        if trial.method in plan.methods and trial.method not in failures
        if trial.seed in plan.seeds
    ]
    results, notes = {}, []
    for other in outside:
        results[other], said = other.on_problem(one, comparison.goals, plan.seeds)
        notes += said
    # Networks from elsewhere are not retrained or tested: then the search itself compares.
    measure = SEARCHED if any(results.values()) else comparison.decisive
    elsewhere = [
        _from_elsewhere(comparison, other, one, result) for other, result in _pairs(results)
    ]
    front = _front(comparison, [course.costs for course in elsewhere])
    best = hypervolume(front)
    courses = [*_own_courses(comparison, trials, measure, plan.methods, best), *elsewhere]
    without = _without(plan, failures, {trial.method for trial in trials})
    without |= {other.name: NOT_GIVEN for other, its in results.items() if not its}
    task = Task(
        one.name,
        comparison.goals.names,
        comparison.volumes.named(_in_words(measure)),
        best,
        known=False,
        courses=tuple(courses),
        front=front,
        missing=without,
        page=page_of(folder, one.name),
    )
    shared = campaign.shared()
    made_by = {PROCESSOR: shared.processor, **shared.versions}
    return Found(task, wanted - len(trials), notes, [made_by])


def _in_words(indicator: str) -> str:
    """An indicator of a comparison without the table that it stands in."""
    return indicator if indicator.startswith(SEARCHED) else f"{SEARCHED} {indicator}"


def _pairs(results: Mapping[Outside, Sequence[Result]]) -> list[tuple[Outside, Result]]:
    return [(one, result) for one, its in results.items() for result in its]


def _own_courses(
    comparison: Comparison,
    trials: Sequence[Trial],
    measure: str,
    methods: Sequence[str],
    best: float,
) -> list[Course]:
    indicators = comparison.indicators
    places = {id(trial): place for place, trial in enumerate(comparison.trials)}
    courses = []
    for trial in sorted(trials, key=lambda trial: methods.index(trial.method)):
        costs, after = None, np.empty(0, np.int64)
        if trial.history is not None:
            costs = comparison.evaluated(trial.history)[: trial.evaluations]
            after = np.arange(1, len(costs) + 1)
        place = places[id(trial)]
        courses.append(
            Course(
                trial.method,
                trial.seed,
                after,
                costs,
                float(indicators[measure][place]),
                trial.evaluations,
                origin=trial.origin,
                seconds=trial.seconds,
                final_share=float(indicators[SEARCHED][place]) / best if best else 0.0,
            )
        )
    return courses


def _from_elsewhere(
    comparison: Comparison, outside: Outside, one: OwnProblem, result: Result
) -> Course:
    costs: Values = comparison.evaluated(result.columns)
    return Course(
        outside.name,
        result.seed,
        result.after,
        costs,
        hypervolume(_best([costs])),
        result.evaluations,
        outside=True,
        origin=str(outside.sheets[one.name].path),
    )


def _front(comparison: Comparison, others: Sequence[Values | None]) -> Values:
    """The best of all runs, baselines and results from elsewhere, in unit costs."""
    return _best([comparison.best_costs, *(costs for costs in others if costs is not None)])


def _best(parts: Sequence[Values]) -> Values:
    costs = np.concatenate(parts)
    known = costs[~np.isnan(costs).any(axis=1)]
    best: Values = np.unique(known[nondominated(known)], axis=0)
    return best
