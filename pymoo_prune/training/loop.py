"""Training by gradient steps: a parent from scratch, or a pruned network after the cut."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.data import Split
from pymoo_prune.errors import PruneError, TrainingDiverged, unknown_name
from pymoo_prune.machine import has_fast_bfloat16

Network = TypeVar("Network", bound=nn.Module)

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda _: 1.0,
    # Falling to 0 keeps more of a network that was good already.
    "linear": lambda done: 1 - done,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    # The residual networks' and DenseNet's: a tenth after half, a hundredth after three quarters.
    "drops": lambda done: 0.1 ** ((done >= 0.5) + (done >= 0.75)),
    # Up for a quarter of the time and down again: few epochs suffice from scratch.
    "one-cycle": lambda done: done / 0.25 if done < 0.25 else (1 - done) / 0.75,
}
"""What the learning rate is multiplied with, from the share of the training that is done."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        optimizer: "adam", or "sgd" with Nesterov momentum.
        learning_rate: At its highest.
        schedule: One of `SCHEDULES`.
        batch_size: Images a step.
        weight_decay: L2 penalty.
        momentum: Of "sgd".
        crop: Every image is shifted by up to so many pixels; 0 for none.
        flip: Every other image is mirrored.
        bfloat16: Whether convolutions and linear layers compute with half the bits where the
            hardware does so fast; elsewhere they stay float32.
        channels_last: Whether a pixel's channels lie side by side in memory.
    """

    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-3
    schedule: str = "constant"
    batch_size: int = 100
    weight_decay: float = 0.0
    momentum: float = 0.9
    crop: int = 0
    flip: bool = False
    bfloat16: bool = False
    channels_last: bool = False

    def __post_init__(self) -> None:
        if self.optimizer not in ("adam", "sgd"):
            raise unknown_name("optimizer", self.optimizer, ["adam", "sgd"])
        if self.schedule not in SCHEDULES:
            raise unknown_name("schedule", self.schedule, SCHEDULES)
        numbers = self.learning_rate, self.weight_decay, self.momentum, self.crop
        if self.batch_size < 1 or not all(math.isfinite(n) and n >= 0 for n in numbers):
            msg = (
                "batch_size must be at least 1, and learning_rate, weight_decay, momentum and crop "
                f"finite and not negative, but the recipe is {self}"
            )
            raise PruneError(msg)

    def make_optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        """For the network's parameters."""
        settings: dict[str, Any] = {"lr": self.learning_rate, "weight_decay": self.weight_decay}
        if self.optimizer == "adam":
            return torch.optim.Adam(network.parameters(), **settings, fused=True)
        settings |= {"momentum": self.momentum, "nesterov": self.momentum > 0}
        return torch.optim.SGD(network.parameters(), **settings, fused=True)

    def augmented(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images shifted and mirrored by chance, (n, channels, height, width)."""
        n, _, height, width = images.shape
        rows = torch.arange(height).expand(n, -1)
        columns = torch.arange(width).expand(n, -1)
        if self.flip:
            mirrored = torch.rand(n, 1, generator=generator) < 0.5
            columns = torch.where(mirrored, columns.flip(1), columns)
        if self.crop:
            images = functional.pad(images, [self.crop] * 4)
            rows = rows + torch.randint(2 * self.crop + 1, (n, 1), generator=generator)
            columns = columns + torch.randint(2 * self.crop + 1, (n, 1), generator=generator)
        if not (self.flip or self.crop):
            return images
        places = [torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
        image, row, column = (place.to(images.device) for place in places)
        return images.permute(0, 2, 3, 1)[image, row, column].permute(0, 3, 1, 2)


ADAM = Recipe()
"""What is used where nothing is said."""


Loss = Callable[[Tensor, Tensor], Tensor]
"""(outputs of a batch, the images' places in the split) -> what is minimised."""


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
    """A copy of a network after gradient steps on cross-entropy.

    Args:
        network: Where training starts; it is not changed.
        split: Training images.
        images: How many images to show, counted with repetition: two epochs of 10,000 are 20,000.
            An epoch is a fresh permutation; the last batch of an epoch may be smaller.
        recipe: How.
        seed: Of the order of the images, and of their augmentation.
        keep_zeros: Weights that are exactly 0 stay so: what was pruned stays pruned.
        progress: Called now and then with the share that is done.

    Returns:
        The trained copy, in evaluation mode.
    """
    result = copy.deepcopy(network).train()
    last = fit(
        result,
        split,
        images=images,
        recipe=recipe,
        seed=seed,
        loss=lambda outputs, rows: functional.cross_entropy(outputs, split.labels[rows]),
        keep_zeros=keep_zeros,
        progress=progress,
    )
    check_converged(result, last)
    return result.eval()


def check_converged(network: nn.Module, last: Tensor) -> None:
    """Raises `TrainingDiverged` if a training ended with numbers that are not finite.

    Args:
        network: As the training left it.
        last: The last batch's loss.
    """
    # Statistics of batch norms may overflow while all weights are finite still.
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
    """Gradient steps on any loss, in the network itself.

    Args:
        network: In training mode; it is changed.
        split: Training images.
        images: How many images to show, as `trained` counts them.
        recipe: How.
        seed: Of the order of the images, and of their augmentation.
        loss: Of a batch; outputs come in float32.
        keep_zeros: Weights that are exactly 0 stay so.
        progress: Called now and then with the share that is done.
        after_step: Called after each step with the number of steps done so far; True ends the
            training.

    Returns:
        The last batch's loss; it is for the caller to see whether the training diverged.
    """
    if images < 0:
        msg = f"images must be at least 0, but they are {images}"
        raise PruneError(msg)
    device = split.images.device
    if recipe.channels_last:
        to_channels_last(network)
    masks = zero_masks(network) if keep_zeros else []
    optimizer = recipe.make_optimizer(network)
    generator = torch.Generator().manual_seed(seed)
    half = recipe.bfloat16 and can_halve(network, device)
    last, seen = torch.zeros(()), 0
    batches = _batches(len(split), images, recipe.batch_size, generator)
    with seeded(seed, device):  # for dropout, which asks torch's own generator
        for step, rows in enumerate(batches, start=1):
            index = rows.to(device)
            rate = recipe.learning_rate * SCHEDULES[recipe.schedule](seen / images)
            optimizer.param_groups[0]["lr"] = rate
            batch = recipe.augmented(split.images[index], generator)
            if recipe.channels_last:
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
    optimizer.zero_grad(set_to_none=True)  # the result carries no gradients around
    return last.detach()


def _batches(n: int, images: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Places of the images of each batch, as `trained` counts them."""
    while images > 0:
        # Drawn when its turn comes: augmentation draws from the same generator in between.
        epoch = torch.randperm(n, generator=generator)[:images]
        yield from epoch.split(size)
        images -= len(epoch)


def to_channels_last(network: Network) -> Network:
    """Lays the weights of two-dimensional convolutions out so; the network itself is changed."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.to(memory_format=torch.channels_last)
    return network


def can_halve(network: nn.Module, device: torch.device) -> bool:
    """Whether a network trains well, and fast, in bfloat16.

    On processors, gradients of three-dimensional convolutions come out as NaN (torch 2.15).
    """
    volumes = any(isinstance(module, nn.Conv3d) for module in network.modules())
    return has_fast_bfloat16(device) and not (volumes and device.type == "cpu")


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Global generators of torch start from a seed for a while; then all is as it was before."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def zero_masks(network: nn.Module) -> list[tuple[nn.Parameter, Tensor]]:
    """Weights with exact zeros in them, and where they are not 0, as numbers 0 and 1.

    Biases and batch norms (vectors) are left out: they start at 0 and are never pruned.
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
