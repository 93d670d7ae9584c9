"""Accuracy of a network."""

from __future__ import annotations

import torch
from torch import nn

from pymoo_prune.data import Split


@torch.no_grad()
def accuracy(network: nn.Module, split: Split, *, batch_size: int = 1000) -> float:
    """The share of images whose largest output is the right class.

    Args:
        network: Any classifier; left in the mode it was in.
        split: Images and labels.
        batch_size: Images at once.
    """
    was_training = network.training
    network.eval()
    correct = sum(
        int(torch.sum(network(images).argmax(dim=1) == labels))
        for images, labels in zip(
            split.images.split(batch_size), split.labels.split(batch_size), strict=True
        )
    )
    network.train(was_training)
    return correct / len(split)
