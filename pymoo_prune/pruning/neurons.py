"""Neurons of feed-forward networks: orders in which to keep them, and keep-masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pymoo_prune.chromosomes import FloatArray

NeuronOrder = NDArray[np.intp]
"""Indices of neurons, (neurons,)."""
NeuronMask = NDArray[np.bool_]
"""True where a neuron is kept, (..., neurons of all layers)."""


def l1_order(weight: FloatArray) -> NeuronOrder:
    """Neurons by the L1 norm of their incoming weights, the strongest first; ties by index.

    Args:
        weight: A layer's matrix, (neurons, inputs).
    """
    return np.argsort(-np.abs(weight).sum(axis=1, dtype=np.float64), kind="stable")


def explaining_order(
    covariance: NDArray[np.float64], readout: FloatArray, *, ridge: float = 1e-6
) -> NeuronOrder:
    """Chooses neurons one by one, each time the one that explains most of what is unexplained.

    After every choice the covariance is reduced to what the chosen neurons do not predict (a
    Cholesky step). The gain of a neuron is the variance of the next layer's inputs that it adds to
    the prediction. So a neuron that the next layer does not read comes late, and so does a copy of
    another neuron.

    Args:
        covariance: The covariance of the layer's activations over images, (neurons, neurons).
        readout: The next layer's weights, (outputs, neurons).
        ridge: Residual variance, relative to the largest, below which a neuron explains nothing.

    Returns:
        All neurons; those that explain most come first.
    """
    residual = np.array(covariance, dtype=np.float64)
    floor = ridge * max(float(residual.diagonal().max()), np.finfo(np.float64).tiny)
    projected = np.asarray(readout, dtype=np.float64) @ residual
    left = np.ones(len(residual), dtype=bool)
    order = np.empty(len(residual), dtype=np.intp)
    for place in range(len(order)):
        variance = np.maximum(residual.diagonal(), floor)
        gain = np.where(left, (projected**2).sum(axis=0) / variance, -1.0)
        chosen = int(gain.argmax())
        order[place], left[chosen] = chosen, False
        if residual[chosen, chosen] < floor / 1_000:
            continue  # rounding errors are left of it, and would grow
        direction = residual[chosen] / variance[chosen]
        projected -= np.outer(projected[:, chosen], direction)
        residual -= np.outer(residual[:, chosen], direction)
    return order


def active_order(means: NDArray[np.float64], readout: FloatArray) -> NeuronOrder:
    """Neurons by the size of their mean activation, times the norm of their outgoing weights.

    Args:
        means: The mean activation of each neuron over images, (neurons,).
        readout: The next layer's weights, (outputs, neurons).

    Returns:
        All neurons, the most active first; ties by index.
    """
    norms = np.sqrt((np.asarray(readout, dtype=np.float64) ** 2).sum(axis=0))
    return np.argsort(-np.abs(means) * norms, kind="stable")


def widths_of_same_share(full: Sequence[int], totals: NDArray[np.int64]) -> NDArray[np.int64]:
    """Widths as near to the same share of every layer as numbers of neurons in all allow.

    Args:
        full: Neurons of each layer.
        totals: Neurons of all layers together, (n,): at least one a layer, at most all.

    Returns:
        (n, layers); each layer has at least one neuron.
    """
    wanted = totals[:, None] * np.array(full) / sum(full)
    widths = np.ones(wanted.shape, dtype=np.int64)
    while (short := widths.sum(axis=1) < totals).any():
        widths[short, (wanted - widths)[short].argmax(axis=1)] += 1
    return widths


def widths_of_least_loss(
    losses: Sequence[NDArray[np.float64]], totals: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Widths of the layers with the least sum of losses, for given numbers of neurons in all.

    The sum is the least exactly: layer after layer, the best split of each number of neurons is
    noted. Lagrange's method would find only those splits that lie on the convex hull.

    Args:
        losses: For each layer, the loss with 1, 2, ... of its neurons, (neurons of the layer,).
        totals: Neurons of all layers together, (n,): at least one a layer, at most all.

    Returns:
        (n, layers).
    """
    best, choices = np.zeros(1), []
    for loss in losses:
        least = np.full(len(best) + len(loss), np.inf)
        choice = np.zeros(len(least), dtype=np.int64)
        for width in range(1, len(loss) + 1):
            part = slice(width, width + len(best))
            found = best + loss[width - 1]
            better = found < least[part]
            least[part][better], choice[part][better] = found[better], width
        best = least
        choices.append(choice)
    left, columns = totals, []
    for choice in reversed(choices):
        columns.append(choice[left])
        left = left - columns[-1]
    return np.column_stack(columns[::-1])


def kept_width(size: int, rate: float) -> int:
    """Neurons that remain of a layer when a share is removed; at least one."""
    return max(size - int(rate * size), 1)


def prefix_masks(orders: Sequence[NeuronOrder], widths: NDArray[np.int64]) -> NeuronMask:
    """Keep-masks that keep the first neurons of each layer's order.

    Args:
        orders: One order for each hidden layer.
        widths: Neurons to keep, (n, layers).

    Returns:
        (n, neurons of all layers).
    """
    ranks = [np.argsort(order) for order in orders]
    return np.hstack([rank < widths[:, [layer]] for layer, rank in enumerate(ranks)])


def split_mask(mask: NeuronMask, sizes: Sequence[int]) -> list[NeuronOrder]:
    """The indices of the neurons that one mask keeps, for each layer."""
    return [np.flatnonzero(part) for part in np.split(mask, np.cumsum(sizes)[:-1])]
