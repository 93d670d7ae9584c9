"""The command compare: methods on a problem or on many, or finished runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pymoo_prune.cli.arguments import settings_of
from pymoo_prune.cli.options import METHODS
from pymoo_prune.cli.results import show_campaign, show_comparison
from pymoo_prune.cli.showing import check_counts, hypervolume_of, resumable
from pymoo_prune.cli.studies import do_study, is_for_study
from pymoo_prune.cli.workers import refuse_workers
from pymoo_prune.comparing import Campaign, report_of_runs, size_bounds
from pymoo_prune.errors import PruneError, command, quoted
from pymoo_prune.machine import cores
from pymoo_prune.problem import PruningProblem, find_problem
from pymoo_prune.runs import new_folder
from pymoo_prune.studies import Study, is_problem
from pymoo_prune.tables import listed

FOR_FOLDERS = ("what", "bounds", "against", "reference", "log", "output", "trust")
"""Options that a comparison of finished runs takes."""


def do_compare(options: argparse.Namespace, console: Console) -> None:
    """`pymoo-prune compare`."""
    refuse_workers(options)
    if any(Path(what).is_dir() and not is_problem(what) for what in options.what):
        given = [
            name for name, value in options.untouched.items() if getattr(options, name) != value
        ]
        _check_for_folders(given)
        _compare_folders(options, console)
        return
    if is_for_study(options):
        do_study(options, console)
        return
    if not options.what:
        msg = (
            "give a problem or several, folders of finished runs, or a group of the suite with "
            "--suite; 'pymoo-prune list' shows problems"
        )
        raise PruneError(msg)
    if options.again:
        raise PruneError("--again is for a study over many problems, but this is one problem")
    _compare_methods(options.what[0], options, console)


def _check_for_folders(given: Sequence[str]) -> None:
    """Refuses options that only matter to new runs."""
    searching = [f"--{name.replace('_', '-')}" for name in given if name not in FOR_FOLDERS]
    if searching:
        msg = (
            f"{listed(searching)} cannot be given with folders: finished runs are compared as they "
            "are; 'pymoo-prune compare PROBLEM' makes new ones"
        )
        raise PruneError(msg)


def _compare_folders(options: argparse.Namespace, console: Console) -> None:
    folders = [Path(what) for what in options.what]
    for folder in folders:
        if Study.is_one(folder):
            msg = f"{folder} is a study over many problems; '{command('report', folder)}' shows it"
            raise PruneError(msg)
        if Campaign.is_one(folder):
            runs = " ".join(f"{quoted(one / 'runs')}/*" for one in folders)
            msg = (
                f"{folder} is a comparison of its own; '{command('report', folder)}' shows it, and "
                f"'pymoo-prune compare {runs}' compares its runs with others"
            )
            raise PruneError(msg)
    volumes = hypervolume_of(options)
    report = report_of_runs(folders, options.bounds, options.against, volumes)
    show_comparison(report, options.output or new_folder("compare"), console)


def _compare_methods(problem: str, options: argparse.Namespace, console: Console) -> None:
    check_counts(options)
    methods = _methods(problem, options.algorithms)
    runs = len(methods) * options.seeds
    jobs = min(cores(), runs) if options.jobs is None else options.jobs
    settings = settings_of(options, problem, algorithm="nsga2", threads=_threads(options))
    goals = settings.check()  # before the folder is made
    size_bounds(options.bounds or (), goals.quantities)
    volumes = hypervolume_of(options)
    possible = settings.possible_axes(goals)
    volumes.check(list(possible), possible)
    campaign = Campaign.create(
        options.output or new_folder(f"compare-{problem}"),
        settings,
        methods,
        range(options.seed, options.seed + options.seeds),
        options.bounds,
        options.against,
        volumes,
    )
    with resumable(campaign.folder):
        campaign.execute(console, jobs=jobs, download=options.download)
        show_campaign(campaign, console)


def _methods(problem: str, asked: Sequence[str] | None) -> list[str]:
    """The methods, with random search where the problem has random candidates."""
    methods = list(asked or METHODS)
    can_be_random = find_problem(problem).random is not PruningProblem.random
    return [*methods, "random"] if can_be_random and "random" not in methods else methods


def _threads(options: argparse.Namespace) -> int:
    """Threads of each run: as given, as in the comparison that goes on, or one.

    A share of the cores would make results depend on the machine and on the number of jobs.
    """
    if options.threads is not None:
        return int(options.threads)
    if options.output and Campaign.is_one(options.output):
        return Campaign.open(options.output).settings.threads
    return 1
