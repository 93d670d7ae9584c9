"""The networks that are pruned, and how to build one by name.

- `zoo`: networks to start from, by name
- `attention`: multi-head attention made of linear layers
- `rounding`: layers that round their inputs
- `building`, `specs`: networks from their specs, as saved networks have them; specs in specs
- `own`, `copies`: networks of a user's own, which their specs name, and copies of them
- `trust`: which modules that a folder names may be imported
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
- `slicing`: copies of layers with some of their channels
- `rewriting`: sizes that a network's code writes out, for fewer channels
- `tracing`: graphs of networks
- `graphs`: what the nodes of a graph are
- `packed_inputs`: networks with several inputs, or ids of tokens, as networks of one table
- `onnx_graph`, `onnx_calls`: networks from ONNX files, and their operators between layers
- `modes`: evaluation mode for a while
"""

from pymoo_prune.networks.attention import Attention, attend, unpack_attention
from pymoo_prune.networks.building import NETWORKS, build_network, build_with, changes_of, spec_of
from pymoo_prune.networks.cifar_resnet import CifarResNet
from pymoo_prune.networks.copies import copied
from pymoo_prune.networks.dense_net import COMPRESSION, DenseBlock, DenseNet, layers_of_depth
from pymoo_prune.networks.feed_forward import ACTIVATIONS, FeedForward, as_feed_forward
from pymoo_prune.networks.feed_forward_stack import FeedForwardStack
from pymoo_prune.networks.graphs import (
    CONSTANT,
    JOINS,
    SUMS,
    call_name,
    join_axis,
    operands,
    overwrites,
    parts,
    reshape_views,
)  # fmt: skip
from pymoo_prune.networks.mlp_mixer import MlpMixer
from pymoo_prune.networks.modes import evaluating
from pymoo_prune.networks.onnx_graph import OnnxParent
from pymoo_prune.networks.own import Builder, described, load_named, name_of, with_origin
from pymoo_prune.networks.packed_inputs import OwnInputs, PackedInputs, own_inputs
from pymoo_prune.networks.rewriting import Rewritings, index_of, sizes_at
from pymoo_prune.networks.rounding import GRID, called_layers, plain_inputs, round_inputs, to_grid
from pymoo_prune.networks.simple_cnn import SimpleCNN
from pymoo_prune.networks.slicing import RESIZABLE, narrowed, part_of, sliced
from pymoo_prune.networks.slim import Branch, SlimNetwork, without_branches
from pymoo_prune.networks.specs import is_own, spec_within
from pymoo_prune.networks.torchvision_networks import GoogLeNet, ResNet18
from pymoo_prune.networks.tracing import IMAGES, trace, zeros
from pymoo_prune.networks.trust import EVERYTHING, check_trust, module_of, trust
from pymoo_prune.networks.video_resnet import VideoResNet
from pymoo_prune.networks.vision_transformer import VisionTransformer
from pymoo_prune.networks.zoo import ZOO, ZooNetwork, named_network

__all__ = [
    "ACTIVATIONS", "COMPRESSION", "CONSTANT", "EVERYTHING", "GRID", "IMAGES", "JOINS", "NETWORKS",
    "RESIZABLE", "SUMS", "ZOO", "Attention", "Branch", "Builder", "CifarResNet", "DenseBlock",
    "DenseNet", "FeedForward", "FeedForwardStack", "GoogLeNet", "MlpMixer", "OnnxParent",
    "OwnInputs", "PackedInputs", "ResNet18", "Rewritings", "SimpleCNN", "SlimNetwork",
    "VideoResNet", "VisionTransformer", "ZooNetwork", "as_feed_forward", "attend", "build_network",
    "build_with", "call_name", "called_layers", "changes_of", "check_trust", "copied", "described",
    "evaluating", "index_of", "is_own", "join_axis", "layers_of_depth", "load_named", "module_of",
    "name_of", "named_network", "narrowed", "operands", "overwrites", "own_inputs", "part_of",
    "parts", "plain_inputs", "reshape_views", "round_inputs", "sizes_at", "sliced", "spec_of",
    "spec_within", "to_grid", "trace", "trust", "unpack_attention", "with_origin",
    "without_branches", "zeros",
]  # fmt: skip
