"""Operations on channels that are known: calls, modules, sums and products."""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.pruning import PrunableFilters
from tests.support.small_networks import CLASSES, SHAPE, Net, conv


def with_call(call: Callable[[Tensor], Tensor], width: int = 6) -> nn.Module:
    """A convolution, the call, and a layer that reads the result."""
    example = call(torch.zeros(2, width, 8, 8)).flatten(1).shape[1]
    layers = {"call": call} if isinstance(call, nn.Module) else {}
    return Net(
        lambda net, x: net.head(torch.flatten(getattr(net, "call", call)(net.conv(x)), 1)),
        conv=conv(3, width), head=nn.Linear(example, CLASSES), **layers,
    )  # fmt: skip


def assert_head_reads_channels(network: nn.Module, width: int) -> None:
    """The head reads all values of the first channel, then all of the second, and so on."""
    filters = PrunableFilters(network, SHAPE)
    assert filters.genes.sizes == (width,)
    assert filters.genes.n_pieces == 0
    conv, head = filters.flow.layers
    assert (conv.name, head.name) == ("conv", "head")
    assert head.inputs is not None
    values = head.inputs.size // width
    assert head.inputs.tolist() == np.repeat(np.arange(width), values).tolist()


CHANNELWISE: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "relu in place": lambda x: functional.relu(x, inplace=True),
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    ".relu_": lambda x: x.relu_(),
    "relu6": functional.relu6,
    "leaky_relu": lambda x: functional.leaky_relu(x, 0.2),
    "elu": functional.elu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "mish": functional.mish,
    "sigmoid": torch.sigmoid,
    ".sigmoid": lambda x: x.sigmoid(),
    "tanh": torch.tanh,
    ".tanh": lambda x: x.tanh(),
    "hardtanh": functional.hardtanh,
    "hardswish": functional.hardswish,
    "hardsigmoid": functional.hardsigmoid,
    "dropout": lambda x: functional.dropout(x, training=False),
    "dropout2d": lambda x: functional.dropout2d(x, training=False),
    "max_pool2d": lambda x: functional.max_pool2d(x, 2),
    "torch.max_pool2d": lambda x: torch.max_pool2d(x, 2),
    "avg_pool2d": lambda x: functional.avg_pool2d(x, 2),
    "adaptive_avg_pool2d": lambda x: functional.adaptive_avg_pool2d(x, (2, 1)),
    "adaptive_max_pool2d": lambda x: functional.adaptive_max_pool2d(x, 2),
    "interpolate": lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear"),
    "pad": lambda x: functional.pad(x, (1, 2, 0, 1), value=3.0),
    "mean": lambda x: x.mean((2, 3)),
    "mean of a list": lambda x: x.mean([2, 3]),
    "mean with keywords": lambda x: torch.mean(x, dim=(-1, -2), keepdim=True),
    "means one by one": lambda x: x.mean(3).mean(2),
    "squeeze": lambda x: functional.adaptive_avg_pool2d(x, 1).squeeze(3).squeeze(-1),
    "squeeze of axes": lambda x: torch.squeeze(functional.adaptive_avg_pool2d(x, 1), (2, 3)),
    "unsqueeze": lambda x: x.mean((2, 3)).unsqueeze(-1),
    "places": lambda x: x[:, :, ::2, 1:3],
    "places from the end": lambda x: x[..., 1:],
    "one place": lambda x: x[:, :, 0, 0],
    "negative": lambda x: -x,
    "clone": lambda x: x.contiguous().clone().detach(),
    "numbers": lambda x: 2 * x / 3 + 1 - x * 0.5,
    "number in place": lambda x: x.add_(1).mul_(2),
    "flatten(1)": lambda x: x.flatten(1),
    "flatten(start_dim=1)": lambda x: torch.flatten(x, start_dim=1),
    "view": lambda x: x.view(x.size(0), -1),
    "view of the image": lambda x: x.view(-1, x.shape[1], 64),
    "view of a shape": lambda x: x.view(x.shape[0], -1),
    "reshape": lambda x: torch.reshape(x, (x.size(0), -1)),
    "pixels in a row": lambda x: x.view(x.size(0), x.size(1), -1),
    "flatten(2)": lambda x: x.flatten(2).mean(-1),
    "quotient of channels": lambda x: x / (x + 5),
    "square": lambda x: x * x,
    "sum with itself": lambda x: torch.add(x, other=x.tanh(), alpha=2),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANNELWISE)
def test_channels_pass_through_calls(name: str) -> None:
    assert_head_reads_channels(with_call(CHANNELWISE[name]), 6)


MODULES: list[nn.Module] = [
    nn.Identity(), nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(), nn.LeakyReLU(), nn.ELU(),
    nn.SELU(), nn.CELU(), nn.GELU(), nn.SiLU(), nn.Mish(), nn.Sigmoid(), nn.Tanh(), nn.Hardtanh(),
    nn.Hardswish(), nn.Hardsigmoid(), nn.Softplus(), nn.Dropout(), nn.Dropout2d(), nn.MaxPool2d(2),
    nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(2), nn.ZeroPad2d(1),
    nn.ReflectionPad2d(1), nn.ReplicationPad2d(2), nn.Upsample(scale_factor=2), nn.Flatten(),
    nn.Flatten(2),
]  # fmt: skip


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_channels_pass_through_modules(module: nn.Module) -> None:
    assert_head_reads_channels(with_call(module), 6)


@pytest.mark.parametrize("name", ["mean", "squeeze", "view", "add", "cat", "getitem", "size"])
def test_modules_may_have_any_names(name: str) -> None:
    network = Net(
        lambda net, x: net.head(getattr(net, name)(net.conv(x)).flatten(1)), conv=conv(3, 4),
        head=nn.Linear(4, CLASSES), **{name: nn.AdaptiveAvgPool2d(1)},
    )  # fmt: skip
    assert_head_reads_channels(network, 4)


SUMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "+": operator.add,
    "+=": operator.iadd,
    "torch.add": torch.add,
    "torch.add with a keyword": lambda x, y: torch.add(x, other=y),
    "torch.add with a factor": lambda x, y: torch.add(x, y, alpha=3),
    ".add": lambda x, y: x.add(y),
    ".add_": lambda x, y: x.add_(y),
    "-": operator.sub,
    "*": operator.mul,
    "*=": operator.imul,
    "torch.mul": torch.mul,
    ".mul": lambda x, y: x.mul(y),
    "/": lambda x, y: x / (y.sigmoid() + 1),
}
PLAIN = {"+", "+=", "torch.add", ".add"}
"""Sums whose operands can go: without one, the other is the result."""


@pytest.mark.parametrize("name", SUMS)
def test_sums_and_products_unite_channels(name: str) -> None:
    network = Net(
        lambda net, x: net.head(SUMS[name](net.one(x), net.two(x)).mean((2, 3))),
        one=conv(3, 4), two=conv(3, 4), head=nn.Linear(4, CLASSES),
    )  # fmt: skip
    filters = PrunableFilters(network, SHAPE)
    assert filters.genes.sizes == (4,)
    assert filters.flow.givers == [(0, 1)] * 4
    # With a factor, the rest of a sum would not be an operand.
    assert filters.genes.n_pieces == (1 if name in PLAIN else 0)
