"""The networks that are pruned, and how to build one by name."""

from pymoo_prune.networks.building import NETWORKS, build_network
from pymoo_prune.networks.cifar_resnet import CifarResNet
from pymoo_prune.networks.dense_net import COMPRESSION, DenseBlock, DenseNet, layers_of_depth
from pymoo_prune.networks.feed_forward import ACTIVATIONS, FeedForward, as_feed_forward
from pymoo_prune.networks.feed_forward_stack import FeedForwardStack
from pymoo_prune.networks.modes import evaluating
from pymoo_prune.networks.simple_cnn import SimpleCNN
from pymoo_prune.networks.slim import (
    CALLS,
    JOINS,
    LAYERS,
    SUMS,
    Branch,
    SlimNetwork,
    call_name,
    narrowed,
    operands,
    overwrites,
    sliced,
    trace,
    without_branches,
)
from pymoo_prune.networks.torchvision_networks import GoogLeNet, ResNet18
from pymoo_prune.networks.video_resnet import VideoResNet
from pymoo_prune.networks.zoo import ZOO, ZooNetwork, named_network

__all__ = [
    "ACTIVATIONS", "CALLS", "COMPRESSION", "JOINS", "LAYERS", "NETWORKS", "SUMS", "ZOO",
    "Branch", "CifarResNet", "DenseBlock", "DenseNet", "FeedForward", "FeedForwardStack",
    "GoogLeNet", "ResNet18", "SimpleCNN", "SlimNetwork", "VideoResNet", "ZooNetwork",
    "as_feed_forward", "build_network", "call_name", "evaluating", "layers_of_depth",
    "named_network", "narrowed", "operands", "overwrites", "sliced", "trace", "without_branches",
]  # fmt: skip
