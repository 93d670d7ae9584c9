"""Digits without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from pymoo_prune import Data, data_from_arrays


def images_of(digits: Data) -> torch.Tensor:
    """Training and validation images, (n, 1, 8, 8)."""
    return torch.cat([digits.train.images, digits.validation.images])


def unlabelled(digits: Data, *, tested: bool = False) -> Data:
    """The same images without labels, or with labels for the test images alone."""
    labels = digits.test.labels if tested else None
    return data_from_arrays(images_of(digits), None, digits.test.images, labels)


def unlabelled_file(digits: Data, folder: Path) -> Path:
    """The same images in a file of arrays."""
    path = folder / "images.npz"
    np.savez(path, images=images_of(digits).numpy(), test_images=digits.test.images.numpy())
    return path
