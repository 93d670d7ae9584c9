from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from pymoo_prune.data import Data, Split
from pymoo_prune.errors import PruneError
from pymoo_prune.networks import FeedForward
from pymoo_prune.training import Recipe, trained


class Recorder(nn.Module):
    """Notes which images it was shown, step by step; the image's one pixel is its index."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(2))
        self.steps: list[list[int]] = []
        self.modes: set[bool] = set()

    def forward(self, images: Tensor) -> Tensor:
        self.steps.append(images.flatten().int().tolist())
        self.modes.add(self.training)
        return images.flatten()[:, None] * self.scale


def numbered(n: int) -> Split:
    images = torch.arange(n, dtype=torch.float32).reshape(-1, 1, 1, 1)
    return Split(images, torch.arange(n) % 2)


def fresh(seed: int = 0) -> FeedForward:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FeedForward(64, [12, 8], 10)


def same(one: nn.Module, other: nn.Module) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[k], theirs[k]) for k in mine)


def loss(network: nn.Module, split: Split) -> float:
    with torch.no_grad():
        return float(nn.functional.cross_entropy(network(split.images), split.labels))


@pytest.mark.usefixtures("untouched_global_generators")
def test_a_seed_gives_the_same_weights_bit_for_bit(digits: Data) -> None:
    network = fresh()
    one = trained(network, digits.train, images=2_500, seed=3)
    torch.rand(5, generator=torch.Generator())  # what happens in between does not matter
    assert same(one, trained(network, digits.train, images=2_500, seed=3))
    assert not same(one, trained(network, digits.train, images=2_500, seed=4))


def test_the_argument_is_not_changed(digits: Data) -> None:
    network = fresh().train()
    before = copy.deepcopy(network)
    result = trained(network, digits.train, images=500)
    assert same(network, before)
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not result.training
    assert not same(result, before)


def test_no_images_give_an_equal_copy(digits: Data) -> None:
    network = fresh().train()
    result = trained(network, digits.train, images=0)
    assert result is not network
    assert same(result, network)
    assert not result.training
    assert not any(
        a.data_ptr() == b.data_ptr()
        for a, b in zip(result.parameters(), network.parameters(), strict=True)
    )


@pytest.mark.parametrize(
    ("images", "sizes"),
    [
        (100, [100]),
        (99, [99]),
        (101, [100, 1]),
        (130, [100, 30]),
        (250, [100, 30, 100, 20]),
        (300, [100, 30, 100, 30, 40]),
    ],
)
def test_as_many_images_are_shown_as_were_asked_for(images: int, sizes: list[int]) -> None:
    result = trained(Recorder(), numbered(130), images=images, recipe=Recipe(batch_size=100))
    assert [len(step) for step in result.steps] == sizes
    assert result.modes == {True}


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own() -> None:
    steps = trained(Recorder(), numbered(60), images=180, recipe=Recipe(batch_size=25)).steps
    shown = [i for step in steps for i in step]
    epochs = [shown[start : start + 60] for start in (0, 60, 120)]
    assert all(sorted(epoch) == list(range(60)) for epoch in epochs)
    assert all(one != other for one, other in pairwise(epochs))


def test_training_learns(digits: Data) -> None:
    network = fresh()
    losses = [
        loss(
            trained(network, digits.train, images=images, recipe=Recipe(learning_rate=3e-3)),
            digits.train,
        )
        for images in (0, 4_000, 20_000)
    ]
    assert losses[0] > 1.1 * losses[1] > 2 * losses[2]


def test_progress_rises_towards_one(digits: Data) -> None:
    shares: list[float] = []
    trained(
        fresh(), digits.train, images=3_000, recipe=Recipe(batch_size=50), progress=shares.append
    )
    assert len(shares) > 2
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] <= 1


@pytest.mark.parametrize(("images", "size"), [(-1, 100), (10, 0)])
def test_sizes_that_cannot_be_are_refused(digits: Data, images: int, size: int) -> None:
    with pytest.raises(PruneError, match=rf"{images}\D+{size}$"):
        trained(fresh(), digits.train, images=images, batch_size=size)
