"""Instances of the benchmark suite for tests, and whether their files are there."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from pymoo_prune.data import load_data
from pymoo_prune.errors import DataError
from pymoo_prune.suite import Instance, problem
from pymoo_prune.suite.contents import holds
from pymoo_prune.suite.definition import ERROR, Cost, Definition, Live
from pymoo_prune.suite.definitions import DEFINITIONS
from pymoo_prune.suite.genes import Bits

WIDTHS = "three-layers-digits-widths"
NEURONS = "two-layers-digits-neurons"

NOISY = Definition(
    "noisy-digits-neurons",
    "Which neurons live; each generation is measured on 100 other images.",
    Bits((32, 32, 32)),
    (ERROR, Cost("width", "log", 0.0)),
    Live("ecomp", "three-layers-digits", "digits", {"batch_size": 100}),
    noisy=True,
)
"""A small instance with noise."""


def bounded(*constraints: str) -> Instance:
    """An instance with constraints, of which a table has all candidates."""
    return Instance(replace(DEFINITIONS[WIDTHS], name="bounded", constraints=constraints))


def tabular(name: str) -> Instance:
    """An instance whose table is there; else the test is skipped."""
    if not holds(f"tables/{DEFINITIONS[name].table}.npz"):
        pytest.skip(f"the table of {name} is not made yet")
    return problem(name)


def with_front(name: str) -> Instance:
    """A tabular instance whose front is there; else the test is skipped."""
    instance = tabular(name)
    if not holds(f"fronts/{name}.npz"):
        pytest.skip(f"the front of {name} is not made yet")
    return instance


@cache
def has_data(name: str) -> bool:
    """Whether a data set is on this machine."""
    try:
        load_data(name)
    except DataError:
        return False
    return True


def needs_data(name: str) -> None:
    """Skips the test where a data set is missing."""
    if not has_data(name):
        pytest.skip(f"the images of {name} are not on this machine")
