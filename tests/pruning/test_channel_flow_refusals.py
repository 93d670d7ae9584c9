"""Operations on channels that are refused by name."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune

from pymoo_prune.errors import PruneError
from pymoo_prune.networks import named_network
from pymoo_prune.pruning import ChannelFlow, PrunableFilters
from tests.support.small_networks import CLASSES, SHAPE, Net, conv


def head(net: Any, x: Tensor) -> Tensor:
    return net.head(x.mean((2, 3)))  # type: ignore[no-any-return]


def read_by_head(run: Callable[[Any, Tensor], Tensor], width: int, **layers: nn.Module) -> Net:
    return Net(lambda net, x: head(net, run(net, x)), **layers, head=nn.Linear(width, CLASSES))


class Twice(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one, self.two = conv(3, 4), conv(4, 4), conv(4, 4)
        self.two.weight = self.one.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.one(self.stem(x))).mean((2, 3))  # type: ignore[no-any-return]


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.mean = conv(3, 4), nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * self.mean  # type: ignore[no-any-return]


class Inner(nn.Module):
    """A call inside a module of a module."""

    def __init__(self, call: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.call, self.conv = call, conv(3, 4)

    def forward(self, x: Tensor) -> Any:
        return self.call(self.conv(x))


def inside(call: Callable[[Tensor], Any]) -> Net:
    stage = nn.Sequential(nn.Identity(), Inner(call))
    return Net(lambda net, x: net.stage(x), stage=stage)


def shortcut_of_zeros(net: Any, x: Tensor) -> Tensor:
    x = net.stem(x)
    return functional.pad(x, (0, 0, 0, 0, 1, 1)) + net.wide(x)  # type: ignore[no-any-return]


def undecided(net: Any, x: Tensor) -> Tensor:
    return net.conv(x) if x.sum() > 0 else x  # type: ignore[no-any-return]


def weightless(net: nn.Module) -> nn.Module:
    prune.l1_unstructured(net.one, "weight", 0.5)  # type: ignore[arg-type]
    return net


MOVED = "changes the number or order of channels"
REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "grouped": (
        lambda: nn.Sequential(conv(3, 4), conv(4, 6, groups=2)),
        "in '1' there is a convolution with 2 groups",
    ),
    "depthwise with a factor": (
        lambda: nn.Sequential(conv(3, 4), conv(4, 8, groups=4)),
        "in '1' there is a convolution with 4 groups",
    ),
    "transposed": (
        lambda: nn.Sequential(conv(3, 4), nn.ConvTranspose2d(4, 6, 2)),
        "in '1' there is a transposed convolution",
    ),
    "used twice": (
        lambda: Net(
            lambda net, x: net.same(net.same(net.stem(x))), stem=conv(3, 4), same=conv(4, 4)
        ),
        "in 'same' there is a layer that is used twice",
    ),
    "norm used twice": (
        lambda: Net(
            lambda net, x: net.norm(net.two(net.norm(net.one(x)))),
            one=conv(3, 4), two=conv(4, 4), norm=nn.BatchNorm2d(4),
        ),
        "in 'norm' there is a layer that is used twice",
    ),
    "shared weight": (Twice, "in 'two' there is a layer that shares its weights with 'one'"),
    "masked weight": (
        lambda: weightless(Net(lambda net, x: net.one(x), one=conv(3, 4))),
        "in 'one' there is a layer whose weights are computed from others",
    ),
    "parametrized weight": (
        lambda: nn.Sequential(parametrizations.weight_norm(conv(3, 4))),
        "in '0' there is a layer whose weights are computed from others",
    ),
    "slice": (lambda: inside(lambda x: x[:, :2]), "in 'stage.1' there is getitem"),
    "choice": (lambda: inside(lambda x: x[:, 1:].relu()), f"in 'stage.1' there is .* {MOVED}"),
    "order": (
        lambda: inside(lambda x: x[:, [3, 1, 2, 0]]),
        "in 'stage.1' there is a choice of channels",
    ),
    "new axis": (lambda: inside(lambda x: x[None]), f"in 'stage.1' there is .* {MOVED}"),
    "chunk": (
        lambda: inside(lambda x: torch.cat(x.chunk(2, 1), 1)),
        r"in 'stage.1' there is chunk\(\), which gives more than one tensor",
    ),
    "split": (
        lambda: inside(lambda x: torch.split(x, 2, 1)[0]),
        r"in 'stage.1' there is split\(\), which gives more than one tensor",
    ),
    "sorted values": (
        lambda: inside(lambda x: x.max(3).values),
        r"in 'stage.1' there is max\(\), which gives more than one tensor",
    ),
    "mean of channels": (lambda: inside(lambda x: x.mean(1)), rf"mean\(\), which {MOVED}"),
    "mean of channels in a square": (
        # The result has eight rows in place of eight channels.
        lambda: nn.Sequential(conv(3, 8), Net(lambda net, x: x.mean(-3))),
        rf"in '1' there is mean\(\), which {MOVED}",
    ),
    "mean of all": (lambda: inside(lambda x: x.mean()), rf"mean\(\), which {MOVED}"),
    "squeeze of whatever": (
        # With one filter left, the channels' axis would be removed too.
        lambda: inside(lambda x: functional.adaptive_avg_pool2d(x, 1).squeeze()),
        rf"in 'stage.1' there is squeeze\(\), which {MOVED}",
    ),
    "squeeze of channels": (
        lambda: inside(lambda x: x.squeeze(dim=1)), rf"squeeze\(\), which {MOVED}"
    ),
    "permute": (
        lambda: inside(lambda x: x.permute(0, 2, 3, 1)), r"permute\(\), which is not known"
    ),
    "softmax": (lambda: inside(lambda x: x.softmax(1)), r"softmax\(\), which is not known"),
    "layer norm": (
        lambda: nn.Sequential(conv(3, 4), nn.LayerNorm([4, 8, 8])),
        "in '1' there is a LayerNorm, which is not known",
    ),
    "group norm": (
        lambda: nn.Sequential(conv(3, 4), nn.GroupNorm(2, 4)),
        "in '1' there is a GroupNorm, which is not known",
    ),
    "attention": (
        lambda: Net(
            lambda net, x: net.attention(x := net.conv(x).flatten(2), x, x)[0],
            conv=conv(3, 4), attention=nn.MultiheadAttention(64, 2),
        ),
        "in 'attention' there is a MultiheadAttention, which gives more than one tensor",
    ),
    "tokens": (
        lambda: nn.Sequential(conv(3, 4), nn.Flatten(2), nn.Linear(64, 5)),
        "in '2' there is a linear layer that reads more than flat vectors",
    ),
    "pixels": (
        lambda: nn.Sequential(conv(3, 4), nn.Linear(8, 8)),
        "in '1' there is a linear layer that reads more than flat vectors",
    ),
    "images side by side": (
        lambda: inside(lambda x: torch.cat([x, x])),
        "in 'stage.1' there is a concatenation along another axis",
    ),
    "rows side by side": (
        lambda: inside(lambda x: torch.cat((x, x), dim=2)),
        "in 'stage.1' there is a concatenation along another axis",
    ),
    "broadcast channels": (
        # Channels would meet columns, and images rows.
        lambda: inside(lambda x: functional.adaptive_avg_pool2d(x, (2, 4)) * x.mean((2, 3))),
        r"in 'stage.1' there is mul\(\) of different numbers of channels",
    ),
    "one channel on all": (
        lambda: Net(lambda net, x: net.map(x) * net.all(x), map=conv(3, 1), all=conv(3, 4)),
        r"in 'Net' there is mul\(\) of different numbers of channels",
    ),
    "numbers of the shape": (
        lambda: inside(lambda x: x / x.size(1)),
        r"in 'stage.1' there is truediv\(\) of size, which is no tensor with channels",
    ),
    "own tensor": (
        Scaled, "in 'Scaled' there is 'mean', a tensor that belongs to no layer",
    ),
    "fresh tensor": (
        lambda: inside(lambda x: x + torch.ones_like(x)), r"ones_like\(\), which is not known"
    ),
    "flat over images": (
        lambda: inside(lambda x: x.flatten(0, 1).relu()),
        r"flatten\(\), which does not give a flat vector for each image",
    ),
    "zeros for shortcuts": (
        lambda: read_by_head(shortcut_of_zeros, 6, stem=conv(3, 4), wide=conv(4, 6)),
        rf"in 'Net' there is pad\(\), which {MOVED}",
    ),
    "result thrown away": (
        lambda: inside(lambda x: (x.relu_(), x)[1]),
        r"in 'stage.1' there is relu_\(\) in place, whose result is not used",
    ),
    "sum thrown away": (
        lambda: inside(lambda x: (x.add_(x.sigmoid()), x)[1]),
        r"in 'stage.1' there is add_\(\) in place, whose result is not used",
    ),
    "tuple": (lambda: inside(lambda x: (x, x)), "the network gives a tuple, not one tensor"),
    "dictionary": (lambda: inside(lambda x: {"out": x}), "the network gives a dict, not one"),
    "nothing": (lambda: Net(lambda net, x: None, conv=conv(3, 4)), "the network gives a NoneType"),
    "control flow": (
        lambda: Net(undecided, conv=conv(3, 3)),
        "channels through a Net cannot be followed, because torch.fx cannot trace it: .*control",
    ),
    "nothing to learn": (lambda: nn.Sequential(nn.Flatten()), "has no filters that could be"),
    "only classes": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 5)),
        "a Sequential has no filters that could be pruned",
    ),
    "residual on classes": (
        lambda: Net(lambda net, x: net.one(x := x.flatten(1)) + net.two(x),
                    one=nn.Linear(192, 5), two=nn.Linear(192, 5)),
        "a Net has no filters that could be pruned",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_is_refused_by_name(name: str) -> None:
    build, message = REFUSED[name]
    network = build().eval()
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(PruneError, match=message):
        PrunableFilters(network, SHAPE)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_shortcuts_padded_with_zeros_are_refused_by_name() -> None:
    network = named_network("resnet-8", channels=3, classes=10, size=(8, 8))
    with pytest.raises(
        PruneError, match=r"in 'stages.1.0' there is pad\(\), which changes the number or order"
    ):
        PrunableFilters(network, (3, 8, 8))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 1, 1), (3,), (3, 8)])
def test_images_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 5))
    message = rf"the network cannot take an image of shape \({', '.join(map(str, shape))}"
    with pytest.raises(PruneError, match=message):
        ChannelFlow(network, shape)


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (lambda x: x.view(-1, 256), r"'stage.1' there is view\(\) with a number .* written out"),
        (lambda x: x.view(x.size(0), 256), r"view\(\) with a number .* written out: take -1, or"),
        (lambda x: x.reshape((-1, 256)), r"reshape\(\) with a number of channels or values that"),
        (lambda x: torch.reshape(x, (2, 4, -1)), r"reshape\(\) with a number of channels"),
        # This is found only when a small network is run.
        (lambda x: torch.reshape(x, shape=(-1, 256)), "network with fewer filters cannot be run"),
    ],
)  # fmt: skip
def test_sizes_that_are_written_out_are_refused(
    view: Callable[[Tensor], Tensor], message: str
) -> None:
    network = inside(view)
    network.run = lambda net, x: net.head(net.stage(x).flatten(1))
    network.head = nn.Linear(256, CLASSES)
    with pytest.raises(PruneError, match=message):
        PrunableFilters(network, SHAPE)


def test_the_images_own_size_may_be_written_out() -> None:
    network = Net(
        lambda net, x: net.head(net.hidden(x.view(-1, 192)).relu()), hidden=nn.Linear(192, 6),
        head=nn.Linear(6, CLASSES),
    )  # fmt: skip
    assert PrunableFilters(network, SHAPE).genes.sizes == (6,)


def test_networks_of_which_a_graph_is_something_else_are_refused() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        x = before = net.stem(x)
        x += net.branch(x)  # torch.fx sees a new tensor
        return net.head((x * before).mean((2, 3)))

    network = Net(run, stem=conv(3, 4), branch=conv(4, 4), head=nn.Linear(4, CLASSES))
    with pytest.raises(
        PruneError, match=r"its graph, as torch.fx traces it, gives something else, perhaps"
    ):
        PrunableFilters(network, SHAPE)
