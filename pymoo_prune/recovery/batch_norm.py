"""Batch-norm statistics, taken again after a network was changed."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pymoo_prune.data import in_batches
from pymoo_prune.networks import evaluating

Network = TypeVar("Network", bound=nn.Module)


@torch.no_grad()
def calibrate(network: Network, images: Tensor, *, batch_size: int = 256) -> Network:
    """Takes the statistics of all batch norms again, in the network itself.

    Args:
        network: Its weights stay as they are; it is left in the mode it was in.
        images: Training images; the statistics are means over batches of them.
        batch_size: Images in a batch.

    Returns:
        The network.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    try:
        with evaluating(network):
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum = None  # the mean over all batches
                norm.train()
            for batch in in_batches(images, batch_size):
                network(batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    return network
