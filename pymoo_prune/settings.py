"""All that a run depends on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import torch

from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.objectives import Objectives, WeightedSum
from pymoo_prune.search import ENGINES, Budget

FORMAT = 1


@dataclass(frozen=True)
class Settings:
    """All that a run depends on, as it stands in its folder.

    Attributes:
        problem: Its registered name.
        options: Its keyword arguments.
        data: A data set's name or folder.
        data_root: Where data sets lie.
        validation: Share or number of training images held out for the search.
        algorithm: An engine's name.
        pop_size: Its population.
        objectives: Names, or weights by name with a constant.
        constraints: Bounds, as text.
        budget: When the search ends.
        seed: Of the engine, and of the problem.
        device: Where networks are measured.
        threads: torch's; another number may change the last bits of a measurement.
        finish_images: Training images that each network of the front is retrained with.
        parent: Folder of an exported network to prune; None lets the problem train one.
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

    def __post_init__(self) -> None:
        least = {"pop_size": 2, "seed": 0, "threads": 1, "finish_images": 0}
        for name, limit in least.items():
            if (value := getattr(self, name)) < limit:
                msg = f"{name} must be at least {limit}, but it is {value}"
                raise PruneError(msg)
        if self.algorithm not in ENGINES:
            raise unknown_name("algorithm", self.algorithm, ENGINES)

    def to_json(self) -> str:
        """As text."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From text."""
        values = json.loads(text)
        if not isinstance(values, dict):
            msg = f"it must hold an object, but it holds {text.strip()[:40]!r}"
            raise PruneError(msg)
        made_by = values.pop("format")
        if made_by != FORMAT:
            msg = f"it has format {made_by}, but this version reads format {FORMAT}"
            raise PruneError(msg)
        objectives = values["objectives"]
        if isinstance(objectives, dict):
            values["objectives"] = WeightedSum(**objectives)
        return cls(**{**values, "budget": Budget(**values["budget"])})
