"""What a study found so far, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pymoo_prune.comparing import HypervolumeOptions, enough_seeds, least_p
from pymoo_prune.errors import PruneError, command, unknown_name
from pymoo_prune.standings import Standings, StudyReport, Task
from pymoo_prune.studies.failures import read_failures
from pymoo_prune.studies.outside import Outside, copies
from pymoo_prune.studies.plan import Plan, common_settings
from pymoo_prune.studies.problems import OnInstance, StudyProblem
from pymoo_prune.studies.provenance import differing, texts_of
from pymoo_prune.studies.reading import Found, on_instance, on_problem, problem_folder
from pymoo_prune.tables import listed


@dataclass(frozen=True)
class Results:
    """What a study found so far.

    Attributes:
        tasks: The problems that have results, in the order of the plan.
        methods: All methods, those of results from elsewhere last.
        facts: How it was made, for a report.
        notes: What is to be said: of runs that are missing, and of results from elsewhere.
        missing: Runs that are still to be made.
        against: The method that each other one is tested against; None lets the report choose.
    """

    tasks: list[Task]
    methods: list[str]
    facts: Mapping[str, str]
    notes: list[str] = field(default_factory=list)
    missing: int = 0
    against: str | None = None

    @property
    def title(self) -> str:
        """The study in a few words."""
        problems = "1 problem" if len(self.tasks) == 1 else f"{len(self.tasks)} problems"
        return f"{len(self.methods)} methods on {problems}"

    def report(self, labels: Mapping[str, str] | None = None) -> StudyReport:
        """The report of what there is.

        Args:
            labels: Other names of methods, by their own names.
        """
        names = {name: name for name in self.methods} | dict(labels or {})
        for name in names.keys() - set(self.methods):
            raise unknown_name("method to label", name, self.methods)
        if len(set(names.values())) < len(names):
            msg = f"methods must have different labels, but they are {list(names.values())}"
            raise PruneError(msg)
        tasks = [
            replace(
                task,
                courses=tuple(replace(one, method=names[one.method]) for one in task.courses),
                missing={names[name]: why for name, why in task.missing.items()},
            )
            for task in self.tasks
        ]
        against = None if self.against is None else names[self.against]
        standings = Standings(tasks, [names[name] for name in self.methods], against=against)
        return StudyReport(standings, self.title, self.facts, notes=self.notes)


def read_results(
    folder: Path,
    plan: Plan,
    volumes: HypervolumeOptions | None = None,
    lacking: Mapping[str, str] | None = None,
) -> Results:
    """What a study found so far.

    Args:
        folder: The study's folder.
        plan: Its plan.
        volumes: Options of hypervolumes, for problems that are no instances; what is not given is
            as the study was made with.
        lacking: Why problems could not be made, by name.
    """
    if volumes and not plan.own:
        raise PruneError(
            "--reference and --log are for problems of your own: instances of the suite have their "
            "own reference points"
        )
    names = [one.name for one in plan.problems]
    outside = [
        Outside.read(name, copies(folder, name, files), names)
        for name, files in plan.outside.items()
    ]
    found = {one.name: _found(folder, one, plan, outside, volumes) for one in plan.problems}
    tasks = [one.task for one in found.values() if one.task is not None]
    missing = sum(one.missing for one in found.values())
    notes = [note for one in outside for note in one.notes]
    notes += [note for one in found.values() for note in one.notes]
    notes += _unfinished(folder, found, missing, lacking or {})
    made_by = [made for one in found.values() for made in one.made_by]
    notes += differing(made_by)
    facts = _facts(plan, missing, made_by)
    return Results(tasks, plan.all_methods, facts, notes, missing, plan.against)


def _found(
    folder: Path,
    one: StudyProblem,
    plan: Plan,
    outside: Sequence[Outside],
    volumes: HypervolumeOptions | None,
) -> Found:
    if isinstance(one, OnInstance):
        return on_instance(folder, one, plan, outside)
    return on_problem(folder, one, plan, outside, volumes)


def _unfinished(
    folder: Path, found: Mapping[str, Found], missing: int, lacking: Mapping[str, str]
) -> list[str]:
    """What is to be said of problems and runs that are not there."""
    notes = []
    for name, one in found.items():
        if one.task is None:
            failures = read_failures(problem_folder(folder, name))
            why = lacking.get(name) or (
                "not finished" if one.missing else next(iter(failures.values()), "nothing made")
            )
            notes.append(f"{name} is left out: {why}")
    if missing:
        runs = "1 run is" if missing == 1 else f"{missing:,} runs are"
        notes.append(f"{runs} missing: '{command('resume', folder)}' goes on")
    return notes


def _facts(plan: Plan, missing: int, made_by: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """How a study was made."""
    instances = [f"{on.name} {on.version}" for on in plan.instances]
    return {
        **common_settings(plan.problems),
        "engine seeds": ", ".join(map(str, plan.seeds)),
        **({"versions of instances": ", ".join(instances)} if instances else {}),
        **({"made elsewhere": listed(list(plan.outside))} if plan.outside else {}),
        **({"unfinished": f"{missing:,} runs are missing"} if missing else {}),
        **{name: "; ".join(texts) for name, texts in texts_of(made_by).items()},
    }


def power_note(plan: Plan) -> str | None:
    """What so few seeds cannot show in the table of all problems; None where they can.

    Args:
        plan: Each method but one is tested against that one on each problem.
    """
    tests, seeds = (len(plan.all_methods) - 1) * len(plan.problems), len(plan.seeds)
    needed = enough_seeds(tests) if tests else 0
    if seeds >= needed:
        return None
    least = min(least_p(seeds, seeds) * tests, 1.0)
    few = "1 seed" if seeds == 1 else f"{seeds} seeds"
    return (
        f"{few} cannot show a difference in every cell of the table: after Holm's "
        f"correction for {tests} tests p cannot be below {least:.3f}. {needed} seeds can."
    )
