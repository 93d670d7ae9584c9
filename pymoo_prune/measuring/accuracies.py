"""The accuracy of a network: the share of images that it classifies correctly."""

from __future__ import annotations

import torch
from torch import nn

from pymoo_prune.data import Split
from pymoo_prune.networks import evaluating


@torch.no_grad()
def accuracy(network: nn.Module, split: Split, *, batch_size: int = 128) -> float:
    """The share of images whose largest output is the right class.

    Args:
        network: Any classifier; every layer keeps its mode.
        split: Images and labels.
        batch_size: Images at once; the feature maps of a thousand exceed a processor's caches.
    """
    with evaluating(network):
        correct = sum(
            int(torch.sum(network(images).argmax(dim=1) == labels))
            for images, labels in zip(
                split.images.split(batch_size), split.known_labels.split(batch_size), strict=True
            )
        )
    return correct / len(split)
