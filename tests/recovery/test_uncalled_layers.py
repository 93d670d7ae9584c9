"""Layers that are never called: another module uses their weights directly."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from pymoo_prune.data import Split
from pymoo_prune.pruning import PrunableFilters, RemovalOrders
from pymoo_prune.recovery import ChannelRefit, WeightRefit
from tests.support.attention_networks import built
from tests.support.small_networks import CLASSES, SHAPE, Net, conv


def test_layers_that_are_never_called_are_masked() -> None:
    network, images = built("borrowed"), torch.randn(20, 1, 8, 8)
    split = Split(images, torch.zeros(20, dtype=torch.int64))
    refit = WeightRefit(network, ["embed", "mixer.query"], split, centred=False)
    weights = {name: refit.layers[name].weight.detach() for name in refit.layers}
    masks = {name: weight.abs() > weight.abs().median() for name, weight in weights.items()}
    found = {name: refit.weight(name, masks[name]) for name in weights}
    assert torch.equal(found["mixer.query"], weights["mixer.query"] * masks["mixer.query"])
    assert not torch.equal(found["embed"], weights["embed"] * masks["embed"])
    assert 0 < refit.loss("mixer.query", found["mixer.query"]) < 0.5


def test_layers_that_are_never_called_keep_the_weights_of_the_channels_that_stay() -> None:
    network = Net(
        lambda net, x: functional.linear(
            net.two(net.one(x)).mean((2, 3)), net.head.weight, net.head.bias
        ),
        one=conv(3, 6), two=conv(6, 8), head=nn.Linear(8, CLASSES),
    )  # fmt: skip
    split = Split(torch.randn(20, *SHAPE), torch.zeros(20, dtype=torch.int64))
    filters = PrunableFilters(network, SHAPE)
    refit = ChannelRefit(network, filters.refittable(), split, centred=False)
    RemovalOrders(filters, refit)  # without statistics of this layer it goes by the weights
    x = np.arange(filters.genes.n_var) % 2 == 0
    weights = filters.network(x, refit).network.get_parameter
    assert torch.equal(weights("head.weight"), network.get_parameter("head.weight")[:, ::2])
    cut = network.get_parameter("two.weight")[::2, ::2]
    assert not torch.equal(weights("two.weight"), cut)
