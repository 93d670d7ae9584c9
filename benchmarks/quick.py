"""Whether a benchmark runs at its reduced size: then its parents come with the package.

`python -m benchmarks NAME --quick` ends within a minute in a fresh clone, so nothing is trained for
minutes, and no data set is needed besides the one that scikit-learn brings.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache

from pymoo_prune import Data, load_data

VARIABLE = "PYMOO_PRUNE_QUICK"
"""Set for the benchmark's own processes too."""


def choose(quick: bool) -> None:
    """Says at which size this process and its children run."""
    os.environ[VARIABLE] = "1" if quick else ""


def is_quick() -> bool:
    """Whether benchmarks run at their reduced size."""
    return bool(os.environ.get(VARIABLE))


def images(size: int | None = None) -> Data:
    """FashionMNIST: 50,000 images to train on, 10,000 to search with, 10,000 to report.

    At the reduced size, handwritten digits as they are.

    Args:
        size: Pixels each way; None is 28.
    """
    return load_data("digits") if is_quick() else _fashion(size)


@cache
def _fashion(size: int | None) -> Data:
    found = load_data("fashion-mnist")
    if size is None:
        return found
    parts = {part: getattr(found, part).resized(size) for part in ("train", "validation", "test")}
    return replace(found, **parts)
