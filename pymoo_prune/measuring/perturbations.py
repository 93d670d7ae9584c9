"""Accuracy on images that were made worse: noise, blur, little contrast, something in front."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from pymoo_prune.data import Split
from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.measuring.accuracies import accuracy

STRENGTHS = 5
"""A perturbation comes in strengths from 1 to this one."""

NOISE = (0.1, 0.2, 0.35, 0.5, 0.8)
"""The noise's standard deviation, as a share of that of all pixels."""

BLUR = (0.5, 0.75, 1.0, 1.5, 2.0)
"""The Gaussian's standard deviation, in pixels of a 28×28 image."""

CONTRAST = (0.75, 0.5, 0.35, 0.2, 0.1)
"""What is left of each pixel's distance from the image's mean."""

OCCLUSION = (0.2, 0.3, 0.4, 0.5, 0.6)
"""The square's side, as a share of the image's shorter side, rounded to pixels; at least 1."""


def _noise(images: Tensor, strength: int, generator: torch.Generator) -> Tensor:
    noise = torch.randn(images.shape, generator=generator).to(images)
    return images + NOISE[strength - 1] * images.std(correction=0) * noise


def _blur(images: Tensor, strength: int, generator: torch.Generator) -> Tensor:  # noqa: ARG001
    sigma = BLUR[strength - 1] * min(images.shape[-2:]) / 28
    radius = math.ceil(4 * sigma)
    # The Gaussian's share of each pixel's width. Its values at the pixels' centres would be
    # (0, 1, 0) for small images, of which a fraction of a pixel is a large part.
    edges = (torch.arange(-radius, radius + 2, dtype=torch.float64) - 0.5) / sigma
    weights = torch.special.ndtr(edges).diff()
    weights = weights / weights.sum()
    for axis in (2, 3):
        size = images.shape[axis]
        blurred = torch.zeros_like(images)
        for offset, weight in enumerate(weights.tolist(), start=-radius):
            # Beyond the border lies the border's pixel, again and again.
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
"""(images, (n, channels, height, width), strength, what chance comes from) -> worse images."""

PERTURBATIONS: Mapping[str, Perturbation] = {
    "noise": _noise,
    "blur": _blur,
    "contrast": _contrast,
    "occlusion": _occlusion,
}
"""What can be done to images.

All of it is relative to the images' own values and size, as they may be normalised or not.

- noise: Gaussian, drawn anew for every value, which may leave the range of the images.
- blur: Gaussian, over rows and columns.
- contrast: Pixels are drawn towards the mean of their image, over all its channels.
- occlusion: A square at a random place of each image gets the least value that its channel has
  in all images. That is black, however the channels are normalised; a mean would be a grey that
  stands out from a black background.
"""


def perturbed(images: Tensor, kind: str, strength: int, seed: int = 0) -> Tensor:
    """Images made worse.

    Args:
        images: (n, channels, height, width), floating-point, of any scale; they are not changed.
        kind: One of `PERTURBATIONS`.
        strength: From 1 to `STRENGTHS`; see `NOISE`, `BLUR`, `CONTRAST` and `OCCLUSION`.
        seed: Of noise and places. The same one gives the same images again, and on every device
            the same draws; the strengths of noise differ in its size only.

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
    """A network's accuracy on images that were made worse.

    Args:
        network: Any classifier; it is not changed.
        split: Images and labels; all images together say what is much noise, and what is black.
        kinds: Some of `PERTURBATIONS`.
        seed: The same one shows the same images to every network.

    Returns:
        For each kind the accuracies at the strengths 1 to `STRENGTHS`.
    """
    for kind in kinds:  # before anything is measured
        if kind not in PERTURBATIONS:
            raise unknown_name("perturbation", kind, PERTURBATIONS)
    return {
        kind: [
            accuracy(network, replace(split, images=perturbed(split.images, kind, strength, seed)))
            for strength in range(1, STRENGTHS + 1)
        ]
        for kind in kinds
    }
