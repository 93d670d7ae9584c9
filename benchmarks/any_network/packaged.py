"""Networks of torchvision and timm, as they come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from torch import nn


def from_torchvision(name: str) -> nn.Module:
    """A network of torchvision with random weights."""
    from torchvision import models  # noqa: PLC0415 - slow to import

    network: nn.Module = models.get_model(name, weights=None)
    return network


def from_timm(name: str) -> nn.Module:
    """A network of timm with random weights."""
    import timm  # noqa: PLC0415 - of the development extra, and slow to import

    network: nn.Module = timm.create_model(name, pretrained=False)
    return network


PACKAGED: Mapping[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    **{
        f"torchvision {name}": (partial(from_torchvision, name), (3, size, size))
        for name, size in {
            "vit_b_16": 224,
            "swin_t": 224,
            "convnext_tiny": 64,
            "mobilenet_v3_small": 64,
            "efficientnet_b0": 64,
            "shufflenet_v2_x1_0": 64,
            "densenet121": 64,
            "resnext50_32x4d": 64,
            "regnet_y_400mf": 64,
        }.items()
    },
    **{
        f"timm {name}": (partial(from_timm, name), (3, size, size))
        for name, size in {
            "vit_tiny_patch16_224": 224,
            "mixer_s32_224": 224,
            "poolformer_s12": 64,
        }.items()
    },
}
"""By name, each with the shape of an image; those that take any size get a small one."""
