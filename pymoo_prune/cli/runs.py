"""The commands `run` and `resume`; `resume` also goes on with a comparison or a study."""

from __future__ import annotations

import argparse

from rich.console import Console

from pymoo_prune.cli.arguments import given_of, settings_of
from pymoo_prune.cli.results import show_campaign, show_run
from pymoo_prune.cli.showing import reporting, resumable
from pymoo_prune.cli.studies import resume_study
from pymoo_prune.cli.workers import (
    executor_of,
    has_workers,
    refuse_workers,
    threads_for_workers,
)
from pymoo_prune.comparing import Campaign
from pymoo_prune.errors import PruneError
from pymoo_prune.executors import Executor
from pymoo_prune.machine import cores
from pymoo_prune.runs import Run, new_folder
from pymoo_prune.search import Display
from pymoo_prune.studies import Study


def do_run(options: argparse.Namespace, console: Console) -> None:
    """`pymoo-prune run`."""
    if options.profile and has_workers(options):
        msg = "--profile traces this process only; give it without workers"
        raise PruneError(msg)
    settings = settings_of(
        options,
        options.problem,
        algorithm=options.algorithm,
        surrogate=options.surrogate,
        baselines=options.baselines,
        threads=threads_for_workers(options),
    )
    executor = executor_of(options, settings.threads)
    settings.check(workers=has_workers(options))  # before there is a folder
    with executor:  # a missing cluster is an error before there is a folder, too
        run = Run.create(options.output or new_folder(options.problem), settings)
        _work(run, console, executor, download=options.download, profile=options.profile)
    with reporting(run.folder):
        show_run(run, console)


def do_resume(options: argparse.Namespace, console: Console) -> None:
    """`pymoo-prune resume`."""
    if Study.is_one(options.folder):
        refuse_workers(options)
        _refuse_network(options)
        resume_study(options, console)
        return
    if options.again:
        raise PruneError("--again is for a study over many problems, but this is none")
    if Campaign.is_one(options.folder):
        refuse_workers(options)
        _refuse_network(options)
        campaign = Campaign.open(options.folder)
        at_once = max(1, cores() // campaign.settings.threads)
        with resumable(campaign.folder):
            jobs = at_once if options.jobs is None else options.jobs
            campaign.execute(console, jobs=jobs, download=options.download, given=given_of(options))
            show_campaign(campaign, console)
        return
    if options.jobs is not None:
        msg = "--jobs is for a comparison or a study; a single run takes --workers"
        raise PruneError(msg)
    run = Run.open(options.folder, given=given_of(options))
    if run.complete:
        console.print(f"{options.folder} is finished already.", markup=False, soft_wrap=True)
    else:
        with executor_of(options, run.settings.threads) as executor:
            _work(run, console, executor, download=options.download)
    with reporting(run.folder):
        show_run(run, console)


def _refuse_network(options: argparse.Namespace) -> None:
    if options.network is not None:
        raise PruneError(f"--network is for a single run, but {options.folder} holds several")


def _work(
    run: Run,
    console: Console,
    executor: Executor,
    *,
    download: bool = False,
    profile: bool = False,
) -> None:
    with resumable(run.folder):
        run.execute(Display(console), download=download, executor=executor, profile=profile)
