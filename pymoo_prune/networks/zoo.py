"""The zoo: networks to start from, by name, for any size of images and number of classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import nn

from pymoo_prune.errors import MOST, PruneError, check_whole, shown, unknown_name
from pymoo_prune.machine import check_memory
from pymoo_prune.networks.cifar_resnet import CifarResNet
from pymoo_prune.networks.dense_net import DenseNet
from pymoo_prune.networks.feed_forward import FeedForward
from pymoo_prune.networks.mlp_mixer import MlpMixer
from pymoo_prune.networks.simple_cnn import SimpleCNN
from pymoo_prune.networks.torchvision_networks import GoogLeNet, ResNet18
from pymoo_prune.networks.video_resnet import COLOURS, VideoResNet
from pymoo_prune.networks.vision_transformer import VisionTransformer

Size: TypeAlias = tuple[int, int]
Builder: TypeAlias = Callable[[int, int, Size], nn.Module]

LARGEST = 1_000_000
"""The most channels, classes, rows and columns."""
STILL_FRAMES = 4
"""The number of frames for which a video network is shown a still image."""


@dataclass(frozen=True)
class ZooNetwork:
    """A kind of network.

    Attributes:
        description: The network in a few words.
        build: (channels, classes, (height, width)) -> a network with random weights.
    """

    description: str
    build: Builder


def _feed_forward(channels: int, classes: int, size: Size) -> nn.Module:
    return FeedForward(channels * size[0] * size[1], (256, 256), classes)


def _simple(channels: int, classes: int, size: Size) -> nn.Module:
    return SimpleCNN(channels, classes, size)


def _resnet(depth: int) -> Builder:
    def build(channels: int, classes: int, size: Size) -> nn.Module:  # noqa: ARG001
        return CifarResNet(depth, channels, classes)

    return build


def _dense(depth: int, growth: int) -> Builder:
    def build(channels: int, classes: int, size: Size) -> nn.Module:  # noqa: ARG001
        return DenseNet.of_depth(depth, growth, channels, classes)

    return build


def _resnet18(channels: int, classes: int, size: Size) -> nn.Module:  # noqa: ARG001
    return ResNet18(channels, classes)


def _googlenet(channels: int, classes: int, size: Size) -> nn.Module:  # noqa: ARG001
    return GoogLeNet(channels, classes)


def _video(channels: int, classes: int, size: Size) -> nn.Module:  # noqa: ARG001
    frames = channels // COLOURS if channels > COLOURS else STILL_FRAMES
    return VideoResNet(channels, classes, frames)


def _transformer(channels: int, classes: int, size: Size) -> nn.Module:
    return VisionTransformer(channels, classes, size, _patch(size))


def _mixer(channels: int, classes: int, size: Size) -> nn.Module:
    return MlpMixer(channels, classes, size, _patch(size))


def _patch(size: Size) -> int:
    return min(max(2, -(-max(size) // 8)), *size)  # at most 8 patches beside each other


ZOO: Mapping[str, ZooNetwork] = {
    "feed-forward": ZooNetwork("two hidden layers of 256", _feed_forward),
    "simple-cnn": ZooNetwork("three convolutions", _simple),
    "resnet-8": ZooNetwork("residual, 1 block a stage", _resnet(8)),
    "resnet-20": ZooNetwork("residual, 3 blocks a stage", _resnet(20)),
    "resnet-56": ZooNetwork("residual, 9 blocks a stage", _resnet(56)),
    "resnet-110": ZooNetwork("residual, 18 blocks a stage", _resnet(110)),
    "densenet-bc-40": ZooNetwork("dense, 6 layers a block", _dense(40, 12)),
    "densenet-bc-100": ZooNetwork("dense, 16 layers a block", _dense(100, 12)),
    "resnet-18": ZooNetwork("residual, 512 channels", _resnet18),
    "googlenet": ZooNetwork("Inception, 9 blocks", _googlenet),
    "r2plus1d-18": ZooNetwork("R(2+1)D, clips and stills", _video),
    "small-vit": ZooNetwork("transformer, 3 blocks", _transformer),
    "small-mixer": ZooNetwork("MLP-Mixer, 3 blocks", _mixer),
}


def named_network(name: str, *, channels: int, classes: int, size: Size) -> nn.Module:
    """A new network of the zoo; its weights come from torch's global generator.

    Args:
        name: One of `ZOO`.
        channels: Channels of an image.
        classes: Outputs.
        size: Height and width of an image.
    """
    if not isinstance(name, str) or name not in ZOO:
        raise unknown_name("network", name, ZOO)
    if not isinstance(size, tuple | list) or len(size) != 2:
        msg = f"size must be (height, width), but it is {shown(size)}"
        raise PruneError(msg)
    numbers = {"channels": channels, "classes": classes, "height": size[0], "width": size[1]}
    for what, number in numbers.items():
        check_whole(
            what, number, least=-MOST, most=LARGEST, why="no network of the zoo is for more"
        )
    if min(numbers.values()) < 1:
        msg = (
            "channels, classes, height and width must be at least 1, but they are "
            f"{channels}, {classes}, {size[0]} and {size[1]}"
        )
        raise PruneError(msg)
    build = ZOO[name].build
    # A trial without memory takes no time and draws no random numbers.
    with torch.device("meta"), torch.no_grad():
        trial = build(channels, classes, size).eval()
        try:
            trial(torch.zeros(1, channels, *size))
        except RuntimeError as error:
            msg = (
                f"network {name!r} cannot take images of {size[0]}×{size[1]} pixels, "
                f"they may be too small for it: {error}"
            )
            raise PruneError(msg) from error
    weights = sum(one.numel() for one in trial.parameters())
    check_memory(f"the {weights:,} weights of network {name!r}", 4 * weights)
    return build(channels, classes, size)
