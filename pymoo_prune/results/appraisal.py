"""Finished networks measured side by side: accuracy, size, latency and robustness."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from rich.console import Console
from torch import nn

from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import (
    BATCH_SIZES,
    PERTURBATIONS,
    Latency,
    count_macs,
    count_parameters,
    goodness_of,
    latencies,
    robustness,
    thop_macs,
)
from pymoo_prune.objectives import Values
from pymoo_prune.search import Display


@dataclass(frozen=True)
class Appraisal:
    """A finished network, measured on the test images.

    Attributes:
        name: The network's name, "parent" or "network 7".
        test_accuracy: Its accuracy, or metric, on the images as they are.
        parameters: How many it has; those that are not 0 where a `WinningTicket` says `masked`.
        macs: Multiply-accumulates for one image, of the same weights.
        thop_macs: The MACs that thop counts, zeros too.
        latencies: One for each batch size.
        robustness: Test accuracies by perturbation, at the strengths from 1 on; none where inputs
            are no images.
    """

    name: str
    test_accuracy: float
    parameters: int
    macs: int
    thop_macs: float
    latencies: tuple[Latency, ...]
    robustness: Mapping[str, Sequence[float]]

    def losses(self) -> dict[str, Values]:
        """Accuracy lost to each perturbation at each strength, against the images as they are."""
        return {kind: self.test_accuracy - np.array(a) for kind, a in self.robustness.items()}


def appraise(
    networks: Mapping[str, nn.Module],
    data: Data,
    *,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    threads: int = 1,
    repeats: int = 50,
    seed: int = 0,
    judge: Callable[[nn.Module], float] | None = None,
    display: Display | None = None,
) -> list[Appraisal]:
    """Measures finished networks side by side, on the test images.

    Args:
        networks: What to measure, by name; they are not changed.
        data: The images; networks run on their device.
        batch_sizes: How many images at once, for each latency; all networks take turns.
        threads: torch's threads, for latencies.
        repeats: Measurements of each latency.
        seed: The perturbations' seed; every network sees the same images.
        judge: Says how good a network is; None takes its accuracy, or metric, on the test images.
        display: Shows progress; None for silence.

    Returns:
        An appraisal of each network, in their order.
    """
    check_latencies(batch_sizes, threads, repeats)
    display = display or Display(Console(quiet=True))
    device = data.test.images.device
    # Training may leave weights in another layout, which changes latencies: all networks are
    # measured in the usual one.
    copies = {
        name: copy.deepcopy(network).to(device).to(memory_format=torch.contiguous_format)
        for name, network in networks.items()
    }
    times = []
    with display.phase("latency") as update:
        for place, size in enumerate(batch_sizes):
            update(place / len(batch_sizes), f"batch of {size}")
            times.append(
                latencies(
                    copies,
                    data.shape,
                    batch_size=size,
                    threads=threads,
                    repeats=repeats,
                    device=device,
                    packing=data.packing,
                )
            )
    # Only images can be perturbed.
    images = data.train.are_images
    perturbed = _robustness(copies, data, seed, display) if images else {n: {} for n in copies}
    judge = judge or partial(goodness_of, split=data.test)
    return [
        Appraisal(
            name=name,
            test_accuracy=judge(network),
            parameters=count_parameters(network),
            macs=count_macs(network, data.shape),
            thop_macs=thop_macs(network, data.shape),
            latencies=tuple(each[name] for each in times),
            robustness=perturbed[name],
        )
        for name, network in copies.items()
    ]


def _robustness(
    networks: Mapping[str, nn.Module], data: Data, seed: int, display: Display
) -> dict[str, dict[str, Sequence[float]]]:
    """Accuracies of each network on perturbed test images, by perturbation."""
    found: dict[str, dict[str, Sequence[float]]] = {}
    with display.phase("robustness") as update:
        for place, (name, network) in enumerate(networks.items()):
            found[name] = {}
            for kind in PERTURBATIONS:
                done = place + len(found[name]) / len(PERTURBATIONS)
                update(done / len(networks), f"{name}, {kind}")
                found[name] |= robustness(network, data.test, kinds=[kind], seed=seed)
    return found


def check_latencies(batch_sizes: Sequence[int], threads: int, repeats: int) -> None:
    """Refuses latencies that cannot be measured."""
    if not batch_sizes or min(*batch_sizes, threads, repeats) < 1:
        msg = (
            "batch_sizes must be one or more numbers, and they, threads and repeats at least 1, "
            f"but batch_sizes={list(batch_sizes)}, {threads=} and {repeats=}"
        )
        raise PruneError(msg)


def removed(before: float, after: float) -> float:
    """The share that is gone."""
    return 1 - after / before if before else 0.0


def speedups(parent: Appraisal, ticket: Appraisal) -> tuple[float, ...]:
    """The parent's latency as a multiple of the ticket's, for each batch size."""
    pairs = zip(parent.latencies, ticket.latencies, strict=True)
    return tuple(before.median / after.median for before, after in pairs)


def extra_losses(parent: Appraisal, ticket: Appraisal) -> dict[str, float]:
    """How much more accuracy the ticket loses than the parent, by perturbation.

    On average over the strengths; below 0 where the ticket loses less.
    """
    before = parent.losses()
    return {kind: float(np.mean(v - before[kind])) for kind, v in ticket.losses().items()}
