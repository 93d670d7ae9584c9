from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pymoo_prune import Data, PruningProblem
from pymoo_prune_problems import EComp
from tests.support.engines import BOUNDS, THREE, TWO, Rows, small_parent
from tests.support.searches import SUM
from tests.support.tiny_problem import Pixels, PixelsInBatches


@pytest.fixture(scope="module")
def problem_of(digits: Data) -> Callable[[str, int, bool], PruningProblem]:
    """Makes a problem from the kind of its genes, its number of objectives, and its bounds."""

    @cache
    def made(kind: str, n_obj: int, bounded: bool = False) -> PruningProblem:
        if kind == "weights":
            objectives = [
                EComp.fitness(1, 2, 1),
                ("accuracy", "width"),
                ("accuracy", "width", "macs"),
            ]
            return EComp(
                digits,
                parent=small_parent(),
                encoding="weights",
                search_images=50,
                objectives=objectives[n_obj - 1],
                constraints=("width<=0.6", "accuracy>=0.1") if bounded else (),
            )
        cls = {"masks": Pixels, "counts": Rows}[kind]
        constraints = BOUNDS if bounded else ()
        return cls(digits, objectives=(SUM, TWO, THREE)[n_obj - 1], constraints=constraints)

    return made


@pytest.fixture(scope="module")
def pixels(problem_of: Any) -> Pixels:
    return problem_of("masks", 2)


@pytest.fixture(scope="module")
def bounded(problem_of: Any) -> Pixels:
    return problem_of("masks", 2, True)


@pytest.fixture(scope="module")
def single(problem_of: Any) -> Pixels:
    return problem_of("masks", 1)


@pytest.fixture(scope="module")
def changing(digits: Data) -> PixelsInBatches:
    return PixelsInBatches(digits)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "evaluations.sqlite"
