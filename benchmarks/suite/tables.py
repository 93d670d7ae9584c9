"""Makes the suite's tables: `python -m benchmarks.suite.tables NAME ...`.

Every candidate of a space is measured, block by block. A finished block is kept in
`~/.cache/pymoo-prune/suite` (or `PYMOO_PRUNE_SUITE`), so that a stopped program goes on.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.suite import spaces
from benchmarks.suite.publishing import publish
from pymoo_prune.files import writing
from pymoo_prune.machine import processor, versions
from pymoo_prune.suite.definitions import DEFINITIONS
from pymoo_prune.suite.tables import ABOUT, chromosomes

PARTS = Path(os.environ.get("PYMOO_PRUNE_SUITE", "~/.cache/pymoo-prune/suite")).expanduser()
BLOCK = 4_000
"""Candidates of a block: a few seconds to a minute of work."""


class Space(Protocol):
    """Candidates that are all measured.

    Attributes:
        choices: Values of each gene, (n_var,).
        about: What the table says of itself.
    """

    choices: tuple[int, ...]
    about: dict[str, Any]

    def counted(self, genes: NDArray[np.int64]) -> Mapping[str, Any]:
        """What is measured of candidates, (n, n_var): whole numbers or float32, (n,) each."""

    def sizes(self, genes: NDArray[np.int64]) -> Mapping[str, NDArray[Any]]:
        """What follows from the genes without measuring, (n,) each."""


SPACES: Mapping[str, Callable[[], Space]] = {
    "resnet-8-digits-levels": lambda: spaces.Levels(DEFINITIONS["resnet8-digits-levels"]),
    "resnet-8-digits-letters": lambda: spaces.Letters(DEFINITIONS["resnet8-digits-letters"]),
    "resnet-8-digits-patterns": lambda: spaces.Letters(DEFINITIONS["resnet8-digits-patterns"]),
    "four-layers-fashion-levels": lambda: spaces.Levels(
        DEFINITIONS["four-layers-fashion-levels"], batch=500
    ),
    "simple-cnn-digits-widths": lambda: spaces.Space(DEFINITIONS["simplecnn-digits-widths"]),
    "three-layers-digits-widths": lambda: spaces.Neurons(
        DEFINITIONS["three-layers-digits-widths"], ["similarity_loss"]
    ),
    "three-layers-fashion-widths": lambda: spaces.Neurons(
        DEFINITIONS["three-layers-fashion-widths"], ["similarity_loss"]
    ),
    "two-layers-digits-neurons": lambda: spaces.Neurons(
        DEFINITIONS["two-layers-digits-neurons"], ["similarity_loss"]
    ),
    "dense-net-digits-connections": lambda: spaces.TrainedConnections(PARTS / "dense.npz"),
}
"""The spaces by the names of their tables; the last needs `dense_connections` to have run."""


def blocks(total: int) -> Iterator[range]:
    """Rows of each block."""
    for start in range(0, total, BLOCK):
        yield range(start, min(start + BLOCK, total))


def make(name: str) -> None:
    """Measures a space and publishes its table."""
    space = SPACES[name]()
    total = int(np.prod(space.choices))
    folder = PARTS / name
    folder.mkdir(parents=True, exist_ok=True)
    began, parts = time.perf_counter(), []
    for rows in blocks(total):
        path = folder / f"{rows.start:07d}.npz"
        if not path.exists():
            found = space.counted(chromosomes(np.arange(rows.start, rows.stop), space.choices))
            with writing(path) as part, part.open("wb") as file:
                np.savez(file, **found)
            done = rows.stop / total
            print(f"{name}: {done:.1%}, {time.perf_counter() - began:.0f} s", flush=True)
        with np.load(path, allow_pickle=False) as block:
            parts.append({key: block[key] for key in block.files})
    measured = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    genes = chromosomes(np.arange(total), space.choices)
    columns: dict[str, Any] = {**measured, **factored(space, genes)}
    about = {**space.about, "choices": space.choices, "made": made()}
    content = io.BytesIO()
    np.savez_compressed(content, **{ABOUT: np.array(json.dumps(about)), **columns})
    publish(f"tables/{name}.npz", content.getvalue())


def made() -> dict[str, Any]:
    """The machine and the packages that a table was made with."""
    return {"hardware": processor(), "versions": versions(), "threads": torch.get_num_threads()}


def factored(space: Space, genes: NDArray[np.int64]) -> dict[str, Any]:
    """Sizes as sums of small tables over one gene or two genes that follow each other.

    The size of a layer depends on what it keeps and on what it reads. So a size of a whole network
    is such a sum, and a few kilobytes hold it exactly.
    """
    n_var = len(space.choices)
    found: dict[str, Any] = {}
    wanted = space.sizes(genes)
    base = np.zeros(n_var, dtype=np.int64)
    origin = {name: values[0] for name, values in wanted.items()}
    for name in wanted:
        total = np.full(len(genes), float(origin[name]))
        found[f"{name}:"] = np.array([origin[name]])
        for gene in range(n_var):
            one = _varied(base, [gene], space.choices)
            alone = space.sizes(one)[name] - origin[name]
            total += alone[genes[:, gene]]
            found[f"{name}:{gene}"] = alone
        for first in range(n_var - 1):
            pair = [first, first + 1]
            both = space.sizes(_varied(base, pair, space.choices))[name] - origin[name]
            both = both.reshape([space.choices[gene] for gene in pair])
            rest = both - both[:, :1] - both[:1, :]
            if not np.allclose(rest, 0, atol=1e-12 * np.abs(wanted[name]).max()):
                total += rest[genes[:, first], genes[:, first + 1]]
                found[f"{name}:{first},{first + 1}"] = rest
        if not np.allclose(total, wanted[name], rtol=1e-12, atol=0):
            # Bits of one layer go with all bits of the next: the whole column is kept.
            found = {key: part for key, part in found.items() if not key.startswith(f"{name}:")}
            whole = (wanted[name] == np.rint(wanted[name])).all()
            found[name] = wanted[name].astype(np.int32 if whole else np.float32)
    return found


def _varied(
    base: NDArray[np.int64], genes: list[int], choices: tuple[int, ...]
) -> NDArray[np.int64]:
    """The base with all values of some genes, in lexicographic order."""
    grids = np.meshgrid(*[np.arange(choices[gene]) for gene in genes], indexing="ij")
    rows = np.tile(base, (grids[0].size, 1))
    for gene, grid in zip(genes, grids, strict=True):
        rows[:, gene] = grid.ravel()
    return rows


def again(name: str, rows: NDArray[np.int64]) -> Mapping[str, NDArray[Any]]:
    """Measures some rows of a table once more."""
    space = SPACES[name]()
    return space.counted(chromosomes(rows, space.choices))


def main() -> None:
    """Makes the named tables, or all."""
    torch.set_num_threads(1)
    for name in sys.argv[1:] or list(SPACES):
        make(name)


if __name__ == "__main__":
    main()
