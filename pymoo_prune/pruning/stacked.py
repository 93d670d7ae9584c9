"""Many DenseNets that differ in their connections only, trained at once as one network.

Each candidate has all channels of the full network, with zeros where a connection is dead. The
candidates' channels lie one after the other: batch norms become wider, and convolutions get groups.
Each candidate has the numbers that it has when trained on its own, apart from rounding. Each costs
as much as the full network. This is meant for a GPU, where starting a small computation takes
longer than the computation.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.chromosomes import Connections
from pymoo_prune.data import Split
from pymoo_prune.errors import PruneError, TrainingDiverged
from pymoo_prune.measuring import Stacks, is_about_memory
from pymoo_prune.networks import DenseBlock, DenseNet
from pymoo_prune.pruning.connectivity import SharedWeights
from pymoo_prune.training import Recipe, fit, trained


def train_together(
    networks: Sequence[DenseNet], split: Split, *, images: int, recipe: Recipe, seed: int
) -> list[DenseNet | TrainingDiverged]:
    """Copies of networks, each trained as `trained` would train it; all see the same images.

    Results equal those of `trained` apart from rounding. After many steps in single precision, two
    trainings that round differently differ visibly, as they do between two machines.

    Where memory is too small for all networks at once, they are trained in smaller stacks. A
    network that is alone in its stack is trained as it is, without zeros.

    Args:
        networks: The networks that training starts from; they may differ in connections and
            weights, and are not changed. They must be on the device of the images.
        split: Training images.
        images: The number of images to show, as `trained` counts them.
        recipe: The settings of the training.
        seed: The seed of the images' order and augmentation.

    Returns:
        The trained copies in the given order, in evaluation mode; in place of those that diverged,
        the error that `trained` raises.
    """
    check_alike(networks)

    def program(places: Sequence[int]) -> list[DenseNet | TrainingDiverged]:
        some = [networks[place] for place in places]
        found = [None] if len(some) == 1 else _stacked(some, split, images, recipe, seed)
        # A network that diverged is trained once more, alone: another one may be the cause.
        # Candidates' channels never mix, but a GPU may compute several groups of a convolution as
        # one with zeros in between, and zero times one candidate's NaN is NaN in the others.
        return [
            _alone(network, split, images, recipe, seed) if result is None else result
            for network, result in zip(some, found, strict=True)
        ]

    def step() -> None:
        _stacked(networks[:1], split, recipe.batch_size, recipe, seed)

    stacks = Stacks.on(split.images.device, len(networks), filled=False)
    return stacks.run(len(networks), program, probe=step)


def check_alike(networks: Sequence[DenseNet]) -> None:
    """Raises an error if networks differ in more than connections and weights."""
    for place, network in enumerate(networks):
        for (name, first), own in zip(_sizes(networks[0]), _sizes(network), strict=True):
            if own != (name, first):
                msg = (
                    "networks that train together may differ in their connections and weights "
                    f"only, but {name} of network {place} is {own[1]}, and {first} of network 0; "
                    "train them apart"
                )
                raise PruneError(msg)


class DenseNetStack(nn.Module):
    """DenseNets side by side, each with all channels of the full network.

    Dead connections stay dead without a mask. Scale and shift of a batch norm are 0 where a channel
    must not be read; ReLU gives 0 there, and its gradient at 0 is 0. So the gradients of scale,
    shift and the weights behind are exactly 0, and so are steps, momentum and weight decay of
    numbers that start as 0. Where fewer channels leave a transition, the others are zeros that no
    layer reads.

    Args:
        networks: They may differ in connections and weights only; see `check_alike`.
    """

    def __init__(self, networks: Sequence[DenseNet]) -> None:
        super().__init__()
        self.size = len(networks)
        first = networks[0]
        # On the meta device, because these weights are replaced before they are used.
        with torch.device("meta"):
            self.full = DenseNet(
                Connections.of(first.connections).everything, first.growth, first.channels,
                first.classes, first.entering, large=first.large,
            )  # fmt: skip
        shared = SharedWeights(self.full)
        self.places = [places(shared, network) for network in networks]
        with torch.device("meta"):
            self._widen()
        weight = first.linear.weight
        self.to(weight.dtype).to_empty(device=weight.device)
        state = self.full.state_dict()
        for wide in state.values():
            wide.zero_()
        for candidate, network in enumerate(networks):
            for name, value in network.state_dict().items():
                if name in self.places[candidate]:
                    self._own(state[name], candidate)[self.places[candidate][name]] = value

    def forward(self, images: Tensor) -> Tensor:
        """(n, channels, height, width) -> (candidates, n, classes)."""
        full = self.full
        hidden = full.stem(images)
        for place, block in enumerate(full.blocks):
            nodes, layers = [hidden], cast("DenseBlock", block).layers
            for layer in layers:
                nodes.append(layer(self._together(nodes)))
            hidden = self._together(nodes)
            if place < len(full.transitions):
                hidden = full.transitions[place](hidden)
        hidden = full.pool(full.relu(full.norm(hidden)))
        hidden = hidden.reshape(len(images), self.size, -1).transpose(0, 1)
        weight, bias = (
            values.unflatten(0, (self.size, -1))
            for values in (full.linear.weight, full.linear.bias)
        )
        return torch.baddbmm(bias[:, None], hidden, weight.mT)

    def network(self, candidate: int, start: DenseNet) -> DenseNet:
        """A candidate on its own, in evaluation mode.

        Args:
            candidate: Its place.
            start: The network that was given at this place; it is not changed.
        """
        network = copy.deepcopy(start)
        state = self.full.state_dict()
        for name, value in network.state_dict().items():
            if name in self.places[candidate]:
                value.copy_(self._own(state[name], candidate)[self.places[candidate][name]])
            else:
                value.add_(state[name])  # the number of batches that a batch norm has seen
        return network.eval()

    def _widen(self) -> None:
        """Replaces the layers for one candidate with layers for all."""
        size = self.size
        for path, part in list(self.full.named_modules()):
            wide: nn.Module
            if isinstance(part, nn.BatchNorm2d):
                wide = nn.BatchNorm2d(size * part.num_features)
            elif isinstance(part, nn.Conv2d):
                # All candidates read the same images, but then each its own channels.
                groups = 1 if path in ("stem", "stem.0") else size
                wide = nn.Conv2d(
                    groups * part.in_channels,
                    size * part.out_channels,
                    part.kernel_size,  # type: ignore[arg-type]
                    stride=part.stride,  # type: ignore[arg-type]
                    padding=part.padding,  # type: ignore[arg-type]
                    groups=groups,
                    bias=False,
                )
            elif isinstance(part, nn.Linear):
                # This layer only holds the numbers; `forward` uses each candidate's own.
                wide = nn.Linear(part.in_features, size * part.out_features)
            else:
                continue
            self.full.set_submodule(path, wide)

    def _own(self, wide: Tensor, candidate: int) -> Tensor:
        """A candidate's part of a parameter or buffer."""
        return wide.unflatten(0, (self.size, -1))[candidate]  # type: ignore[no-any-return]

    def _together(self, nodes: list[Tensor]) -> Tensor:
        """The outputs of nodes, concatenated for each candidate."""
        n, _, height, width = nodes[0].shape
        if nodes[0].is_contiguous(memory_format=torch.channels_last):
            pixels = [
                node.permute(0, 2, 3, 1).reshape(-1, self.size, node.shape[1] // self.size)
                for node in nodes
            ]
            return torch.cat(pixels, 2).view(n, height, width, -1).permute(0, 3, 1, 2)
        planes = [node.reshape(n, self.size, -1) for node in nodes]
        return torch.cat(planes, 2).view(n, -1, height, width)


def places(shared: SharedWeights, network: DenseNet) -> dict[str, Any]:
    """The places of a smaller network's parameters and buffers in those of the full network.

    Counts of batches have no place: they are single numbers, not one for each channel.
    """
    found: dict[str, Any] = {
        name: ... for name, value in network.state_dict().items() if value.ndim
    }
    for reader in shared.readers(network.connections):
        for name in ("weight", "bias", "running_mean", "running_var"):
            found[f"{reader.norm}.{name}"] = (reader.inputs,)
        found[f"{reader.layer}.weight"] = (reader.outputs[:, None], reader.inputs)
    return found


def _sizes(network: DenseNet) -> list[tuple[str, Any]]:
    """The properties that networks must share to train together."""
    layers = Connections.of(network.connections).sizes
    return [
        ("the growth rate", network.growth),
        ("the width of the stem", network.entering),
        ("whether it is for large images", network.large),
        ("the number of an image's channels", network.channels),
        ("the number of classes", network.classes),
        ("the number of blocks", len(layers)),
        ("the number of a block's layers", layers[0] if len(set(layers)) == 1 else layers),
    ]


def _stacked(
    networks: Sequence[DenseNet], split: Split, images: int, recipe: Recipe, seed: int
) -> list[DenseNet | None]:
    """Trained copies; None for those that diverged."""
    stack = DenseNetStack(networks).train()
    losses = torch.zeros(len(networks))

    def loss(outputs: Tensor, rows: Tensor) -> Tensor:
        nonlocal losses
        labels = split.known_labels[rows].repeat(len(networks))
        every = functional.cross_entropy(outputs.flatten(0, 1), labels, reduction="none")
        means = every.unflatten(0, (len(networks), -1)).mean(dim=1)
        losses = means.detach()
        # Each candidate's gradients come from its own loss only.
        return means.sum()  # type: ignore[no-any-return]

    fit(stack, split, images=images, recipe=recipe, seed=seed, loss=loss)
    found: list[DenseNet | None] = []
    for place, (start, last) in enumerate(zip(networks, losses.tolist(), strict=True)):
        network = stack.network(place, start)
        if recipe.channels_last:
            network.to(memory_format=torch.channels_last)
        values = [value.isfinite().all() for value in network.state_dict().values()]
        healthy = math.isfinite(last) and bool(torch.stack(values).all())
        found.append(network if healthy else None)
    return found


def _alone(
    network: DenseNet, split: Split, images: int, recipe: Recipe, seed: int
) -> DenseNet | TrainingDiverged:
    """A trained copy, or the error that says why there is none."""
    try:
        return trained(network, split, images=images, recipe=recipe, seed=seed)
    except TrainingDiverged as error:
        # Without its frames: each of them holds a network.
        return error.with_traceback(None)
    except (RuntimeError, MemoryError) as error:
        if not is_about_memory(error):
            raise
        msg = (
            f"memory is too little to train a single network with {recipe.batch_size} images a "
            f"step; take a smaller batch_size, or a device with more memory: {error}"
        )
        raise PruneError(msg) from error
