"""Data and networks as users have them in a module of their own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from sklearn.datasets import load_digits
from torch import nn

from pymoo_prune import Data, data_from_arrays
from pymoo_prune.training import seeded


def images() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """The first 600 digits."""
    found = load_digits()
    return found.images[:600] / 16, found.target[:600]


def data() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Images and labels."""
    return images()


def whole_data() -> Data:
    """The same in parts."""
    return data_from_arrays(*images(), name="six hundred digits")


def three_arrays() -> tuple[int, int, int]:
    """Something that is no data set."""
    return 1, 2, 3


NO_DATA = 5


class Own(nn.Module):
    """A class that nothing but this module can build."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 6, 3, padding=1)
        self.out = nn.Linear(6 * 16, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Outputs, (n, 10)."""
        pooled = nn.functional.adaptive_avg_pool2d(self.convolution(images).relu(), 4)
        outputs: torch.Tensor = self.out(pooled.flatten(1))
        return outputs


class Described(Own):
    """The same with a description under a name that only this module knows."""

    spec = {"network": "only-mine", "arguments": {}}  # noqa: RUF012


def network() -> nn.Module:
    """An untrained network."""
    return Own()


def described() -> nn.Module:
    """An untrained network with a description."""
    return Described()


def trained_weights() -> dict[str, torch.Tensor]:
    """Other weights than `network` gives."""
    with seeded(7, torch.device("cpu")):
        return {name: value.clone() for name, value in Own().state_dict().items()}
