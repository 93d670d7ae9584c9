"""How good a network is on labelled images: its accuracy, or the metric of the task."""

from __future__ import annotations

import torch
from torch import Tensor, nn

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


def goodness_of(network: nn.Module, split: Split) -> float:
    """How good a network is: its accuracy, or the metric of the task.

    Args:
        network: Any network; every layer keeps its mode.
        split: Images and labels.
    """
    if split.task.metric is None and split.task.name == "classes" and split.known_labels.ndim == 1:
        return accuracy(network, split)
    return float(split.task.judged(outputs_of(network, split.images), split.known_labels))


@torch.no_grad()
def outputs_of(network: nn.Module, images: Tensor, *, batch_size: int = 128) -> Tensor:
    """A network's outputs for all images, in float32.

    Args:
        network: Any network; every layer keeps its mode.
        images: (n, ...).
        batch_size: Images at once.
    """
    with evaluating(network):
        return torch.cat([network(batch).float() for batch in images.split(batch_size)])
