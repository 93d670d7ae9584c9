"""Networks of all kinds whose channels are few enough to be followed by hand."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

SHAPE = (3, 8, 8)
CLASSES = 5


class Net(nn.Module):
    """Layers, and the function that runs them."""

    def __init__(self, run: Callable[[Any, Tensor], Any], **layers: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Tensor) -> Any:
        return self.run(self, x)


def conv(inputs: int, outputs: int, size: int = 3, **more: Any) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, **more)


def unit(inputs: int, outputs: int, size: int = 3, **more: Any) -> nn.Sequential:
    return nn.Sequential(
        conv(inputs, outputs, size, bias=False, **more), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def mixed(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network with batch norms that do something, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for norm in network.modules():
            if not isinstance(norm, nn.modules.batchnorm._BatchNorm):
                continue
            if norm.affine:
                norm.weight.uniform_(0.5, 1.5, generator=generator)
                norm.bias.uniform_(-0.2, 0.8, generator=generator)
            if norm.track_running_stats:
                norm.running_mean.uniform_(-0.5, 0.5, generator=generator)  # type: ignore[union-attr]
                norm.running_var.uniform_(0.5, 1.5, generator=generator)  # type: ignore[union-attr]
    return network.eval()


def chain() -> nn.Module:
    return nn.Sequential(
        conv(3, 4, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        conv(4, 6), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Linear(24, CLASSES),
    )  # fmt: skip


def without_norms() -> nn.Module:
    return nn.Sequential(
        conv(3, 4), nn.Sigmoid(), conv(4, 6, stride=2, bias=False), nn.Softplus(),
        conv(6, CLASSES, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


def neurons() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(192, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 4, bias=False),
        nn.Tanh(), nn.Linear(4, CLASSES),
    )  # fmt: skip


def bare_norms() -> nn.Module:
    """Batch norms before any layer, of flattened channels, and without any tensors."""
    return nn.Sequential(
        nn.BatchNorm2d(3), conv(3, 4), nn.BatchNorm2d(4, affine=False, track_running_stats=False),
        nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 6),
        nn.BatchNorm1d(6, affine=False), nn.Linear(6, CLASSES),
    )  # fmt: skip


def residual() -> nn.Module:
    """Functions, a sum in place, and a second residual on the same channels."""

    def run(net: Any, x: Tensor) -> Tensor:
        x = functional.relu(net.norm(net.stem(x)))
        out = functional.relu(net.norm_a(net.a(x)), inplace=True)
        out = net.norm_b(net.b(out))
        out += x
        out = functional.relu(out)
        out = torch.add(out, net.second(out)).relu_()
        return net.head(out.mean((2, 3)))

    return Net(
        run, stem=conv(3, 4), norm=nn.BatchNorm2d(4), a=conv(4, 6, bias=False),
        norm_a=nn.BatchNorm2d(6), b=conv(6, 4, bias=False), norm_b=nn.BatchNorm2d(4),
        second=unit(4, 4), head=nn.Linear(4, CLASSES),
    )  # fmt: skip


def projection() -> nn.Module:
    def run(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        x = torch.relu(net.b(net.a(x)) + net.shortcut(x))
        return net.head(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1))

    return Net(
        run, stem=unit(3, 4), a=unit(4, 6, stride=2), b=unit(6, 5),
        shortcut=nn.Sequential(conv(4, 5, 1, stride=2, bias=False), nn.BatchNorm2d(5)),
        head=nn.Linear(5, CLASSES),
    )  # fmt: skip


def inception() -> nn.Module:
    """Branches beside each other; of the last two one must stay."""

    def run(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        x = torch.cat([net.one(x), functional.max_pool2d(x, 3, 1, 1), net.two(x)], 1)
        x = torch.cat(tensors=(net.left(x), net.right(x)), dim=-3)
        return net.head(x.mean([2, 3]))

    return Net(
        run, stem=unit(3, 4), one=unit(4, 2, 1), two=nn.Sequential(unit(4, 3), unit(3, 3)),
        left=unit(9, 3), right=unit(9, 2, 1), head=nn.Linear(5, CLASSES),
    )  # fmt: skip


def depthwise() -> nn.Module:
    return nn.Sequential(
        unit(3, 4), unit(4, 4, groups=4), nn.ReLU6(), conv(4, 6, 1),
        conv(6, 6, groups=6), nn.BatchNorm2d(6), nn.Hardswish(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(6, CLASSES),
    )  # fmt: skip


def dense() -> nn.Module:
    def run(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        x = torch.cat([x, net.a(x)], dim=1)
        x = torch.cat([x, net.b(x)], dim=1)
        return net.head(net.norm(x).relu().mean((2, 3)))

    return Net(
        run, stem=conv(3, 4), a=unit(4, 3), b=unit(7, 2), norm=nn.BatchNorm2d(9),
        head=nn.Linear(9, CLASSES),
    )  # fmt: skip


def excitation() -> nn.Module:
    """Squeeze and excitation in three ways: of convolutions, and of linear layers."""

    def run(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        gate = functional.adaptive_avg_pool2d(x, 1)
        x = net.up(net.down(gate).relu()).sigmoid() * x
        n, channels, _, _ = x.size()
        gate = net.widen(net.squeeze(x.mean((2, 3))).relu()).sigmoid()
        x = x * gate.view(n, channels, 1, 1).expand_as(x)
        gate = net.third(functional.adaptive_max_pool2d(x, 1).squeeze(-1).squeeze(-1))
        x = net.last(x * torch.tanh(gate)[:, :, None, None])
        return net.head(x.flatten(2).mean(2))

    return Net(
        run, stem=unit(3, 6), down=conv(6, 2, 1), up=conv(2, 6, 1), squeeze=nn.Linear(6, 3),
        widen=nn.Linear(3, 6), third=nn.Linear(6, 6), last=unit(6, 4),
        head=nn.Linear(4, CLASSES),
    )  # fmt: skip


def nested() -> nn.Module:
    """A residual in a branch of an inception module in a residual."""

    def run(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        inner = net.enter(x)
        inner = inner + net.inner(inner)
        both = torch.cat([inner, net.beside(x)], 1)
        x = x + net.leave(both)
        return net.head(x.mean((2, 3)))

    return Net(
        run, stem=unit(3, 4), enter=unit(4, 3), inner=unit(3, 3), beside=unit(4, 2),
        leave=conv(5, 4), head=nn.Linear(4, CLASSES),
    )  # fmt: skip


def shared_stem() -> nn.Module:
    """Two branches that can go begin with the same layer: without both, it is not needed."""

    def run(net: Any, x: Tensor) -> Tensor:
        both = net.before(x)
        x = torch.cat([net.left(both), net.right(both), net.other(x)], 1)
        return net.head(x.mean((2, 3)))

    return Net(
        run, before=unit(3, 4), left=unit(4, 3), right=unit(4, 2), other=unit(3, 3),
        head=nn.Linear(8, CLASSES),
    )  # fmt: skip


def interwoven() -> nn.Module:
    """Channels that are the same as others of their own layer, or as others' in part."""

    def run(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)  # 6 channels
        halves = torch.cat([net.a(x), net.b(x)], 1) + x  # 3 and 3
        twice = net.c(halves)
        twice = torch.cat([twice, twice], 1) + net.d(halves)  # 2 and 2
        x = torch.cat([net.e(net.a_again(twice)), halves, twice], 1)
        return net.head(x.mean((2, 3)))

    return Net(
        run, stem=unit(3, 6), a=unit(6, 3), b=unit(6, 3), c=unit(6, 2), d=unit(6, 4),
        a_again=unit(4, 3), e=unit(3, 2), head=nn.Linear(12, CLASSES),
    )  # fmt: skip


def onto_the_image() -> nn.Module:
    def run(net: Any, x: Tensor) -> Tensor:
        x = x + net.back(net.hidden(x))
        x = net.last(x).mean((2, 3))
        return net.one(x) + net.two(torch.relu(net.three(x)))

    return Net(
        run, hidden=unit(3, 4), back=conv(4, 3), last=unit(3, 4), one=nn.Linear(4, CLASSES),
        three=nn.Linear(4, 6), two=nn.Linear(6, CLASSES),
    )  # fmt: skip


def signal() -> nn.Module:
    """One-dimensional convolutions."""
    return nn.Sequential(
        nn.Flatten(2), nn.Conv1d(3, 4, 5, stride=2), nn.BatchNorm1d(4), nn.LeakyReLU(),
        nn.MaxPool1d(2), nn.Conv1d(4, 5, 3), nn.Flatten(), nn.Linear(65, CLASSES),
    )  # fmt: skip


ALL: dict[str, Callable[[], nn.Module]] = {
    made.__name__: made
    for made in (
        chain, without_norms, neurons, bare_norms, residual, projection, inception, depthwise,
        dense, excitation, nested, shared_stem, interwoven, onto_the_image, signal,
    )
}  # fmt: skip


def small(name: str) -> nn.Module:
    """One of them; the same weights each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return mixed(ALL[name]())


def training(network: nn.Module, images: Tensor, steps: int = 2) -> nn.Module:
    """A copy after some steps of gradient descent."""
    network = copy.deepcopy(network).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        functional.cross_entropy(network(images), torch.arange(len(images)) % 2).backward()
        optimizer.step()
    return network.eval()
