"""Networks by the name that stands in a saved network's description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.networks.cifar_resnet import CifarResNet
from pymoo_prune.networks.dense_net import DenseNet
from pymoo_prune.networks.feed_forward import FeedForward
from pymoo_prune.networks.simple_cnn import SimpleCNN
from pymoo_prune.networks.slim import SlimNetwork
from pymoo_prune.networks.torchvision_networks import GoogLeNet, ResNet18
from pymoo_prune.networks.video_resnet import VideoResNet

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "feed-forward": FeedForward,
    "simple-cnn": SimpleCNN,
    "cifar-resnet": CifarResNet,
    "dense-net": DenseNet,
    "resnet-18": ResNet18,
    "googlenet": GoogLeNet,
    "slim": SlimNetwork,
    "video-resnet": VideoResNet,
}


def build_network(spec: Mapping[str, Any]) -> nn.Module:
    """A fresh network from its spec.

    Args:
        spec: `{"network": NAME, "arguments": {...}}`, as `export` writes it.
    """
    name = str(spec.get("network"))
    if name not in NETWORKS:
        raise unknown_name("network", name, NETWORKS)
    try:
        return NETWORKS[name](**spec["arguments"])
    except (KeyError, TypeError) as error:
        msg = f"the spec of network {name!r} does not fit: {error}"
        raise PruneError(msg) from error
