"""How similar two embeddings of the same images are; their dimensions may differ.

The measure is that of t-SNE. Around every image lies a Gaussian, wide enough for a given
perplexity, which gives a joint distribution over pairs of images. Two embeddings are similar if
their joint distributions are. All embeddings of a population are computed in one stack.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pymoo_prune.errors import PruneError

EPSILON = 2.220446049250313e-16
"""The floor of a joint probability, as in scikit-learn's t-SNE."""
TOLERANCE = 1e-5
"""The largest difference allowed between the entropy and log(perplexity)."""
NEWTON_STEPS, BISECTIONS = 8, 60
STACK = 16
"""Matrices computed at once on a processor: their work arrays then stay in a core's cache."""
START = 5.0
"""The first precision tried for a row, in units of one over the row's mean distance."""
FAR = 1e30
"""A distance at which every kernel is exactly 0, and products with it are not NaN."""


def squared_distances(products: Tensor) -> Tensor:
    """Squared Euclidean distances from inner products.

    Args:
        products: Inner products of embedded images, (..., images, images); changed in place.

    Returns:
        The same tensor: no negative values, zeros on the diagonal.
    """
    norms = products.diagonal(dim1=-2, dim2=-1).clone()
    products.mul_(-2.0).add_(norms[..., None]).add_(norms[..., None, :]).clamp_(min=0.0)
    products.diagonal(dim1=-2, dim2=-1).zero_()
    return products


@dataclass(frozen=True)
class Affinities:
    """How close the images of an embedding are to each other.

    Attributes:
        joint: The symmetric joint distributions over pairs, (..., images, images): zero diagonals,
            each matrix with sum 1.
        log_precisions: Logarithm of each image's precision, in units of one over its mean distance,
            (..., images, 1).
    """

    joint: Tensor
    log_precisions: Tensor


def affinities(
    distances: Tensor, perplexity: float = 30.0, *, near: Affinities | None = None
) -> Affinities:
    """The joint distributions of t-SNE.

    Args:
        distances: Squared distances, (..., images, images), zero diagonals.
        perplexity: The effective number of neighbours, less than the number of images.
        near: The affinities of similar embeddings of the same images, where the search starts;
            their shape must broadcast.
    """
    n = distances.shape[-1]
    if not 1 <= perplexity < n - 1:
        msg = (
            f"a perplexity of {perplexity:g} needs more than {perplexity + 1:g} images, but there "
            f"are {n}"
        )
        raise PruneError(msg)
    shape = (*distances.shape[:-1], 1)
    if near is None:
        log_precisions = distances.new_full(shape, math.log(START))
    else:
        log_precisions = near.log_precisions.expand(shape).clone()
    stack, starts = distances.reshape(-1, n, n), log_precisions.view(-1, n, 1)
    joint = torch.empty_like(stack)
    size = STACK if stack.device.type == "cpu" else max(len(stack), 1)
    for first in range(0, len(stack), size):
        part = slice(first, first + size)
        conditional, starts[part] = _conditional(stack[part], starts[part], math.log(perplexity))
        torch.add(conditional, conditional.mT, out=joint[part]).mul_(0.5 / n)
    return Affinities(joint.view(distances.shape), log_precisions)


def _conditional(distances: Tensor, log_beta: Tensor, target: float) -> tuple[Tensor, Tensor]:
    """Each image's distribution over the others, with entropy `target`; and log precisions.

    Takes Newton steps on the logarithm of beta: the entropy's slope is -beta^2 variance. A row that
    has converged no longer changes, so that its result does not depend on the rest of the stack.
    Rows that do not converge are bisected.
    """
    n = distances.shape[-1]
    mean_distance = distances.sum(dim=-1, keepdim=True).div_(n - 1)
    # Each row in units of its mean, so one start fits all. If all images are equal, the mean is 0.
    scaled = distances / mean_distance.masked_fill_(mean_distance == 0, 1.0)
    scaled.diagonal(dim1=-2, dim2=-1).fill_(FAR)
    # Less the smallest distance, a row's largest kernel is 1, and its mass cannot vanish.
    scaled.sub_(scaled.amin(dim=-1, keepdim=True))
    kernel, moment = torch.empty_like(scaled), torch.empty_like(scaled)
    for step in range(NEWTON_STEPS + 1):
        beta = log_beta.exp()
        torch.mul(scaled, beta.neg(), out=kernel).exp_()
        mass = kernel.sum(dim=-1, keepdim=True)
        mean = torch.mul(kernel, scaled, out=moment).sum(dim=-1, keepdim=True).div_(mass)
        excess = torch.addcmul(mass.log(), beta, mean).sub_(target)
        arrived = excess.abs() <= TOLERANCE
        if step == NEWTON_STEPS or bool(arrived.all()):
            break
        square = moment.mul_(scaled).sum(dim=-1, keepdim=True).div_(mass)
        slope = square.addcmul_(mean, mean, value=-1.0).mul_(beta).mul_(beta)
        log_beta = torch.where(arrived, log_beta, log_beta + excess / slope)
    rows = ~arrived.squeeze(-1)
    if bool(rows.any()):
        log_beta[rows] = _bisected(scaled[rows], target)
        kernel[rows] = torch.exp(-log_beta[rows].exp() * scaled[rows])
        mass[rows] = kernel[rows].sum(dim=-1, keepdim=True)
    return kernel.div_(mass), log_beta


def _bisected(scaled: Tensor, target: float) -> Tensor:
    """The log precisions of rows that did not converge, (rows, 1), from (rows, images).

    If more images are equally near than the perplexity, no precision is high enough. Such a row
    ends at the upper bound, uniform over these images.
    """
    low = scaled.new_full((len(scaled), 1), math.log(START) - 12.0)
    high = low + 72.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        beta = middle.exp()
        kernel = torch.exp(-beta * scaled)
        mass = kernel.sum(dim=-1, keepdim=True)
        mean = (kernel * scaled).sum(dim=-1, keepdim=True) / mass
        too_wide = mass.log() + beta * mean > target
        low, high = torch.where(too_wide, middle, low), torch.where(too_wide, high, middle)
    return high


def affinity_divergence(parent: Tensor, child: Tensor) -> Tensor:
    """The Kullback-Leibler divergence of joint distributions: 2 times the sum over pairs i < j.

    Args:
        parent: P, (..., images, images).
        child: Q, of a shape that broadcasts.

    Returns:
        The sum of P log(P / Q), (...,).
    """
    # On the diagonal both equal the floor, so the logarithms cancel.
    P = parent.clamp(min=EPSILON)
    ratio = child.clamp(min=EPSILON).log_().neg_().add_(P.log())
    return ratio.mul_(P).sum(dim=-1).sum(dim=-1)
