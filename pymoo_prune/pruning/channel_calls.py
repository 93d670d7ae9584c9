"""The modules and calls whose effect on channels is known, and what their arguments say."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from pymoo_prune.networks import CALLS, SUMS, call_name

CHANNELWISE_MODULES = (
    nn.Identity, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU,
    nn.Mish, nn.Sigmoid, nn.Tanh, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Softplus,
    nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d,
    nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d,
    nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d,
    nn.ZeroPad1d, nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.Upsample,
)  # fmt: skip
"""Modules that compute each channel from the same channel alone."""

CHANNELWISE_CALLS = (
    functional.relu, functional.relu6, functional.leaky_relu, functional.elu, functional.gelu,
    functional.silu, functional.mish, functional.sigmoid, functional.tanh, functional.hardtanh,
    functional.hardswish, functional.hardsigmoid, functional.dropout, functional.dropout1d,
    functional.dropout2d, functional.dropout3d, functional.max_pool1d, functional.max_pool2d,
    functional.max_pool3d, functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d,
    functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d,
    functional.adaptive_max_pool1d, functional.adaptive_max_pool2d, functional.adaptive_max_pool3d,
    functional.interpolate, functional.pad, torch.relu, torch.relu_, torch.sigmoid, torch.tanh,
    torch.max_pool2d, torch.dropout, torch.mean, torch.squeeze, torch.unsqueeze, torch.clone,
    torch.neg, operator.neg, operator.getitem, "relu", "relu_", "sigmoid", "tanh", "mean",
    "squeeze", "unsqueeze", "expand_as", "contiguous", "clone", "detach",
)  # fmt: skip
"""Functions and methods that compute each channel from the same channel alone."""
OVER_AXES = ("mean", "squeeze")
"""Those of them that could reduce the channels' axis too."""
FLATTENINGS = (torch.flatten, "flatten", "view", "reshape", torch.reshape)
PRODUCTS = (operator.mul, torch.mul, "mul", "mul_")
ARITHMETIC = (*SUMS, *PRODUCTS, "add", "add_", operator.sub, torch.sub, operator.truediv, torch.div)


def reduces_channels(node: fx.Node, ndim: int) -> bool:
    """Whether a call that reduces axes reduces the images' or the channels' axis."""
    if node.op not in CALLS or call_name(node) not in OVER_AXES:
        return False
    # Without an axis, such a call reduces all of them.
    given: Any = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else range(ndim))
    axes = {axis % ndim for axis in ([given] if isinstance(given, int) else given)}
    return bool(axes & {0, 1})


def writes_size_out(node: fx.Node) -> bool:
    """Whether a view says how large the second axis is."""
    sizes: Any = node.args[1:]
    if sizes and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    views = call_name(node) in ("view", "reshape") and len(sizes) > 1
    return views and isinstance(sizes[1], int) and sizes[1] > 0


def takes_all_channels(index: Any, ndim: int) -> bool:
    """Whether an index takes all images and all of their channels, in their places."""
    index = index if isinstance(index, tuple) else (index,)
    if Ellipsis in index:
        place, named = index.index(Ellipsis), sum(part is not None for part in index) - 1
        index = (*index[:place], *[slice(None)] * (ndim - named), *index[place + 1 :])
    return all(part == slice(None) for part in index[:2])


def has_tensors(result: Any) -> bool:
    """Whether a node's result is a tensor or contains tensors."""
    if isinstance(result, (tuple, list)):
        return any(map(has_tensors, result))
    return isinstance(result, Tensor) or (
        isinstance(result, dict) and has_tensors(list(result.values()))
    )
