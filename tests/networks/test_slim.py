"""Networks without some of their channels and branches."""

from __future__ import annotations

import copy
import json
import operator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.nn import functional

from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import count_parameters
from pymoo_prune.networks import (
    NETWORKS,
    DenseNet,
    SlimNetwork,
    build_network,
    named_network,
    narrowed,
    operands,
    overwrites,
    sliced,
    trace,
    without_branches,
)
from pymoo_prune.pruning import PrunableFilters
from pymoo_prune.results import load_network, save_network
from tests.support.small_networks import (
    ALL,
    CLASSES,
    SHAPE,
    Net,
    conv,
    mixed,
    small,
    training,
    unit,
)

Bits = NDArray[np.bool_]


def random_bits(filters: PrunableFilters, n: int = 1, seed: int = 0, share: float = 0.6) -> Bits:
    generator = np.random.default_rng(seed)
    return filters.repaired(generator.random((n, filters.genes.n_var)) < share)


def dropped_bits(filters: PrunableFilters, *pieces: int) -> Bits:
    x = np.ones(filters.genes.n_var, dtype=bool)
    x[[filters.genes.n_filters + piece for piece in pieces]] = False
    return x


def outputs(network: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return network(images)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(0))


# Layers.


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(5, 4), nn.Linear(5, 4, bias=False), nn.Conv2d(5, 4, 3, stride=2, padding=1),
        nn.Conv2d(5, 4, (1, 3), bias=False, dilation=2, padding_mode="reflect", padding=(0, 1)),
        nn.Conv1d(5, 4, 2), nn.Conv3d(5, 4, 1),
    ],
    ids=str,
)  # fmt: skip
def test_layers_are_sliced(layer: Any) -> None:
    inputs, given = [1, 3, 4], [0, 2]
    for places in (list, np.array, torch.tensor):
        found: Any = sliced(layer, places(inputs), places(given))  # type: ignore[operator]
        assert torch.equal(found.weight, layer.weight[given][:, inputs])
        if layer.bias is not None:
            assert torch.equal(found.bias, layer.bias[given])
        else:
            assert found.bias is None
    x = torch.randn(2, 5, *[6] * (layer.weight.ndim - 2))
    kept = torch.zeros(5).index_fill(0, torch.tensor(inputs), 1)
    masked = layer(x * kept.reshape(-1, *[1] * (layer.weight.ndim - 2)))
    torch.testing.assert_close(found(x[:, inputs]), masked[:, given])
    for name, value in layer.named_parameters():
        assert found.get_parameter(name).data_ptr() != value.data_ptr()
    if isinstance(layer, nn.Linear):
        assert (found.in_features, found.out_features) == (3, 2)
        assert (layer.in_features, layer.out_features) == (5, 4)
    else:
        assert (found.in_channels, found.out_channels) == (3, 2)
        assert (layer.in_channels, layer.out_channels) == (5, 4)
        assert found.stride == layer.stride
        assert found.padding_mode == layer.padding_mode


@pytest.mark.parametrize("given", [[0, 2, 3], [1]])
def test_depthwise_convolutions_are_sliced(given: list[int]) -> None:
    layer = nn.Conv2d(4, 4, 3, groups=4)
    found: Any = sliced(layer, None, given)
    assert (found.groups, found.in_channels, found.out_channels) == (len(given),) * 3
    x = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(found(x[:, given]), layer(x)[:, given])


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("tracked", [True, False])
def test_batch_norms_are_sliced(affine: bool, tracked: bool) -> None:
    layer: Any = mixed(nn.BatchNorm2d(4, affine=affine, track_running_stats=tracked, momentum=0.3))
    if tracked:
        layer.num_batches_tracked.fill_(7)
    found: Any = sliced(layer, None, [0, 3])
    assert (found.num_features, found.momentum, found.affine) == (2, 0.3, affine)
    x = torch.randn(3, 4, 5, 5)
    torch.testing.assert_close(found(x[:, [0, 3]]), layer(x)[:, [0, 3]])
    if tracked:
        assert found.num_batches_tracked == 7
        found.running_mean.zero_()
        found.num_batches_tracked.zero_()
        assert layer.running_mean.all()
        assert layer.num_batches_tracked == 7


def test_a_layers_settings_are_kept() -> None:
    layer = nn.Conv2d(4, 4, 3).double().eval()
    layer.weight.requires_grad_(requires_grad=False)
    weight = torch.zeros(2, 3, 3, 3, dtype=torch.float64)
    found: Any = narrowed(layer, {"weight": weight, "bias": torch.ones(2).double()})
    assert not found.training
    assert not found.weight.requires_grad
    assert found.bias.requires_grad
    assert isinstance(found.weight, nn.Parameter)
    assert (found.in_channels, found.out_channels, found.groups) == (3, 2, 1)
    assert layer.weight.shape == (4, 4, 3, 3)


# Graphs.


def test_operands_are_those_of_plain_sums_and_concatenations() -> None:
    calls: list[tuple[Any, int]] = [
        (lambda x, y: x + y, 2), (lambda x, y: x + 1, 0), (lambda x, y: 1 + y, 0),
        (torch.add, 2), (lambda x, y: torch.add(x, y, alpha=2), 0), (operator.add, 2),
        (lambda x, y: x.add(y), 2), (lambda x, y: x.add_(y), 0), (lambda x, y: x * y, 0),
        (lambda x, y: torch.cat([x, y, x], 1), 3), (lambda x, y: torch.cat((x,)), 1),
        (lambda x, y: torch.concat(tensors=[x, y]), 2), (lambda x, y: torch.cat(x.chunk(2)), 0),
        (lambda x, y: torch.stack([x, y]), 0),
    ]  # fmt: skip
    for call, expected in calls:

        def run(x: Tensor, y: Tensor) -> Any:
            return call(x, y)  # noqa: B023 - traced at once

        graph = fx.symbolic_trace(run).graph
        node = next(node for node in reversed(graph.nodes) if node.op != "output")
        assert len(operands(node)) == expected
        assert all(isinstance(part, fx.Node) for part in operands(node))


def test_modules_may_have_the_names_of_calls() -> None:
    network = Net(
        lambda net, x: net.head(net.add(x).relu().mean((2, 3))), add=conv(3, 4),
        head=nn.Linear(4, CLASSES),
    )  # fmt: skip
    filters = PrunableFilters(network, SHAPE)
    assert filters.genes.sizes == (4,)
    assert filters.genes.n_pieces == 0


def test_calls_in_place_are_known() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        for layer in (net.inplace, net.not_inplace, net.conv):
            x = layer(x)
        x = functional.relu(x, inplace=True)
        x = functional.relu(functional.dropout(x, training=False))
        x = torch.relu_(torch.relu(x)).add_(1).add(2)
        x += x  # torch.fx records a plain sum
        return x * 2 + x

    network = Net(run, inplace=nn.ReLU(inplace=True), not_inplace=nn.ReLU(), conv=conv(3, 3))
    graph = trace(network)
    assert [node.name for node in graph.nodes if overwrites(node, network)] == [
        "inplace", "relu", "relu_", "add_"
    ]  # fmt: skip


def test_views_are_reshapes_in_a_graph() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        x = net.conv(x)
        x = x.view(x.size(0), -1).view((-1, 64)).view(size=(-1, 4, 64)).view_as(x)
        return x.view(torch.int32).view(dtype=torch.float32)

    graph = trace(Net(run, conv=conv(3, 4)), SHAPE)
    calls = [node.target for node in graph.nodes if node.op == "call_method"]
    assert calls == ["size", *["reshape"] * 3, "reshape_as", "view", "view"]
    found = fx.GraphModule({"conv": nn.Identity()}, graph)(torch.ones(2, 4, 8, 8))
    assert torch.equal(found, torch.ones(2, 4, 8, 8))


def test_nodes_without_a_use_are_not_in_the_graph() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        torch.relu(net.unused(x))
        x.relu_()
        return net.conv(x)  # type: ignore[no-any-return]

    network = Net(run, unused=conv(3, 3), conv=conv(3, 3))
    assert [node.name for node in trace(network).nodes] == ["x", "relu_", "conv", "output"]


def test_branches_are_taken_out_of_a_copy() -> None:
    graph = trace(small("inception"))
    before = str(graph)
    found = without_branches(graph, [("cat", 0), ("cat_1", 1)])
    found.lint()
    assert str(graph) == before
    names = [node.name for node in found.nodes]
    assert [name for name in names if name.startswith(("one", "right", "cat", "clone"))] == [
        "cat", "clone"
    ]  # fmt: skip
    # A single operand needs no concatenation.
    assert not any(name.startswith("cat_1") for name in names)


@pytest.mark.parametrize(
    "branches", [[("cat_7", 0)], [("cat", 3)], [("cat", -1)], [("x", 0)],
                 [("cat_1", 0), ("cat_1", 1)]],
)  # fmt: skip
def test_branches_that_cannot_go_are_refused(branches: list[tuple[str, int]]) -> None:
    places = sorted(place for _, place in branches)
    with pytest.raises(PruneError) as refused:
        without_branches(trace(small("inception")), branches)
    assert f"operands {places} of {branches[0][0]!r} cannot be dropped" in str(refused.value)


# Small networks.


@pytest.mark.slow
def test_with_all_channels_it_is_the_parent(images: Tensor) -> None:
    for name in ALL:
        network = small(name)
        filters = PrunableFilters(network, SHAPE)
        same = filters.network(np.ones(filters.genes.n_var, dtype=bool))
        assert torch.equal(outputs(same, images), outputs(network, images)), name
        assert count_parameters(same) == count_parameters(network)
        state = same.network.state_dict()
        for key, value in network.state_dict().items():
            assert torch.equal(state[key], value)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_nothing_is_shared_with_the_parent(name: str, images: Tensor) -> None:
    network = small(name)
    filters = PrunableFilters(network, SHAPE)
    before = copy.deepcopy(network.state_dict())
    expected = outputs(network, images)
    for x in (np.ones(filters.genes.n_var, dtype=bool), random_bits(filters)[0]):
        found = filters.network(x)
        memory = {value.untyped_storage().data_ptr() for value in network.state_dict().values()}
        for value in found.state_dict().values():
            assert value.untyped_storage().data_ptr() not in memory
        trained = training(found, images)
        assert not torch.equal(outputs(trained, images), outputs(found, images))
        with torch.no_grad():
            for parameter in found.parameters():
                parameter.zero_()
        for key, value in network.state_dict().items():
            assert torch.equal(value, before[key])
        assert all(parameter.grad is None for parameter in network.parameters())
        assert torch.equal(outputs(network, images), expected)


def test_masks_and_small_networks_leave_each_other_alone(images: Tensor) -> None:
    filters = PrunableFilters(small("residual"), SHAPE)
    x = random_bits(filters)[0]
    first = filters.network(x)
    expected = outputs(first, images)
    second = filters.network(x)
    with torch.no_grad():
        for value in second.state_dict().values():
            value.zero_()
    assert torch.equal(outputs(first, images), expected)


@pytest.mark.parametrize("name", ["residual", "projection", "nested", "onto_the_image"])
def test_networks_without_branches_can_be_trained(name: str, images: Tensor) -> None:
    # ReLUs in place must not overwrite values that a gradient needs: a removed sum was new memory.
    filters = PrunableFilters(small(name), SHAPE)
    found = filters.network(filters.repaired(dropped_bits(filters, *range(filters.genes.n_pieces))))
    trained = training(found, images)
    for key, value in trained.named_parameters():
        if key.endswith("weight"):
            assert not torch.equal(value, found.get_parameter(key)), key


def test_what_stays_of_a_sum_is_not_overwritten(images: Tensor) -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        out = functional.relu(net.branch(x) + x, inplace=True)
        return net.head(torch.cat([out, x], 1).mean((2, 3)))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Net(
            run, stem=conv(3, 4), branch=conv(4, 4), head=nn.Linear(8, CLASSES)
        )  # fmt: skip
    filters = PrunableFilters(network, SHAPE)
    assert filters.genes.n_pieces == 1
    found = filters.network(dropped_bits(filters, 0))
    x = network.stem(images)  # type: ignore[operator]
    expected = network.head(torch.cat([x.relu(), x], 1).mean((2, 3)))  # type: ignore[operator]
    torch.testing.assert_close(found(images), expected)
    training(found, images)


@pytest.mark.parametrize("mode", [True, False])
def test_modes_and_frozen_layers_are_the_parents(mode: bool) -> None:
    network = small("residual").train(mode)
    network.norm.eval()  # type: ignore[union-attr]
    network.stem.weight.requires_grad_(requires_grad=False)  # type: ignore[union-attr]
    filters = PrunableFilters(network, SHAPE)
    found = filters.network(random_bits(filters)[0])
    assert {name for name, part in found.named_modules() if part.training is not mode} == (
        {"network.norm"} if mode else set()
    )
    assert {
        name for name, value in found.named_parameters() if not value.requires_grad
    } == {"network.stem.weight"}  # fmt: skip


def test_widths_are_noted() -> None:
    filters = PrunableFilters(small("depthwise"), SHAPE)
    x = np.ones(filters.genes.n_var, dtype=bool)
    x[[1, 4, 5]] = False
    found = filters.network(x)
    assert found.widths == {
        "0.0": [3, 3], "0.1": [3], "1.0": [3, 3], "1.1": [3], "3": [3, 4], "4": [4, 4], "5": [4],
        "10": [4, CLASSES],
    }  # fmt: skip
    assert found.dropped == []


def test_a_copy_is_the_same(images: Tensor) -> None:
    filters = PrunableFilters(small("nested"), SHAPE)
    found = filters.network(dropped_bits(filters, 0, 1))
    again = copy.deepcopy(found)
    assert torch.equal(outputs(again, images), outputs(found, images))
    assert (again.widths, again.dropped) == (found.widths, found.dropped)
    with torch.no_grad():
        for parameter in again.parameters():
            parameter.zero_()
    assert found.network.get_parameter("stem.0.weight").any()


# From specs.


class Nested(nn.Module):
    """The nested network, with a spec from which it can be built."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.width = width
        self.stem, self.enter, self.inner = unit(1, width), unit(width, 3), unit(3, 3)
        self.beside, self.leave = unit(width, 2), conv(5, width)
        self.dropout, self.head = nn.Dropout(0.2), nn.Linear(width, CLASSES)

    @property
    def spec(self) -> dict[str, Any]:
        return {"network": "nested", "arguments": {"width": self.width}}

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        inner = self.enter(x)
        inner = functional.dropout(inner + self.inner(inner), 0.2, self.training)
        x = x + self.leave(torch.cat([inner, self.beside(x)], 1))
        return self.head(self.dropout(x).mean((2, 3)))  # type: ignore[no-any-return]


@pytest.fixture
def nested(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    monkeypatch.setitem(NETWORKS, "nested", Nested)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return mixed(Nested())


def carried(network: nn.Module, folder: Path) -> nn.Module:
    return load_network(save_network(network, folder, about={}))


@pytest.mark.slow
@pytest.mark.parametrize("pieces", [(), (0,), (1,), (2,), (3,), (0, 2), (0, 1, 3)])
def test_networks_are_saved_and_loaded(
    nested: nn.Module, tmp_path: Path, pieces: tuple[int, ...]
) -> None:
    filters = PrunableFilters(nested, (1, 8, 8))
    x = random_bits(filters)[0]
    x[filters.genes.n_filters :] = dropped_bits(filters, *pieces)[filters.genes.n_filters :]
    found = filters.network(filters.repaired(x))
    images = torch.randn(3, 1, 8, 8)
    expected = outputs(found, images)
    again = carried(found, tmp_path / "one")
    assert isinstance(again, SlimNetwork)
    assert torch.equal(outputs(again, images), expected)
    assert again.spec == json.loads(json.dumps(found.spec))
    assert list(again.state_dict()) == list(found.state_dict())
    # Pruned and saved a second time.
    further = PrunableFilters(again, (1, 8, 8))
    assert further.genes.n_filters < filters.genes.n_filters
    smaller = further.network(random_bits(further, seed=1, share=0.4)[0])
    last = carried(smaller, tmp_path / "two")
    assert torch.equal(outputs(last, images), outputs(smaller, images))
    assert last.spec["arguments"]["parent"] == again.spec  # type: ignore[index]
    assert carried(last, tmp_path / "three").spec == last.spec


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet-18", "googlenet", "simple-cnn", "densenet-bc-40"])
def test_networks_of_the_zoo_are_saved_and_loaded(name: str, tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = mixed(named_network(name, channels=1, classes=10, size=(8, 8)))
    filters = PrunableFilters(network, (1, 8, 8))
    found = filters.network(random_bits(filters, share=0.2)[0])
    images = torch.randn(2, 1, 8, 8)
    assert torch.equal(outputs(carried(found, tmp_path), images), outputs(found, images))


def test_a_slim_network_of_a_slim_network_is_a_small_one_of_the_parent(nested: nn.Module) -> None:
    filters = PrunableFilters(nested, (1, 8, 8))
    x = random_bits(filters, share=0.7)[0]
    x[filters.genes.n_filters :] = True
    further = PrunableFilters(filters.network(x), (1, 8, 8))
    assert further.genes.n_var == x.sum()
    images = torch.randn(2, 1, 8, 8)
    for bits in random_bits(further, 5, seed=1):
        both = x.copy()
        both[x] = bits
        torch.testing.assert_close(
            outputs(further.network(bits), images), outputs(filters.network(both), images)
        )


def test_without_a_spec_it_cannot_be_exported(tmp_path: Path) -> None:
    filters = PrunableFilters(small("chain"), SHAPE)
    found = filters.network(random_bits(filters)[0])
    assert found.spec is None
    with pytest.raises(PruneError, match="a SlimNetwork cannot be exported: it has no `spec`"):
        save_network(found, tmp_path, about={})


class Raised(nn.Module):
    """A transposed convolution between others."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.spec = {"network": "raised", "arguments": {"groups": groups}}
        self.stem, self.next = conv(1, 8), conv(8, 6)
        self.up = nn.ConvTranspose2d(6, 4, 2, stride=2, groups=groups)
        self.last, self.head = conv(4, 5), nn.Linear(5, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.up(self.next(self.stem(x)).relu())
        return self.head(self.last(x).mean((2, 3)))  # type: ignore[no-any-return]


@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolutions_come_back_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, groups: int
) -> None:
    monkeypatch.setitem(NETWORKS, "raised", Raised)
    filters = PrunableFilters(Raised(groups).eval(), (1, 8, 8))
    assert filters.genes.sizes == (8, 5)
    found = filters.network(random_bits(filters)[0])
    images = torch.randn(2, 1, 8, 8)
    assert torch.equal(outputs(carried(found, tmp_path), images), outputs(found, images))
    assert found.spec is not None
    widths = {**found.widths, "up": [3, 4, 1][: len(found.widths["up"])]}
    with pytest.raises(PruneError, match=r"'up' has channels \[6, 4.*and cannot have \[3, 4"):
        build_network(broken(found.spec, widths=widths))


def broken(spec: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"network": "slim", "arguments": {**spec["arguments"], **changes}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": {"nowhere": [2]}}, "the parent has no layer 'nowhere' with channels"),
        ({"widths": {"dropout": [2]}}, "the parent has no layer 'dropout' with channels"),
        ({"widths": {"leave": [6, 4]}}, r"layer 'leave' has channels \[5, 4\], and cannot have"),
        ({"widths": {"leave": [0, 4]}}, r"'leave' has channels \[5, 4\], .* have \[0, 4\]"),
        ({"widths": {"leave": [4]}}, r"'leave' has channels \[5, 4\], and cannot have \[4\]"),
        ({"widths": "leave"}, "widths must be numbers by layers' names"),
        ({"widths": {"leave": 4}}, "the spec of network 'slim' does not fit"),
        ({"widths": {"leave": ["4", 4]}}, "the spec of network 'slim' does not fit"),
        ({"widths": None}, "widths must be numbers by layers' names"),
        ({"dropped": [["nowhere", 0]]}, r"operands \[0\] of 'nowhere' cannot be dropped"),
        ({"dropped": [["cat", 0], ["cat", 1]]}, r"operands \[0, 1\] of 'cat' cannot be dropped"),
        ({"dropped": [["cat"]]}, "dropped pairs of a name and a place, but"),
        ({"dropped": [["cat", "one"]]}, "dropped pairs of a name and a place, but"),
        ({"dropped": 3}, "dropped pairs of a name and a place, but"),
        ({"parent": {"network": "nowhere"}}, "unknown network 'nowhere'"),
        ({"parent": {"network": "nested"}}, "the spec of network 'nested' does not fit"),
        ({"more": 1}, "the spec of network 'slim' does not fit"),
    ],
)
def test_broken_specs_are_refused(nested: nn.Module, changes: dict[str, Any], message: str) -> None:
    filters = PrunableFilters(nested, (1, 8, 8))
    spec = filters.network(random_bits(filters)[0]).spec
    assert spec is not None
    with pytest.raises(PruneError, match=message):
        build_network(broken(spec, **changes))


def test_weights_of_another_shape_are_refused(nested: nn.Module, tmp_path: Path) -> None:
    filters = PrunableFilters(nested, (1, 8, 8))
    x = np.arange(filters.genes.n_var) != 0
    save_network(filters.network(x), tmp_path, about={})
    spec = json.loads((tmp_path / "network.json").read_text())
    del spec["arguments"]["widths"]["leave"], spec["digests"]
    (tmp_path / "network.json").write_text(json.dumps(spec))
    with pytest.raises(PruneError, match=r"is damaged: (.|\n)*mismatch for network.leave"):
        load_network(tmp_path)


def test_dense_nets_keep_their_spec(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = mixed(DenseNet.of_depth(10, 4, 1, 10))
    filters = PrunableFilters(network, (1, 8, 8))
    found = filters.network(random_bits(filters)[0])
    images = torch.randn(2, 1, 8, 8)
    assert torch.equal(outputs(carried(found, tmp_path), images), outputs(found, images))
