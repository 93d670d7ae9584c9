"""torchvision's ResNet-18 and GoogLeNet, for any number of channels and for small images too."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.networks.building import buildable

STEMS = {"small": (3, 1), "large": (7, 2)}
"""Kernel size and stride of the first convolution; "large" is torchvision's."""

COLOURS = 3
"""Input channels of torchvision's first convolution."""


class TorchvisionNetwork(nn.Module):
    """The common part of the networks here.

    Args:
        channels: Channels of an image.
        classes: Outputs.
        stem: One of `STEMS`.
    """

    kind: ClassVar[str]
    """The name of its kind in a spec."""
    network: nn.Module
    """torchvision's network."""

    def __init__(self, channels: int = 3, classes: int = 10, stem: str = "small") -> None:
        super().__init__()
        if stem not in STEMS:
            raise unknown_name("stem", stem, STEMS)
        if channels < 1 or classes < 1:
            msg = f"channels and classes must be at least 1, but they are {channels} and {classes}"
            raise PruneError(msg)
        self.channels, self.classes, self.stem = channels, classes, stem

    @property
    def spec(self) -> dict[str, Any]:
        """The spec with which `build_network` makes a network of this shape."""
        arguments = {"channels": self.channels, "classes": self.classes, "stem": self.stem}
        return {"network": self.kind, "arguments": arguments}

    def forward(self, images: Tensor) -> Tensor:
        """(n, channels, height, width) -> (n, classes)."""
        return self.network(images)  # type: ignore[no-any-return]

    @property
    def new_stem(self) -> bool:
        """Whether torchvision's first convolution must be replaced."""
        return self.stem != "large" or self.channels != COLOURS

    def first(self, outputs: int) -> nn.Conv2d:
        """The convolution that reads the image."""
        kernel, stride = STEMS[self.stem]
        return nn.Conv2d(self.channels, outputs, kernel, stride, kernel // 2, bias=False)


@buildable("resnet-18")
class ResNet18(TorchvisionNetwork):
    """torchvision's ResNet-18 (He et al., 2016).

    Args:
        channels: Channels of an image.
        classes: Outputs.
        stem: "large" halves the image twice before the first block, as for ImageNet; "small" does
            not, as is usual for images of about 32×32 pixels.
    """

    kind = "resnet-18"

    def __init__(self, channels: int = 3, classes: int = 10, stem: str = "small") -> None:
        # Imported here, since it takes a second that other networks do not need.
        from torchvision.models import resnet18  # noqa: PLC0415

        super().__init__(channels, classes, stem)
        network = resnet18(num_classes=classes)
        if self.new_stem:
            network.conv1 = self.first(network.conv1.out_channels)
            # As torchvision initialises it.
            nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
        if stem == "small":
            network.maxpool = nn.Identity()
        self.network = network


@buildable("googlenet")
class GoogLeNet(TorchvisionNetwork):
    """torchvision's GoogLeNet (Szegedy et al., 2015), without its auxiliary classifiers.

    Args:
        channels: Channels of an image.
        classes: Outputs.
        stem: "large" halves the image three times before the first Inception block, as for
            ImageNet; "small" does not.
    """

    kind = "googlenet"

    def __init__(self, channels: int = 3, classes: int = 10, stem: str = "small") -> None:
        from torchvision.models import googlenet  # noqa: PLC0415 - as above

        super().__init__(channels, classes, stem)
        # torch's own initial weights: torchvision's older ones, with a deviation of 0.01, learn
        # more slowly in short trainings.
        network = googlenet(
            num_classes=classes, aux_logits=False, transform_input=False, init_weights=False
        )
        if self.new_stem:
            network.conv1.conv = self.first(network.conv1.conv.out_channels)
        if stem == "small":
            network.maxpool1, network.maxpool2 = nn.Identity(), nn.Identity()
        self.network = network
