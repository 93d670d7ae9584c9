from __future__ import annotations

import copy
import json
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pymoo_prune.chromosomes import WeightGenome
from pymoo_prune.errors import PruneError
from pymoo_prune.networks import ACTIVATIONS, FeedForward, as_feed_forward, build_network

IMAGES = torch.linspace(-2, 2, 5 * 16).reshape(5, 1, 4, 4).sin()


class Residual(nn.Sequential):
    """A Sequential that does not compute its layers one after the other."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + x


class OwnForward(nn.Module):
    """The layers are right, but what it computes with them is unknown."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.flatten(1)) ** 2


def assert_same_function(network: nn.Module, original: nn.Module) -> None:
    original.eval()
    with torch.no_grad():
        torch.testing.assert_close(network(IMAGES), original(IMAGES), atol=1e-6, rtol=1e-6)


def parts() -> dict[str, nn.Module]:
    return OrderedDict(
        flatten=nn.Flatten(), one=nn.Linear(16, 6), act=nn.ReLU(), two=nn.Linear(6, 3)
    )


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_network_computes_its_layers(name: str) -> None:
    network = FeedForward(16, [6, 5], 3, name)
    weights, biases = network.arrays()
    hidden = IMAGES.flatten(1)
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        hidden = ACTIVATIONS[name]()(hidden @ torch.tensor(weight).T + torch.tensor(bias))
    expected = hidden @ torch.tensor(weights[-1]).T + torch.tensor(biases[-1])
    torch.testing.assert_close(network(IMAGES), expected)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_function_and_the_module_of_an_activation_agree(name: str) -> None:
    x = torch.linspace(-5, 5, 101)
    assert torch.equal(FeedForward(1, [1], 1, name).activate(x), ACTIVATIONS[name]()(x))


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("bias", [True, False])
def test_sequentials_are_understood(name: str, bias: bool) -> None:
    original = nn.Sequential(
        nn.Identity(),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Sequential(nn.Linear(16, 7, bias=bias), ACTIVATIONS[name](), nn.Dropout(0.5)),
        nn.Sequential(nn.Sequential(nn.Linear(7, 5, bias=bias)), ACTIVATIONS[name]()),
        nn.Linear(5, 3, bias=bias),
        nn.Identity(),
    )
    network = as_feed_forward(original)
    assert (network.inputs, network.widths, network.classes) == (16, (7, 5), 3)
    assert network.activation == name
    assert not network.training
    assert_same_function(network, original)


def test_the_copy_is_independent_of_the_original() -> None:
    for original in (nn.Sequential(parts()), FeedForward(16, [6], 3)):
        before = copy.deepcopy(original)
        network = as_feed_forward(original)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
        for mine, kept in zip(original.parameters(), before.parameters(), strict=True):
            assert torch.equal(mine, kept)


def test_inplace_activations_are_understood() -> None:
    original = nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.ReLU(inplace=True), nn.Linear(6, 3))
    assert_same_function(as_feed_forward(original), original)


@pytest.mark.parametrize(
    ("layers", "fragments"),
    [
        ({"conv": nn.Conv2d(1, 2, 3), **parts()}, ["'conv'", "Conv2d"]),
        ({**parts(), "norm": nn.BatchNorm1d(3)}, ["'norm'", "BatchNorm1d"]),
        ({"flatten": nn.Flatten(), "block": nn.Sequential(nn.Linear(16, 6), nn.BatchNorm1d(6)),
          "act": nn.ReLU(), "two": nn.Linear(6, 3)}, ["'block.1'", "BatchNorm1d"]),
        ({**parts(), "act2": nn.Tanh(), "three": nn.Linear(3, 3)},
         ["same activation", "relu", "tanh"]),
        ({**parts(), "three": nn.Linear(3, 3)}, ["'three'", "Linear"]),
        ({**parts(), "soft": nn.Softmax(dim=1)}, ["'soft'", "Softmax"]),
        ({**parts(), "last": nn.ReLU()}, ["2 linear layers", "relu"]),
        ({"first": nn.ReLU(), **parts()}, ["'first'", "ReLU"]),
        ({"flatten": nn.Flatten(), "one": nn.Linear(16, 3)},
         ["at least two linear layers", "1 linear"]),
        ({}, ["at least two linear layers", "0 linear"]),
        ({"one": nn.Linear(4, 4), "act": nn.ReLU(), "flat": nn.Flatten(), "two": nn.Linear(16, 3)},
         ["'flat'", "Flatten"]),
        ({"one": nn.Linear(16, 6), "act": nn.LeakyReLU(), "two": nn.Linear(6, 3)},
         ["'act'", "LeakyReLU"]),
        ({"own": OwnForward()}, ["'own'", "OwnForward"]),
    ],
)  # fmt: skip
def test_other_networks_are_refused_by_the_layer(
    layers: dict[str, nn.Module], fragments: list[str]
) -> None:
    with pytest.raises(PruneError) as caught:
        as_feed_forward(nn.Sequential(OrderedDict(layers)))
    for fragment in fragments:
        assert fragment in str(caught.value)


@pytest.mark.parametrize("module", [OwnForward(), nn.Conv2d(1, 1, 1), nn.ReLU()])
def test_modules_whose_order_is_not_known_are_refused(module: nn.Module) -> None:
    with pytest.raises(PruneError, match=rf"nn.Sequential.*{type(module).__name__}"):
        as_feed_forward(module)


def test_a_lone_linear_layer_has_nothing_to_prune() -> None:
    with pytest.raises(PruneError, match="at least two linear layers"):
        as_feed_forward(nn.Linear(16, 3))


# as_feed_forward must return the same function, or raise an error.


def _same_or_refused(original: nn.Module) -> None:
    try:
        network = as_feed_forward(original)
    except PruneError:
        return
    assert_same_function(network, original)


def test_a_sequential_with_a_forward_of_its_own_is_not_taken_for_its_layers() -> None:
    block = Residual(nn.Linear(6, 6), nn.ReLU())
    _same_or_refused(
        nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.ReLU(), block, nn.Linear(6, 3))
    )


def test_a_block_that_is_used_twice_is_not_taken_once() -> None:
    block = nn.Sequential(nn.Linear(6, 6), nn.ReLU())
    _same_or_refused(
        nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.ReLU(), block, block, nn.Linear(6, 3))
    )


def test_gelu_by_the_tanh_formula_is_not_taken_for_the_exact_one() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        original = nn.Sequential(
            nn.Flatten(), nn.Linear(16, 64), nn.GELU(approximate="tanh"), nn.Linear(64, 3)
        )
    with torch.no_grad():
        original[1].weight.mul_(4)
    _same_or_refused(original)


def test_a_partial_flatten_is_not_taken_for_a_whole_one() -> None:
    _same_or_refused(
        nn.Sequential(nn.Flatten(start_dim=2), nn.Linear(16, 6), nn.ReLU(), nn.Linear(6, 3))
    )


def test_one_activation_module_may_be_used_between_all_layers() -> None:
    # A common style. named_modules() lists a module only once, but here each use counts.
    act = nn.ReLU()
    original = nn.Sequential(
        nn.Flatten(), nn.Linear(16, 6), act, nn.Linear(6, 5), act, nn.Linear(5, 3)
    )
    network = as_feed_forward(original)
    assert network.widths == (6, 5)
    assert_same_function(network, original)


@pytest.mark.usefixtures("untouched_global_generators")
def test_a_network_from_layers_draws_no_random_numbers() -> None:
    weights = [torch.ones(4, 16), torch.ones(3, 4)]
    network = FeedForward.from_layers(weights, [torch.ones(4), torch.ones(3)], "tanh")
    assert not network.training
    assert network.activation == "tanh"
    assert all(torch.equal(p, torch.ones_like(p)) for p in network.parameters())
    assert all(p.requires_grad and p.dtype == torch.float32 for p in network.parameters())
    assert not network.linear_layers[0].weight.is_meta


def test_layers_are_copied_out_of_their_tensors() -> None:
    weights, biases = [torch.ones(4, 16), torch.ones(3, 4)], [torch.ones(4), torch.ones(3)]
    network = FeedForward.from_layers(weights, biases)
    for array in (*weights, *biases):
        array.zero_()
    assert all(torch.equal(p, torch.ones_like(p)) for p in network.parameters())


def test_a_network_and_its_genome_are_the_same() -> None:
    network = FeedForward(16, [6, 5], 3, "gelu").eval()
    genome = WeightGenome.from_content(*network.arrays())
    again = FeedForward.from_layers(
        [torch.from_numpy(w) for w in genome.weights],
        [torch.from_numpy(b) for b in genome.biases],
        "gelu",
    )
    assert genome.widths == again.widths == network.widths == (6, 5)
    assert torch.equal(again(IMAGES), network(IMAGES))
    weights, _ = network.arrays()
    weights[0][:] = 0  # arrays() are copies
    assert torch.equal(again(IMAGES), network(IMAGES))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_spec_builds_the_same_shape(name: str) -> None:
    network = FeedForward(16, np.array([6, 5]), 3, name)  # type: ignore[arg-type]
    spec = json.loads(json.dumps(network.spec))
    built = build_network(spec)
    assert isinstance(built, FeedForward)
    assert built.spec == network.spec
    built.load_state_dict(network.state_dict())
    assert torch.equal(built(IMAGES), network(IMAGES))


@pytest.mark.parametrize(
    ("spec", "fragment"),
    [
        ({"network": "feed-foward", "arguments": {}}, "Did you mean 'feed-forward'"),
        ({}, "unknown network"),
        ({"network": "feed-forward"}, "does not fit.*arguments"),
        ({"network": "feed-forward", "arguments": {"inputs": 3}}, "does not fit.*widths"),
        ({"network": "feed-forward",
          "arguments": {"inputs": 3, "widths": [2], "classes": 2, "depth": 1}},
         "does not fit.*depth"),
        ({"network": "feed-forward",
          "arguments": {"inputs": 3, "widths": [2], "classes": 2, "activation": "rellu"}},
         "Did you mean 'relu'"),
    ],
)  # fmt: skip
def test_specs_that_fit_nothing_are_refused(spec: dict[str, Any], fragment: str) -> None:
    with pytest.raises(PruneError, match=fragment):
        build_network(spec)


@pytest.mark.parametrize(("inputs", "widths", "classes"), [(16, [], 3), (16, [0], 3), (0, [2], 3)])
def test_empty_layers_are_refused_with_the_sizes(
    inputs: int, widths: list[int], classes: int
) -> None:
    with pytest.raises(PruneError, match="at least one hidden layer"):
        FeedForward(inputs, widths, classes)
