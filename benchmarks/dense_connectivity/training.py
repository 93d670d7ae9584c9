"""What does training a candidate cost: small or masked, in which precision, alone or together?

DenseNet-BC (L = 100, k = 12) on FashionMNIST, one thread, float32 and bfloat16, with and without
channels last; on a GPU, if there is one, sixteen candidates at once as well. The reference trains
the full network with zeros where connections are dead, in float32. A check comes first: the small
network learns the same.

Target: none

Found at 5188db9: the small network trains in bfloat16 with channels last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.harness import Outcome
from pymoo_prune import Recipe, Split, load_data
from pymoo_prune.chromosomes import Connections
from pymoo_prune.networks import DenseNet, layers_of_depth
from pymoo_prune.pruning import DenseNetStack
from pymoo_prune.training import fit
from pymoo_prune_problems import DenseConnectivity

KEPT = (1.0, 0.9, 0.7, 0.5)
TOGETHER = 16
PLAIN = replace(DenseConnectivity.TRAINING, bfloat16=False, channels_last=False)
RECIPES = {
    "float32": PLAIN,
    "float32, channels last": replace(PLAIN, channels_last=True),
    "bfloat16": replace(PLAIN, bfloat16=True),
    "bfloat16, channels last": replace(PLAIN, bfloat16=True, channels_last=True),
}


def run(quick: bool) -> Outcome:
    """The figure is how much faster the small network trains at p = 50 % than the masked one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _run(quick)
    finally:
        torch.set_num_threads(threads)


def _run(quick: bool) -> Outcome:
    depth, batches = (22, 1) if quick else (100, 4)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    split = load_data("fashion-mnist").train.subset(np.arange(2_048)).to(device)
    difference = largest_difference()
    found: dict[str, dict[str, float]] = {}
    for kept in KEPT[::3] if quick else KEPT:
        name = f"{100 * kept:.0f} %"
        network = candidates(depth, kept, 1)[0].to(device)
        found[name] = {
            recipe: milliseconds(network, split, settings, batches)
            for recipe, settings in RECIPES.items()
        }
        masked = DenseNetStack([network])
        found[name]["masked, float32"] = milliseconds(masked, split, PLAIN, batches)
        if device == "cuda":
            stack = DenseNetStack([one.to(device) for one in candidates(depth, kept, TOGETHER)])
            best = RECIPES["bfloat16, channels last"]
            found[name][f"{TOGETHER} at once, each"] = (
                milliseconds(stack, split, best, batches) / TOGETHER
            )
    variants = list(next(iter(found.values())))
    rows = [
        (
            name,
            *(f"{times[v]:.2f} ({times['masked, float32'] / times[v]:.1f}x)" for v in variants),
        )
        for name, times in found.items()
    ]
    half = found["50 %"]
    chosen = "bfloat16, channels last"
    return Outcome(
        half["masked, float32"] / half[chosen],
        "times faster than the masked network in float32, p = 50 %, one training image",
        [(f"ms an image, depth {depth}, {device}", ("connections kept", *variants), rows)],
        {
            "milliseconds": found,
            "largest_difference": difference,
            "depth": depth,
            "device": device,
            "threads": 1,
        },
    )


def candidates(depth: int, kept: float, count: int) -> list[DenseNet]:
    codec = Connections(layers_of_depth(depth))
    X = codec.random(count, np.random.default_rng(0), kept)
    torch.manual_seed(0)
    return [DenseNet(matrices, 12, 1, 10) for matrices in codec.matrices(X)]


def milliseconds(network: nn.Module, split: Split, recipe: Recipe, batches: int) -> float:
    """Median time of a batch, divided by its images."""
    network.train()
    times = []
    for number in range(batches + 1):  # the first warms up
        began = perf_counter()
        step(network, split, recipe, seed=number)
        if split.images.is_cuda:
            torch.cuda.synchronize()
        times.append(perf_counter() - began)
    return 1000 * median(times[1:]) / recipe.batch_size


def step(network: nn.Module, split: Split, recipe: Recipe, *, seed: int, batches: int = 1) -> None:
    fit(
        network,
        split,
        images=batches * recipe.batch_size,
        recipe=recipe,
        seed=seed,
        loss=summed_loss(split),
    )


def summed_loss(split: Split) -> Callable[[Any, Any], Any]:
    """Cross-entropy; of a stack's (candidates, n, classes) the sum over candidates."""

    def loss(outputs: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        if outputs.ndim == 2:
            return functional.cross_entropy(outputs, split.known_labels[rows])
        labels = split.known_labels[rows].expand(len(outputs), -1)
        summed = functional.cross_entropy(outputs.flatten(0, 1), labels.flatten(), reduction="sum")
        return summed / len(rows)

    return loss


def largest_difference() -> float:
    """Between outputs of a small network and of its masked twin, after five steps in float64."""
    split = load_data("digits").train
    split = Split(split.images.double(), split.labels)
    network = candidates(22, 0.5, 1)[0].double().train()
    masked = DenseNetStack([network]).train()
    for one in (network, masked):
        step(one, split, PLAIN, seed=0, batches=5)
    with torch.no_grad():
        images = split.images[:100]
        found = float((network.eval()(images) - masked.eval()(images)[0]).abs().max())
    assert found < 1e-6, f"small and masked networks learn differently: {found}"
    return found
