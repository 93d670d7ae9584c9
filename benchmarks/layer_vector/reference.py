"""The layer vector the plain way: a deep copy, a mask a layer, batches of a hundred images."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils import prune

from pymoo_prune.chromosomes import Array
from pymoo_prune.data import Split

BATCH = 100


@torch.no_grad()
def plain_accuracy(network: nn.Module, names: list[str], counts: Array, split: Split) -> float:
    """The loop written by hand: copy, prune each layer with torch's own, count right answers.

    Args:
        network: The parent.
        names: Its layers.
        counts: How many weights each loses, (layers,).
        split: The images.
    """
    candidate = copy.deepcopy(network).eval()
    modules = dict(candidate.named_modules())
    for name, amount in zip(names, counts.tolist(), strict=True):
        prune.l1_unstructured(modules[name], "weight", amount=amount)
    correct = 0
    for start in range(0, len(split), BATCH):
        outputs = candidate(split.images[start : start + BATCH])
        correct += int((outputs.argmax(dim=1) == split.known_labels[start : start + BATCH]).sum())
    return correct / len(split)
