"""The problems of a study: instances of the suite, and problems with a parent and images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

from pymoo_prune.comparing import file_name
from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.problem import assignments, find_problem, preset_of, registered
from pymoo_prune.runs import Settings
from pymoo_prune.search import Budget
from pymoo_prune.studies.searches import POPULATION
from pymoo_prune.suite import problem, suite


@dataclass(frozen=True)
class OnInstance:
    """An instance of the suite, and how it is searched.

    Attributes:
        name: The instance's name.
        version: The instance's version.
        evaluations: Evaluations of each run.
        pop_size: The engines' population.
    """

    name: str
    version: int
    evaluations: int
    pop_size: int = POPULATION

    def __post_init__(self) -> None:
        for what, value, least in (
            ("evaluations", self.evaluations, 1),
            ("pop_size", self.pop_size, 2),
        ):
            if value < least:
                msg = f"{what} must be at least {least}, but it is {value}"
                raise PruneError(msg)

    @classmethod
    def of(cls, name: str, evaluations: int | None = None, pop_size: int | None = None) -> Self:
        """An instance by name; what is not given is as for the suite's own results."""
        definition = problem(name).definition
        budget = definition.budget if evaluations is None else evaluations
        return cls(name, definition.version, budget, POPULATION if pop_size is None else pop_size)

    def values(self) -> dict[str, Any]:
        """All that its runs depend on, besides method and seed."""
        return {
            "version": self.version,
            "evaluations": self.evaluations,
            "pop_size": self.pop_size,
        }


@dataclass(frozen=True)
class OwnProblem:
    """A problem with a parent and images, which is searched in a comparison of its own.

    Attributes:
        name: Its name in the study.
        settings: What all runs share.
    """

    name: str
    settings: Settings

    def __post_init__(self) -> None:
        if split_text(self.name)[0] != self.settings.problem:
            msg = (
                f"a problem's name in a study begins with {self.settings.problem!r}, the problem "
                f"of its settings, but it is {self.name!r}"
            )
            raise PruneError(msg)

    @property
    def evaluations(self) -> int | None:
        """Evaluations of each run; None where the budget sets no limit to them."""
        return self.settings.budget.evaluations

    def values(self) -> dict[str, Any]:
        """All that its runs depend on, besides method and seed."""
        values: dict[str, Any] = json.loads(self.settings.to_json())
        return values


StudyProblem: TypeAlias = OnInstance | OwnProblem


def folder_name(name: str) -> str:
    """A problem's name as the name of its folder."""
    return file_name(name)


def instance_names() -> set[str]:
    """The names of all instances of the suite."""
    return {definition.name for definition in suite()}


def is_problem(text: str) -> bool:
    """Whether a text names an instance of the suite or a registered problem."""
    return text in instance_names() or text in registered()


def split_text(text: str) -> tuple[str, dict[str, Any]]:
    """The name of a problem and its options.

    Args:
        text: "NAME" or "NAME@KEY=VALUE,KEY=VALUE"; commas within brackets or quotes divide nothing.
    """
    name, at, given = text.partition("@")
    if not at:
        return name, {}
    parts = _parts(given)
    options = assignments(parts)
    if len(options) < len(parts):
        msg = f"problem {text!r} must name each option once"
        raise PruneError(msg)
    return name, options


def _parts(text: str) -> list[str]:
    """A text divided at commas outside of brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        else:
            depth += (letter in "[{(") - (letter in "]})")
        if letter == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def check_name(text: str) -> None:
    """Refuses what is neither a problem nor an instance, and options of an instance.

    Args:
        text: As `split_text` takes it.
    """
    name, options = split_text(text)
    if name in instance_names():
        if options:
            msg = f"{name} is an instance of the suite, which is fixed: it takes no options"
            raise PruneError(msg)
        return
    if ":" not in name and name not in registered():
        raise unknown_name("problem or instance", name, {*registered(), *instance_names()})


def preset_settings(
    text: str, *, evaluations: int | None = None, pop_size: int | None = None
) -> Settings:
    """The settings of a problem's first preset.

    Args:
        text: As `split_text` takes it.
        evaluations: Evaluations of each run; None takes the preset's budget.
        pop_size: The engines' population; None takes the preset's.
    """
    name, options = split_text(text)
    preset = preset_of(find_problem(name), None)
    budget = (
        Budget(generations=preset.generations, seconds=preset.seconds)
        if evaluations is None
        else Budget(evaluations=evaluations)
    )
    return Settings(
        problem=name,
        algorithm="nsga2",
        pop_size=preset.pop_size if pop_size is None else pop_size,
        options={**preset.options, **options},
        budget=budget,
        objectives=preset.objectives,
        finish_images=preset.finish_images,
    )


def chosen_problems(
    texts: Sequence[str],
    settings: Mapping[str, Settings],
    *,
    evaluations: int | None = None,
    pop_size: int | None = None,
) -> list[StudyProblem]:
    """Problems by name: instances of the suite, and others with their settings.

    Args:
        texts: As `split_text` takes them.
        settings: The settings of those that are no instances, by their text; those of the first
            preset where there are none.
        evaluations: Evaluations of each run; None takes each problem's own budget.
        pop_size: The engines' population; None takes each problem's own.
    """
    chosen: list[StudyProblem] = []
    for text in texts:
        check_name(text)
        if text in instance_names():
            chosen.append(OnInstance.of(text, evaluations, pop_size))
        else:
            given = settings.get(text) or preset_settings(
                text, evaluations=evaluations, pop_size=pop_size
            )
            chosen.append(OwnProblem(text, given))
    return chosen


def read_problem(values: Mapping[str, Any], folder: Path) -> StudyProblem:
    """A problem as a study's file has it.

    Args:
        values: As `written_problem` makes them.
        folder: The study's folder.
    """
    name = str(values["name"])
    if "suite" in values:
        return OnInstance(name, **values["suite"])
    return OwnProblem(name, Settings.from_json(json.dumps(values["settings"]), folder))


def written_problem(one: StudyProblem) -> dict[str, Any]:
    """A problem for a study's file."""
    kind = "suite" if isinstance(one, OnInstance) else "settings"
    return {"name": one.name, kind: one.values()}
