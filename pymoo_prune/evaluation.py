"""Accuracy of a network."""

from __future__ import annotations

import torch
from torch import nn

from pymoo_prune.data import Split


@torch.no_grad()
def accuracy(network: nn.Module, split: Split, *, batch_size: int = 1000) -> float:
    """The share of images whose largest output is the right class.

    Args:
        network: Any classifier; every layer is left in the mode it was in.
        split: Images and labels.
        batch_size: Images at once.
    """
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        correct = sum(
            int(torch.sum(network(images).argmax(dim=1) == labels))
            for images, labels in zip(
                split.images.split(batch_size), split.labels.split(batch_size), strict=True
            )
        )
    finally:
        # Each on its own: a frozen layer may be in another mode than the network.
        for module, training in modes.items():
            module.training = training
    return correct / len(split)
