"""Residual networks for small images, as He et al. (2016) train them on CIFAR: ResNet-20 etc."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.errors import PruneError
from pymoo_prune.networks.building import buildable

WIDTHS = (16, 32, 64)
"""Channels of the three stages."""


@buildable("cifar-resnet")
class CifarResNet(nn.Module):
    """A residual network with shortcuts that have no parameters ("option A").

    If a stage doubles the channels and halves the image, its shortcut takes every other pixel and
    fills the new channels with zeros.

    Args:
        depth: 6 n + 2 layers with n blocks in each of the three stages: 20, 56, 110, ...
        channels: Channels of an image.
        classes: Outputs.
    """

    def __init__(self, depth: int = 20, channels: int = 3, classes: int = 10) -> None:
        super().__init__()
        blocks, left = divmod(depth - 2, 6)
        if blocks < 1 or left or channels < 1 or classes < 1:
            msg = (
                "depth must be 6 n + 2 with n at least 1 (8, 14, 20, ...), and channels and "
                f"classes at least 1, but they are {depth}, {channels} and {classes}"
            )
            raise PruneError(msg)
        self.depth, self.channels, self.classes = depth, channels, classes
        self.conv = nn.Conv2d(channels, WIDTHS[0], 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(WIDTHS[0])
        self.relu = nn.ReLU()
        stages, inputs = [], WIDTHS[0]
        for number, outputs in enumerate(WIDTHS):
            stride = 1 if number == 0 else 2
            more = (Block(outputs, outputs) for _ in range(blocks - 1))
            stages.append(nn.Sequential(Block(inputs, outputs, stride), *more))
            inputs = outputs
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(WIDTHS[-1], classes)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight)

    @property
    def spec(self) -> dict[str, Any]:
        """The spec with which `build_network` makes a network of this shape."""
        arguments = {"depth": self.depth, "channels": self.channels, "classes": self.classes}
        return {"network": "cifar-resnet", "arguments": arguments}

    def forward(self, images: Tensor) -> Tensor:
        """(n, channels, height, width) -> (n, classes)."""
        hidden = self.relu(self.norm(self.conv(images)))
        return self.linear(self.pool(self.stages(hidden)).flatten(1))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Two convolutions and a shortcut past them.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        stride: The stride of the first convolution and of the shortcut.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.relu2 = nn.ReLU()
        self.stride, self.new_channels = stride, outputs - inputs

    def forward(self, hidden: Tensor) -> Tensor:
        """(n, inputs, height, width) -> (n, outputs, ⌈height / stride⌉, ⌈width / stride⌉)."""
        path = self.relu1(self.norm1(self.conv1(hidden)))
        path = self.norm2(self.conv2(path))
        return self.relu2(path + self.shortcut(hidden))  # type: ignore[no-any-return]

    def shortcut(self, hidden: Tensor) -> Tensor:
        """Every stride-th pixel, with zeros for the new channels; the shape is `forward`'s."""
        if self.stride == 1 and self.new_channels == 0:
            return hidden  # padding with nothing would still copy it
        # The paper does not say where the zeros go. Here half go on each side of the old channels.
        before = self.new_channels // 2
        sides = (0, 0, 0, 0, before, self.new_channels - before)
        return functional.pad(hidden[:, :, :: self.stride, :: self.stride], sides)
