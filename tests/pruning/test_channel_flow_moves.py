"""Calls that move, mix and split channels: what can be pruned behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import count_macs, count_parameters
from pymoo_prune.networks import named_network
from pymoo_prune.pruning import PrunableFilters
from tests.support.small_networks import CLASSES, SHAPE, Net, conv

Call = Callable[[Any, Tensor], Tensor]


def around(call: Call, channels: int = 8, **layers: nn.Module) -> nn.Module:
    """A convolution, then a call, then a linear layer that reads everything."""
    net = Net(call, stem=conv(3, channels), **layers)
    with torch.no_grad():
        width = call(net, net.stem(torch.zeros(2, *SHAPE))).flatten(1).shape[1]
    net.run = lambda net, x: net.head(call(net, net.stem(x)).flatten(1))
    net.head = nn.Linear(width, CLASSES)
    return net


def shuffled(x: Tensor, groups: int) -> Tensor:
    n, c, h, w = x.shape
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)


def gated(x: Tensor) -> Tensor:
    one, other = x.chunk(2, dim=1)
    return one * other.sigmoid()


def three(x: Tensor) -> Tensor:
    one, two, rest = torch.split(x, [2, 2, 4], 1)
    return torch.cat([one + two, rest.relu()], dim=1)


class OwnTensors(nn.Module):
    """A scale for each channel, a buffer, and a shift that serves all places."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = conv(3, 6), nn.Linear(6, CLASSES)
        self.scale = nn.Parameter(torch.rand(6, 1, 1))
        self.shift = nn.Parameter(torch.rand(1, 1, 8, 8))
        self.register_buffer("factor", torch.rand(1, 6, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x) * self.scale * self.factor + self.shift
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]


class OwnNumbers(nn.Module):
    """A gate that is learnt, a number that is kept, and one that the code has."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.next, self.head = conv(3, 6), conv(6, 6), nn.Linear(6, CLASSES)
        self.gate = nn.Parameter(torch.tensor(0.5))
        self.register_buffer("scale", torch.tensor(2.0))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.gate * self.next(x) * torch.tensor(0.5)
        return self.head(x.mean((2, 3))) * self.scale  # type: ignore[no-any-return]


class Texts(nn.Module):
    """Whole numbers, their vectors, and a convolution along them."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.conv = nn.Embedding(9, 6), nn.Conv1d(6, 4, 3, padding=1)
        self.head = nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        vectors = self.embed(x.flatten(1).long().remainder(9)).transpose(1, 2)
        return self.head(self.conv(vectors).relu().amax(2))  # type: ignore[no-any-return]


NARROW = (slice(None), slice(1, 7, 2))
# A network, and the sizes of its groups.
PRUNED: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "groups as wide as they are many": (
        lambda: around(lambda net, x: net.next(x), next=conv(8, 6, groups=2)), (4, 3)
    ),
    "many groups": (lambda: around(lambda net, x: net.next(x), next=conv(8, 12, groups=4)), (4,)),
    "depthwise with a factor": (
        lambda: around(lambda net, x: net.next(x), next=conv(8, 16, groups=8)), (8,)
    ),
    "transposed": (
        lambda: around(lambda net, x: net.up(net.next(x)), next=conv(8, 6),
                       up=nn.ConvTranspose2d(6, 4, 2, stride=2)),
        (8,),
    ),
    "slice": (lambda: around(lambda net, x: x[:, :5]), (3, 5)),  # three are never read
    "slices": (lambda: around(lambda net, x: x[NARROW] + x[:, 2:5]), (3, 3)),
    "narrow": (lambda: around(lambda net, x: x.narrow(1, 2, 4)), (4, 4)),
    "slices behind an ellipsis": (
        lambda: around(lambda net, x: net.next(x.permute(0, 2, 3, 1))[..., :4],
                       next=nn.Linear(8, 6)),
        (8, 2, 4),
    ),
    "half of what there is": (lambda: around(lambda net, x: x[:, : x.size(1) // 2]), (4, 4)),
    "chunk": (lambda: around(lambda net, x: gated(x)), (4,)),
    "glu": (lambda: around(lambda net, x: functional.glu(x, dim=1)), (4,)),
    "split": (lambda: around(lambda net, x: three(x)), (6,)),
    "flip": (lambda: around(lambda net, x: x.flip(1)), (8,)),
    "twice side by side": (lambda: around(lambda net, x: torch.cat([x, x.mul(0)], 1)), (8,)),
    "rows side by side": (lambda: around(lambda net, x: torch.cat([x, x + 1], 2)), (8,)),
    "stack": (lambda: around(lambda net, x: torch.stack([x, x.relu()], 2).amax(2)), (8,)),
    "repeat": (lambda: around(lambda net, x: x.repeat_interleave(2, dim=1)), (8,)),
    "permute": (lambda: around(lambda net, x: x.permute(0, 2, 3, 1)), (8,)),
    "channels last": (
        lambda: around(lambda net, x: net.next(x.permute(0, 2, 3, 1)), next=nn.Linear(8, 4)),
        (8, 4),
    ),
    "rows as features": (lambda: around(lambda net, x: net.next(x), next=nn.Linear(8, 6)), (6,)),
    "shuffle": (lambda: around(lambda net, x: shuffled(x, 2)), (4,)),
    "shuffle of three": (lambda: around(lambda net, x: shuffled(x, 3), 12), (4,)),
    "pixel shuffle": (lambda: around(lambda net, x: functional.pixel_shuffle(x, 2)), (2,)),
    "pixel unshuffle": (lambda: around(lambda net, x: functional.pixel_unshuffle(x, 2)), (8,)),
    "group norm": (lambda: around(lambda net, x: net.norm(x), norm=nn.GroupNorm(4, 8)), (4,)),
    "instance norm": (
        lambda: around(lambda net, x: net.norm(x), norm=nn.InstanceNorm2d(8, affine=True)), (8,)
    ),
    "slopes": (lambda: around(lambda net, x: net.act(x), act=nn.PReLU(8)), (8,)),
    "one slope": (lambda: around(lambda net, x: net.act(x), act=nn.PReLU()), (8,)),
    "softmax of two": (
        lambda: around(lambda net, x: x.view(-1, 2, 4, 8, 8).softmax(1).sum(1)), (4,)
    ),
    "sizes written out": (lambda: around(lambda net, x: x.view(-1, 8 * 64)), (8,)),
    "sizes in a list": (lambda: around(lambda net, x: torch.reshape(x, (-1, 4, 128))), (4,)),
    "squeeze": (
        lambda: around(lambda net, x: functional.adaptive_avg_pool2d(x, 1).squeeze(2)), (8,)
    ),
    "fresh tensor": (lambda: around(lambda net, x: x + torch.ones_like(x)), (8,)),
    "zeros in front and behind": (
        lambda: around(lambda net, x: functional.pad(x, (0, 0, 0, 0, 1, 2)) + net.wide(x),
                       wide=conv(8, 11)),
        (8, 3),
    ),
    "zeros side by side": (
        lambda: around(
            lambda net, x: torch.cat([x, x.new_zeros(x.size(0), 3, 8, 8)], 1) + net.wide(x),
            wide=conv(8, 11),
        ),
        (8, 3),
    ),
    "one channel on all": (
        lambda: around(lambda net, x: x * net.map(x).sigmoid(), map=conv(8, 1)), (8,)
    ),
    "channels of one image on another": (
        lambda: around(lambda net, x: x * x.mean((2, 3))[:, :, None, None]), (8,)
    ),
    "own tensors": (OwnTensors, (6,)),
    "own numbers": (OwnNumbers, (6,)),
    "mean of everything": (
        lambda: around(lambda net, x: net.next(x) / x.abs().mean(), next=conv(8, 6)), (6,)
    ),
    "texts": (Texts, (6, 4)),
}  # fmt: skip

# Channels that all stay, because what reads them mixes them; others are pruned.
KEPT: dict[str, Call] = {
    "order": lambda net, x: x[:, [3, 1, 2, 0, 4, 5, 6, 7]],
    "one": lambda net, x: x[:, 0],
    "sorted": lambda net, x: x.sort(1).values,
    "mean of channels": lambda net, x: x.mean(1),
    "softmax": lambda net, x: x.softmax(1),
    "layer norm": lambda net, x: functional.layer_norm(x, [8, 8, 8]),
    "number of channels": lambda net, x: x / x.size(1),
    "cumulated": lambda net, x: x.cumsum(1),
    "rolled": lambda net, x: x.roll(1, 1),
    "one channel norm": lambda net, x: functional.normalize(x, dim=1),
    "channels on rows": lambda net, x: x * x.transpose(1, 3),
    "pooled over channels": lambda net, x: functional.max_pool1d(x.flatten(2).mT, 2),
}


def check(filters: PrunableFilters, candidates: int = 6, seed: int = 1) -> None:
    """Small networks are the masked ones, and as large as the closed form says."""
    generator = np.random.default_rng(seed)
    genes = filters.genes
    share = generator.uniform(0.2, 0.9, (candidates, 1))
    X = filters.repaired(generator.random((candidates, genes.n_var)) < share)
    parameters, macs = filters.complexity(X)
    images = torch.randn(2, *filters.shape, dtype=torch.float64)
    for x, wanted in zip(X, np.column_stack([parameters, macs]).tolist(), strict=True):
        small = filters.network(x)
        assert [count_parameters(small), count_macs(small, filters.shape)] == wanted
        with torch.no_grad():
            masked = filters.masked(x).outputs(images.clone())["output"]
            assert torch.allclose(small.double()(images.clone()), masked, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", PRUNED)
def test_channels_are_followed(name: str) -> None:
    build, sizes = PRUNED[name]
    torch.manual_seed(0)
    filters = PrunableFilters(build().eval(), SHAPE)
    assert filters.genes.sizes == sizes
    check(filters)


@pytest.mark.parametrize("name", KEPT)
def test_channels_that_are_mixed_stay(name: str) -> None:
    call = KEPT[name]
    net = around(lambda net, x: torch.cat([call(net, x).flatten(1), net.other(x).flatten(1)], 1),
                 other=conv(8, 3))  # fmt: skip
    filters = PrunableFilters(net.eval(), SHAPE)
    assert filters.genes.sizes == (3,)
    check(filters, candidates=2)


def test_networks_that_cannot_take_a_single_image_are_refused() -> None:
    net = around(lambda net, x: functional.adaptive_avg_pool2d(x, 1).squeeze())
    with pytest.raises(PruneError, match="the network cannot take an image of shape"):
        PrunableFilters(net.eval(), SHAPE)


def test_sizes_that_are_computed_from_channels_are_rewritten_too() -> None:
    def call(net: Any, x: Tensor) -> Tensor:
        # With a branch less there is one group left, and its size is not half of the rest.
        return shuffled(torch.cat([net.one(x), net.two(x)], dim=1), 2)

    net = around(call, one=conv(8, 1), two=conv(8, 1))
    filters = PrunableFilters(net.eval(), SHAPE)
    assert filters.genes.n_pieces == 2
    check(filters, candidates=30)


def test_heads_within_the_batch_stay_as_they_are() -> None:
    def call(net: Any, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        heads = x.reshape(n * 4, c // 4, h * w)  # as older code writes attention
        return torch.bmm(heads.transpose(1, 2).softmax(-1), heads.transpose(1, 2).mT).view(n, -1)

    net = around(lambda net, x: torch.cat([call(net, x), net.other(x).flatten(1)], 1),
                 other=conv(8, 3))  # fmt: skip
    filters = PrunableFilters(net.eval(), SHAPE)
    assert filters.genes.sizes == (3,)
    check(filters, candidates=2)


def test_calls_that_are_not_known_are_noted() -> None:
    net = around(lambda net, x: torch.cat([x.cumsum(1), net.other(x)], 1), other=conv(8, 3))
    assert PrunableFilters(net.eval(), SHAPE).flow.kept == ["cumsum() in 'Net'"]


def test_channels_that_are_written_into_a_tensor_stay() -> None:
    def moved(net: Any, x: Tensor) -> Tensor:  # some channels by one place, as video networks do
        out = torch.zeros_like(x)
        out[:, :4, :, 1:] = x[:, :4, :, :-1]
        out[:, 4:] = x[:, 4:]
        return net.other(out)  # type: ignore[no-any-return]

    filters = PrunableFilters(around(moved, other=conv(8, 3)).eval(), SHAPE)
    assert filters.flow.kept == ["setitem() in 'Net'"] * 2
    assert filters.genes.sizes == (3,)
    check(filters, candidates=2)


def test_views_as_another_type_keep_what_they_read() -> None:
    net = around(lambda net, x: x.view(torch.int32).view(torch.float32) * net.other(x),
                 other=conv(8, 8))  # fmt: skip
    with pytest.raises(PruneError, match=r"no filters .*: it has view\(\) in 'Net'"):
        PrunableFilters(net.eval(), SHAPE)


def test_what_a_pool_reads_that_gives_places_too_stays() -> None:
    net = around(lambda net, x: net.other(net.pool(x)[0]), other=conv(8, 3),
                 pool=nn.MaxPool2d(2, return_indices=True))  # fmt: skip
    filters = PrunableFilters(net.eval(), SHAPE)
    assert filters.flow.kept == ["a MaxPool2d in 'pool'"]
    assert filters.genes.sizes == (3,)
    check(filters, candidates=2)


@pytest.mark.parametrize("name", ["resnet-8", "resnet-20"])
def test_shortcuts_with_zeros(name: str) -> None:
    network = named_network(name, channels=3, classes=10, size=(8, 8)).eval()
    filters = PrunableFilters(network, (3, 8, 8))
    # A stage's first channels are those of the stage before, and the others its own.
    assert sum(filters.genes.sizes) == 64 + (16 + 32 + 64) * (filters.genes.n_pieces // 3)
    assert filters.genes.n_pieces == {"resnet-8": 3, "resnet-20": 9}[name]
    check(filters, candidates=3)
