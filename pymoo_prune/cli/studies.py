"""Studies: the command compare over many problems, and what resume and report do with them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from pymoo_prune.cli.arguments import given_of, settings_of
from pymoo_prune.cli.options import METHODS
from pymoo_prune.cli.showing import check_counts, hypervolume_of, labels_of, resumable, style_of
from pymoo_prune.errors import PruneError
from pymoo_prune.machine import cores
from pymoo_prune.plots import SCREEN, FigureStyle
from pymoo_prune.problem import PruningProblem, find_problem
from pymoo_prune.runs import INTERACTIVE_PAGE, NOTHING_GIVEN, Given, Settings, new_folder
from pymoo_prune.studies import (
    OwnProblem,
    Results,
    Study,
    StudyProblem,
    check_name,
    chosen_problems,
    instance_names,
    split_text,
)
from pymoo_prune.suite import suite
from pymoo_prune.tables import TABLES_FOLDER, listed

FOR_INSTANCES = (
    *("what", "suite", "outside", "again", "algorithms", "seeds", "seed", "jobs", "against"),
    *("evaluations", "pop_size", "output", "trust", "download"),
)
"""Options that mean something where all problems are instances of the suite."""
FOR_MORE = (
    *("what", "outside", "again", "algorithms", "seeds", "seed", "jobs", "against", "output"),
    *("trust", "download"),
)
"""Options that mean something where no problem is named."""


def is_for_study(options: argparse.Namespace) -> bool:
    """Whether `compare` was asked for a study.

    Args:
        options: The options of `compare`.
    """
    what = options.what
    if options.suite or options.outside or len(what) > 1:
        return True
    if options.output is not None and Study.is_one(options.output):
        return True
    return len(what) == 1 and (what[0] in instance_names() or "@" in what[0])


def do_study(options: argparse.Namespace, console: Console) -> None:
    """`pymoo-prune compare` over many problems.

    Args:
        options: The options of `compare`.
        console: Where to print.
    """
    check_counts(options)
    jobs = cores() if options.jobs is None else options.jobs
    problems = _problems(options)
    study = Study.create(
        options.output or new_folder("study"),
        problems,
        _methods(options, problems),
        range(options.seed, options.seed + options.seeds),
        against=options.against,
        bounds=options.bounds,
        volumes=hypervolume_of(options),
        outside=_outside(options.outside or ()),
    )
    _execute(study, options, console, jobs)


def resume_study(options: argparse.Namespace, console: Console) -> None:
    """`pymoo-prune resume` with a study's folder.

    Args:
        options: The options of `resume`.
        console: Where to print.
    """
    study = Study.open(options.folder)
    jobs = cores() if options.jobs is None else options.jobs
    _execute(study, options, console, jobs, given_of(options))


def report_study(options: argparse.Namespace, console: Console) -> None:
    """`pymoo-prune report` with a study's folder.

    Args:
        options: The options of `report`.
        console: Where to print.
    """
    study = Study.open(options.folder)
    results = study.results(hypervolume_of(options))
    folder = options.output or study.folder
    shown = {"html": options.html, "style": style_of(options), "labels": labels_of(options)}
    show_study(results, folder, console, **shown)


def _execute(
    study: Study,
    options: argparse.Namespace,
    console: Console,
    jobs: int,
    given: Given = NOTHING_GIVEN,
) -> None:
    with resumable(study.folder, "runs that are done are"):
        results = study.execute(
            console, jobs=jobs, download=options.download, given=given, again=options.again
        )
        show_study(results, study.folder, console, html=True)


def show_study(
    results: Results,
    folder: Path,
    console: Console,
    *,
    html: bool = False,
    style: FigureStyle = SCREEN,
    labels: Mapping[str, str] | None = None,
) -> None:
    """Prints what a study found, and writes its report.

    Args:
        results: What it found so far.
        folder: Where the report goes.
        console: Where to print.
        html: Whether to write pages for a browser too.
        style: The sizes of pictures, for a screen or a paper.
        labels: Other names of methods, by their own names.
    """
    if not results.tasks:
        for note in results.notes:
            _print_line(note, console)
        return
    report = results.report(labels)
    for table in report.tables():
        console.print(table, crop=False)
        console.print()
    _print_line(report.verdict(), console)
    page = report.write(folder, html=html, style=style)
    where = f"report: {page}, tables in LaTeX and all numbers: {folder / TABLES_FOLDER}"
    if html:
        where += f", interactive: {folder / INTERACTIVE_PAGE}"
    _print_line(where, console)


def _print_line(text: str, console: Console) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


# Options.


def _problems(options: argparse.Namespace) -> Sequence[StudyProblem]:
    """The problems that are asked for; where none is named, those of the study that is there."""
    given = [name for name, value in options.untouched.items() if getattr(options, name) != value]
    if not options.what and not options.suite:
        if options.output is None or not Study.is_one(options.output):
            msg = "--outside needs problems: name some, or a group of the suite with --suite"
            raise PruneError(msg)
        if idle := [name for name in given if name not in FOR_MORE]:
            msg = (
                f"{_options(idle)} cannot be given without problems: those of {options.output} "
                "keep their settings"
            )
            raise PruneError(msg)
        return Study.open(options.output).plan.problems
    for text in options.what:
        check_name(text)
    instances = [one.name for one in suite(options.suite)] if options.suite else []
    texts = list(dict.fromkeys([*instances, *options.what]))
    own = [text for text in texts if text not in instance_names()]
    _check_options(given, own, all_own=len(own) == len(texts))
    settings = {text: _settings(text, options) for text in own}
    return chosen_problems(
        texts, settings, evaluations=options.evaluations, pop_size=options.pop_size
    )


def _options(names: Sequence[str]) -> str:
    """Names of options in a sentence."""
    return listed([f"--{name.replace('_', '-')}" for name in names])


def _check_options(given: Sequence[str], own: Sequence[str], *, all_own: bool) -> None:
    """Refuses options that would mean nothing to some of the problems."""
    limits = [name for name in ("generations", "time") if name in given]
    if limits and not all_own:
        msg = (
            "instances of the suite have a budget of evaluations alone: give --evaluations, and "
            f"not {_options(limits)}"
        )
        raise PruneError(msg)
    if not own and (idle := [name for name in given if name not in FOR_INSTANCES]):
        msg = (
            f"{_options(idle)} cannot be given where all problems are instances of the suite: "
            "these are fixed"
        )
        raise PruneError(msg)


def _settings(text: str, options: argparse.Namespace) -> Settings:
    """The settings of a problem that is no instance."""
    name, given = split_text(text)
    settings = settings_of(options, name, algorithm="nsga2", threads=_threads(text, options))
    return replace(settings, options={**settings.options, **given})


def _threads(text: str, options: argparse.Namespace) -> int:
    """Threads of each run: as given, as in the study that goes on, or one: see `comparisons`."""
    if options.threads is not None:
        return int(options.threads)
    if options.output is not None and Study.is_one(options.output):
        for one in Study.open(options.output).plan.own:
            if one.name == text:
                return one.settings.threads
    return 1


def _methods(options: argparse.Namespace, problems: Sequence[StudyProblem]) -> list[str]:
    """The methods, with random search wherever some problem has random candidates."""
    own = [one for one in problems if isinstance(one, OwnProblem)]
    all_own = len(own) == len(problems)
    # An instance has several objectives, and they cannot be weighed into one.
    default = METHODS if all_own else [name for name in METHODS if name != "ga"]
    methods = list(options.algorithms or default)
    can_be_random = not all_own or any(
        find_problem(one.settings.problem).random is not PruningProblem.random for one in own
    )
    return [*methods, "random"] if can_be_random and "random" not in methods else methods


def _outside(texts: Sequence[str]) -> dict[str, Path]:
    """Results from elsewhere, by method."""
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not (equals and name and path) or name in found:
            msg = f"--outside {text!r} must read NAME=PATH, each name once"
            raise PruneError(msg)
        found[name] = Path(path)
    return found
