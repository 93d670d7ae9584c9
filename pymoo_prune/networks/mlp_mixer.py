"""MlpMixer: patches of an image that are mixed by linear layers alone, for small images."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.errors import PruneError
from pymoo_prune.networks.building import buildable


@buildable("mlp-mixer")
class MlpMixer(nn.Module):
    """Linear layers over patches and over channels (Tolstikhin et al., 2021), without attention.

    A convolution comes first, as in `VisionTransformer`. Each block normalises, lets the patches
    exchange what they have, channel by channel, normalises again, and mixes the channels of each
    patch. The mean of the patches is classified.

    Args:
        channels: Channels of an image.
        classes: Outputs.
        size: Height and width of an image; zeros fill up the last patches.
        patch: Height and width of a patch.
        blocks: Blocks of both kinds of mixing.
        width: Values of a patch; the first convolution has half as many channels.
        mixed: Neurons between the linear layers over patches.
        hidden: Neurons between the linear layers over channels.
    """

    def __init__(
        self,
        channels: int = 1,
        classes: int = 10,
        size: Sequence[int] = (28, 28),
        patch: int = 4,
        blocks: int = 3,
        width: int = 48,
        mixed: int = 48,
        hidden: int = 96,
    ) -> None:
        super().__init__()
        if len(size) != 2 or min(channels, classes, *size, patch, blocks, width, mixed, hidden) < 1:
            msg = (
                "an MlpMixer needs a height and a width, and all of its numbers must be at least "
                f"1, but they are {channels}, {classes}, {list(size)}, {patch}, {blocks}, {width}, "
                f"{mixed} and {hidden}"
            )
            raise PruneError(msg)
        # JSON holds Python's integers, but not numpy's.
        self.arguments: dict[str, Any] = {
            "channels": channels, "classes": classes, "size": list(map(index, size)),
            "patch": patch, "blocks": blocks, "width": width, "mixed": mixed, "hidden": hidden,
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
        self.blocks = nn.Sequential(*(Block(patches, width, mixed, hidden) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)
        self.classifier = nn.Linear(width, classes)

    @property
    def spec(self) -> dict[str, Any]:
        """The spec with which `build_network` makes a network of this shape."""
        return {"network": "mlp-mixer", "arguments": dict(self.arguments)}

    def forward(self, images: Tensor) -> Tensor:
        """(n, channels, height, width) -> (n, classes)."""
        if any(self.filling):
            images = functional.pad(images, self.filling)
        patches = self.embed(self.stem(images)).flatten(2).transpose(1, 2)
        return self.classifier(self.norm(self.blocks(patches)).mean(dim=1))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Two linear layers over the patches, and two over the channels; both add to their input.

    Args:
        patches: Patches of an image.
        width: Values of a patch.
        mixed: Neurons between the linear layers over patches.
        hidden: Neurons between the linear layers over channels.
    """

    def __init__(self, patches: int, width: int, mixed: int, hidden: int) -> None:
        super().__init__()
        self.patch_norm, self.channel_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix, self.mix_back = nn.Linear(patches, mixed), nn.Linear(mixed, patches)
        self.first, self.second = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, patches: Tensor) -> Tensor:
        """(n, patches, width) -> the same shape."""
        read = self.patch_norm(patches).transpose(1, 2)
        patches = patches + self.mix_back(functional.gelu(self.mix(read))).transpose(1, 2)
        read = self.channel_norm(patches)
        found: Tensor = patches + self.second(functional.gelu(self.first(read)))
        return found
