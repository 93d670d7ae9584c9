"""Tables: all candidates of a space, measured once. numpy alone reads them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pymoo_prune.chromosomes import Array
from pymoo_prune.objectives import Measurements
from pymoo_prune.suite.contents import read

ABOUT = "about"
"""The array that describes the table, as JSON."""
RIGHT = "right_"
"""Columns with this prefix count right answers on a split, (n,) or (n, trainings)."""


def strides(choices: Sequence[int]) -> NDArray[np.int64]:
    """What each gene contributes to the number of a row; the last gene counts rows."""
    return np.append(np.cumprod(choices[:0:-1])[::-1], 1).astype(np.int64)


def chromosomes(rows: NDArray[np.int64], choices: Sequence[int]) -> NDArray[np.int64]:
    """The genes of rows of a table, (n, n_var): row 0 is all zeros, the last gene changes first."""
    found: NDArray[np.int64] = (rows[:, None] // strides(choices)) % np.array(choices)
    return found


class Table:
    """A table of the suite.

    Args:
        name: The table's name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        with np.load(io.BytesIO(read(f"tables/{name}.npz")), allow_pickle=False) as arrays:
            self.about: dict[str, Any] = json.loads(str(arrays[ABOUT]))
            self._arrays = {key: arrays[key] for key in arrays.files if key != ABOUT}
        self.choices: tuple[int, ...] = tuple(self.about["choices"])
        self._strides = strides(self.choices)

    def __len__(self) -> int:
        return int(np.prod(self.choices))

    @property
    def parent(self) -> Mapping[str, float]:
        """The unpruned network's measurements."""
        return self.about["parent"]  # type: ignore[no-any-return]

    def rows(self, genes: Array) -> NDArray[np.int64]:
        """The row of each candidate, (n,).

        Args:
            genes: Checked whole numbers, or bits, (n, n_var).
        """
        found: NDArray[np.int64] = genes.astype(np.int64) @ self._strides
        return found

    @cached_property
    def columns(self) -> Measurements:
        """All measurements of all candidates, (rows,) each."""
        found: dict[str, Any] = {}
        for key, values in self._arrays.items():
            if key.startswith(RIGHT):
                split = key.removeprefix(RIGHT)
                share = values.astype(float) / self.about["images"][split]
                accuracy = "accuracy" if split == "validation" else f"{split}_accuracy"
                found[accuracy] = share if share.ndim == 1 else share.mean(axis=1)
            elif ":" not in key:
                found[key] = values.astype(float)
        found |= self._summed()
        found["accuracy_drop"] = self.parent["accuracy"] - found["accuracy"]
        return found

    def _summed(self) -> dict[str, Array]:
        """Columns that are kept as tables over one gene, or two."""
        shape = self.choices
        found: dict[str, Array] = {}
        for key, values in self._arrays.items():
            name, colon, places = key.partition(":")
            if not colon:
                continue
            genes = [int(place) for place in places.split(",") if place]
            wide = [shape[gene] if gene in genes else 1 for gene in range(len(shape))]
            part = values.astype(float).reshape(wide)
            found[name] = found[name] + part if name in found else part
        return {name: np.broadcast_to(part, shape).ravel() for name, part in found.items()}
