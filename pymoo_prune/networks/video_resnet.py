"""R(2+1)D: a residual network for video, with convolutions over space, then over time."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from pymoo_prune.errors import PruneError
from pymoo_prune.networks.building import buildable

COLOURS = 3
"""Input channels of torchvision's first convolution."""


@buildable("video-resnet")
class VideoResNet(nn.Module):
    """torchvision's R(2+1)D with 18 layers, for clips that are stored as images.

    A clip is an image with 3 * frames channels, frame after frame. An image with 1 or 3 channels is
    a still: it is repeated for all frames, and a grey one for all colours.

    Args:
        channels: Channels of an image.
        classes: Outputs.
        frames: Frames of a clip.
    """

    def __init__(self, channels: int = 3, classes: int = 10, frames: int = 4) -> None:
        # Imported here, since it takes a second that other networks do not need.
        from torchvision.models.video import r2plus1d_18  # noqa: PLC0415

        super().__init__()
        if classes < 1 or frames < 1:
            msg = f"classes and frames must be at least 1, but they are {classes} and {frames}"
            raise PruneError(msg)
        self.channels, self.classes, self.frames = channels, classes, frames
        self._check(channels)
        self.resnet: nn.Module = r2plus1d_18(num_classes=classes)

    @property
    def spec(self) -> dict[str, Any]:
        """The spec with which `build_network` makes a network of this shape."""
        arguments = {"channels": self.channels, "classes": self.classes, "frames": self.frames}
        return {"network": "video-resnet", "arguments": arguments}

    def forward(self, images: Tensor) -> Tensor:
        """(n, channels, height, width) -> (n, classes)."""
        return self.resnet(self.clips(images))  # type: ignore[no-any-return]

    def clips(self, images: Tensor) -> Tensor:
        """(n, channels, height, width) -> (n, 3, frames, height, width)."""
        channels = images.shape[1]
        self._check(channels)
        # A still is one frame here.
        frames: Tensor = images.unflatten(1, (-1, min(channels, COLOURS)))
        return frames.transpose(1, 2).expand(-1, COLOURS, self.frames, -1, -1)

    def _check(self, channels: int) -> None:
        clip = COLOURS * self.frames
        if channels not in {1, COLOURS, clip}:
            msg = (
                f"images must have {COLOURS} channels a frame ({clip} for {self.frames} frames), "
                f"or 1 or {COLOURS} for a still, but they have {channels}"
            )
            raise PruneError(msg)
