"""DenseNet-BC with any connections, and its sizes in closed form."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from pymoo_prune.chromosomes import Booleans, Connections, fully_connected
from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import count_macs, count_parameters, dense_net_complexity
from pymoo_prune.networks import DenseNet, build_network, layers_of_depth, named_network
from pymoo_prune.results import load_network, save_network

CIFAR = (3, 32, 32)


@st.composite
def connections(draw: st.DrawFn, most: int = 4) -> Booleans:
    """Connections in any number of blocks and layers, with any share of them live."""
    codec = Connections(draw(st.integers(1, most)), draw(st.integers(1, 4)))
    genes = draw(st.lists(st.booleans(), min_size=codec.n_var, max_size=codec.n_var))
    return codec.matrices(np.array(genes, dtype=bool))


def chain(layers: int, blocks: int = 3) -> Booleans:
    codec = Connections(layers, blocks)
    return codec.matrices(np.zeros(codec.n_var, dtype=bool))


def seeded(matrices: Any, growth: int = 4, channels: int = 1, **more: Any) -> DenseNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return DenseNet(matrices, growth, channels, **more)


def lively(network: DenseNet, seed: int = 0) -> DenseNet:
    """Gives batch norms random statistics, scales and shifts, so that they have an effect."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for norm in network.modules():
            if isinstance(norm, nn.BatchNorm2d):
                least = {
                    norm.weight: 0.2,
                    norm.bias: 0,
                    norm.running_mean: -1,
                    norm.running_var: 0.5,
                }
                for values, lowest in least.items():
                    values.uniform_(lowest, 1.5, generator=generator)
    return network


def some_images(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


# Sizes.


def by_the_formula(
    matrices: Booleans, growth: int, stem: int, channels: int, classes: int, size: tuple[int, int]
) -> tuple[int, int, list[int]]:
    """Parameters, MACs, and the output channels of each block, term by term."""
    k, entering, leaving = growth, stem, []
    height, width = size
    parameters = 9 * channels * stem
    macs = parameters * height * width
    for block, M in enumerate(matrices.astype(int).tolist()):
        layers = len(M) - 2
        for j in range(1, layers + 1):
            a = M[0][j] * entering + k * sum(M[i][j] for i in range(1, j))
            parameters += a * (4 * k + 2) + 8 * k + 36 * k**2
            macs += (4 * k * a + 36 * k**2) * height * width
        t = M[0][layers + 1] * entering + k * sum(M[i][layers + 1] for i in range(1, layers + 1))
        leaving.append(t)
        if block < len(matrices) - 1:
            parameters += 2 * t + t * (t // 2)
            macs += t * (t // 2) * height * width
            entering, height, width = t // 2, height // 2, width // 2
    return parameters + 2 * t + classes * (t + 1), macs + classes * t, leaving


sizes = st.tuples(st.integers(8, 19), st.integers(8, 19))
numbers = st.integers(1, 6), st.integers(1, 9), st.integers(1, 4), st.integers(1, 12), sizes


@given(connections(6), *numbers)
@example(chain(2), 1, 5, 1, 10, (8, 8))
def test_the_closed_form_is_the_formula(
    matrices: Booleans, growth: int, stem: int, channels: int, classes: int, size: tuple[int, int]
) -> None:
    parameters, macs, _ = by_the_formula(matrices, growth, stem, channels, classes, size)
    found = dense_net_complexity(
        matrices[None], growth=growth, stem=stem, channels=channels, classes=classes, size=size
    )
    assert [values.tolist() for values in found] == [[parameters], [macs]]


@given(connections(3), *numbers)
@example(chain(2), 1, 5, 1, 10, (8, 8))
@example(fully_connected(2), 12, 24, 3, 10, (32, 32))
@settings(max_examples=10)
def test_a_built_network_has_what_the_formula_says(
    matrices: Booleans, growth: int, stem: int, channels: int, classes: int, size: tuple[int, int]
) -> None:
    parameters, macs, leaving = by_the_formula(matrices, growth, stem, channels, classes, size)
    with torch.device("meta"):
        if min([2, *leaving[:-1]]) < 2:
            with pytest.raises(PruneError, match=r"transition \d would have no outputs"):
                DenseNet(matrices, growth, channels, classes, stem)
            return
        network = DenseNet(matrices, growth, channels, classes, stem)
    assert count_parameters(network) == parameters
    assert count_macs(network, (channels, *size)) == macs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("depth", "classes", "live", "parameters", "macs"),
    [
        (100, 10, "all", 769_162, 287_929_692),
        (100, 100, "all", 800_032, 287_960_472),
        (100, 10, "chain", 283_234, None),
        (40, 10, "all", 176_122, 72_365_352),
    ],
)
def test_sizes_are_those_of_the_literature(
    depth: int, classes: int, live: str, parameters: int, macs: int | None
) -> None:
    layers = layers_of_depth(depth)
    matrices = fully_connected(layers) if live == "all" else chain(layers)
    with torch.device("meta"):
        network = DenseNet(matrices, 12, 3, classes)
    assert count_parameters(network) == parameters
    found = dense_net_complexity(
        matrices[None], growth=12, stem=24, channels=3, classes=classes, size=(32, 32)
    )
    assert found[0].tolist() == [parameters]
    assert found[1].tolist() == [count_macs(network, CIFAR)]
    assert macs in {None, count_macs(network, CIFAR)}
    weighted = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(weighted) == depth


def test_a_population_is_counted_row_by_row() -> None:
    codec = Connections(3)
    matrices = codec.matrices(codec.random(6, np.random.default_rng(0), 0.5))
    before = matrices.copy()
    given_: Any = {"growth": 4, "stem": 8, "channels": 1, "classes": 10, "size": (9, 8)}
    found = dense_net_complexity(matrices, **given_)
    assert np.array_equal(matrices, before)
    for values, place in zip(found, (0, 1), strict=True):
        assert values.dtype == np.int64
        alone = [dense_net_complexity(one[None], **given_)[place][0] for one in matrices]
        assert values.tolist() == alone
        assert len(set(alone)) > 3
    assert [len(values) for values in dense_net_complexity(matrices[:0], **given_)] == [0, 0]


def test_macs_are_thops_without_its_other_terms_and_half_of_torchs_flops() -> None:
    from thop import profile
    from thop.vision.basic_hooks import zero_ops

    others = dict.fromkeys([nn.BatchNorm2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d], zero_ops)
    codec = Connections(3)
    for genes in codec.random(2, np.random.default_rng(0), 0.5):
        network = seeded(codec.matrices(genes), channels=3).eval()
        copied = copy.deepcopy(network)
        inputs = (torch.zeros(1, 3, 13, 10),)
        macs, parameters = profile(copied, inputs=inputs, custom_ops=others, verbose=False)
        assert count_macs(network, (3, 13, 10)) == macs
        with FlopCounterMode(display=False) as counter:
            network(*inputs)
        assert 2 * macs == counter.get_total_flops()
        assert count_parameters(network) == parameters


@pytest.mark.parametrize(("layers", "blocks"), [(1, 3), (16, 3), (2, 1), (3, 4)])
def test_a_depth_counts_all_that_has_weights(layers: int, blocks: int) -> None:
    depth = 2 * layers * blocks + blocks + 1
    assert layers_of_depth(depth, blocks) == layers
    with torch.device("meta"):
        network = DenseNet(fully_connected(layers, blocks))
    weighted = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(weighted) == depth


def test_a_network_of_a_depth_has_all_connections() -> None:
    with torch.device("meta"):
        network = DenseNet.of_depth(22, 6, 2, 7)
    assert np.array_equal(network.connections, fully_connected(3))
    assert (network.growth, network.channels, network.classes) == (6, 2, 7)
    assert network.stem.out_channels == 12
    with torch.device("meta"):
        assert DenseNet.of_depth(22, 6, stem=5).stem.out_channels == 5


# The forward pass.


def plainly(network: DenseNet, images: Tensor, *, training: bool) -> Tensor:
    """The network's outputs, computed from its weights one operation after the other."""
    state = network.state_dict()

    def activated(path: str, hidden: Tensor) -> Tensor:
        if training:
            mean, variance = hidden.mean((0, 2, 3)), hidden.var((0, 2, 3), unbiased=False)
        else:
            mean, variance = (state[f"{path}.running_{name}"] for name in ("mean", "var"))
        scale = state[f"{path}.weight"] / (variance + 1e-5).sqrt()
        moved = (hidden - mean[:, None, None]) * scale[:, None, None]
        return (moved + state[f"{path}.bias"][:, None, None]).clamp(min=0)

    def convolved(path: str, hidden: Tensor, padding: int = 0) -> Tensor:
        return functional.conv2d(hidden, state[f"{path}.weight"], padding=padding)

    def halved(hidden: Tensor) -> Tensor:
        rows, columns = (side // 2 * 2 for side in hidden.shape[2:])
        corners = [hidden[:, :, i:rows:2, j:columns:2] for i in (0, 1) for j in (0, 1)]
        return sum(corners) / 4  # type: ignore[return-value]

    hidden = convolved("stem", images, 1)
    for block, matrix in enumerate(network.connections.tolist()):
        nodes = [hidden]
        for layer in range(len(matrix) - 2):
            read = torch.cat([nodes[i] for i in range(layer + 1) if matrix[i][layer + 1]], 1)
            path = f"blocks.{block}.layers.{layer}"
            squeezed = convolved(f"{path}.conv1", activated(f"{path}.norm1", read))
            nodes.append(convolved(f"{path}.conv2", activated(f"{path}.norm2", squeezed), 1))
        hidden = torch.cat([nodes[i] for i in range(len(nodes)) if matrix[i][-1]], 1)
        if block < len(network.connections) - 1:
            path = f"transitions.{block}"
            hidden = halved(convolved(f"{path}.conv", activated(f"{path}.norm", hidden)))
    pooled = activated("norm", hidden).mean((2, 3))
    return pooled @ state["linear.weight"].T + state["linear.bias"]


@given(connections(3), st.integers(2, 4), st.integers(2, 7), st.booleans())
@example(chain(3), 3, 5, False)
@example(fully_connected(3), 3, 5, True)
@settings(max_examples=20)
def test_the_forward_pass_is_the_plain_one(
    matrices: Booleans, growth: int, stem: int, training: bool
) -> None:
    network = lively(seeded(matrices, growth, 2, classes=3, stem=stem)).double()
    images = some_images(3, 2, 19, 17).double()
    expected = plainly(network, images, training=training)
    found = network.train(training)(images)
    assert found.shape == (3, 3)
    torch.testing.assert_close(found, expected)


def test_weights_come_from_the_global_generator_and_are_kaimings() -> None:
    matrices = fully_connected(2)
    one, two = seeded(matrices, 12), seeded(matrices, 12)
    for name, weight in one.named_parameters():
        assert torch.equal(weight, two.get_parameter(name)), name
        if weight.ndim == 4:
            wanted = (2 / weight[0].numel()) ** 0.5
            assert float(weight.detach().std()) == pytest.approx(wanted, rel=0.2), name
    assert not one.linear.bias.any()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        assert not torch.equal(DenseNet(matrices, 12, 1).stem.weight, one.stem.weight)


def test_a_few_steps_lower_the_loss_on_digits(digits: Data) -> None:
    network = seeded(chain(2)).train()
    images, labels = digits.train.images[:128], digits.train.labels[:128]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert all(parameter.grad is not None for parameter in network.parameters())


# Specs, files and copies.


def random_network() -> DenseNet:
    codec = Connections(3)
    genes = codec.random(1, np.random.default_rng(2), 0.5)[0]
    return lively(seeded(codec.matrices(genes), 4, 2, classes=5, stem=7)).eval()


def test_a_spec_builds_the_same_network() -> None:
    network = random_network()
    spec = json.loads(json.dumps(network.spec))
    built = build_network(spec).eval()
    assert isinstance(built, DenseNet)
    assert built.spec == network.spec == spec
    assert spec["network"] == "dense-net"
    assert np.array_equal(built.connections, network.connections)
    built.load_state_dict(network.state_dict())
    images = some_images(2, 2, 8, 9)
    assert torch.equal(built(images), network(images))


@pytest.mark.parametrize(
    "argument", ["connections", "growth", "channels", "classes", "stem", "depth"]
)
def test_a_spec_with_wrong_arguments_is_refused(argument: str) -> None:
    spec = random_network().spec
    for value in (-1, "many"):
        wrong = {**spec, "arguments": {**spec["arguments"], argument: value}}
        with pytest.raises(PruneError):
            build_network(wrong)


def test_an_exported_network_comes_back(tmp_path: Path) -> None:
    network = random_network()
    save_network(network, tmp_path, about={"accuracy": 0.5})
    loaded = load_network(tmp_path)
    assert isinstance(loaded, DenseNet)
    assert not loaded.training
    images = some_images(2, 2, 8, 9)
    assert torch.equal(loaded(images), network(images))


def test_it_can_be_traced_and_copied() -> None:
    network = random_network()
    images = some_images(2, 2, 8, 9)
    traced, copied = fx.symbolic_trace(network), copy.deepcopy(network)
    with torch.no_grad():
        outputs = network(images)
        assert torch.equal(traced(images), outputs)
        assert torch.equal(copied(images), outputs)
        for parameter in copied.parameters():
            parameter.zero_()
        copied.connections[...] = False
        assert torch.equal(network(images), outputs)
    assert network.connections.any()


def test_the_connections_given_are_not_changed_and_not_kept() -> None:
    matrices = fully_connected(2)
    network = seeded(matrices)
    network.connections[0, 0, 2] = False
    assert matrices[0, 0, 2]
    matrices[1, 0, 2] = False
    assert network.connections[1, 0, 2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "depth", "size"),
    [
        ("densenet-bc-40", 40, (32, 32)),
        ("densenet-bc-40", 40, (4, 5)),
        ("densenet-bc-100", 100, (9, 17)),
    ],
)
def test_the_zoo_has_the_literatures_networks_for_all_images(
    name: str, depth: int, size: tuple[int, int]
) -> None:
    with torch.device("meta"):
        network = named_network(name, channels=2, classes=7, size=size)
        assert network(torch.zeros(3, 2, *size)).shape == (3, 7)
        assert network.spec == DenseNet.of_depth(depth, 12, 2, 7).spec
    matrices = fully_connected(layers_of_depth(depth))[None]
    found = dense_net_complexity(matrices, growth=12, stem=24, channels=2, classes=7, size=size)
    assert count_parameters(network) == found[0][0]
    assert count_macs(network, (2, *size)) == found[1][0]


@pytest.mark.parametrize("size", [(3, 32), (32, 3), (1, 1)])
def test_images_that_are_too_small_for_two_transitions_are_refused(size: tuple[int, int]) -> None:
    text = rf"'densenet-bc-40' cannot take images of {size[0]}×{size[1]} pixels, .*too small"
    with torch.device("meta"), pytest.raises(PruneError, match=text):
        named_network("densenet-bc-40", channels=1, classes=10, size=size)


# Errors.


@pytest.mark.parametrize("depth", [99, 101, 4, 3, 0, -2, 39])
def test_a_depth_that_does_not_divide_is_refused(depth: int) -> None:
    text = rf"depth must be 6 N \+ 4 with N layers in each of 3 blocks \(10, 16, 22, .*is {depth}$"
    with pytest.raises(PruneError, match=text):
        DenseNet.of_depth(depth)


def test_a_depth_of_other_blocks_is_refused_with_theirs() -> None:
    with pytest.raises(PruneError, match=r"4 N \+ 3 with N layers in each of 2 blocks \(7, 11, 15"):
        layers_of_depth(9, blocks=2)


def dead_chain() -> Booleans:
    matrices = fully_connected(3)
    matrices[1, 2, 3] = False
    return matrices


@pytest.mark.parametrize(
    ("matrices", "numbers", "message"),
    [
        (fully_connected(2)[0], {}, r"\(blocks, nodes, nodes\), but their shape is \(4, 4\)"),
        (fully_connected(2)[None], {}, r"of shape \(1, 3, 4, 4\), 12, 3, 10 and 24"),
        (np.ones((3, 2, 2)), {}, r"at least 3 nodes.*\(3, 2, 2\)"),
        (dead_chain(), {}, "the chain of block 1 is dead: node 3 does not read node 2"),
        (np.ones((2, 4, 4)), {}, "only entries above the diagonal may be 1"),
        (2 * fully_connected(2), {}, "must be 0 or 1"),
        (fully_connected(2), {"growth": 0}, r"of at least 1.*\(3, 4, 4\), 0, 3, 10 and 0"),
        (fully_connected(2), {"channels": 0}, "12, 0, 10 and 24"),
        (fully_connected(2), {"classes": -1}, "12, 3, -1 and 24"),
        (fully_connected(2), {"stem": 0}, "12, 3, 10 and 0"),
        (chain(1), {"growth": 1}, "transition 0 would have no outputs: .* there is 1; .*larger"),
        (np.concatenate([fully_connected(1, 1), chain(1, 2)]), {"growth": 1},
         "transition 1 would have no outputs"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_refused(
    matrices: Any, numbers: dict[str, int], message: str
) -> None:
    with pytest.raises(PruneError, match=message):
        DenseNet(matrices, **numbers)
