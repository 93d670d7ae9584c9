"""Finishing networks: retraining, and the test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TypeAlias

import numpy as np
from torch import nn

from pymoo_prune.data import Data, Split
from pymoo_prune.errors import PruneError, TrainingDiverged
from pymoo_prune.measuring import Expected, goodness_of
from pymoo_prune.objectives import DIVERGENCE, Values
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


class Judge:
    """Says how good networks are on some images: their accuracy, or, without labels, divergence.

    Where a metric takes the place of the accuracy, it is that.

    Args:
        split: The images.
        parent: The unpruned network; only images without labels need it.

    Attributes:
        name: "accuracy", the name of a metric, or "divergence".
    """

    def __init__(self, split: Split, parent: nn.Module | None) -> None:
        self.split, self.parent = split, parent
        self.name = DIVERGENCE if split.labels is None else split.task.judge

    def __call__(self, network: nn.Module) -> float:
        """The accuracy, or the divergence from the parent."""
        if self.split.labels is not None:
            return goodness_of(network, self.split)
        return self._expected.measured_on(network, self.split.images, [self.name])[self.name]

    @cached_property
    def _expected(self) -> Expected:
        if self.parent is None:
            msg = "images without labels say nothing of networks that have no parent"
            raise PruneError(msg)
        return Expected.of(self.parent, self.split)


def final_accuracies(
    networks: Iterable[nn.Module],
    data: Data,
    *,
    seeds: Sequence[int],
    finished: Finisher | None,
    parent: nn.Module | None = None,
    keep: Callable[[nn.Module | None], None] | None = None,
    progress: Callable[[], None] | None = None,
) -> dict[str, Values]:
    """Accuracies of finished networks, on the test images too.

    Args:
        networks: The networks that a search or a baseline found.
        data: The images.
        seeds: Each retraining's seed.
        finished: Retrains a network, from a seed; None leaves networks as they are.
        parent: The unpruned network, which images without labels need.
        keep: Called with each network as it is in the end; with None where its retraining
            diverged.
        progress: Called after each network.

    Returns:
        `test_accuracy` as they are; with retraining also `finished_accuracy` (validation) and
        `finished_test_accuracy`, NaN for a network whose retraining diverged. Where images have no
        labels it is the divergence from the parent: `test_divergence` and so on. A metric
        has columns of its name.
    """
    validation, test = Judge(data.validation, parent), Judge(data.test, parent)
    found = f"test_{test.name}"
    columns: dict[str, list[float]] = {found: []}
    if finished:
        columns |= {f"finished_{validation.name}": [], f"finished_{found}": []}
    for network, seed in zip(networks, seeds, strict=True):
        columns[found].append(test(network))
        final: nn.Module | None = network
        if finished:
            final = None
            on_validation = on_test = np.nan
            with suppress(TrainingDiverged):
                final = finished(network, seed)
                on_validation, on_test = validation(final), test(final)
            columns[f"finished_{validation.name}"].append(on_validation)
            columns[f"finished_{found}"].append(on_test)
        if keep is not None:
            keep(final)
        if progress is not None:
            progress()
    return {name: np.array(values) for name, values in columns.items()}
