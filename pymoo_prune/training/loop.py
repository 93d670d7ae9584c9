"""Gradient steps: a parent is trained from scratch, a pruned network after the cut."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn

from pymoo_prune.data import Split, in_batches
from pymoo_prune.errors import TrainingDiverged, check_images
from pymoo_prune.machine import has_fast_bfloat16
from pymoo_prune.training.recipes import ADAM, SCHEDULES, Recipe

Network = TypeVar("Network", bound=nn.Module)

Loss = Callable[[Tensor, Tensor], Tensor]
"""(outputs of a batch, the images' places in the split) -> the loss that is minimised."""


def trained(
    network: Network,
    split: Split,
    *,
    images: int,
    recipe: Recipe = ADAM,
    seed: int = 0,
    keep_zeros: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Network:
    """A copy of a network after gradient steps on the loss of the task: for classes, cross-entropy.

    Args:
        network: The network that training starts from; it is not changed.
        split: Training images.
        images: The number of images to show, counted with repetition: two epochs of 10,000 images
            are 20,000. Each epoch is a new permutation; its last batch may be smaller. A single
            image that is left over joins the batch before.
        recipe: The settings of the training.
        seed: The seed of the images' order and augmentation.
        keep_zeros: Whether weights that are exactly 0 stay 0, so that pruned weights stay pruned.
        progress: Called now and then with the share of the training that is done.

    Returns:
        The trained copy, in evaluation mode.
    """
    labels = split.known_labels
    result = copy.deepcopy(network).train()
    last = fit(
        result,
        split,
        images=images,
        recipe=recipe,
        seed=seed,
        loss=lambda outputs, rows: split.task.loss(outputs, labels[rows]),
        keep_zeros=keep_zeros,
        progress=progress,
    )
    check_converged(result, last)
    return result.eval()


def check_converged(network: nn.Module, last: Tensor) -> None:
    """Raises `TrainingDiverged` if a training ended with numbers that are not finite.

    Args:
        network: The network after the training.
        last: The loss of the last batch.
    """
    # Batch-norm statistics may overflow while all weights are still finite.
    if not (last.isfinite() and all(v.isfinite().all() for v in network.state_dict().values())):
        msg = f"the training diverged: its last loss is {last.item()}; try a lower learning rate"
        raise TrainingDiverged(msg)


def fit(
    network: nn.Module,
    split: Split,
    *,
    images: int,
    recipe: Recipe,
    seed: int,
    loss: Loss,
    keep_zeros: bool = False,
    progress: Callable[[float], None] | None = None,
    after_step: Callable[[int], bool] | None = None,
) -> Tensor:
    """Does gradient steps on any loss, in the network itself.

    Args:
        network: The network, in training mode; it is changed.
        split: Training images.
        images: The number of images to show, as `trained` counts them.
        recipe: The settings of the training.
        seed: The seed of the images' order and augmentation.
        loss: The loss of a batch; it gets outputs in float32.
        keep_zeros: Whether weights that are exactly 0 stay 0.
        progress: Called now and then with the share of the training that is done.
        after_step: Called after each step with the number of steps so far; True ends the training.

    Returns:
        The loss of the last batch; the caller checks whether the training diverged.
    """
    recipe.check_inputs(split.images)
    check_images(images)
    device = split.images.device
    if recipe.channels_last:
        to_channels_last(network)
    masks = zero_masks(network) if keep_zeros else []
    optimizer = recipe.make_optimizer(network)
    generator = torch.Generator().manual_seed(seed)
    half = recipe.bfloat16 and can_halve(network, device)
    last, seen = torch.zeros(()), 0
    batches = _batches(len(split), images, recipe.batch_size, generator)
    with seeded(seed, device):  # for dropout, which uses torch's global generator
        for step, rows in enumerate(batches, start=1):
            index = rows.to(device)
            rate = recipe.learning_rate * SCHEDULES[recipe.schedule](seen / images)
            optimizer.param_groups[0]["lr"] = rate
            batch = recipe.augmented(split.images[index], generator)
            if recipe.channels_last and batch.ndim == 4:
                batch = batch.contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                outputs = network(batch)
            last = loss(outputs.float(), index)
            optimizer.zero_grad(set_to_none=True)
            last.backward()
            optimizer.step()
            _zero_again(masks)
            seen += len(rows)
            if progress is not None and step % 20 == 1:
                progress(seen / images)
            if after_step is not None and after_step(step):
                break
    optimizer.zero_grad(set_to_none=True)  # frees the memory of the gradients
    return last.detach()


def _batches(n: int, images: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """The places of each batch's images, as `trained` counts images."""
    while images > 0:
        # Drawn only now, because augmentation draws from the same generator in between.
        epoch = torch.randperm(n, generator=generator)[:images]
        images -= len(epoch)
        if images == 1 < size:  # it has no batch before it in an epoch of its own
            epoch = torch.cat([epoch, torch.randperm(n, generator=generator)[:1]])
            images = 0
        yield from in_batches(epoch, size)


def to_channels_last(network: Network) -> Network:
    """Changes the weights of two-dimensional convolutions to channels last, in the network."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.to(memory_format=torch.channels_last)
    return network


def takes_channels_last(network: nn.Module, images: Tensor) -> bool:
    """Whether a network runs with channels last: `view` in its code may need them first.

    Args:
        network: The network; it is not changed.
        images: Some images.
    """
    changed = to_channels_last(copy.deepcopy(network)).eval()
    try:
        with torch.no_grad():
            changed(images)
    except RuntimeError:
        return False
    return True


def can_halve(network: nn.Module, device: torch.device) -> bool:
    """Whether a network trains well, and fast, in bfloat16.

    On processors, gradients of three-dimensional convolutions become NaN (torch 2.15).
    """
    volumes = any(isinstance(module, nn.Conv3d) for module in network.modules())
    return has_fast_bfloat16(device) and not (volumes and device.type == "cpu")


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seeds torch's global generators for a while, and restores them afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def zero_masks(network: nn.Module) -> list[tuple[nn.Parameter, Tensor]]:
    """Weights that contain exact zeros, each with a mask: 0 where the weight is 0, else 1.

    Biases and batch norms (vectors) are left out: they may start at 0, and are never pruned.
    """
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    return [
        (weight, (weight.detach() != 0).to(weight.dtype))
        for weight in weights
        if bool((weight == 0).any())
    ]


@torch.no_grad()
def _zero_again(masks: list[tuple[nn.Parameter, Tensor]]) -> None:
    for weight, mask in masks:
        weight.mul_(mask)
