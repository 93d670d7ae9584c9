"""DenseNets whose blocks have different numbers of layers, and torchvision's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from pymoo_prune import PruneError
from pymoo_prune.chromosomes import Connections
from pymoo_prune.data import Split
from pymoo_prune.measuring import count_macs, count_parameters, dense_net_complexity
from pymoo_prune.networks import DenseNet, build_network, spec_of
from pymoo_prune.pruning import SharedWeights, strengths, train_together
from pymoo_prune.training import Recipe, trained

CODEC = Connections([2, 3, 1])


def dense_net(*, large: bool = False, channels: int = 1) -> DenseNet:
    torch.manual_seed(0)
    network = DenseNet(CODEC.everything, 4, channels, 10, large=large).eval()
    return shaken(network)


def shaken(network: Any) -> Any:
    """Statistics of batch norms that are not those of the start."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return network


def some(n: int = 6) -> Any:
    X = CODEC.random(n, np.random.default_rng(0), np.linspace(0.2, 1, n))
    return CODEC.matrices(X)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("size", [(16, 16), (17, 21)])
def test_sizes_in_closed_form_are_those_of_the_networks(large: bool, size: tuple[int, int]) -> None:
    matrices, shared = some(), SharedWeights(dense_net(large=large))
    parameters, macs = dense_net_complexity(
        matrices, growth=4, stem=8, channels=1, classes=10, size=size, large=large
    )
    for row, one in enumerate(matrices):
        network = shared.like(one)
        assert count_parameters(network) == parameters[row]
        assert count_macs(network, (1, *size)) == macs[row]


@pytest.mark.parametrize("large", [False, True])
def test_small_networks_give_what_masked_ones_give(large: bool) -> None:
    parent = dense_net(large=large).double()
    shared, images = SharedWeights(parent), torch.rand(3, 1, 16, 16).double()
    for one in some():
        small, masked = shared.network(one), shared.masked(one)
        assert torch.allclose(small(images), masked(images), atol=1e-10)
    whole = shared.network(CODEC.everything)
    assert torch.allclose(whole(images), parent(images), atol=1e-10)


def test_networks_are_built_again_from_their_spec() -> None:
    shared, images = SharedWeights(dense_net(large=True)), torch.rand(2, 1, 16, 16)
    for one in some():
        network = shared.network(one)
        spec = spec_of(network)
        assert spec is not None
        assert spec["arguments"]["large"] is True
        again = build_network(spec).eval()
        again.load_state_dict(network.state_dict())
        assert torch.equal(again(images), network(images))


def test_only_connections_that_can_be_have_a_strength() -> None:
    found = strengths(dense_net())
    assert found.shape == CODEC.everything.shape
    assert (found[CODEC.everything] > 0).all()
    assert (found[~CODEC.everything] == 0).all()


@pytest.mark.parametrize("large", [False, True])
def test_networks_that_train_together_train_as_they_do_alone(large: bool) -> None:
    shared = SharedWeights(dense_net(large=large))
    # In double precision, so that steps do not amplify rounding.
    networks = [shared.network(one).double() for one in some(3)]
    torch.manual_seed(2)
    split = Split(torch.rand(64, 1, 16, 16).double(), torch.arange(64) % 10)
    recipe = Recipe("sgd", 0.05, "constant", 32)
    together = train_together(networks, split, images=96, recipe=recipe, seed=3)
    for network, found in zip(networks, together, strict=True):
        assert isinstance(found, DenseNet)
        alone = trained(network, split, images=96, recipe=recipe, seed=3).state_dict()
        for name, value in found.state_dict().items():
            assert torch.allclose(value.double(), alone[name].double(), atol=1e-9), name
    other = dense_net(large=not large).double()
    with pytest.raises(PruneError, match="whether it is for large images"):
        train_together([networks[0], other], split, images=32, recipe=recipe, seed=3)


# torchvision's.


def theirs(**options: Any) -> Any:
    torch.manual_seed(1)
    sizes = {"growth_rate": 4, "block_config": (2, 3, 1), "num_init_features": 8, "num_classes": 10}
    return shaken(torchvision.models.DenseNet(**{**sizes, **options})).eval()


def test_torchvisions_network_gives_the_same_here() -> None:
    network = theirs()
    own = DenseNet.of_torchvision(network)
    images = torch.rand(2, 3, 64, 64)
    assert torch.allclose(own(images), network(images), atol=1e-5)
    assert Connections.of(own.connections).sizes == (2, 3, 1)
    assert count_parameters(own) == count_parameters(network)
    assert count_macs(own, (3, 64, 64)) == count_macs(network, (3, 64, 64))
    assert not own.training


@pytest.mark.slow
def test_densenet_121_is_one_of_them() -> None:
    with torch.device("meta"):
        network = torchvision.models.densenet121()
        own = DenseNet.of_torchvision(network)
    assert count_parameters(own) == 7_978_856
    codec = Connections.of(own.connections)
    assert (codec.sizes, codec.n_var) == ((6, 12, 24, 16), 21 + 78 + 300 + 136)
    found = dense_net_complexity(
        own.connections[None], growth=32, stem=64, channels=3, classes=1_000, size=(224, 224),
        large=True,
    )  # fmt: skip
    assert [int(one[0]) for one in found] == [7_978_856, count_macs(own, (3, 224, 224))]


def test_other_dense_nets_are_refused() -> None:
    with pytest.raises(
        PruneError, match=r"no DenseNet-BC that halves its channels: .*size mismatch"
    ):
        DenseNet.of_torchvision(theirs(bn_size=2))
