"""Networks to prune: trained here, or given and checked."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from pymoo_prune.chromosomes import hash_bytes
from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.networks import Attention, MlpMixer, named_network
from pymoo_prune.training.loop import seeded, trained
from pymoo_prune.training.recipes import Recipe

OF_PATCHES = Recipe("adam", 3e-3, "one-cycle", 64)
"""For the zoo's transformer and mixer, which stochastic gradient descent takes long to train."""


def train_parent(
    data: Data,
    network: str,
    epochs: float,
    *,
    recipe: Recipe,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> nn.Module:
    """Builds a network by name, and trains it on the training images.

    Args:
        data: The images.
        network: A name of the zoo.
        epochs: The number of epochs, above 0.
        recipe: The settings of the training; transformers and mixers take `OF_PATCHES`.
        seed: The seed of the weights, and of the images' order.
        progress: Called with the share of the training that is done.
    """
    if not (math.isfinite(epochs) and epochs > 0):
        msg = f"parent_epochs must be above 0, but they are {epochs}"
        raise PruneError(msg)
    check_can_train(data)
    with seeded(seed, torch.device("cpu")):
        fresh = named_network(network, channels=data.channels, classes=data.classes, size=data.size)
    if any(isinstance(module, (Attention, MlpMixer)) for module in fresh.modules()):
        recipe = OF_PATCHES
    return trained(
        fresh.to(data.train.images.device),
        data.train,
        images=round(epochs * len(data.train)),
        recipe=recipe,
        seed=seed,
        progress=progress,
    )


def check_can_train(data: Data) -> None:
    """Refuses to train a parent on images without labels.

    Args:
        data: The images.

    Raises:
        PruneError: They have no labels.
    """
    if not data.labelled:
        msg = (
            f"{data.name} has no labels for its training images, so no network can be trained "
            "here: give a trained one, --parent FILE --network module:function on the command "
            "line, prune(network, data) or parent=network in Python"
        )
        raise PruneError(msg)


def check_parent(parent: nn.Module, data: Data) -> nn.Module:
    """A copy of the parent, in evaluation mode.

    Raises:
        PruneError: The parent does not fit the data.
    """
    parent = copy.deepcopy(parent).to(data.train.images.device).eval()
    try:
        with torch.no_grad():
            outputs = parent(data.train.images[:2])
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        msg = f"the parent cannot take the images of {data.name}, {data.shape}: {error}"
        raise PruneError(msg) from error
    if not isinstance(outputs, Tensor):
        msg = f"the parent gives a {type(outputs).__name__}, not one tensor of outputs"
        raise PruneError(msg)
    if outputs.ndim != 2 or len(outputs) != 2 or not data.takes(outputs.shape[1]):
        msg = (
            f"the parent gives {tuple(outputs.shape)[1:]} values an image, but {data.name} has "
            f"{data.classes_text}"
        )
        raise PruneError(msg)
    for name, weight in parent.named_parameters():
        if not torch.isfinite(weight).all():
            layer = name.rpartition(".")[0]
            msg = f"layer {layer!r} has weights that are not finite (NaN or infinite)"
            raise PruneError(msg)
    if not torch.isfinite(outputs).all():
        msg = (
            f"the parent's outputs for images of {data.name} are not finite (NaN or infinite); its "
            "training diverged, or its weights were damaged: train it again"
        )
        raise PruneError(msg)
    return parent


def digest_of(parent: nn.Module) -> str:
    """A digest of a parent's layers and all its numbers, which configurations contain."""
    values = parent.state_dict().values()
    numbers = (value.detach().cpu().numpy().tobytes() for value in values)
    return hash_bytes(str(parent).encode(), *numbers).hex()
