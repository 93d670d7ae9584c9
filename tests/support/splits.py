"""What the parts of data hold."""

from __future__ import annotations

import torch

from pymoo_prune import Data
from pymoo_prune.data import Split


def parts(data: Data) -> tuple[Split, Split, Split]:
    """Training, validation and test."""
    return data.train, data.validation, data.test


def per_class(split: Split) -> list[int]:
    """How many labels each class has."""
    return torch.bincount(split.labels).tolist()
