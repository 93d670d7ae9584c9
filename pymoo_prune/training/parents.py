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
from pymoo_prune.networks import (
    Attention,
    MlpMixer,
    PackedInputs,
    copied,
    named_network,
    own_inputs,
)
from pymoo_prune.training.loop import seeded, trained
from pymoo_prune.training.recipes import Recipe

OF_PATCHES = Recipe("adam", 3e-3, "one-cycle", 64)
"""For the zoo's transformer and mixer, which stochastic gradient descent takes long to train."""


def train_parent(
    data: Data,
    network: str | nn.Module,
    epochs: float,
    *,
    recipe: Recipe,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> nn.Module:
    """Builds a network by name, or copies one, and trains it on the training images.

    Args:
        data: The images.
        network: A name of the zoo, whose networks are for images and classes; or a network of the
            user's own, which is not changed.
        epochs: The number of epochs, above 0.
        recipe: The settings of the training; transformers and mixers take `OF_PATCHES`.
        seed: The seed of the weights, and of the images' order.
        progress: Called with the share of the training that is done.
    """
    if not (math.isfinite(epochs) and epochs > 0):
        msg = f"parent_epochs must be above 0, but they are {epochs}"
        raise PruneError(msg)
    check_can_train(data)
    if isinstance(network, str):
        fresh = _named(network, data, seed)
        if any(isinstance(module, (Attention, MlpMixer)) for module in fresh.modules()):
            recipe = OF_PATCHES
    else:
        fresh = check_parent(network, data)
    result = trained(
        fresh.to(data.train.images.device),
        data.train,
        images=round(epochs * len(data.train)),
        recipe=recipe,
        seed=seed,
        progress=progress,
    )
    return result if isinstance(network, str) else own_inputs(result)


def _named(name: str, data: Data, seed: int) -> nn.Module:
    """A fresh network of the zoo."""
    if not data.train.are_images or data.task.name != "classes":
        what = f"inputs of shape {data.shape}, and its task is {data.task.name}"
        msg = (
            f"network {name!r} is for images of classes, but {data.name} has {what}: give a "
            "network of your own, --network module:function on the command line, "
            "prune(network, data) or parent=network in Python"
        )
        raise PruneError(msg)
    with seeded(seed, torch.device("cpu")):
        return named_network(name, channels=data.channels, classes=data.classes, size=data.size)


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
    """A copy of the parent, in evaluation mode; it takes the inputs as the data have them.

    Where all weights of the parent are frozen (`requires_grad` is False), those of the copy are
    not: what is pruned of it is retrained.

    Raises:
        PruneError: The parent does not fit the data.
    """
    parent = copied(parent)
    real = [weight for weight in parent.parameters() if weight.is_floating_point()]
    if not any(weight.requires_grad for weight in real):
        for weight in real:
            weight.requires_grad = True
    if data.packing is not None and not isinstance(parent, PackedInputs):
        parent = PackedInputs.of(parent, data.packing)
    parent = parent.to(data.train.images.device).eval()
    outputs = _outputs(parent, data, 2)
    if len(outputs) != 2 or not data.fits(outputs):
        msg = (
            f"the parent gives {tuple(outputs.shape)[1:]} values an image, but {data.name} has "
            f"{data.classes_text}"
        )
        raise PruneError(msg)
    if not data.labelled:
        data.task.parents(outputs)  # a single output is no choice between classes
    three = _outputs(parent, data, 3)
    if three.shape[0] != min(3, len(data.train)) or three.shape[1:] != outputs.shape[1:]:
        msg = (
            f"the shape of the parent's outputs changes with the batch: for 2 inputs it is "
            f"{tuple(outputs.shape)}, for 3 {tuple(three.shape)}"
        )
        raise PruneError(msg)
    _check_numbers(parent, outputs, data)
    _check_training(parent, data)
    return parent


def _check_numbers(parent: nn.Module, outputs: Tensor, data: Data) -> None:
    """Refuses weights and outputs that are not finite, and outputs that do not repeat."""
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
    if not torch.allclose(outputs, _outputs(parent, data, 2), rtol=1e-3, atol=1e-4):
        msg = (
            "the parent's outputs for the same images differ from call to call, so no measurement "
            "would repeat: something is random in evaluation mode too, such as F.dropout without "
            "training=self.training"
        )
        raise PruneError(msg)


def _check_training(parent: nn.Module, data: Data) -> None:
    """Refuses, before a search, a network that cannot be retrained after it.

    Args:
        parent: In evaluation mode; it is not changed.
        data: The images.
    """
    if len(data.train) < 2:  # batch norm needs two
        return
    device = data.train.images.device
    with seeded(0, device):  # for dropout, which uses torch's global generator
        _outputs(copy.deepcopy(parent).train(), data, 2)


@torch.no_grad()
def _outputs(parent: nn.Module, data: Data, number: int) -> Tensor:
    """The parent's outputs for the first training images, or an error that says why there are none.

    Args:
        parent: In evaluation mode, or in training mode.
        data: The images.
        number: How many images.
    """
    mode = "in training mode, " if parent.training else ""
    packing = data.packing
    given = data.shape if packing is None else [part.shape for part in packing.parts]
    try:
        outputs = parent(data.train.images[:number])
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        msg = f"{mode}the parent cannot take the images of {data.name}, {given}: {error}"
        if isinstance(error, TypeError) and "forward()" in str(error):
            one = packing is None or len(packing.parts) == 1
            count = "one input" if one else f"{len(given)} inputs"
            msg += (
                f"; the data have {count}: a network with several inputs takes "
                "data_from_inputs((a, b), labels)"
            )
        types = {str(some.dtype).removeprefix("torch.") for some in parent.parameters()}
        if others := types - {"float32"}:
            msg += f"; it has weights in {', '.join(sorted(others))}: give parent.float()"
        raise PruneError(msg) from error
    if not isinstance(outputs, Tensor):
        msg = f"{mode}the parent gives a {type(outputs).__name__}, not one tensor of outputs"
        if parent.training:
            msg += (
                ": switch its auxiliary outputs off (torchvision: aux_logits=False), or write "
                "a module whose forward gives the first alone"
            )
        raise PruneError(msg)
    if outputs.ndim == 0 or not outputs.is_floating_point():
        msg = (
            f"the parent gives {outputs.dtype} of shape {tuple(outputs.shape)}, not real numbers "
            "for each input"
        )
        raise PruneError(msg)
    return outputs


def digest_of(parent: nn.Module) -> str:
    """A digest of a parent's layers and all its numbers, which configurations contain."""
    values = parent.state_dict().values()
    # NumPy has no bfloat16, but every number has bytes.
    numbers = (value.detach().cpu().reshape(-1).view(torch.uint8).numpy() for value in values)
    return hash_bytes(str(parent).encode(), *(some.tobytes() for some in numbers)).hex()
