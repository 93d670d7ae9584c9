"""Settings under one name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pymoo_prune.objectives import Objectives


@dataclass(frozen=True)
class Preset:
    """Settings under one name, for the command line and for reproduction.

    Attributes:
        description: One line for the help text.
        options: The problem's keyword arguments.
        algorithm: Name of the engine; "own" is the problem's own `algorithm()`.
        pop_size: Population.
        generations: Generations, the first population included; None where time is the limit.
        seconds: Working time, where time is the limit.
        objectives: The objectives; None takes the problem's default.
        finish_images: Images that each network of the front is retrained with.
    """

    description: str
    options: Mapping[str, Any] = field(default_factory=dict)
    algorithm: str = "nsga2"
    pop_size: int = 100
    generations: int | None = 50
    seconds: float | None = None
    objectives: Objectives | None = None
    finish_images: int = 0

    def engine_for(self, objectives: Objectives | None) -> str:
        """The engine where a user names none: NSGA-II takes other objectives than the preset's.

        Args:
            objectives: Those that the user asks for; None for the preset's.
        """
        other = objectives is not None and objectives != self.objectives
        return "nsga2" if other and self.algorithm == "levels" else self.algorithm
