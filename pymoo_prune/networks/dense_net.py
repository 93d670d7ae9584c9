"""DenseNet-BC (Huang et al., 2017), with any set of live connections."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from pymoo_prune.chromosomes import Booleans, check_matrices, fully_connected, nodes_of
from pymoo_prune.errors import PruneError, check_whole
from pymoo_prune.networks.building import buildable

if TYPE_CHECKING:
    import torchvision  # it takes a second to import

BOTTLENECK = 4
"""A layer's 1×1 convolution has this many times the growth rate as output channels."""
MOST_DEPTH = 1_000
"""The most convolutions; papers go to 250."""
COMPRESSION = 2
"""A transition divides the number of channels by this: reduction 0.5."""


@buildable("dense-net")
class DenseNet(nn.Module):
    """Blocks of layers, each of which reads the earlier layers that it is connected with.

    A dead connection costs nothing: the layers that would read it (a batch norm with a 1×1
    convolution or with the classifier) are smaller by its channels.

    Args:
        connections: Which node of a block reads which node, (blocks, nodes, nodes); see
            `pymoo_prune.chromosomes.connections`. Blocks may have different numbers of layers.
        growth: Channels that each layer adds.
        channels: Channels of an image.
        classes: Outputs.
        stem: Output channels of the first convolution; None for twice the growth rate.
        large: Whether it is for large images, which the first layers make four times smaller each
            way, as in ImageNet's DenseNets; for small ones there is a 3×3 convolution alone.
    """

    def __init__(
        self,
        connections: ArrayLike,
        growth: int = 12,
        channels: int = 3,
        classes: int = 10,
        stem: int | None = None,
        *,
        large: bool = False,
    ) -> None:
        super().__init__()
        matrices = check_matrices(connections)
        stem = 2 * growth if stem is None else stem
        if matrices.ndim != 3 or min(growth, channels, classes, stem) < 1:
            msg = (
                "a DenseNet needs connections of shape (blocks, nodes, nodes), and growth, "
                "channels, classes and stem of at least 1, but they are of shape "
                f"{matrices.shape}, {growth}, {channels}, {classes} and {stem}"
            )
            raise PruneError(msg)
        self.connections = matrices
        self.growth, self.channels, self.classes = growth, channels, classes
        self.entering, self.large = stem, large
        self.stem: nn.Module = nn.Conv2d(channels, stem, 3, padding=1, bias=False)
        if large:
            self.stem = nn.Sequential(
                nn.Conv2d(channels, stem, 7, stride=2, padding=3, bias=False),
                nn.BatchNorm2d(stem),
                nn.ReLU(),
                nn.MaxPool2d(3, stride=2, padding=1),
            )
        blocks, transitions, inputs = [], [], stem
        for place, matrix in enumerate(matrices):
            blocks.append(DenseBlock(matrix, inputs, growth))
            inputs = blocks[-1].outputs
            if place < len(matrices) - 1:
                if inputs < COMPRESSION:
                    msg = (
                        f"transition {place} would have no outputs: it halves the channels, and "
                        f"there is {inputs}; take a larger stem or growth rate"
                    )
                    raise PruneError(msg)
                transitions.append(Transition(inputs))
                inputs //= COMPRESSION
        self.blocks, self.transitions = nn.ModuleList(blocks), nn.ModuleList(transitions)
        self.norm = nn.BatchNorm2d(inputs)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(inputs, classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
        nn.init.zeros_(self.linear.bias)

    @classmethod
    def of_depth(
        cls,
        depth: int,
        growth: int = 12,
        channels: int = 3,
        classes: int = 10,
        stem: int | None = None,
    ) -> DenseNet:
        """The fully connected network of a depth; `layers_of_depth` says which layers count."""
        return cls(fully_connected(layers_of_depth(depth)), growth, channels, classes, stem)

    @staticmethod
    def is_torchvisions(network: nn.Module | None) -> TypeGuard[torchvision.models.DenseNet]:
        """Whether a network is a DenseNet of torchvision, which is not imported for that."""
        there = {(kind.__module__, kind.__name__) for kind in type(network).__mro__}
        return ("torchvision.models.densenet", "DenseNet") in there

    @classmethod
    def of_torchvision(cls, network: torchvision.models.DenseNet) -> DenseNet:
        """The same network as torchvision's, with its weights.

        Args:
            network: Such as `torchvision.models.densenet121(weights="DEFAULT")`; it is not changed.

        Raises:
            PruneError: Its layers have other sizes than a DenseNet-BC's.
        """
        features: Any = network.features
        blocks: Any = [
            one for name, one in features.named_children() if name.startswith("denseblock")
        ]
        first = blocks[0]["denselayer1"]
        growth, stem = first.conv2.out_channels, features.conv0.out_channels
        found = cls(
            fully_connected([len(block) for block in blocks]), growth, features.conv0.in_channels,
            network.classifier.out_features, stem, large=True,
        )  # fmt: skip
        theirs = network.state_dict()
        renamed = {_own_name(name): value for name, value in theirs.items()}
        try:
            found.load_state_dict(renamed)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            msg = f"torchvision's network is no DenseNet-BC that halves its channels: {reason}"
            raise PruneError(msg) from error
        return found.to(features.conv0.weight.device).train(network.training)

    @property
    def spec(self) -> dict[str, Any]:
        """The spec with which `build_network` makes a network of this shape."""
        arguments = {
            "connections": self.connections.astype(int).tolist(),
            "growth": self.growth,
            "channels": self.channels,
            "classes": self.classes,
            "stem": self.entering,
            **({"large": True} if self.large else {}),
        }
        return {"network": "dense-net", "arguments": arguments}

    def forward(self, images: Tensor) -> Tensor:
        """(n, channels, height, width) -> (n, classes)."""
        hidden = self.stem(images)
        for place, block in enumerate(self.blocks):
            hidden = block(hidden)
            if place < len(self.transitions):
                hidden = self.transitions[place](hidden)
        hidden = self.pool(self.relu(self.norm(hidden)))
        return self.linear(hidden.flatten(1))  # type: ignore[no-any-return]


class DenseBlock(nn.Module):
    """A block of layers, each of which reads the nodes that it is connected with.

    Args:
        matrix: Connections, (nodes, nodes).
        inputs: Channels of the block's input.
        growth: Channels that each layer adds.
    """

    def __init__(self, matrix: Booleans, inputs: int, growth: int) -> None:
        super().__init__()
        nodes = nodes_of(matrix)
        matrix = matrix[:nodes, :nodes]
        widths = np.array([inputs] + [growth] * (nodes - 2) + [0])
        self.sources = [np.flatnonzero(column).tolist() for column in matrix.T[1:]]
        *layers, self.outputs = [int(widths[sources].sum()) for sources in self.sources]
        self.layers = nn.ModuleList(DenseLayer(width, growth) for width in layers)

    def forward(self, hidden: Tensor) -> Tensor:
        """(n, inputs, height, width) -> (n, outputs, height, width)."""
        nodes = [hidden]
        for layer, sources in zip(self.layers, self.sources[:-1], strict=True):
            nodes.append(layer(together(nodes, sources)))
        return together(nodes, self.sources[-1])


class DenseLayer(nn.Module):
    """A bottleneck: batch norm, ReLU, 1×1 convolution; batch norm, ReLU, 3×3 convolution.

    Args:
        inputs: Channels that it reads.
        growth: Channels of its output.
    """

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(inputs, BOTTLENECK * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(BOTTLENECK * growth)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(BOTTLENECK * growth, growth, 3, padding=1, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """(n, inputs, height, width) -> (n, growth, height, width)."""
        hidden = self.conv1(self.relu1(self.norm1(hidden)))
        return self.conv2(self.relu2(self.norm2(hidden)))  # type: ignore[no-any-return]


class Transition(nn.Module):
    """The layers between two blocks: they halve the channels, the height and the width.

    Args:
        inputs: Channels that it reads.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(inputs, inputs // COMPRESSION, 1, bias=False)
        self.pool = nn.AvgPool2d(2)

    def forward(self, hidden: Tensor) -> Tensor:
        """(n, inputs, height, width) -> (n, ⌊inputs / 2⌋, ⌊height / 2⌋, ⌊width / 2⌋)."""
        return self.pool(self.conv(self.relu(self.norm(hidden))))  # type: ignore[no-any-return]


def together(nodes: list[Tensor], sources: list[int]) -> Tensor:
    """The outputs of some nodes, concatenated along the channels."""
    # If only the chain is live, there is nothing to copy.
    return nodes[sources[0]] if len(sources) == 1 else torch.cat([nodes[i] for i in sources], 1)


def _own_name(name: str) -> str:
    """What a tensor of torchvision's DenseNet is called here."""
    for pattern, own in _NAMES.items():
        if found := re.fullmatch(pattern, name):
            numbers = [int(one) - 1 for one in found.groups()[:-1]]
            return own.format(*numbers, found.groups()[-1])
    return name


_NAMES = {
    r"features\.conv0\.(.*)": "stem.0.{}",
    r"features\.norm0\.(.*)": "stem.1.{}",
    r"features\.denseblock(\d+)\.denselayer(\d+)\.(.*)": "blocks.{}.layers.{}.{}",
    r"features\.transition(\d+)\.(.*)": "transitions.{}.{}",
    r"features\.norm5\.(.*)": "norm.{}",
    r"classifier\.(.*)": "linear.{}",
}


def layers_of_depth(depth: int, blocks: int = 3) -> int:
    """The number of layers in each block of a DenseNet-BC; a layer has two convolutions.

    Args:
        depth: The number of convolutions, stem and transitions included, and the linear layer.
        blocks: The number of blocks.
    """
    layers, left = divmod(depth - blocks - 1, 2 * blocks)
    if layers < 1 or left:
        least = 3 * blocks + 1
        msg = (
            f"depth must be {2 * blocks} N + {blocks + 1} with N layers in each of {blocks} blocks "
            f"({least}, {least + 2 * blocks}, {least + 4 * blocks}, ...), but it is {depth}"
        )
        raise PruneError(msg)
    why = "a block of n layers has n² connections"
    check_whole("depth", depth, most=MOST_DEPTH, why=why)
    return layers
