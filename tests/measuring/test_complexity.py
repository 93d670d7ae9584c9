from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import (
    LayerShape,
    count_macs,
    count_parameters,
    dense_complexity,
    layer_macs,
    prunable_layers,
    thop_macs,
)
from pymoo_prune.networks import CifarResNet, FeedForward, VideoResNet

SIZES = st.tuples(
    st.integers(1, 4), st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(1, 5)
)


@given(SIZES)
@settings(max_examples=20)
def test_counts_are_those_of_a_built_network(sizes: tuple[int, list[int], int]) -> None:
    side, widths, classes = sizes
    network = FeedForward(side * side, widths, classes)
    parameters, macs = dense_complexity(side * side, np.array([widths]), classes)
    assert parameters.tolist() == [count_parameters(network)]
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 1, side, side))
    assert 2 * macs[0] == counter.get_total_flops()
    assert macs[0] == thop_macs(network, (1, side, side))


def test_a_population_is_counted_row_by_row() -> None:
    widths = np.array([[300, 100], [1, 1], [17, 250]])
    parameters, macs = dense_complexity(784, widths, 10)
    assert parameters.dtype == macs.dtype == np.int64
    for row, width in enumerate(widths):
        alone = dense_complexity(784, width[None], 10)
        assert (parameters[row], macs[row]) == (alone[0][0], alone[1][0])
    # LeNet-300-100, whose size is often quoted.
    assert (parameters[0], macs[0]) == (266_610, 266_200)


def test_counts_do_not_overflow_small_integers() -> None:
    narrow = np.array([[60_000, 60_000]], dtype=np.uint16)
    _, macs = dense_complexity(3_000, narrow, 10)
    assert macs[0] == 3_000 * 60_000 + 60_000**2 + 600_000
    assert narrow.dtype == np.uint16


def test_zeros_are_parameters_too() -> None:
    network = nn.Linear(3, 2)
    nn.init.zeros_(network.weight)
    assert count_parameters(network) == 8


@pytest.mark.parametrize("training", [True, False])
def test_thop_leaves_no_trace(training: bool) -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10)
    ).train(training)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    thop_macs(network, (1, 8, 8))
    after = network.state_dict()
    assert after.keys() == before.keys()  # thop registers total_ops and total_params
    assert all(torch.equal(after[name], before[name]) for name in before)
    for module in network.modules():
        assert module.training is training
        assert not module._forward_hooks
        assert not hasattr(module, "total_ops")


# The layers of any network.

Shape = tuple[int, ...]


def cifar_resnet18() -> nn.Module:
    """torchvision's network, with the usual first layers for images of 32 by 32 pixels."""
    network = models.resnet18(num_classes=10)
    network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    return network


def googlenet() -> nn.Module:
    return models.googlenet(num_classes=10, aux_logits=False, init_weights=False)


def separable() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(4, 12, (3, 2), stride=(2, 1), padding=1, groups=4), nn.Conv2d(12, 5, 1)
    )


def hourglass() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, stride=2, padding=1),
        nn.ConvTranspose2d(8, 4, 3, stride=2, groups=2, output_padding=1),
        nn.ConvTranspose2d(4, 2, 2),
    )


def meta(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return build().eval()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "shape", "macs"),
    [
        (CifarResNet, (3, 32, 32), 40_551_040),
        (cifar_resnet18, (3, 32, 32), 555_422_720),
        (googlenet, (3, 32, 32), 30_568_448),
        (VideoResNet, (12, 16, 16), None),
        # torchvision documents 40.519 thousand millions.
        (lambda: VideoResNet(48, 400, 16), (48, 112, 112), 40_519_080_960),
        (lambda: VideoResNet(frames=2), (1, 17, 9), None),
        (lambda: FeedForward(784, [300, 100], 10), (1, 28, 28), 266_200),
        (separable, (4, 9, 7), None),
        (hourglass, (2, 9, 7), None),
        (lambda: nn.Conv1d(3, 6, 5, dilation=2), (3, 20), None),
        (lambda: nn.ConvTranspose1d(3, 6, 5), (3, 20), None),
        (lambda: nn.Sequential(nn.Conv3d(2, 3, 3), nn.ConvTranspose3d(3, 2, 3)),
         (2, 5, 6, 7), None),
        (lambda: nn.Linear(7, 3), (5, 4, 7), 5 * 4 * 21),
    ],
)  # fmt: skip
def test_macs_are_half_of_torchs_flops(
    build: Callable[[], nn.Module], shape: Shape, macs: int | None
) -> None:
    network = meta(build)
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, *shape, device="meta"))
    assert 2 * count_macs(network, shape) == counter.get_total_flops() > 0
    assert macs in {None, count_macs(network, shape)}
    assert layer_macs(prunable_layers(network, shape)) == count_macs(network, shape)


@pytest.mark.parametrize(("build", "shape"), [(CifarResNet, (3, 32, 32)), (separable, (4, 9, 7))])
def test_macs_are_thops_without_its_other_terms(
    build: Callable[[], nn.Module], shape: Shape
) -> None:
    network = build().eval()
    from thop import profile
    from thop.vision.basic_hooks import zero_ops

    others = {nn.BatchNorm2d: zero_ops, nn.AdaptiveAvgPool2d: zero_ops}
    image = torch.zeros(1, *shape)
    macs, _ = profile(copy.deepcopy(network), inputs=(image,), custom_ops=others, verbose=False)
    assert count_macs(network, shape) == macs


def test_layers_are_listed_with_weights_and_positions() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        nn.BatchNorm2d(4),
        nn.Sequential(nn.Conv2d(4, 6, 3, groups=2, bias=False), nn.ReLU()),
        nn.Flatten(),
        nn.Linear(24, 5),
    )
    assert prunable_layers(network, (3, 8, 8)) == [
        LayerShape("0", 108, 16),
        LayerShape("2.0", 108, 4),
        LayerShape("4", 120, 1),
    ]


class Odd(nn.Module):
    """Layers out of order, called twice, sharing a weight, or not called at all."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.unused = nn.Linear(4, 2), nn.Linear(9, 9)
        self.first, self.tied = nn.Linear(4, 4), nn.Linear(4, 4)
        self.tied.weight = self.first.weight
        self.again = self.first

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        return self.last(self.tied(self.again(self.first(x))))


def test_a_shared_weight_is_listed_once_with_all_of_its_calls() -> None:
    layers = prunable_layers(Odd(), (1, 2, 2))
    assert layers == [
        LayerShape("last", 8, 1), LayerShape("unused", 81, 0), LayerShape("first", 16, 3)
    ]  # fmt: skip
    assert layer_macs(layers) == 8 + 3 * 16


def test_images_that_the_network_cuts_up_are_counted_whole() -> None:
    network = nn.Sequential(nn.Flatten(0, 1), nn.Unflatten(0, (3, 1)), nn.Conv2d(1, 2, 3))
    assert prunable_layers(network, (3, 5, 5)) == [LayerShape("2", 18, 3 * 9)]


def test_masked_and_parametrized_weights_are_listed() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    prune.l1_unstructured(network[0], "weight", 0.5)
    for place in (1, 2):
        parametrizations.weight_norm(network[place])
    expected = [LayerShape(str(place), size, 1) for place, size in enumerate((16, 16, 16, 8))]
    assert prunable_layers(network, (4,)) == expected


def test_a_network_that_is_counted_is_left_as_it_was() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5), nn.Flatten(), nn.Linear(72, 10)
    ).double()
    network[1].eval()
    modes = [module.training for module in network.modules()]
    before, generator = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    layers = prunable_layers(network, (1, 8, 8))
    assert layers == prunable_layers(copy.deepcopy(network).half(), (1, 8, 8))
    with pytest.raises(PruneError, match=r"cannot take an image of shape \(1, 2, 2\).*[Kk]ernel"):
        prunable_layers(network, (1, 2, 2))
    assert torch.equal(torch.get_rng_state(), generator)
    assert [module.training for module in network.modules()] == modes
    assert not any(module._forward_hooks for module in network.modules())
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_network_without_layers_counts_nothing() -> None:
    assert prunable_layers(nn.Flatten(), (1, 2, 2)) == []
    assert count_macs(nn.Flatten(), (1, 2, 2)) == 0
