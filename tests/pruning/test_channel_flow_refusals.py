"""Operations on channels that are refused by name."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from pymoo_prune.errors import PruneError
from pymoo_prune.pruning import ChannelFlow, PrunableFilters
from tests.support.small_networks import CLASSES, SHAPE, Net, conv


class Twice(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one, self.two = conv(3, 4), conv(4, 4), conv(4, 4)
        self.two.weight = self.one.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.one(self.stem(x))).mean((2, 3))  # type: ignore[no-any-return]


class TwoInputs(nn.Module):
    """A network that needs more than images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv(3, 4)

    def forward(self, x: Tensor, mask: Tensor, scale: float = 1.0) -> Tensor:
        return self.conv(x) * mask * scale  # type: ignore[no-any-return]


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


def undecided(net: Any, x: Tensor) -> Tensor:
    return net.conv(x) if x.sum() > 0 else x  # type: ignore[no-any-return]


def weightless(net: nn.Module) -> nn.Module:
    prune.l1_unstructured(net.one, "weight", 0.5)  # type: ignore[arg-type]
    return net


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
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
    "new axis": (lambda: inside(lambda x: x[None]), r"outputs of shape \(1, 3, 4, 8, 8\) for 3 im"),
    "mean of all": (lambda: inside(lambda x: x.mean()), r"outputs of shape \(\) for 3 images"),
    "images side by side": (
        lambda: inside(lambda x: torch.cat([x, x])), r"outputs of shape \(6, 4, 8, 8\) for 3",
    ),
    "flat over images": (
        lambda: inside(lambda x: x.flatten(0, 1).relu()), r"outputs of shape \(12, 8, 8\) for 3",
    ),
    "as many as two images": (
        lambda: inside(lambda x: torch.reshape(x, (2, 4, 64))),
        "a Net takes 2 images at once, but not 3: its code has the number of images written out",
    ),
    "length": (
        lambda: inside(lambda x: x.reshape(len(x), -1)),
        r"graph of a Net takes 3 images at once, but not 2: .*len\(x\) does; take x.size\(0\)",
    ),
    "length as zeros": (
        lambda: inside(lambda x: torch.cat([x, torch.zeros(int(x.size(0)), 1, 8, 8)], 1)),
        r"graph of a Net takes 3 images at once, but not 2: .*; take x.size\(0\), or -1",
    ),
    "image by image": (
        lambda: inside(lambda x: torch.stack([one.relu() for one in x])),
        "graph of a Net takes 3 images at once, but not 2: ",
    ),
    "two inputs": (
        TwoInputs, r"forward\(\) needs 'mask' beside the images, but a network gets one"
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


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 1, 1), (3,), (3, 8)])
def test_images_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 5))
    message = rf"the network cannot take an image of shape \({', '.join(map(str, shape))}"
    with pytest.raises(PruneError, match=message):
        ChannelFlow(network, shape)


def test_the_images_own_size_may_be_written_out() -> None:
    network = Net(
        lambda net, x: net.head(net.hidden(x.view(-1, 192)).relu()), hidden=nn.Linear(192, 6),
        head=nn.Linear(6, CLASSES),
    )  # fmt: skip
    assert PrunableFilters(network, SHAPE).genes.sizes == (6,)


def test_lengths_may_be_asked_for() -> None:
    network = Net(
        lambda net, x: net.head(net.conv(x).flatten(1)) if len(x) > 0 else x, conv=conv(3, 6),
        head=nn.Linear(384, CLASSES),
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
