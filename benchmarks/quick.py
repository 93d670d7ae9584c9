"""Whether a benchmark runs at its reduced size: then its parents come with the package.

`python -m benchmarks NAME --quick` ends within a minute in a fresh clone, so nothing is trained for
minutes, and no data set is needed besides the one that scikit-learn brings.
"""

from __future__ import annotations

import os

from pymoo_prune import Data, load_data

VARIABLE = "PYMOO_PRUNE_QUICK"
"""Set for the benchmark's own processes too."""


def choose(quick: bool) -> None:
    """Says at which size this process and its children run."""
    os.environ[VARIABLE] = "1" if quick else ""


def is_quick() -> bool:
    """Whether benchmarks run at their reduced size."""
    return bool(os.environ.get(VARIABLE))


def images() -> Data:
    """FashionMNIST: 50,000 images to train on, 10,000 to search with, 10,000 to report.

    At the reduced size, handwritten digits.
    """
    return load_data("digits" if is_quick() else "fashion-mnist")
