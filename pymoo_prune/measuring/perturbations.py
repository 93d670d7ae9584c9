"""Robustness: accuracy on images with noise, blur, low contrast, or a black square in front."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from pymoo_prune.data import Split
from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.measuring.accuracies import goodness_of

STRENGTHS = 5
"""Perturbations have strengths from 1 to this."""

NOISE = (0.1, 0.2, 0.35, 0.5, 0.8)
"""The standard deviation of the noise, as a share of the standard deviation of all pixels."""

BLUR = (0.5, 0.75, 1.0, 1.5, 2.0)
"""The Gaussian's standard deviation, in pixels of a 28×28 image."""

CONTRAST = (0.75, 0.5, 0.35, 0.2, 0.1)
"""The share that is left of each pixel's distance from the image's mean."""

OCCLUSION = (0.2, 0.3, 0.4, 0.5, 0.6)
"""The square's side, as a share of the image's shorter side, rounded to pixels; at least 1."""


def _noise(images: Tensor, strength: int, generator: torch.Generator) -> Tensor:
    noise = torch.randn(images.shape, generator=generator).to(images)
    return images + NOISE[strength - 1] * images.std(correction=0) * noise


def _blur(images: Tensor, strength: int, generator: torch.Generator) -> Tensor:  # noqa: ARG001
    sigma = BLUR[strength - 1] * min(images.shape[-2:]) / 28
    radius = math.ceil(4 * sigma)
    # The Gaussian is integrated over each pixel's width. Sampled at the pixels' centres, it would
    # be (0, 1, 0) for small images, where the blur is a fraction of a pixel.
    edges = (torch.arange(-radius, radius + 2, dtype=torch.float64) - 0.5) / sigma
    weights = torch.special.ndtr(edges).diff()
    weights = weights / weights.sum()
    for axis in (2, 3):
        size = images.shape[axis]
        blurred = torch.zeros_like(images)
        for offset, weight in enumerate(weights.tolist(), start=-radius):
            # Beyond the border, the border's pixels repeat.
            places = torch.arange(offset, size + offset, device=images.device).clamp(0, size - 1)
            blurred += weight * images.index_select(axis, places)
        images = blurred
    return images


def _contrast(images: Tensor, strength: int, generator: torch.Generator) -> Tensor:  # noqa: ARG001
    means = images.mean(dim=(1, 2, 3), keepdim=True)
    return means + CONTRAST[strength - 1] * (images - means)


def _occlusion(images: Tensor, strength: int, generator: torch.Generator) -> Tensor:
    n, _, height, width = images.shape
    side = max(1, round(OCCLUSION[strength - 1] * min(height, width)))
    top = torch.randint(height - side + 1, (n, 1), generator=generator)
    left = torch.randint(width - side + 1, (n, 1), generator=generator)
    rows, columns = torch.arange(height), torch.arange(width)
    in_rows = (top <= rows) & (rows < top + side)
    in_columns = (left <= columns) & (columns < left + side)
    square = in_rows[:, None, :, None] & in_columns[:, None, None, :]
    black = images.amin(dim=(0, 2, 3), keepdim=True)
    return torch.where(square.to(images.device), black, images)


Perturbation = Callable[[Tensor, int, torch.Generator], Tensor]
"""(images, (n, channels, height, width), strength, random generator) -> worse images."""

PERTURBATIONS: Mapping[str, Perturbation] = {
    "noise": _noise,
    "blur": _blur,
    "contrast": _contrast,
    "occlusion": _occlusion,
}
"""The ways to make images worse.

All are relative to the images' values and size, since images may be normalised or not.

- noise: Gaussian noise on every value; results may leave the range of the images.
- blur: a Gaussian blur over rows and columns.
- contrast: pixels move towards the mean of their image, taken over all its channels.
- occlusion: a square at a random place of each image gets the least value that its channel has
  in all images. That is black, however the channels are normalised; a mean would be a grey that
  stands out from a black background.
"""


def perturbed(images: Tensor, kind: str, strength: int, seed: int = 0) -> Tensor:
    """Makes images worse.

    Args:
        images: (n, channels, height, width), floating-point, of any scale; they are not changed.
        kind: One of `PERTURBATIONS`.
        strength: From 1 to `STRENGTHS`; see `NOISE`, `BLUR`, `CONTRAST` and `OCCLUSION`.
        seed: Chooses noise and places. The same seed gives the same images again, with the same
            draws on every device; noise of different strengths differs in its size alone.

    Returns:
        Images of the same shape, type and device.
    """
    if kind not in PERTURBATIONS:
        raise unknown_name("perturbation", kind, PERTURBATIONS)
    if strength not in range(1, STRENGTHS + 1):
        msg = f"strength must be a whole number from 1 to {STRENGTHS}, but it is {strength}"
        raise PruneError(msg)
    if images.ndim != 4 or not images.is_floating_point() or images.numel() == 0:
        msg = (
            "images must be floating-point (n, channels, height, width) and at least one, but "
            f"these are {images.dtype} {tuple(images.shape)}"
        )
        raise PruneError(msg)
    return PERTURBATIONS[kind](images, strength, torch.Generator().manual_seed(seed))


def robustness(
    network: nn.Module,
    split: Split,
    *,
    kinds: Sequence[str] = tuple(PERTURBATIONS),
    seed: int = 0,
) -> dict[str, list[float]]:
    """Measures a network's accuracy on images that were made worse.

    Args:
        network: Any classifier; it is not changed.
        split: Images and labels; the size of the noise, and black, depend on all of its images.
        kinds: Some of `PERTURBATIONS`.
        seed: With the same seed, every network sees the same images.

    Returns:
        For each kind, the accuracies at strengths 1 to `STRENGTHS`.
    """
    for kind in kinds:  # before anything is measured
        if kind not in PERTURBATIONS:
            raise unknown_name("perturbation", kind, PERTURBATIONS)
    return {
        kind: [
            goodness_of(
                network, replace(split, images=perturbed(split.images, kind, strength, seed))
            )
            for strength in range(1, STRENGTHS + 1)
        ]
        for kind in kinds
    }
