"""Finishing networks: retraining, and the test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeAlias

import numpy as np
from torch import nn

from pymoo_prune.data import Data
from pymoo_prune.errors import TrainingDiverged
from pymoo_prune.measuring import accuracy
from pymoo_prune.objectives import Values
from pymoo_prune.problem import PruningProblem

Finisher: TypeAlias = Callable[[nn.Module, int], nn.Module]
"""(network, seed) -> the network after retraining; the given one is not changed."""


def finisher(problem: PruningProblem, images: int) -> Finisher | None:
    """What retrains a problem's networks; None where there are no images to do it with.

    Args:
        problem: Says how networks are retrained.
        images: Training images, counted with repetition.
    """
    if images == 0:
        return None
    return lambda network, seed: problem.finished(network, images=images, seed=seed)


def final_accuracies(
    networks: Sequence[nn.Module],
    data: Data,
    *,
    seeds: Sequence[int],
    finished: Finisher | None,
    keep: Callable[[nn.Module | None], None] | None = None,
    progress: Callable[[], None] | None = None,
) -> dict[str, Values]:
    """Accuracies of finished networks, on the test images too.

    Args:
        networks: The networks that a search or a baseline found.
        data: The images.
        seeds: Each retraining's seed.
        finished: Retrains a network, from a seed; None leaves networks as they are.
        keep: Called with each network as it is in the end; with None where its retraining
            diverged.
        progress: Called after each network.

    Returns:
        `test_accuracy` as they are; with retraining also `finished_accuracy` (validation) and
        `finished_test_accuracy`, NaN for a network whose retraining diverged.
    """
    columns: dict[str, list[float]] = {"test_accuracy": []}
    if finished:
        columns |= {"finished_accuracy": [], "finished_test_accuracy": []}
    for network, seed in zip(networks, seeds, strict=True):
        columns["test_accuracy"].append(accuracy(network, data.test))
        final: nn.Module | None = network
        if finished:
            final = None
            on_validation = on_test = np.nan
            with suppress(TrainingDiverged):
                final = finished(network, seed)
                on_validation = accuracy(final, data.validation)
                on_test = accuracy(final, data.test)
            columns["finished_accuracy"].append(on_validation)
            columns["finished_test_accuracy"].append(on_test)
        if keep is not None:
            keep(final)
        if progress is not None:
            progress()
    return {name: np.array(values) for name, values in columns.items()}
