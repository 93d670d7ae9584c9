"""The images that a search trains candidates on, and those that it measures them on."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Literal

import torch

from pymoo_prune.data import Data, Split, balanced

TEST_WARNING = (
    "the search sees the test images (fitness_split='test', as Kim et al. have it): accuracies on "
    "them are no estimate of what the networks are worth on new images"
)


def with_all_training_images(data: Data) -> Data:
    """The data, with the validation images among the training images.

    For a search whose fitness is measured on the test images. Its validation images have no use.
    """
    parts = (data.train, data.validation)
    labels = [part.labels for part in parts if part.labels is not None]
    joined = Split(
        torch.cat([part.images for part in parts]), torch.cat(labels) if labels else None, data.task
    )
    return replace(data, train=joined)


def train_and_search_images(
    data: Data,
    train_images: int | None,
    search_images: int,
    fitness_split: Literal["validation", "test"],
    image_size: int | None,
    seed: int,
) -> tuple[Split, Split]:
    """Training images and search images; see `DenseConnectivity` for the arguments."""
    train = data.train
    if train_images is not None:
        train = train.subset(balanced(train.groups, train_images, seed))
    if fitness_split == "test":
        warnings.warn(TEST_WARNING, stacklevel=4)  # the line that makes it, past checks
    search = data.test if fitness_split == "test" else data.validation
    search = search.subset(balanced(search.groups, search_images, seed))
    if image_size is not None:
        return train.resized(image_size), search.resized(image_size)
    return train, search
