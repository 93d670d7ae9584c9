"""How alike two embeddings of the same images are, whatever their dimensions.

The measure is that of t-SNE: every image sees its neighbours through a Gaussian as wide as needed
to reach a given perplexity, and two embeddings are alike when the resulting joint distributions
over pairs are. All embeddings of a population are handled in one stack.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pymoo_prune.errors import PruneError

EPSILON = 2.220446049250313e-16
"""The floor of a joint probability, as in scikit-learn's t-SNE."""
TOLERANCE = 1e-5
"""How near the entropy must come to log(perplexity)."""
MAX_STEPS = 60
STACK = 8
"""Matrices handled at once: their few work arrays then stay in a core's cache."""
START = 5.0
"""Where the search for a row's precision starts, in units of one over its mean distance."""
FAR = 1e30
"""A distance at which every kernel is exactly 0, and which products do not turn into NaN."""


def squared_distances(products: Tensor) -> Tensor:
    """Squared Euclidean distances from inner products.

    Args:
        products: Inner products of embedded images, (..., images, images); changed in place.

    Returns:
        The same storage: not negative, zero on the diagonal.
    """
    norms = products.diagonal(dim1=-2, dim2=-1).clone()
    products.mul_(-2.0).add_(norms[..., None]).add_(norms[..., None, :]).clamp_(min=0.0)
    products.diagonal(dim1=-2, dim2=-1).zero_()
    return products


def joint_probabilities(distances: Tensor, perplexity: float = 30.0) -> Tensor:
    """The symmetric joint distributions over pairs of images.

    Args:
        distances: Squared distances, (..., images, images), zero diagonals.
        perplexity: The effective number of neighbours, less than the number of images.

    Returns:
        Of the same shape: zero diagonals, each matrix with sum 1.
    """
    n = distances.shape[-1]
    if not 1 <= perplexity < n - 1:
        msg = (
            f"a perplexity of {perplexity:g} needs more than {perplexity + 1:g} images, but there "
            f"are {n}"
        )
        raise PruneError(msg)
    stack = distances.reshape(-1, n, n)
    joint = torch.empty_like(stack)
    for start in range(0, len(stack), STACK):
        conditional = _conditional(stack[start : start + STACK], math.log(perplexity))
        torch.add(conditional, conditional.mT, out=joint[start : start + STACK])
    return joint.div_(2 * n).view(distances.shape)


def _conditional(distances: Tensor, target: float) -> Tensor:
    """Each image's distribution over the others, with entropy `target`, (stack, images, images).

    The precisions solve entropy(beta) = target by Newton steps on log(beta) inside a bracket: four
    or five steps where bisection takes twenty. A row that has arrived is left alone, so that a
    result does not depend on what else is in the stack.
    """
    n = distances.shape[-1]
    mean_distance = distances.sum(dim=-1, keepdim=True).div_(n - 1)
    # Each row in units of its own mean: then one start fits all. Equal images have no such unit.
    scaled = distances / mean_distance.masked_fill_(mean_distance == 0, 1.0)
    scaled.diagonal(dim1=-2, dim2=-1).fill_(FAR)
    # Shifted by the nearest distance, a row's largest kernel is 1 and its mass cannot vanish.
    scaled.sub_(scaled.amin(dim=-1, keepdim=True))
    log_beta = torch.full_like(mean_distance, math.log(START))
    low, high = log_beta - 12.0, log_beta + 60.0
    # With more equally near images than the perplexity asks for, a row stays uniform over these.
    tied = (scaled == 0).sum(dim=-1, keepdim=True) >= math.exp(target)
    log_beta = torch.where(tied, high, log_beta)
    kernel, moment = torch.empty_like(scaled), torch.empty_like(scaled)
    for _ in range(MAX_STEPS):
        beta = log_beta.exp()
        torch.mul(scaled, -beta, out=kernel).exp_()
        mass = kernel.sum(dim=-1, keepdim=True)
        mean = torch.mul(kernel, scaled, out=moment).sum(dim=-1, keepdim=True).div_(mass)
        excess = (beta * mean).add_(mass.log()).sub_(target)
        open_rows = (excess.abs() > TOLERANCE) & ~tied
        if not bool(open_rows.any()):
            break
        square = moment.mul_(scaled).sum(dim=-1, keepdim=True).div_(mass)
        # The entropy falls as beta grows: d entropy / d log(beta) = -beta^2 variance.
        low = torch.where(excess > 0, log_beta, low)
        high = torch.where(excess > 0, high, log_beta)
        slope = square.addcmul_(mean, mean, value=-1.0).mul_(beta).mul_(beta).clamp_(min=1e-12)
        step = log_beta + excess / slope
        step = torch.where((step > low) & (step < high), step, (low + high) / 2)
        log_beta = torch.where(open_rows, step, log_beta)
    return kernel.div_(mass)


def divergence(parent: Tensor, child: Tensor) -> Tensor:
    """The Kullback-Leibler divergence of joint distributions: 2 times the sum over pairs i < j.

    Args:
        parent: P, (..., images, images).
        child: Q, of a shape that fits.

    Returns:
        sum of P log(P / Q), (...,).
    """
    # On the diagonal both are at the floor, whose logarithms cancel.
    P = parent.clamp(min=EPSILON)
    ratio = child.clamp(min=EPSILON).log_().neg_().add_(P.log())
    return ratio.mul_(P).sum(dim=-1).sum(dim=-1)
