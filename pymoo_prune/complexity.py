"""Parameters and multiply-accumulates (MACs): exact, and for a whole population at once.

Canonical here: the MACs of convolutions and linear layers for one image; FLOPs are twice as many.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Counts = NDArray[np.int64]


def dense_complexity(inputs: int, widths: Counts, classes: int) -> tuple[Counts, Counts]:
    """Parameters and MACs of feed-forward networks.

    Args:
        inputs: Values of one flattened image.
        widths: Neurons in each hidden layer, (n, layers).
        classes: Outputs.

    Returns:
        Parameters (weights and biases) and MACs, (n,) each.
    """
    n = len(widths)
    sizes = np.column_stack(
        [np.full(n, inputs), np.asarray(widths, dtype=np.int64), np.full(n, classes)]
    )
    macs = (sizes[:, :-1] * sizes[:, 1:]).sum(axis=1)
    return macs + sizes[:, 1:].sum(axis=1), macs


def count_parameters(network: nn.Module) -> int:
    """The parameters that a network has, zeros counted too."""
    return sum(parameter.numel() for parameter in network.parameters())


def thop_macs(network: nn.Module, shape: Sequence[int]) -> float:
    """What thop counts, for comparison with papers that quote it.

    thop adds terms for batch norms and pooling. It changes the module it is given: it gets a copy.

    Args:
        network: Any module.
        shape: One image, (channels, height, width).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from thop import profile  # noqa: PLC0415 - importing it warns, and takes its time

        device = next(network.parameters()).device
        image = torch.zeros(1, *shape, device=device)
        macs, _ = profile(copy.deepcopy(network), inputs=(image,), verbose=False)
    return float(macs)
