"""Values that nobody means, for tests of what takes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pymoo_prune import PruneError

ODD: list[Any] = [
    None, True, -1, 0, 1.5, 2.5, float("nan"), float("inf"), 10**19, 10**30, "", "x", "1", b"x",
    "a\0b", "a" * 200, [], [None], [0], [-1], [1.5], ["a"], [10**11], (0,), {}, {"a": 1}, {1, 2},
    object(), int, len, np.float64(2), np.int64(-3), np.array([1, 2]), torch.zeros(2), Path("x"),
    torch.device("meta"), 10**5_000,
]  # fmt: skip
"""Of every kind; each is wrong for most arguments, and some are right for some."""


def name_of(value: object) -> str:
    """A short name for a value, in the names of tests."""
    return type(value).__name__


def ends_in_a_named_error(make: Callable[[], object]) -> bool:
    """Whether a call ends in an error of ours with a message; any other error goes through."""
    try:
        make()
    except PruneError as error:
        assert str(error)  # noqa: PT017 - any other error fails the test by itself
        return True
    return False
