"""The shapes of a run's files of JSON."""

from __future__ import annotations

from typing import Any, TypedDict

from pymoo_prune.problem import QuantityShape


class BudgetShape(TypedDict, total=False):
    """The limits of a search."""

    generations: int | None
    evaluations: int | None
    seconds: float | None


class DataShape(TypedDict):
    """`data.json`; what else it says is for readers."""

    digest: str


class LayersShape(TypedDict):
    """`layers.json`; rows are checked where they become layers."""

    format: int
    parent: list[list[Any]] | None
    networks: list[list[list[Any]]]


class _SettingsAlways(TypedDict):
    problem: str
    algorithm: str
    pop_size: int


class SettingsShape(_SettingsAlways, total=False):
    """The plain values of `Settings`; older folders lack some."""

    options: dict[str, Any]
    data: str
    data_root: str | None
    validation: float | None
    constraints: list[str]
    seed: int
    device: str
    threads: int
    finish_images: int
    parent: str | None
    surrogate: str | None
    network: str | None
    metric: str | None
    problem_seed: int | None
    quantities: list[str]
    front: list[str]
    latencies: str | None
    baselines: bool
    keep_networks: int


class WrittenSettings(SettingsShape):
    """`run.json`."""

    format: int
    budget: BudgetShape
    objectives: dict[str, Any] | list[str] | None


class MachineShape(TypedDict):
    """The machine that a run was made on."""

    processor: str
    threads: int
    device: str


class FirstShape(TypedDict):
    """The counts of a first population."""

    candidates: int
    nondominated: int
    shown: int


class ShareShape(TypedDict):
    """What a search adds."""

    test_images: int


class _SummaryAlways(TypedDict):
    generations: int
    evaluations: int
    parent: dict[str, float]
    goals: list[str]
    knee: int
    fittest: int | None
    versions: dict[str, str]
    machine: MachineShape


class SummaryShape(_SummaryAlways, total=False):
    """`summary.json`; older folders lack some."""

    population: int | None
    known_evaluations: int
    seconds: float
    parent_test_accuracy: float | None
    data: str
    quantities: dict[str, QuantityShape]
    noise: dict[str, float]
    notes: list[str]
    first_population: FirstShape
    search_share: ShareShape
