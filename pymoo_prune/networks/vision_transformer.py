"""VisionTransformer: patches of an image that look at each other, for small images."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.errors import PruneError
from pymoo_prune.networks.attention import Attention
from pymoo_prune.networks.building import buildable


@buildable("vision-transformer")
class VisionTransformer(nn.Module):
    """A transformer of image patches (Dosovitskiy et al., 2021) that classifies their mean.

    A convolution comes first, with which small images are enough to learn from (Xiao et al., 2021).
    Each block normalises first, and its attention has linear layers for all projections.

    Args:
        channels: Channels of an image.
        classes: Outputs.
        size: Height and width of an image; zeros fill up the last patches.
        patch: Height and width of a patch.
        blocks: Blocks of attention and two linear layers.
        width: Values of a patch; the first convolution has half as many channels.
        heads: Heads of each attention, a divisor of the width.
        hidden: Neurons between the two linear layers of a block.
    """

    def __init__(
        self,
        channels: int = 1,
        classes: int = 10,
        size: Sequence[int] = (28, 28),
        patch: int = 4,
        blocks: int = 3,
        width: int = 48,
        heads: int = 4,
        hidden: int = 96,
    ) -> None:
        super().__init__()
        if len(size) != 2 or min(channels, classes, *size, patch, blocks, width, hidden) < 1:
            msg = (
                "a VisionTransformer needs a height and a width, and all of its numbers must be at "
                f"least 1, but they are {channels}, {classes}, {list(size)}, {patch}, {blocks}, "
                f"{width} and {hidden}"
            )
            raise PruneError(msg)
        # JSON holds Python's integers, but not numpy's.
        self.arguments: dict[str, Any] = {
            "channels": channels, "classes": classes, "size": list(map(index, size)),
            "patch": patch, "blocks": blocks, "width": width, "heads": heads, "hidden": hidden,
        }  # fmt: skip
        below, beside = (-side % patch for side in size)
        self.filling = (0, beside, 0, below)
        patches = -(-size[0] // patch) * -(-size[1] // patch)
        first = -(-width // 2)
        self.stem = nn.Sequential(
            nn.Conv2d(channels, first, 3, padding=1, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
        )
        self.embed = nn.Conv2d(first, width, patch, stride=patch)
        self.places = nn.Parameter(0.02 * torch.randn(1, patches, width))
        self.blocks = nn.Sequential(*(Block(width, heads, hidden) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)
        self.classifier = nn.Linear(width, classes)

    @property
    def spec(self) -> dict[str, Any]:
        """The spec with which `build_network` makes a network of this shape."""
        return {"network": "vision-transformer", "arguments": dict(self.arguments)}

    def forward(self, images: Tensor) -> Tensor:
        """(n, channels, height, width) -> (n, classes)."""
        if any(self.filling):
            images = functional.pad(images, self.filling)
        patches = self.embed(self.stem(images)).flatten(2).transpose(1, 2) + self.places
        return self.classifier(self.norm(self.blocks(patches)).mean(dim=1))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Attention between patches, and two linear layers for each; both add to their input.

    Args:
        width: Values of a patch.
        heads: Heads of the attention.
        hidden: Neurons between the linear layers.
    """

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention_norm, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.first, self.second = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, patches: Tensor) -> Tensor:
        """(n, patches, width) -> the same shape."""
        read = self.attention_norm(patches)
        patches = patches + self.attention(read, read, read, need_weights=False)[0]
        found: Tensor = patches + self.second(functional.gelu(self.first(self.norm(patches))))
        return found
