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

Finisher: TypeAlias = Callable[[nn.Module, int], nn.Module]
"""(network, seed) -> the network after retraining; the given one is not changed."""


def final_accuracies(
    networks: Sequence[nn.Module],
    data: Data,
    *,
    seeds: Sequence[int],
    finished: Finisher | None,
    progress: Callable[[], None] | None = None,
) -> dict[str, Values]:
    """Accuracies of finished networks, on the test images too.

    Args:
        networks: The networks that a search or a baseline found.
        data: The images.
        seeds: Each retraining's seed.
        finished: Retrains a network, from a seed; None leaves networks as they are.
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
        if finished:
            on_validation = on_test = np.nan
            with suppress(TrainingDiverged):
                retrained = finished(network, seed)
                on_validation = accuracy(retrained, data.validation)
                on_test = accuracy(retrained, data.test)
            columns["finished_accuracy"].append(on_validation)
            columns["finished_test_accuracy"].append(on_test)
        if progress is not None:
            progress()
    return {name: np.array(values) for name, values in columns.items()}
