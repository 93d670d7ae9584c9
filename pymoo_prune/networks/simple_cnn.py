"""SimpleCNN: a plain convolutional network for small images."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from operator import index
from typing import Any

import torch
from torch import Tensor, nn

from pymoo_prune.errors import PruneError
from pymoo_prune.networks.building import buildable


@buildable("simple-cnn")
class SimpleCNN(nn.Module):
    """Convolutions with pooling, each of which halves the image, then two linear layers.

    Ghorab et al. prune a "SimpleCNN" that they do not define. This is our guess.

    Args:
        channels: Channels of an image.
        classes: Outputs.
        size: Height and width of an image.
        widths: Channels of each convolution.
        hidden: Neurons of the hidden layer.
    """

    def __init__(
        self,
        channels: int = 1,
        classes: int = 10,
        size: Sequence[int] = (28, 28),
        widths: Sequence[int] = (32, 64, 128),
        hidden: int = 128,
    ) -> None:
        super().__init__()
        if len(widths) == 0 or min(channels, classes, hidden, *widths) < 1:
            msg = (
                "a SimpleCNN needs at least one width, and channels, classes, widths and hidden "
                f"of at least 1, but they are {channels}, {classes}, {list(widths)} and {hidden}"
            )
            raise PruneError(msg)
        smallest = 2 ** len(widths)
        if len(size) != 2 or min(size) < smallest:
            msg = (
                f"size must be a height and a width of at least {smallest}, since each of "
                f"{len(widths)} poolings halves the image, but it is {list(size)}"
            )
            raise PruneError(msg)
        self.channels, self.classes, self.hidden_width = channels, classes, hidden
        # JSON holds Python's integers, but not numpy's.
        self.size, self.widths = tuple(map(index, size)), tuple(map(index, widths))
        blocks, inputs = [], channels
        for outputs in self.widths:
            blocks.append(block(inputs, outputs))
            inputs = outputs
        self.features = nn.Sequential(*blocks)
        pixels = (self.size[0] // smallest) * (self.size[1] // smallest)
        self.hidden = nn.Linear(inputs * pixels, hidden)
        self.relu = nn.ReLU()
        self.classifier = nn.Linear(hidden, classes)

    @property
    def spec(self) -> dict[str, Any]:
        """The spec with which `build_network` makes a network of this shape."""
        arguments = {
            "channels": self.channels,
            "classes": self.classes,
            "size": list(self.size),
            "widths": list(self.widths),
            "hidden": self.hidden_width,
        }
        return {"network": "simple-cnn", "arguments": arguments}

    def forward(self, images: Tensor) -> Tensor:
        """(n, channels, height, width) -> (n, classes)."""
        hidden = torch.flatten(self.features(images), 1)
        return self.classifier(self.relu(self.hidden(hidden)))  # type: ignore[no-any-return]


def block(inputs: int, outputs: int) -> nn.Sequential:
    """A convolution, and a pooling that halves height and width.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
    """
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            conv=nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            norm=nn.BatchNorm2d(outputs),
            relu=nn.ReLU(),
            pool=nn.MaxPool2d(2),
        )
    )
