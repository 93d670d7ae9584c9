"""Trains the networks that come with the suite: `python -m benchmarks.suite.parents [NAME ...]`."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.suite.publishing import publish
from pymoo_prune import Recipe, load_data, named_network
from pymoo_prune.data import Data
from pymoo_prune.machine import processor, versions
from pymoo_prune.measuring import accuracy
from pymoo_prune.networks import FeedForward
from pymoo_prune.suite.parents import packed, unpacked
from pymoo_prune.training import seeded, trained

SEED = 0
DENSE = Recipe("adam", 1e-3, "one-cycle", 64)
CONVOLUTIONS = Recipe("adam", 3e-3, "one-cycle", 64, weight_decay=1e-4)


@dataclass(frozen=True)
class Training:
    """How a parent of the suite is made.

    Attributes:
        network: A name of the zoo, or the widths of a feed-forward network.
        data: The name of a data set.
        epochs: Of the training images.
        recipe: The rest of the training.
    """

    network: str | tuple[int, ...]
    data: str
    epochs: float
    recipe: Recipe

    def fresh(self, data: Data) -> nn.Module:
        """The network with random weights."""
        if isinstance(self.network, tuple):
            return FeedForward(int(np.prod(data.shape)), self.network, data.classes)
        return named_network(
            self.network, channels=data.channels, classes=data.classes, size=data.size
        )


TRAININGS: Mapping[str, Training] = {
    "mlp-digits": Training((256, 256), "digits", 60, DENSE),
    "mlp-fashion": Training((256, 256), "fashion-mnist", 6, DENSE),
    "three-layers-digits": Training((32, 32, 32), "digits", 100, DENSE),
    "three-layers-fashion": Training((24, 24, 24), "fashion-mnist", 8, DENSE),
    "two-layers-digits": Training((9, 9), "digits", 200, DENSE),
    "wide-digits": Training((2000,), "digits", 40, DENSE),
    "deep-digits": Training((64,) * 8, "digits", 100, DENSE),
    "four-layers-fashion": Training((96, 64, 48), "fashion-mnist", 8, DENSE),
    "resnet-8-digits": Training("resnet-8", "digits", 40, CONVOLUTIONS),
    "resnet-20-digits": Training("resnet-20", "digits", 40, CONVOLUTIONS),
    "simple-cnn-digits": Training("simple-cnn", "digits", 40, CONVOLUTIONS),
}


def made(name: str) -> bytes:
    """A parent, trained from its seed, as the package holds it."""
    training = TRAININGS[name]
    data = load_data(training.data)
    with seeded(SEED, torch.device("cpu")):
        network = training.fresh(data)
    began = time.perf_counter()
    images = round(training.epochs * len(data.train))
    network = trained(network, data.train, images=images, recipe=training.recipe, seed=SEED)
    about: dict[str, Any] = {
        "name": name,
        "data": training.data,
        "data_digest": data.digest,
        "epochs": training.epochs,
        "recipe": repr(training.recipe),
        "seed": SEED,
        "seconds": round(time.perf_counter() - began, 1),
        "hardware": processor(),
        "versions": versions(),
    }
    # What counts is the network after rounding to half precision.
    rounded, _ = unpacked(packed(network, about))
    about["validation_accuracy"] = accuracy(rounded, data.validation)
    about["test_accuracy"] = accuracy(rounded, data.test)
    print(name, {k: about[k] for k in ("validation_accuracy", "test_accuracy", "seconds")})
    return packed(network, about)


def main() -> None:
    """Makes the named parents, or all."""
    torch.set_num_threads(1)
    for name in sys.argv[1:] or TRAININGS:
        publish(f"parents/{name}.npz", made(name))


if __name__ == "__main__":
    main()
