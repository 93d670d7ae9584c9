"""Recipes: schedules, optimizers, augmentation."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.training import Recipe, trained
from pymoo_prune.training.recipes import SCHEDULES
from tests.support.trainings import Recorder, Straight, fresh, loss, numbered

# Recipes.


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        ("constant", [1, 1, 1, 1, 1]),
        ("linear", [1, 0.7, 0.5, 0.25, 0]),
        ("cosine", [1, 0.5 + 0.5 * 0.5877852523, 0.5, 0.5 - 0.5 * 0.7071067812, 0]),
        ("drops", [1, 1, 0.1, 0.01, 0.01]),
        ("one-cycle", [0, 0.7 / 0.75, 0.5 / 0.75, 0.25 / 0.75, 0]),
    ],
)
def test_schedules(schedule: str, values: list[float]) -> None:
    multiplier = SCHEDULES[schedule]
    found = [multiplier(done) for done in (0, 0.3, 0.5, 0.75, 1)]
    assert found == pytest.approx(values, abs=1e-9)
    assert max(multiplier(done / 100) for done in range(101)) == 1
    if schedule == "one-cycle":
        assert multiplier(0.1) == pytest.approx(0.4)


def test_every_schedule_has_its_test() -> None:
    assert set(SCHEDULES) == {"constant", "linear", "cosine", "drops", "one-cycle"}


class Steps(nn.Module):
    """With plain gradient descent, its weight moves by the learning rate at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.seen: list[float] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(self.weight.item())
        # The gradient is 1 for any loss; the autograd function does nothing else.
        outputs = torch.zeros(len(images), 2)
        return Straight.apply(self.weight, outputs)  # type: ignore[no-any-return]


@pytest.mark.parametrize("schedule", list(SCHEDULES))
def test_the_learning_rate_follows_the_schedule(schedule: str) -> None:
    recipe = Recipe("sgd", 0.5, schedule, batch_size=10, momentum=0)
    network = trained(Steps(), numbered(40), images=80, recipe=recipe)
    moves = [before - after for before, after in pairwise([*network.seen, network.weight.item()])]
    expected = [0.5 * SCHEDULES[schedule](step / 8) for step in range(8)]
    assert moves == pytest.approx(expected, abs=1e-6)


def test_optimizers_are_the_named_ones_with_their_settings() -> None:
    network = fresh()
    adam = Recipe("adam", 0.1, weight_decay=0.2).make_optimizer(network)
    assert type(adam) is torch.optim.Adam
    assert (adam.defaults["lr"], adam.defaults["weight_decay"]) == (0.1, 0.2)
    sgd = Recipe("sgd", 0.1, weight_decay=0.2, momentum=0.8).make_optimizer(network)
    assert type(sgd) is torch.optim.SGD
    defaults = sgd.defaults
    assert (defaults["lr"], defaults["weight_decay"], defaults["momentum"]) == (0.1, 0.2, 0.8)
    assert defaults["nesterov"]
    assert not Recipe("sgd", momentum=0).make_optimizer(network).defaults["nesterov"]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_both_optimizers_learn(digits: Data, optimizer: Any) -> None:
    rate = 0.02 if optimizer == "adam" else 0.1
    recipe = Recipe(optimizer, rate, "one-cycle", batch_size=50)
    network = trained(fresh(), digits.train, images=6_000, recipe=recipe)
    assert loss(network, digits.train) < 0.4


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 0}, {"learning_rate": -1.0}, {"learning_rate": float("nan")},
        {"learning_rate": float("inf")}, {"weight_decay": -1e-9}, {"momentum": -0.1}, {"crop": -1},
    ],
    ids=str,
)  # fmt: skip
def test_recipes_that_cannot_be_are_refused(changes: dict[str, Any]) -> None:
    ((name, value),) = changes.items()
    with pytest.raises(PruneError, match=rf"batch_size must be at least 1.*{name}={value}"):
        Recipe(**changes)


def test_unknown_names_in_a_recipe_are_refused_with_the_nearest() -> None:
    with pytest.raises(PruneError, match=r"unknown schedule 'cosin'.*Did you mean 'cosine'\?"):
        Recipe(schedule="cosin")
    with pytest.raises(PruneError, match=r"unknown optimizer 'adamw'.*Did you mean 'adam'\?"):
        Recipe(optimizer="adamw")  # type: ignore[arg-type]


# Augmentation.


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    """No pixel is 0, and no two are alike."""
    return torch.arange(1.0, 1 + 60 * 2 * 5 * 7).reshape(60, 2, 5, 7)


def augmented(pictures: Tensor, seed: int = 0, **settings: Any) -> Tensor:
    before = pictures.clone()
    found = Recipe(**settings).augmented(pictures, torch.Generator().manual_seed(seed))
    assert torch.equal(pictures, before)
    assert found.shape == pictures.shape
    return found


@pytest.mark.usefixtures("untouched_global_generators")
def test_augmentation_is_the_generators(pictures: Tensor) -> None:
    one, same_again, other = (augmented(pictures, s, crop=2, flip=True) for s in (0, 0, 1))
    assert torch.equal(one, same_again)
    assert not torch.equal(one, other)
    assert torch.equal(augmented(pictures), pictures)


def test_flips_mirror_some_images_exactly(pictures: Tensor) -> None:
    mirrored = 0
    for found, picture in zip(augmented(pictures, flip=True), pictures, strict=True):
        flipped = torch.equal(found, picture.flip(2))
        assert flipped or torch.equal(found, picture)
        mirrored += flipped
    assert 15 < mirrored < 45


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("crop", [1, 3])
def test_crops_shift_and_fill_up_with_zeros(pictures: Tensor, crop: int, flip: bool) -> None:
    _, _, height, width = pictures.shape
    shifts = set()
    for found, picture in zip(augmented(pictures, crop=crop, flip=flip), pictures, strict=True):
        matches = []
        for mirrored in (False, True):
            padded = nn.functional.pad(picture.flip(2) if mirrored else picture, [crop] * 4)
            matches += [
                (mirrored, down, right)
                for down in range(2 * crop + 1)
                for right in range(2 * crop + 1)
                if torch.equal(found, padded[:, down : down + height, right : right + width])
            ]
        assert len(matches) == 1
        shifts.update(matches)
    assert {mirrored for mirrored, _, _ in shifts} == ({False, True} if flip else {False})
    for axis in (1, 2):
        assert {shift[axis] for shift in shifts} == set(range(2 * crop + 1))


def test_training_sees_augmented_images_and_keeps_the_split() -> None:
    split = numbered(60)
    before = split.images.clone()
    recipe = Recipe(batch_size=20, crop=1)
    result = trained(Recorder(), split, images=60, recipe=recipe)
    shown = [pixel for step in result.steps for pixel in step]
    # One pixel, shifted by up to 1 each way: eight times in nine it leaves the image.
    assert 30 < shown.count(0) < 60
    assert torch.equal(split.images, before)
    again = trained(Recorder(), split, images=60, recipe=recipe)
    assert again.steps == result.steps
