"""A study in Python, in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from pymoo_prune.comparing import seeds_of
from pymoo_prune.runs import Settings
from pymoo_prune.studies.folder import Study
from pymoo_prune.studies.problems import chosen_problems
from pymoo_prune.suite import suite


def study(
    problems: Sequence[str],
    methods: Sequence[str],
    folder: Path | str,
    *,
    seeds: int | Sequence[int] = 5,
    group: str | None = None,
    evaluations: int | None = None,
    pop_size: int | None = None,
    settings: Mapping[str, Settings] | None = None,
    against: str | None = None,
    outside: Mapping[str, Path | str] | None = None,
    jobs: int = 1,
    console: Console | None = None,
) -> Study:
    """Lets methods search many problems; of a study that is there, only what is missing.

    Args:
        problems: Instances of the suite by name, and other problems as the command line takes
            them: "ecomp", "module:Class" or "layer-vector@network=resnet-8".
        methods: Engines by name, or "package.module:name" of an own one.
        folder: The study's folder.
        seeds: How many runs each method has, or the engines' seeds.
        group: A group of the suite, of which all instances are searched.
        evaluations: Evaluations of each run; None takes each problem's own budget.
        pop_size: The engines' population; None takes each problem's own.
        settings: Settings of problems that are no instances, by their name in `problems`; those of
            the first preset where there are none.
        against: The method that each other one is tested against; None lets the report choose.
        outside: Results that were made elsewhere: a folder with PROBLEM.csv, or a file, by method.
        jobs: How many runs at once, each in a process of its own.
        console: Shows progress; None shows nothing.

    Returns:
        The study; `tasks()` has its results.
    """
    instances = [] if group is None else [definition.name for definition in suite(group)]
    chosen = chosen_problems(
        list(dict.fromkeys([*instances, *problems])),
        settings or {},
        evaluations=evaluations,
        pop_size=pop_size,
    )
    made = Study.create(folder, chosen, methods, seeds_of(seeds), against=against, outside=outside)
    made.execute(console or Console(quiet=True), jobs=jobs)
    return made
