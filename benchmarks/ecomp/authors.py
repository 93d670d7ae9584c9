"""The authors' own runs, published with their code: ten of each of the seven weightings.

`authors.json` has the averages of each run's last generation on its batch and the test accuracy of
its best network (`rows`), and means and deviations over the runs of every third generation's
averages (`curves`). `best_neurons` has the boxes of the right half of their Figure 5, read from
its file: least, quartiles and most of the best networks' hidden width, of 256, without the two
outliers of 101. Their one parent, their 10,000 images of FashionMNIST.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
FILE = Path(__file__).with_name("authors.json")


@dataclass(frozen=True)
class Runs:
    """Runs of one weighting.

    Attributes:
        rows: A run's figures each, (runs, 4); `COLUMNS` names them.
        curves: Means and deviations over the runs, by quantity: (2, generations), every third one.
    """

    rows: Numbers
    curves: Mapping[str, Numbers]

    @classmethod
    def from_plain(cls, plain: Mapping[str, object]) -> Runs:
        """Runs as JSON has them."""
        curves = plain["curves"]
        assert isinstance(curves, dict)
        return cls(
            np.array(plain["rows"]),
            {name: np.array([one["mean"], one["deviation"]]) for name, one in curves.items()},
        )


def best_widths() -> Mapping[str, Numbers]:
    """Least, quartiles and most of the width of the authors' best networks, by weighting."""
    found = json.loads(FILE.read_text(encoding="utf-8"))["best_neurons"]
    return {weighting: np.array(five) / 256 for weighting, five in found.items()}


@cache
def authors() -> Mapping[str, Runs]:
    """The authors' runs, by weighting."""
    found = json.loads(FILE.read_text(encoding="utf-8"))["weightings"]
    return {weighting: Runs.from_plain(plain) for weighting, plain in found.items()}
