"""The plan of a comparison, and its file."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypedDict

from pymoo_prune.comparing.bounds import size_bounds
from pymoo_prune.comparing.files import RUNS_FOLDER
from pymoo_prune.comparing.jobs import first_line, is_of_method
from pymoo_prune.comparing.methods import Method, check_against, check_design, seeds_of
from pymoo_prune.comparing.volumes import HypervolumeOptions, judged_axes
from pymoo_prune.engines import check_goals, one_objective
from pymoo_prune.errors import PruneError, StoreError
from pymoo_prune.files import Digests, check_no_links, write_new_text, write_text
from pymoo_prune.objectives import STANDARD
from pymoo_prune.problem import PruningProblem, check_format, check_shape, default_objectives
from pymoo_prune.runs import PLAN_FILE, Settings, reading

PLAN_FORMAT = 1


class _PlanAlways(TypedDict):
    format: int
    settings: dict[str, Any]
    methods: list[str]
    seeds: list[int]
    bounds: list[str] | None


class PlanShape(_PlanAlways, total=False):
    """`comparison.json`; older folders lack some."""

    against: str | None
    hypervolume: dict[str, list[str]]


@dataclass(frozen=True)
class Plan:
    """Which runs there are.

    Attributes:
        settings: What all runs share; each run has its own engine and seed.
        methods: The engines, and what they minimise.
        seeds: The engines' seeds.
        bounds: Bounds on sizes, as `Comparison` takes them.
        against: The method that each other one is tested against; None tests all pairs.
        volumes: The reference point and the logarithmic axes of hypervolumes.
    """

    settings: Settings
    methods: tuple[Method, ...]
    seeds: tuple[int, ...]
    bounds: tuple[str, ...] | None = None
    against: str | None = None
    volumes: HypervolumeOptions = field(default_factory=HypervolumeOptions)

    @classmethod
    def of(
        cls,
        settings: Settings,
        methods: Sequence[str],
        seeds: Sequence[int],
        bounds: Sequence[str] | None = None,
        against: str | None = None,
        volumes: HypervolumeOptions | None = None,
    ) -> Self:
        """A plan with methods as `Method.parse` takes them."""
        seeds = seeds_of(seeds)
        check_design(methods, seeds)
        check_against(against, methods)
        parsed = tuple(Method.parse(text) for text in methods)
        limits = None if bounds is None else tuple(bounds)
        options = volumes or HypervolumeOptions()
        return cls(settings, parsed, seeds, limits, against, options)

    def without(self, methods: Collection[str]) -> Self:
        """The plan without some methods."""
        kept = tuple(method for method in self.methods if method.name not in methods)
        return replace(
            self, methods=kept, against=None if self.against in methods else self.against
        )

    def check_names(self, failures: dict[str, str] | None = None) -> None:
        """Refuses names that nothing measures or minimises, before a parent is trained.

        Args:
            failures: Takes methods that cannot search the problem, and why; None refuses the first.
        """
        problem = self.settings.problem_class
        offered = {**problem.offered(), **self.settings.metrics()}
        size_bounds(self.bounds or (), offered)
        self.volumes.check(list(offered), offered)
        for method in self.methods:
            try:
                self._check_method(method)
            except PruneError as error:
                if failures is None or not is_of_method(error):
                    raise
                failures[method.name] = first_line(error)

    def _check_method(self, method: Method) -> None:
        """Refuses a method that cannot search, as far as that is known before a parent is."""
        problem = self.settings.problem_class
        # Engines for one objective weigh the shared ones, and the problem's own may do so.
        weighs = one_objective(method.algorithm) or method.algorithm == "own"
        shared = self.settings.objectives or default_objectives(problem)
        objectives = method.objectives or (None if weighs else shared)
        if objectives is not None:
            more = self.settings.metrics(objectives=objectives)
            goals = problem.goals_for(objectives, self.settings.constraints, more=more)
            check_goals(
                method.algorithm, problem, goals, self.settings.options,
                pop_size=self.settings.pop_size, surrogate=method.surrogate,
            )  # fmt: skip

    def check_numbers(self, problem: PruningProblem) -> None:
        """Refuses bounds and references that a problem's parent makes impossible."""
        parent = problem.parent_values
        size_bounds(self.bounds or (), problem.quantities, parent)
        self.volumes.check(judged_axes(problem), {**STANDARD, **problem.quantities}, parent)

    def added_to(self, before: Plan, folder: Path) -> Self:
        """The methods and seeds of both plans, where their settings are the same.

        Args:
            before: The plan of a comparison that is there.
            folder: The folder of that comparison.
        """
        ours, theirs = (json.loads(one.settings.to_json()) for one in (self, before))
        different = [name for name in ours if ours[name] != theirs.get(name)]
        if different:
            parts = [f"{n} is {theirs.get(n)!r} there and {ours[n]!r} here" for n in different]
            msg = (
                f"{folder} compares runs with other settings: {', '.join(parts)}; give the same "
                "settings to add methods or seeds, or another --output"
            )
            raise StoreError(msg)
        names = dict.fromkeys(method.name for method in (*before.methods, *self.methods))
        seeds = sorted({*before.seeds, *self.seeds})
        bounds, against = self.bounds or before.bounds, self.against or before.against
        volumes = self.volumes.or_else(before.volumes)
        return self.of(self.settings, list(names), seeds, bounds, against, volumes)

    def write(self, folder: Path, *, new: bool = False) -> None:
        """Writes it into a comparison's folder.

        Args:
            folder: The folder.
            new: Whether another process must not have written one meanwhile.
        """
        values = {
            "format": PLAN_FORMAT,
            "settings": json.loads(self.settings.to_json()),
            "methods": [method.name for method in self.methods],
            "seeds": self.seeds,
            "bounds": self.bounds,
            "against": self.against,
        }
        if self.volumes:
            values["hypervolume"] = {"reference": self.volumes.texts, "log": self.volumes.log}
        text = json.dumps(values, indent=2) + "\n"
        if new:
            write_new_text(folder / PLAN_FILE, text)
            return
        with suppress(StoreError):  # damaged digests are written again when the comparison ends
            Digests(folder, "").update(PLAN_FILE, text)
        write_text(folder / PLAN_FILE, text)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The plan of a comparison that is there."""
        if not has_plan(folder):
            msg = f"{folder} is not a comparison: there is no {PLAN_FILE} in it"
            raise StoreError(msg)
        check_no_links(folder)
        remedy = (
            f"restore it from a copy, or compare the runs that are finished: 'pymoo-prune compare "
            f"{folder}/{RUNS_FOLDER}/*'"
        )
        with reading(path := folder / PLAN_FILE, remedy):
            values = json.loads(path.read_text(encoding="utf-8"))
            check_format(values, PLAN_FORMAT)
            check_shape(values, PlanShape)
            settings = Settings.from_json(json.dumps(values["settings"]), folder)
            against = values.get("against")  # older plans test all pairs
            volumes = HypervolumeOptions.parse(**values.get("hypervolume", {}))
            return cls.of(
                *(settings, values["methods"], values["seeds"], values["bounds"], against, volumes)
            )


def has_plan(folder: Path) -> bool:
    """Whether a folder holds a comparison."""
    return (folder / PLAN_FILE).is_file()
