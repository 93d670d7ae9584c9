"""Digits without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from pymoo_prune import Data, data_from_arrays
from pymoo_prune.networks import FeedForward
from pymoo_prune.results import save_network


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


def small_searches(digits: Data, parent: FeedForward, folder: Path) -> list[str]:
    """Options of the command line for small searches on these images, whose file lies in a folder.

    Args:
        digits: The images.
        parent: The network that is pruned.
        folder: Where the images and the parent are written.
    """
    save_network(parent, folder / "parent", about={})
    path = unlabelled_file(digits, folder)
    given = ["--data", str(path), "--parent", str(folder / "parent"), "--threads", "1"]
    return [*given, "--pop-size", "8", "--finish", "100"]
