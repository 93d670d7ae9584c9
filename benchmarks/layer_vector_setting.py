"""The setting of the layer vector's benchmarks: FashionMNIST and ResNets, trained once and kept."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from torch import nn

from pymoo_prune import Data, load_data, load_network, save_network
from pymoo_prune.evaluation import accuracy
from pymoo_prune.pruning.magnitude import MagnitudeOrder
from pymoo_prune_problems.layer_vector import train_parent

NETWORK, EPOCHS = "resnet-20", 12
FOLDER = Path(os.environ.get("PYMOO_PRUNE_PARENTS", "~/.cache/pymoo-prune/parents")).expanduser()
"""Where trained parents are kept: 15 minutes of work, and more than a megabyte each."""


@cache
def data() -> Data:
    """FashionMNIST: 50,000 images to train on, 10,000 to search with, 10,000 to report."""
    return load_data("fashion-mnist")


@cache
def parent(network: str = NETWORK, epochs: float = EPOCHS, seed: int = 0) -> nn.Module:
    """A trained network, from the last time or now."""
    folder = FOLDER / f"{network}-{data().name}-{epochs}-{seed}"
    if not folder.is_dir():
        print(f"training {network} for {epochs} epochs; it is kept in {folder}", flush=True)
        trained = train_parent(data(), network, epochs, seed)
        folder.parent.mkdir(parents=True, exist_ok=True)
        save_network(trained, folder, about={"role": "parent", "epochs": epochs, "seed": seed})
    return load_network(folder)


@cache
def parent_accuracy() -> float:
    """Of the ResNet-20 on the test images."""
    return accuracy(parent(), data().test)


@cache
def order() -> MagnitudeOrder:
    """Its weights, smallest first."""
    return MagnitudeOrder(parent(), data().shape)
