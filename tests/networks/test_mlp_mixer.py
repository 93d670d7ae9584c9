from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pymoo_prune import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import accuracy, count_macs, count_parameters
from pymoo_prune.networks import MlpMixer, build_network, named_network
from pymoo_prune.training import Recipe, train_parent

SMALL: dict[str, Any] = {"blocks": 2, "width": 8, "mixed": 5, "hidden": 12}


def test_sizes_are_those_of_the_formulas() -> None:
    network = MlpMixer(3, 7, (8, 12), 4, **SMALL)
    pixels, patches, stem = 96, 6, 4
    layers = 27 * stem * pixels + stem * 16 * 8 * patches
    block = 2 * patches * 5 * 8 + 2 * 8 * 12 * patches
    assert count_macs(network, (3, 8, 12)) == layers + 2 * block + 8 * 7
    weights = 27 * stem + stem * 16 * 8 + 2 * (2 * patches * 5 + 2 * 8 * 12) + 56
    biases = 2 * stem + 8 + 2 * (5 + patches + 12 + 8 + 2 * 16) + 16 + 7
    assert count_parameters(network) == weights + biases


def test_patches_and_channels_are_mixed() -> None:
    torch.manual_seed(0)
    network = MlpMixer(1, 3, (8, 8), 4, **SMALL).double().eval()
    patches = torch.randn(1, 4, 8, dtype=torch.float64, requires_grad=True)
    network.blocks(patches)[0, 0, 0].backward()
    assert patches.grad is not None
    assert (patches.grad != 0).all()


def test_zeros_fill_up_the_last_patches() -> None:
    torch.manual_seed(0)
    network = MlpMixer(1, 3, (5, 6), 4, **SMALL).eval()
    whole = MlpMixer(1, 3, (8, 8), 4, **SMALL).eval()
    whole.load_state_dict(network.state_dict())
    images = torch.randn(2, 1, 5, 6)
    filled = nn.functional.pad(images, (0, 2, 0, 3))
    torch.testing.assert_close(network(images), whole(filled))


def test_it_is_built_again_from_its_spec() -> None:
    network = MlpMixer(2, 5, np.array([7, 9]), 3, **SMALL)
    again = build_network(network.spec)
    again.load_state_dict(network.state_dict())
    assert isinstance(again, MlpMixer)
    assert again.spec == network.spec


@pytest.mark.parametrize(
    "wrong", [{"size": (8,)}, {"size": (0, 8)}, {"patch": 0}, {"blocks": 0}, {"mixed": 0}]
)
def test_impossible_shapes_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PruneError, match="at least 1"):
        MlpMixer(1, 10, **{"size": (8, 8), "patch": 2, **SMALL, **wrong})


@pytest.mark.parametrize(("size", "patches"), [((8, 8), 16), ((28, 28), 49), ((64, 32), 32)])
def test_the_zoos_patches_fit_the_image(size: tuple[int, int], patches: int) -> None:
    network: Any = named_network("small-mixer", channels=1, classes=10, size=size)
    assert network.blocks[0].mix.in_features == patches


@pytest.mark.slow
def test_the_zoos_mixer_learns(digits: Data) -> None:
    # Its recipe is its own: with momentum and a high rate it would learn little.
    steep = Recipe("sgd", 0.1, "one-cycle", 128, crop=2, flip=True)
    network = train_parent(digits, "small-mixer", 15, recipe=steep, seed=1)
    assert accuracy(network, digits.test) > 0.95
