"""The modules and calls whose effect on channels is known, and what their arguments say."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _NormBase

from pymoo_prune.networks import JOINS, SUMS

ELEMENTWISE_MODULES = (
    nn.Identity, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU,
    nn.Mish, nn.Sigmoid, nn.Tanh, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Softplus,
    nn.Softsign, nn.LogSigmoid, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d,
    nn.AlphaDropout,
)  # fmt: skip
"""Modules that compute each value from the same value alone."""
SPATIAL_MODULES = (
    nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d,
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d, nn.ReflectionPad1d, nn.ReflectionPad2d,
    nn.ReplicationPad1d, nn.ReplicationPad2d, nn.CircularPad2d, nn.Upsample, nn.LPPool2d,
)  # fmt: skip
"""Modules that compute each channel from the same channel, at other places of the image."""
MOVING_MODULES = (nn.Flatten, nn.Unflatten, nn.PixelUnshuffle, nn.ChannelShuffle)
"""Modules that put values elsewhere."""
ZERO_PADS = (nn.ZeroPad1d, nn.ZeroPad2d, nn.ConstantPad1d, nn.ConstantPad2d)
PER_CHANNEL_MODULES = (_NormBase,)
"""Norms of each channel alone: batch norms and instance norms."""

ELEMENTWISE_CALLS = (
    functional.relu, functional.relu_, functional.relu6, functional.leaky_relu, functional.elu,
    functional.gelu, functional.silu, functional.mish, functional.sigmoid, functional.tanh,
    functional.hardtanh, functional.hardswish, functional.hardsigmoid, functional.softplus,
    functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d,
    torch.relu, torch.relu_, torch.sigmoid, torch.tanh, torch.dropout, torch.clone, torch.neg,
    torch.abs, torch.exp, torch.sqrt, torch.rsqrt, torch.square, torch.clamp, torch.erf,
    torch.zeros_like, torch.ones_like, operator.neg, "relu", "relu_", "sigmoid", "tanh",
    "contiguous", "clone", "detach", "float", "long", "int", "bool", "to", "type_as", "abs", "exp",
    "sqrt", "rsqrt", "square", "clamp", "neg", "half", "bfloat16", "double", "silu",
)  # fmt: skip
"""Functions and methods that compute each value from the same value alone."""
SPATIAL_CALLS = (
    functional.max_pool1d, functional.max_pool2d, functional.max_pool3d, functional.avg_pool1d,
    functional.avg_pool2d, functional.avg_pool3d, functional.adaptive_avg_pool1d,
    functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d, functional.adaptive_max_pool1d,
    functional.adaptive_max_pool2d, functional.adaptive_max_pool3d, functional.interpolate,
    torch.max_pool2d,
)  # fmt: skip
MOVING_CALLS = (
    torch.flatten, torch.reshape, torch.permute, torch.transpose, torch.swapaxes, torch.squeeze,
    torch.unsqueeze, torch.movedim, torch.stack, torch.broadcast_to, torch.repeat_interleave,
    torch.chunk, torch.split, torch.unbind, torch.flip, torch.unflatten, torch.narrow,
    functional.pixel_unshuffle, functional.channel_shuffle,
    getattr, operator.getitem, *JOINS,
    "flatten", "reshape", "permute", "transpose", "swapaxes", "squeeze", "unsqueeze",
    "movedim", "expand", "expand_as", "repeat", "repeat_interleave", "chunk", "split", "unbind",
    "flip", "unflatten", "narrow", "t", "reshape_as",
)  # fmt: skip
"""Functions and methods that put values elsewhere: they do the same with labels."""
SIZED_CALLS = (
    torch.reshape, torch.unflatten, torch.broadcast_to, torch.zeros, torch.ones, "reshape",
    "expand", "unflatten", "new_zeros", "new_ones",
)  # fmt: skip
"""Those that say how large axes of their result are, and those that make tensors."""
MAKERS = (torch.zeros, torch.ones, "new_zeros", "new_ones")
SPLITS = (torch.chunk, torch.split, "chunk", "split")
NARROWS = (torch.narrow, "narrow")
SHIFTS = (torch.roll, "roll")
"""They move values too, but along an axis that loses values they would give others."""

COMPARISONS = (
    operator.eq, operator.ne, operator.gt, operator.lt, operator.ge, operator.le, "eq", "ne", "gt",
    "lt", "ge", "le",
)  # fmt: skip
PRODUCTS = (operator.mul, torch.mul, "mul", "mul_")
ARITHMETIC = (
    *SUMS, *PRODUCTS, *COMPARISONS, "add", "add_", "sub", "div", operator.sub, torch.sub,
    operator.truediv, torch.div, torch.maximum, torch.minimum, torch.where, operator.pow, torch.pow,
    "pow", "masked_fill", "masked_fill_", torch.masked_fill, torch.addcmul,
)  # fmt: skip
REDUCTIONS = (
    torch.mean, torch.sum, torch.amax, torch.amin, torch.var, torch.std, torch.softmax,
    torch.log_softmax, torch.norm, functional.softmax, functional.log_softmax, functional.normalize,
    "mean", "sum", "amax", "amin", "var", "std", "softmax", "log_softmax", "norm",
)  # fmt: skip
"""They mix the values along some axes."""
MATRIX_PRODUCTS = (torch.matmul, torch.bmm, operator.matmul, "matmul", "bmm", "__matmul__")


def calls(node: fx.Node, *known: Any) -> bool:
    """Whether a node calls one of these functions or methods."""
    return node.op in ("call_function", "call_method") and node.target in known


def argument(node: fx.Node, place: int, name: str, default: Any = None) -> Any:
    """An argument of a call, by place or by name."""
    return node.args[place] if len(node.args) > place else node.kwargs.get(name, default)


def axes_of(node: fx.Node, ndim: int, place: int = 1) -> list[int]:
    """The axes that a call reduces; without an argument, all."""
    given: Any = argument(node, place, "dim", range(ndim))
    given = range(ndim) if given is None else given
    return [axis % ndim for axis in ([given] if isinstance(given, int) else given)]


def pad_widths(sizes: Sequence[int], ndim: int) -> list[tuple[int, int]]:
    """How much pad() adds before and behind along each axis, from its argument."""
    pairs = list(zip(sizes[::2], sizes[1::2], strict=True))
    return [(0, 0)] * (ndim - len(pairs)) + pairs[::-1]


def parts_of_index(index: Any, ndim: int) -> list[Any] | None:
    """An index with a part for each axis of its source, and None for new axes; None if unknown.

    Args:
        index: Slices, whole numbers, None, one ellipsis; lists and tensors are for one axis.
        ndim: Axes of the source.
    """
    found = list(index) if isinstance(index, tuple) else [index]
    masks = any(
        isinstance(part, bool) or (isinstance(part, Tensor) and part.dtype == torch.bool)
        for part in found
    )
    if masks or sum(part is Ellipsis for part in found) > 1:
        return None
    named = sum(part is not None and part is not Ellipsis for part in found)
    full = [slice(None)] * (ndim - named)
    if not any(part is Ellipsis for part in found):
        return [*found, *full]
    place = next(place for place, part in enumerate(found) if part is Ellipsis)
    return [*found[:place], *full, *found[place + 1 :]]


def has_tensors(result: Any) -> bool:
    """Whether a node's result is a tensor or contains tensors."""
    if isinstance(result, (tuple, list)):
        return any(map(has_tensors, result))
    return isinstance(result, Tensor) or (
        isinstance(result, dict) and has_tensors(list(result.values()))
    )


def heads_of(node: fx.Node) -> int:
    """The heads of a call of `attend`."""
    return int(argument(node, 3, "heads"))
