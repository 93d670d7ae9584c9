"""The plan of a study, and its file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypedDict

from pymoo_prune.comparing import (
    HypervolumeOptions,
    Method,
    check_against,
    check_design,
    file_name,
    size_bounds,
)
from pymoo_prune.errors import PruneError, StoreError, UntrustedCode
from pymoo_prune.files import check_no_links, write_text
from pymoo_prune.problem import check_format, check_shape, check_trust
from pymoo_prune.runs import reading
from pymoo_prune.studies.files import STUDY_FILE
from pymoo_prune.studies.problems import (
    OnInstance,
    OwnProblem,
    StudyProblem,
    folder_name,
    read_problem,
    written_problem,
)

STUDY_FORMAT = 1


class InstanceShape(TypedDict):
    """How an instance is searched."""

    version: int
    evaluations: int
    pop_size: int


class _ProblemAlways(TypedDict):
    name: str


class ProblemShape(_ProblemAlways, total=False):
    """A problem of a study: an instance, or one with settings."""

    suite: InstanceShape
    settings: dict[str, Any]


class _StudyAlways(TypedDict):
    format: int
    problems: list[ProblemShape]
    methods: list[str]
    seeds: list[int]
    against: str | None
    bounds: list[str] | None
    outside: dict[str, dict[str, str]]


class StudyShape(_StudyAlways, total=False):
    """`study.json`."""

    hypervolume: dict[str, list[str]]


@dataclass(frozen=True)
class Plan:
    """Which runs a study has.

    Attributes:
        problems: The problems, each with its settings.
        methods: Names, as `Method.parse` takes them.
        seeds: The engines' seeds.
        against: The method that each other one is tested against; None lets the report choose.
        bounds: Bounds on sizes for problems that are no instances, as `Comparison` takes them.
        volumes: The reference point and the logarithmic axes of their hypervolumes.
        outside: Results that were made elsewhere: the digest of each copied file, by method and
            the file's name.
    """

    problems: tuple[StudyProblem, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    against: str | None = None
    bounds: tuple[str, ...] | None = None
    volumes: HypervolumeOptions = field(default_factory=HypervolumeOptions)
    outside: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        every = self.all_methods
        check_design(every, self.seeds)
        check_against(self.against, every)
        for method in self.methods:
            Method.parse(method)
        names = [one.name for one in self.problems]
        if not names or len({folder_name(name) for name in names}) < len(names):
            msg = (
                "a study needs one problem or more, each once and with names that differ in "
                f"letters or digits, but they are {names}"
            )
            raise PruneError(msg)

    @property
    def all_methods(self) -> list[str]:
        """The methods that are run, and then those of results from elsewhere."""
        return [*self.methods, *self.outside]

    @property
    def instances(self) -> list[OnInstance]:
        """The problems that are instances of the suite."""
        return [one for one in self.problems if isinstance(one, OnInstance)]

    @property
    def own(self) -> list[OwnProblem]:
        """The other problems."""
        return [one for one in self.problems if isinstance(one, OwnProblem)]

    def run_file(self, method: str, seed: int) -> str:
        """The name of the file of a run on an instance."""
        return f"{file_name(method)}-{seed}.sqlite"

    def check(self) -> None:
        """Refuses impossible settings, before anything is made, loaded or trained."""
        for one in self.own:
            try:
                goals = one.settings.check()
                size_bounds(self.bounds or (), goals.quantities)
                possible = one.settings.possible_axes(goals)
                self.volumes.check(list(possible), possible)
            except UntrustedCode:
                raise
            except PruneError as error:
                msg = f"{one.name}: {error}"
                raise PruneError(msg) from error

    def check_trust(self, folder: Path) -> None:
        """Refuses code that the folder names and the user did not; see `networks.trust`."""
        check_trust(self.methods, folder)
        for one in self.own:
            one.settings.check_trust()

    def added_to(self, before: Plan, folder: Path) -> Self:
        """The problems, methods and seeds of both plans, where common problems are the same.

        Args:
            before: The plan of a study that is there.
            folder: The folder of that study.
        """
        there = {one.name: one for one in before.problems}
        for one in self.problems:
            if one.name in there:
                _check_same(one, there[one.name], folder)
        for name in self.outside.keys() & before.outside.keys():
            if self.outside[name] != before.outside[name]:
                msg = (
                    f"{folder} has other results of {name}, made elsewhere; give these another name"
                )
                raise StoreError(msg)
        problems = {**{one.name: one for one in self.problems}, **there}
        order = dict.fromkeys([*there, *problems])
        return replace(
            self,
            problems=tuple(problems[name] for name in order),
            methods=tuple(dict.fromkeys((*before.methods, *self.methods))),
            seeds=tuple(sorted({*before.seeds, *self.seeds})),
            against=self.against or before.against,
            bounds=self.bounds or before.bounds,
            volumes=self.volumes.or_else(before.volumes),
            outside={**before.outside, **self.outside},
        )

    def write(self, folder: Path) -> None:
        """Writes it into a study's folder."""
        values: dict[str, Any] = {
            "format": STUDY_FORMAT,
            "problems": [written_problem(one) for one in self.problems],
            "methods": self.methods,
            "seeds": self.seeds,
            "against": self.against,
            "bounds": self.bounds,
            "outside": self.outside,
        }
        if self.volumes:
            values["hypervolume"] = {"reference": self.volumes.texts, "log": self.volumes.log}
        write_text(folder / STUDY_FILE, json.dumps(values, indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The plan of a study that is there."""
        if not has_study(folder):
            msg = f"{folder} is not a study: there is no {STUDY_FILE} in it"
            raise StoreError(msg)
        check_no_links(folder)
        path = folder / STUDY_FILE
        with reading(path, "restore it from a copy"):
            values = json.loads(path.read_text(encoding="utf-8"))
            check_format(values, STUDY_FORMAT)
            check_shape(values, StudyShape)
            return cls(
                tuple(read_problem(one, folder) for one in values["problems"]),
                tuple(map(str, values["methods"])),
                tuple(map(int, values["seeds"])),
                values["against"],
                None if values["bounds"] is None else tuple(values["bounds"]),
                HypervolumeOptions.parse(**values.get("hypervolume", {})),
                {name: dict(files) for name, files in values["outside"].items()},
            )


def has_study(folder: Path) -> bool:
    """Whether a folder holds a study."""
    return (folder / STUDY_FILE).is_file()


def common_settings(problems: Sequence[StudyProblem]) -> dict[str, str]:
    """What is the same for all problems, or each of its values, for a report."""
    evaluations = dict.fromkeys(
        "its own budget" if one.evaluations is None else f"{one.evaluations:,} evaluations"
        for one in problems
    )
    sizes = dict.fromkeys(
        str(one.pop_size if isinstance(one, OnInstance) else one.settings.pop_size)
        for one in problems
    )
    return {"budget of each run": " / ".join(evaluations), "population": " / ".join(sizes)}


def _check_same(one: StudyProblem, other: StudyProblem, folder: Path) -> None:
    ours, theirs = one.values(), other.values()
    names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    if names:
        parts = [f"{n} is {theirs.get(n)!r} there and {ours.get(n)!r} here" for n in names]
        msg = (
            f"{folder} has {one.name} with other settings: {', '.join(parts)}; give the same "
            "settings to add problems, methods or seeds, or another --output"
        )
        raise StoreError(msg)
