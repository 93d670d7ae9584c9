"""Networks with some of another's connections, and the weights they inherit."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.chromosomes import Booleans, Connections, fully_connected
from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import count_parameters
from pymoo_prune.networks import DenseNet
from pymoo_prune.pruning import RandomPaths, SharedWeights, strengths
from pymoo_prune.recovery import ChannelRefit
from pymoo_prune.training import Recipe, fit, trained

CODEC = Connections(3)
GROWTH, STEM, CHANNELS, CLASSES = 4, 7, 1, 10


def fresh(seed: int = 0, matrices: Booleans | None = None) -> DenseNet:
    """A network whose batch norms have statistics, scales and shifts of all kinds."""
    matrices = fully_connected(CODEC.layers) if matrices is None else matrices
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = DenseNet(matrices, GROWTH, CHANNELS, CLASSES, STEM)
        with torch.no_grad():
            for norm in network.modules():
                if isinstance(norm, nn.BatchNorm2d):
                    norm.weight.uniform_(-0.3, 1.5)
                    norm.bias.uniform_(-0.3, 1)
                    norm.running_mean.uniform_(-0.5, 0.5)  # type: ignore[union-attr]
                    norm.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
            network.linear.bias.uniform_(-1, 1)
    return network.eval()


@pytest.fixture(scope="module")
def parent() -> Iterator[DenseNet]:
    """Tests share it, and must not change it."""
    network = fresh()
    before = copy.deepcopy(network.state_dict())
    yield network
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.fixture(scope="module")
def shared(parent: DenseNet) -> SharedWeights:
    return SharedWeights(parent)


@pytest.fixture(scope="module")
def images(digits: Data) -> Tensor:
    return digits.validation.images[:5]


@pytest.fixture(scope="module")
def refit(parent: DenseNet, shared: SharedWeights, digits: Data) -> ChannelRefit:
    names = [reader.layer for reader in shared.readers(parent.connections)]
    return ChannelRefit(parent, names, digits.train.subset(range(100)), centred=False)


chromosomes = st.lists(st.booleans(), min_size=CODEC.n_var, max_size=CODEC.n_var)
CHAIN, ALL = [False] * CODEC.n_var, [True] * CODEC.n_var


def some_matrices(seed: int = 1) -> Booleans:
    return CODEC.matrices(CODEC.random(1, np.random.default_rng(seed), 0.5)[0])


# Smaller networks.


def with_dead_connections(parent: DenseNet, matrices: Booleans, images: Tensor) -> Tensor:
    """The parent's own arithmetic, in which each layer leaves out what it does not read.

    Each node is a list of as many channels as the parent has, None where there is no such channel.
    """
    state = parent.state_dict()

    def read(norm: str, weight: Tensor, nodes: list[list[Any]], column: NDArray[Any]) -> Tensor:
        """A layer's output from the live channels in front of it, one by one."""
        channel, total = 0, torch.zeros(())
        for node, live in zip(nodes, column, strict=False):
            for values in node:
                if live and values is not None:
                    mean, variance, scale, shift = (
                        state[f"{norm}.{name}"][channel]
                        for name in ("running_mean", "running_var", "weight", "bias")
                    )
                    hidden = (values - mean) / (variance + 1e-5).sqrt() * scale + shift
                    hidden = hidden.clamp(min=0)
                    if weight.ndim == 2:
                        total = total + hidden.mean((1, 2))[:, None] * weight[:, channel]
                    else:
                        taken = weight[:, channel].reshape(1, -1, 1, 1)
                        total = total + hidden[:, None] * taken
                channel += 1
        assert channel == weight.shape[1]
        return total

    entering = list(functional.conv2d(images, state["stem.weight"], padding=1).unbind(1))
    for block, matrix in enumerate(matrices):
        nodes: list[list[Any]] = [entering]
        for layer in range(len(matrix) - 2):
            path = f"blocks.{block}.layers.{layer}"
            hidden = read(
                f"{path}.norm1", state[f"{path}.conv1.weight"], nodes, matrix[:, layer + 1]
            )
            hidden = functional.batch_norm(
                hidden, *(state[f"{path}.norm2.{name}"]
                          for name in ("running_mean", "running_var", "weight", "bias"))
            ).clamp(min=0)  # fmt: skip
            weight = state[f"{path}.conv2.weight"]
            nodes.append(list(functional.conv2d(hidden, weight, padding=1).unbind(1)))
        out = matrix[:, -1]
        if block == len(matrices) - 1:
            return read("norm", state["linear.weight"], nodes, out) + state["linear.bias"]
        path = f"transitions.{block}"
        hidden = functional.avg_pool2d(
            read(f"{path}.norm", state[f"{path}.conv.weight"], nodes, out), 2
        )
        came = sum(v is not None for node, live in zip(nodes, out, strict=False) if live
                   for v in node)  # fmt: skip
        # Half as many channels leave as enter: the first of the parent's.
        entering = [
            values if place < came // 2 else None for place, values in enumerate(hidden.unbind(1))
        ]
    raise AssertionError


@pytest.mark.slow
@given(chromosomes)
@example(CHAIN)
@example(ALL)
@settings(max_examples=20)
def test_a_small_network_is_the_parent_with_dead_connections(
    parent: DenseNet, shared: SharedWeights, images: Tensor, genes: list[bool]
) -> None:
    matrices = CODEC.matrices(genes)
    before = matrices.copy()
    network = shared.network(matrices)
    assert isinstance(network, DenseNet)
    assert np.array_equal(network.connections, matrices)
    assert not any(part.training for part in network.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())
    with torch.no_grad():
        found, masked = network(images), shared.masked(matrices)(images)
        expected = with_dead_connections(parent, matrices, images)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(masked, expected, atol=1e-5, rtol=1e-5)
    assert np.array_equal(matrices, before)


def test_outputs_tell_connections_apart(shared: SharedWeights, images: Tensor) -> None:
    with torch.no_grad():
        outputs = [
            shared.network(CODEC.matrices(np.arange(CODEC.n_var) != gene))(images)
            for gene in range(CODEC.n_var)
        ]
        outputs.append(shared.parent(images))
    for place, one in enumerate(outputs):
        gaps = [float((one - other).abs().max()) for other in outputs[:place]]
        assert min(gaps, default=1) > 1e-3


def test_with_everything_kept_it_is_the_parent(
    parent: DenseNet, shared: SharedWeights, refit: ChannelRefit, images: Tensor
) -> None:
    everything = parent.connections
    with torch.no_grad():
        for network in (
            shared.network(everything),
            shared.network(everything, refit),
            shared.masked(everything),
        ):
            assert torch.equal(network(images), parent(images))
            for name, value in network.state_dict().items():
                assert torch.equal(value, parent.state_dict()[name]), name


def test_masks_are_zeros_and_nothing_else_changes(parent: DenseNet, shared: SharedWeights) -> None:
    matrices = CODEC.matrices(np.array(CHAIN))
    masked, state = shared.masked(matrices), parent.state_dict()
    assert masked.spec == parent.spec
    norms = {f"blocks.{b}.layers.{j}.norm1" for b in range(3) for j in range(3)}
    norms = norms - {"blocks.0.layers.0.norm1"} | {
        "transitions.0.norm",
        "transitions.1.norm",
        "norm",
    }
    changed = {f"{norm}.{name}" for norm in norms for name in ("weight", "bias")}
    changed |= {"transitions.0.conv.weight", "transitions.1.conv.weight"}
    for name, value in masked.state_dict().items():
        kept = value != 0
        assert torch.equal(value[kept], state[name][kept]), name
        assert torch.equal(value, state[name]) is (name not in changed), name


@pytest.mark.parametrize("seed", [1, 2])
def test_refitted_layers_are_the_refits_and_all_others_the_parents(
    parent: DenseNet, shared: SharedWeights, refit: ChannelRefit, seed: int
) -> None:
    matrices = some_matrices(seed)
    plain, network = shared.network(matrices), shared.network(matrices, refit)
    refitted = set()
    for reader in shared.readers(matrices):
        for name, value in refit.layer(reader.layer, reader.inputs, reader.outputs).items():
            assert torch.equal(network.get_parameter(f"{reader.layer}.{name}").detach(), value)
            refitted.add(f"{reader.layer}.{name}")
    assert "linear.bias" in refitted
    changed = set()
    for name, value in network.state_dict().items():
        if not torch.equal(value, plain.state_dict()[name]):
            changed.add(name)
    assert changed < refitted
    assert len(changed) > 5


def test_readers_stand_in_the_order_of_the_network(shared: SharedWeights) -> None:
    paths = [
        [(f"blocks.{b}.layers.{j}.norm1", f"blocks.{b}.layers.{j}.conv1") for j in range(3)]
        + [(f"transitions.{b}.norm", f"transitions.{b}.conv") if b < 2 else ("norm", "linear")]
        for b in range(3)
    ]
    matrices = some_matrices()
    readers = list(shared.readers(matrices))
    assert [(reader.norm, reader.layer) for reader in readers] == [
        path for block in paths for path in block
    ]
    small = shared.like(matrices)
    for reader in readers:
        weight = small.get_parameter(f"{reader.layer}.weight")
        assert weight.shape[:2] == (len(reader.outputs), len(reader.inputs))
        for places in (reader.inputs, reader.outputs):
            assert places.tolist() == sorted(set(places.tolist()))


def test_a_network_shares_nothing_with_its_parent(
    parent: DenseNet, shared: SharedWeights, images: Tensor
) -> None:
    for make in (shared.network, shared.masked):
        one = make(parent.connections)
        with torch.no_grad():
            for value in one.state_dict().values():
                value.zero_()
            one.connections[...] = False
            assert bool((make(parent.connections)(images) != 0).all())  # type: ignore[operator]
    assert parent.connections.any()


@pytest.mark.usefixtures("untouched_global_generators")
def test_a_candidate_draws_no_random_number(
    parent: DenseNet, shared: SharedWeights, refit: ChannelRefit, images: Tensor
) -> None:
    matrices = some_matrices()
    shared.like(matrices)
    shared.network(matrices, refit)
    shared.masked(matrices)
    strengths(parent)
    RandomPaths(copy.deepcopy(parent), seed=0)(images)


def test_inherited_parameters_take_the_parents_gradients() -> None:
    shared = SharedWeights(fresh())
    state = shared.inherited(some_matrices())
    small = shared.like(some_matrices())
    assert {n: tuple(v.shape) for n, v in state.items()} == {
        n: tuple(v.shape) for n, v in small.state_dict().items()
    }
    sum(state[name].sum() for name, _ in small.named_parameters()).backward()  # type: ignore[union-attr]
    for reader in shared.readers(some_matrices()):
        for path, places in ((f"{reader.norm}.weight", reader.inputs),
                             (f"{reader.norm}.bias", reader.inputs)):  # fmt: skip
            gradient: Any = shared.parent.get_parameter(path).grad
            assert gradient.nonzero().flatten().tolist() == places.tolist()
    before = shared.parent.norm.running_mean.clone()  # type: ignore[operator]
    state["norm.running_mean"].zero_()
    assert torch.equal(shared.parent.norm.running_mean, before)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("block", "source", "reader"), [(0, 0, 2), (1, 1, 3), (2, 2, 4), (2, 0, 4)]
)
def test_a_parent_that_lacks_a_connection_is_refused(block: int, source: int, reader: int) -> None:
    matrices = fully_connected(3)
    matrices[block, source, reader] = False
    network = fresh(matrices=matrices)
    text = f"in block {block} node {reader} does not read node {source}$"
    for refuse in (SharedWeights, strengths, lambda parent: RandomPaths(parent, 0)):
        with pytest.raises(PruneError, match=f"must have all of its connections, but {text}"):
            refuse(network)


def test_the_first_missing_connection_is_named() -> None:
    network = fresh(matrices=CODEC.matrices(np.array(CHAIN)))
    with pytest.raises(PruneError, match="block 0 node 2 does not read node 0"):
        SharedWeights(network)


@pytest.mark.parametrize(("layers", "blocks", "stem"), [(1, 1, 3), (2, 4, 5), (4, 2, 2)])
def test_any_number_of_blocks_and_layers(layers: int, blocks: int, stem: int) -> None:
    codec = Connections(layers, blocks)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parent = DenseNet(fully_connected(layers, blocks), 3, 2, 4, stem).eval()
        images = torch.randn(2, 2, 17, 16)
    shared = SharedWeights(parent)
    for genes in codec.random(3, np.random.default_rng(0), 0.4):
        matrices = codec.matrices(genes)
        network = shared.network(matrices)
        assert count_parameters(network) == count_parameters(
            DenseNet(matrices, 3, 2, 4, stem)
        ) <= count_parameters(parent)  # fmt: skip
        with torch.no_grad():
            torch.testing.assert_close(
                network(images), shared.masked(matrices)(images), atol=1e-5, rtol=1e-5
            )


# Strengths.


@pytest.mark.parametrize(("layers", "blocks", "stem"), [(3, 3, 7), (1, 2, 4), (2, 4, 1)])
def test_a_connection_is_as_strong_as_its_weights_are_large(
    layers: int, blocks: int, stem: int
) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parent = DenseNet(fully_connected(layers, blocks), GROWTH, 1, CLASSES, stem)
    expected = np.zeros((blocks, layers + 2, layers + 2))
    entering = stem
    for block in range(blocks):
        for reader in range(1, layers + 2):
            if reader <= layers:
                path = f"blocks.{block}.layers.{reader - 1}.conv1"
            else:
                path = f"transitions.{block}.conv" if block < blocks - 1 else "linear"
            weight = parent.get_parameter(f"{path}.weight").detach().flatten(1).double()
            first = 0
            for source in range(reader):
                width = entering if source == 0 else GROWTH
                part = weight[:, first : first + width]
                expected[block, source, reader] = float(part.abs().mean())
                first += width
            assert first == weight.shape[1]
        entering = (entering + layers * GROWTH) // 2
    found = strengths(parent)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    possible = np.triu(np.ones(found.shape[1:], dtype=bool), k=1)
    assert (found[:, possible] > 0).all()
    assert (found[:, ~possible] == 0).all()


# Training of shared weights.


def whole_training(network: nn.Module, digits: Data, seed: int, images: int = 300) -> RandomPaths:
    recipe = Recipe("sgd", 0.05, batch_size=50)
    return trained(RandomPaths(network, seed), digits.train, images=images, recipe=recipe)  # type: ignore[arg-type]


def test_every_weight_of_the_parent_is_trained(digits: Data) -> None:
    paths = RandomPaths(fresh(), seed=0).train()
    seen = dict.fromkeys(dict(paths.parent.named_parameters()), 0.0)
    for rows in torch.arange(400).split(40):
        paths.zero_grad()
        outputs = paths(digits.train.images[rows])
        functional.cross_entropy(outputs, digits.train.labels[rows]).backward()
        for name, parameter in paths.parent.named_parameters():
            if parameter.grad is not None:
                seen[name] += float(parameter.grad.abs().sum())
    assert min(seen.values()) > 0
    assert list(dict(paths.named_parameters())) == [f"parent.{name}" for name in seen]


def test_training_changes_the_parent_in_place_and_not_its_statistics(digits: Data) -> None:
    paths = RandomPaths(fresh(), seed=0).train()
    parent, before = paths.parent, copy.deepcopy(paths.parent.state_dict())
    parameters = dict(parent.named_parameters())

    def loss(outputs: Tensor, rows: Tensor) -> Tensor:
        return functional.cross_entropy(outputs, digits.train.labels[rows])

    fit(
        paths, digits.train, images=600, recipe=Recipe("sgd", 0.05, batch_size=50), seed=0,
        loss=loss,
    )  # fmt: skip
    assert paths.parent is parent is paths.shared.parent
    for name, value in parent.state_dict().items():
        assert torch.equal(value, before[name]) is (name not in parameters), name


def test_a_trained_copy_is_whole(digits: Data) -> None:
    start = fresh()
    before = copy.deepcopy(start.state_dict())
    paths = whole_training(start, digits, seed=0, images=100)
    assert paths.shared.parent is paths.parent is not start
    assert all(torch.equal(value, before[name]) for name, value in start.state_dict().items())


@pytest.mark.slow
@pytest.mark.usefixtures("untouched_global_generators")
def test_a_seed_gives_the_same_weights_bit_for_bit(digits: Data) -> None:
    one, same, other = (whole_training(fresh(), digits, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(value, same[name]) for name, value in one.items())
    assert not torch.equal(one["parent.stem.weight"], other["parent.stem.weight"])


@pytest.mark.slow
def test_every_batch_goes_through_a_network_of_its_own(
    images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = RandomPaths(fresh(), seed=0).train()
    drawn: list[Booleans] = []
    plain = paths.shared.inherited

    def spy(matrices: Booleans, refit: ChannelRefit | None = None) -> dict[str, Tensor]:
        drawn.append(matrices)
        return plain(matrices, refit)

    monkeypatch.setattr(paths.shared, "inherited", spy)
    outputs = [paths(images) for _ in range(60)]
    monkeypatch.undo()
    kept = np.array([CODEC.genes(matrices).mean() for matrices in drawn])
    assert len(kept) == 60
    assert 8 < (kept == 1).sum() < 30
    assert kept.min() < 0.15
    assert len({matrices.tobytes() for matrices in drawn}) > 30
    with torch.no_grad():
        for output, matrices in zip(outputs[:8], drawn, strict=False):
            expected = paths.shared.network(matrices).train()(images)
            torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-5)
