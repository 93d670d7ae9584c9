"""All that a run depends on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self, get_type_hints

import torch
from torch import nn

from pymoo_prune.data import DATA_SETS, R2, Metric
from pymoo_prune.engines import check_engine_name, check_goals
from pymoo_prune.errors import MOST, MOST_IMAGES, PruneError, shown, unknown_name
from pymoo_prune.machine import check_device
from pymoo_prune.measuring import LATENCY
from pymoo_prune.objectives import (
    DIVERGENCE,
    SCALARISATIONS,
    Goals,
    Objectives,
    Quantity,
    Scalarisation,
    WeightedSum,
    parse_constraints,
)
from pymoo_prune.problem import (
    USERS_CHOICE,
    PruningProblem,
    check_format,
    check_options,
    check_shape,
    check_trust,
    default_objectives,
    extended,
    find_problem,
    module_of,
    own_network,
    quantity_of,
    suits,
    trust,
)
from pymoo_prune.runs.defaults import KEEP_NETWORKS
from pymoo_prune.runs.images import data_title, is_module, named_metric
from pymoo_prune.runs.shapes import SettingsShape, WrittenSettings
from pymoo_prune.search import Budget
from pymoo_prune.surrogates import MODELS
from pymoo_prune.tables import printable

GIVEN = "given in Python"
"""Stands for a network that no name leads to; see `prune`."""
SETTINGS_FORMAT = 1
BOUNDS = {
    "pop_size": (2, 1_000_000), "seed": (0, MOST), "threads": (1, 1_024),
    "finish_images": (0, MOST_IMAGES), "keep_networks": (0, MOST),
}  # fmt: skip
"""The least and the most of settings that are numbers."""


@dataclass(frozen=True)
class Settings:
    """All that a run depends on, as its folder has it.

    Attributes:
        problem: The problem's registered name.
        options: The problem's keyword arguments.
        data: A data set's name, the path of a folder or file, or "package.module:name"; see
            `images.named_data`.
        data_root: Where data sets lie.
        validation: Share or number of training images held out for the search.
        algorithm: An engine's name.
        pop_size: The engine's population.
        objectives: Names, or one of `SCALARISATIONS`; None leaves them to the problem.
        constraints: Bounds, as text.
        budget: When the search ends.
        seed: The engine's seed, and the problem's unless `problem_seed` is given.
        device: Where networks are measured.
        threads: torch's; another number may change the last bits of a measurement.
        finish_images: Training images that each network of the front is retrained with.
        parent: Folder of an exported network to prune, or, with `network`, its weights; None lets
            the problem train one.
        network: A network of the user's own to prune, "package.module:name"; None is `parent`.
        surrogate: A model's name, one of `surrogates.MODELS`; None measures every child.
        problem_seed: The problem's seed, where it is not the engine's: searches that are compared
            have one parent, but engines with different seeds.
        quantities: Quantities that are added to the problem's, "package.module:name" each.
        front: Quantities that the front is over, where they are not the objectives.
        latencies: File of known latencies, relative to the run's folder; None is the run's own.
        keep_networks: The most megabytes of finished networks that the folder keeps.
        metric: What judges networks in place of the accuracy: "package.module:name" of a
            `Metric`; None is the data's own.
        origin: The folder that they were read from; None where the user gave them.
        baselines: Whether the front is compared with simpler methods.
    """

    problem: str
    algorithm: str
    pop_size: int
    budget: Budget
    options: Mapping[str, Any] = field(default_factory=dict)
    data: str = "digits"
    data_root: str | None = None
    validation: float | None = None
    objectives: Objectives | None = None
    constraints: Sequence[str] = ()
    seed: int = 0
    device: str = "cpu"
    threads: int = field(default_factory=torch.get_num_threads)
    finish_images: int = 0
    parent: str | None = None
    surrogate: str | None = None
    network: str | None = None
    problem_seed: int | None = None
    quantities: Sequence[str] = ()
    front: Sequence[str] = ()
    latencies: str | None = None
    baselines: bool = True
    keep_networks: int = KEEP_NETWORKS
    metric: str | None = None
    origin: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_shape({name: getattr(self, name) for name in _PLAIN}, SettingsShape)
        for name, (limit, most) in BOUNDS.items():
            if not limit <= (value := getattr(self, name)) <= most:
                bound = f"at least {limit}" if value < limit else f"at most {most:,}"
                msg = f"{name} must be {bound}, but it is {value}"
                raise PruneError(msg)
        check_engine_name(self.algorithm)
        if self.surrogate is not None and self.surrogate not in MODELS:
            raise unknown_name("surrogate model", self.surrogate, MODELS)
        if not isinstance(self.budget, Budget):
            msg = f"budget must be a Budget, but it is {shown(self.budget)}"
            raise PruneError(msg)
        one = self.objectives
        if not isinstance(one, Scalarisation) and not suits(one, list[str] | None):
            msg = f"objectives must be names, or one scalarisation, but they are {shown(one)}"
            raise PruneError(msg)
        if isinstance(one, Scalarisation) and SCALARISATIONS.get(one.kind) is not type(one):
            raise unknown_name("scalarisation", type(one).__name__, SCALARISATIONS)

    def check_trust(self) -> None:
        """Refuses code that a folder names and the user did not; see `networks.trust`."""
        names = [self.problem, self.algorithm, *self.quantities]
        names += [one for one in (self.network, self.metric) if one is not None]
        if self.origin is not None:
            check_trust(names, self.origin)
        else:  # the user named it: processes that read it from a folder may import it
            names += [self.data] if is_module(self.data) else []
            trust(module for name in names if (module := module_of(name)))

    def own_network(self) -> nn.Module:
        """The network of the user's own that `network` names."""
        self.check_trust()
        return own_network(str(self.network))

    @property
    def title(self) -> str:
        """The problem and its data, for a reader."""
        return f"{self.problem} on {data_title(self.data)}"

    @property
    def problem_class(self) -> type[PruningProblem]:
        """The problem's class, with the quantities that are added."""
        self.check_trust()
        return extended(find_problem(self.problem), self.quantities)

    @property
    def own_metric(self) -> Metric | None:
        """The metric that settings name."""
        return None if self.metric is None else named_metric(self.metric)

    def check(self, *, workers: bool = False, metric: Metric | None = None) -> Goals:
        """Refuses impossible settings, before anything is made, loaded or trained.

        Args:
            workers: Whether other processes measure candidates.
            metric: The data's own, where the data are there already.

        Returns:
            The search's goals; the accuracy where only the problem itself knows them.
        """
        cls = self.problem_class
        asked = [name for name in USERS_CHOICE if getattr(self, name)]
        check_options(cls, self.options, [*asked, *(["parent"] if self.network else [])])
        if self.network is not None and self.network != GIVEN:
            self.own_network()  # imported before anything is made
        objectives = default_objectives(cls) if self.objectives is None else self.objectives
        goals = cls.goals_for(
            ("accuracy",) if objectives is None else objectives,
            self.constraints,
            self.front,
            more=self.metrics(metric),
        )
        if objectives is not None:
            size, model = self.pop_size, self.surrogate
            check_goals(self.algorithm, cls, goals, self.options, pop_size=size, surrogate=model)
        if workers and LATENCY in goals.quantities and LATENCY not in cls.quantities:
            msg = (
                "latencies are measured one candidate at a time, and workers disturb each other; "
                "search without workers, or without the latency"
            )
            raise PruneError(msg)
        check_device(self.device)
        return goals

    def metrics(
        self, metric: Metric | None = None, objectives: Objectives | None = None
    ) -> dict[str, Quantity]:
        """Metrics that the data may bring along, before it is known which data they are.

        Data of a user's own may have a metric of any name: what is wrong is found when they are
        loaded.

        Args:
            metric: The data's own, where the data are there already.
            objectives: Other objectives than these settings have.
        """
        known = [one for one in (self.own_metric, metric) if one is not None]
        found = {one.name: quantity_of(one) for one in known}
        if self.data in DATA_SETS or found:
            return found
        asked = objectives or self.objectives or ()
        names = asked.mentioned if isinstance(asked, Scalarisation) else asked
        bounds = [bound.name for bound in parse_constraints(self.constraints)]
        every = (*names, *bounds, *self.front) if is_module(self.data) else (R2.name,)
        offered = self.problem_class.offered()
        return {
            name: replace(quantity_of(R2), label=name)
            for name in dict.fromkeys(every)
            if name not in offered
        }

    def goals_without_labels(self) -> Goals | None:
        """The search's goals if the images turn out to have no labels, as far as is known early.

        None where they have labels, and where only the problem itself knows its objectives.
        """
        cls = self.problem_class
        offered, default = cls.offered(), default_objectives(cls, labelled=False)
        objectives = default if self.objectives is None else self.objectives
        if self.data in DATA_SETS or objectives is None or DIVERGENCE not in offered:
            return None
        goals = cls.goals_for(objectives, self.constraints, self.front, more=self.metrics())
        return replace(goals, quantities={DIVERGENCE: offered[DIVERGENCE], **goals.quantities})

    def possible_axes(self, goals: Goals) -> Mapping[str, Quantity]:
        """Quantities that can be axes of hypervolumes, before it is known what has labels.

        Args:
            goals: What `check` gave.
        """
        unlabelled = self.goals_without_labels()
        more = {} if unlabelled is None else unlabelled.quantities
        return {**more, **goals.quantities, **self.metrics()}

    def to_json(self) -> str:
        """As text."""
        values = {"format": SETTINGS_FORMAT, **asdict(self)}
        del values["origin"]
        if self.metric is None:
            del values["metric"]
        if isinstance(self.objectives, Scalarisation):
            values["objectives"] = {"kind": self.objectives.kind, **values["objectives"]}
        return json.dumps(values, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, origin: Path | None = None) -> Self:
        """From text.

        Args:
            text: As `to_json` writes it.
            origin: The folder that it was read from; code that it names is then not imported
                unless the user trusts it.
        """
        values = printable(json.loads(text))
        check_format(values, SETTINGS_FORMAT)
        check_shape(values, WrittenSettings)
        del values["format"]
        objectives = values["objectives"]
        if isinstance(objectives, dict):
            # Older folders know one kind, and do not name it.
            kind = objectives.pop("kind", WeightedSum.kind)
            if kind not in SCALARISATIONS:
                raise unknown_name("scalarisation", kind, SCALARISATIONS)
            values["objectives"] = SCALARISATIONS[kind](**objectives)
        values.pop("origin", None)
        return cls(**{**values, "budget": Budget(**values["budget"])}, origin=origin)


_PLAIN = tuple(get_type_hints(SettingsShape))
"""The settings that are plain values."""


def measured_quantities(
    settings: Settings, kept: Mapping[str, Mapping[str, Any]] | None
) -> Mapping[str, Quantity]:
    """What a run measured: as it says itself, so that its problem need not be imported.

    Args:
        settings: The run's.
        kept: The quantities in its summary; None in folders of older versions.
    """
    if kept is None:
        return settings.problem_class.offered()
    return {name: recorded_quantity(about) for name, about in kept.items()}


def recorded_quantity(about: Mapping[str, Any]) -> Quantity:
    """A quantity, as results keep it."""
    judges, worst = about.get("judges", False), about.get("worst")
    return Quantity(
        about["better"], about["label"], share=about["share"], judges=judges, worst=worst
    )
