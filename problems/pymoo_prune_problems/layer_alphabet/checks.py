"""Options that cannot work are refused before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from pymoo_prune.chromosomes import Array, Counts
from pymoo_prune.errors import PruneError, check_kind, shown, unknown_name
from pymoo_prune.inference import Precision
from pymoo_prune.pruning.alphabets import (
    FLOAT_BITS,
    EnergyTable,
    Letter,
    Step,
    check_steps,
    parse_letters,
    parse_steps,
)


def check_images(
    precision: str, search_images: int, recovery_images: int, letters: Sequence[Letter]
) -> None:
    """Refuses too few images, and precisions that are unknown or do not go with the letters."""
    if precision not in get_args(Precision):
        raise unknown_name("precision", precision, get_args(Precision))
    if search_images < 1 or recovery_images < 2:
        msg = (
            "search_images must be at least 1 and recovery_images at least 2, but they are "
            f"{search_images} and {recovery_images}"
        )
        raise PruneError(msg)
    few = next((one for one in letters if one.inputs < FLOAT_BITS), None)
    if precision == "int8" and few is not None:
        msg = (
            f"precision 'int8' has inputs of eight bits in every layer, but the letter "
            f"{str(few)!r} says how many bits a layer's inputs have; use 'float32' or 'bfloat16'"
        )
        raise PruneError(msg)


def read_letters(letters: str | Sequence[Letter]) -> tuple[Letter, ...]:
    """Letters, as text or as they are."""
    found = parse_letters(letters) if isinstance(letters, str) else tuple(letters)
    for one in found:
        check_kind("each of letters", one, Letter, "a Letter")
    return found


def read_steps(steps: str | Sequence[Step], letters: Sequence[Letter]) -> tuple[Step, ...]:
    """Steps, as text or as they are, which can make these letters."""
    found = parse_steps(steps) if isinstance(steps, str) else tuple(steps)
    for one in found:
        if not callable(one):
            msg = f"each of steps must be a function, but it is {shown(one)}"
            raise PruneError(msg)
    check_steps(found, letters)
    return found


def name_of(step: Step) -> str:
    """Where a step comes from, for the record of a run."""
    return f"{step.__module__}.{step.__qualname__}"


def read_energy(energy: EnergyTable | str | Path | None, letters: Sequence[Letter]) -> EnergyTable:
    """The energy table, with an entry for the bits of each letter, and for floats."""
    if energy is None:
        table = EnergyTable()
    else:
        table = energy if isinstance(energy, EnergyTable) else EnergyTable.read(energy)
    table.check({FLOAT_BITS, *(max(one.bits, one.inputs) for one in letters)})
    return table


def check_genes(X: Array, names: Sequence[str], last: Counts) -> None:
    """Refuses chromosomes that are no places on the ladders of letters.

    Args:
        X: Chromosomes, (n, layers).
        names: The layers.
        last: The last gene of each, (layers,).
    """
    if not np.issubdtype(X.dtype, np.integer):
        msg = f"letters must be integers, but they are {X.dtype}"
        raise PruneError(msg)
    if X.ndim != 2 or X.shape[1] != len(names):
        msg = f"letters must be (n, {len(names)}), a column a layer, not {X.shape}"
        raise PruneError(msg)
    wrong = np.argwhere((X < 0) | (last < X))
    if len(wrong):
        row, layer = wrong[0]
        msg = (
            f"candidate {row} has letter {X[row, layer]} for layer {names[layer]!r}, whose letters "
            f"are 0 to {last[layer]}"
        )
        raise PruneError(msg)
