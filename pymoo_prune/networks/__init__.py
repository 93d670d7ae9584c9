"""The networks that are pruned, and how to build one by name.

- `zoo`: networks to start from, by name
- `attention`: multi-head attention made of linear layers
- `building`: networks from their specs, as saved networks have them
- `feed_forward`: linear layers with one activation between them
- `feed_forward_stack`: several feed-forward networks as one, for a GPU
- `simple_cnn`: a plain convolutional network for small images
- `cifar_resnet`: residual networks for small images
- `dense_net`: DenseNet-BC with any set of live connections
- `torchvision_networks`: torchvision's ResNet-18 and GoogLeNet
- `video_resnet`: R(2+1)D, for video
- `vision_transformer`: a transformer of image patches, for small images
- `mlp_mixer`: image patches that linear layers mix, for small images
- `slim`: a network of any kind without some of its channels and branches
- `modes`: evaluation mode for a while
"""

from pymoo_prune.networks.attention import Attention, unpack_attention
from pymoo_prune.networks.building import (
    NETWORKS,
    attention_of,
    build_network,
    spec_of,
    with_attention_of,
)
from pymoo_prune.networks.cifar_resnet import CifarResNet
from pymoo_prune.networks.dense_net import COMPRESSION, DenseBlock, DenseNet, layers_of_depth
from pymoo_prune.networks.feed_forward import ACTIVATIONS, FeedForward, as_feed_forward
from pymoo_prune.networks.feed_forward_stack import FeedForwardStack
from pymoo_prune.networks.mlp_mixer import MlpMixer
from pymoo_prune.networks.modes import evaluating
from pymoo_prune.networks.simple_cnn import SimpleCNN
from pymoo_prune.networks.slim import (
    CALLS,
    JOINS,
    SLICED_LAYERS,
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
from pymoo_prune.networks.vision_transformer import VisionTransformer
from pymoo_prune.networks.zoo import ZOO, ZooNetwork, named_network

__all__ = [
    "ACTIVATIONS", "CALLS", "COMPRESSION", "JOINS", "NETWORKS", "SLICED_LAYERS", "SUMS", "ZOO",
    "Attention", "Branch", "CifarResNet", "DenseBlock", "DenseNet", "FeedForward",
    "FeedForwardStack", "GoogLeNet", "MlpMixer", "ResNet18", "SimpleCNN", "SlimNetwork",
    "VideoResNet", "VisionTransformer", "ZooNetwork", "as_feed_forward", "attention_of",
    "build_network", "call_name", "evaluating", "layers_of_depth", "named_network", "narrowed",
    "operands", "overwrites", "sliced", "spec_of", "trace", "unpack_attention", "with_attention_of",
    "without_branches",
]  # fmt: skip
