from __future__ import annotations

import copy
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pymoo_prune import training
from pymoo_prune.data import Data, Split
from pymoo_prune.errors import CandidateFailed, PruneError, TrainingDiverged
from pymoo_prune.networks import FeedForward
from pymoo_prune.training import (
    SCHEDULES,
    EarlyStopping,
    Recipe,
    Stopping,
    can_halve,
    fit,
    trained,
)


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


def test_fewer_images_than_none_are_refused(digits: Data) -> None:
    with pytest.raises(PruneError, match="images must be at least 0, but they are -1"):
        trained(fresh(), digits.train, images=-1)


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
        # A gradient of 1 whatever the loss: the surrogate adds nothing but that.
        outputs = torch.zeros(len(images), 2)
        return Straight.apply(self.weight, outputs)  # type: ignore[no-any-return]


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, outputs: Tensor) -> Tensor:
        return outputs.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return torch.ones(1), None


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


# Zeros.


def pruned(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(216, 10)
        )
        with torch.no_grad():
            for place in (0, 4):
                weight: Any = network[place].weight
                weight.mul_(torch.rand(weight.shape) < 0.4)
    return network


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(learning_rate=3e-3),
        Recipe("adam", 3e-3, weight_decay=0.1),
        Recipe("sgd", 0.05, weight_decay=5e-4),
        Recipe("sgd", 0.05, bfloat16=True),
    ],
    ids=["adam", "decay", "sgd", "half"],
)
@pytest.mark.parametrize("keep", [False, True])
def test_what_was_pruned_stays_pruned_if_that_is_wanted(
    digits: Data, recipe: Recipe, keep: bool
) -> None:
    start = pruned()
    result = trained(start, digits.train, images=600, recipe=recipe, keep_zeros=keep)
    for place in (0, 4):
        before: Any = start[place].weight
        after: Any = result[place].weight
        assert not torch.equal(after[before != 0], before[before != 0])
        assert bool((after[before == 0] == 0).all()) is keep
        assert not torch.equal(result[place].bias, start[place].bias)  # type: ignore[arg-type]
    # Biases and batch norms that start at 0 are none of it.
    assert bool((result[1].bias != 0).all())  # type: ignore[operator]


def test_zeros_that_are_kept_change_nothing_in_a_network_without_any(digits: Data) -> None:
    one, other = (
        trained(fresh(), digits.train, images=500, keep_zeros=keep) for keep in (False, True)
    )
    assert same(one, other)


# Any loss.


RECIPES = {
    "adam": Recipe(learning_rate=3e-3),
    "sgd": Recipe("sgd", 0.05, "one-cycle", 64, weight_decay=1e-3, crop=1, flip=True),
    "channels-last": Recipe("sgd", 0.05, channels_last=True),
}


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("keep", [False, True])
def test_a_fit_to_the_labels_is_the_usual_training(digits: Data, name: str, keep: bool) -> None:
    settings: Any = {"images": 700, "recipe": RECIPES[name], "seed": 3, "keep_zeros": keep}
    losses, shares = [], []

    def cross_entropy(outputs: Tensor, rows: Tensor) -> Tensor:
        losses.append(nn.functional.cross_entropy(outputs, digits.train.labels[rows]))
        return losses[-1]

    network = pruned().train()
    last = fit(network, digits.train, loss=cross_entropy, progress=shares.append, **settings)
    assert same(network, trained(pruned(), digits.train, **settings))
    assert not same(network, pruned())
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(last, losses[-1].detach())
    assert not last.requires_grad
    assert len(losses) == -(-700 // RECIPES[name].batch_size)
    assert shares == sorted(shares)
    assert 0 < shares[0] <= 1


def test_a_loss_is_told_which_images_it_sees() -> None:
    network, split = Recorder().train(), numbered(30)
    told: list[list[int]] = []

    def loss(outputs: Tensor, rows: Tensor) -> Tensor:
        told.append(rows.tolist())
        assert outputs.shape == (len(rows), 2)
        return outputs.square().mean()

    last = fit(network, split, images=50, recipe=Recipe("sgd", 1e-4, batch_size=20), seed=0,
               loss=loss)  # fmt: skip
    assert network.steps == told
    assert [len(rows) for rows in told] == [20, 10, 20]
    assert last > 0


def test_another_loss_is_what_falls(digits: Data) -> None:
    targets = digits.train.images.mean(dim=(1, 2, 3))

    def loss(outputs: Tensor, rows: Tensor) -> Tensor:
        return (outputs[:, 0] - targets[rows]).square().mean()

    network = fresh()
    seen = [
        float(fit(network, digits.train, images=images, recipe=Recipe(learning_rate=0.01), seed=0,
                  loss=loss))
        for images in (100, 3_000)
    ]  # fmt: skip
    assert seen[1] < 0.2 * seen[0]


def test_a_loss_gets_all_the_bits(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "has_fast_bfloat16", lambda _: True)
    types = set()

    def loss(outputs: Tensor, rows: Tensor) -> Tensor:
        types.add(outputs.dtype)
        return outputs.mean()

    fit(fresh(), digits.train, images=100, recipe=Recipe(bfloat16=True), seed=0, loss=loss)
    assert types == {torch.float32}


def test_a_fit_without_images_changes_nothing(digits: Data) -> None:
    network = pruned()

    def never(outputs: Tensor, rows: Tensor) -> Tensor:
        raise AssertionError

    assert fit(network, digits.train, images=0, recipe=Recipe(), seed=0, loss=never) == 0
    assert same(network, pruned())
    with pytest.raises(PruneError, match="images must be at least 0, but they are -1"):
        fit(network, digits.train, images=-1, recipe=Recipe(), seed=0, loss=never)


# An end before the end.


def fitted(network: nn.Module, split: Split, **settings: Any) -> Tensor:
    settings = {"images": 1_000, "recipe": Recipe(learning_rate=3e-3), "seed": 0} | settings
    return fit(
        network.train(), split, **settings,
        loss=lambda outputs, rows: nn.functional.cross_entropy(outputs, split.labels[rows]),
    )  # fmt: skip


def test_every_step_is_told_of(digits: Data) -> None:
    told: list[int] = []
    one, other = fresh(), fresh()
    last = fitted(one, digits.train, images=2_000, after_step=lambda n: bool(told.append(n)))
    # Two epochs, of which the first ends with a smaller batch.
    assert len(digits.train) % 100 != 0
    assert len(digits.train) < 2_000
    assert told == list(range(1, len(told) + 1))
    assert len(told) == 1 + 2_000 // 100
    assert torch.equal(last, fitted(other, digits.train, images=2_000))
    assert same(one, other)


@pytest.mark.parametrize("end", [1, 3, 4, 5, 8])
def test_a_training_ends_when_it_is_told_to(end: int) -> None:
    network, shares = Recorder(), []
    # Four steps an epoch.
    last = fitted(
        network, numbered(100), images=800, recipe=Recipe(batch_size=30),
        after_step=lambda n: n >= end, progress=shares.append,
    )  # fmt: skip
    assert len(network.steps) == end
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not last.requires_grad
    assert last > 0
    whole = Recorder()
    fitted(whole, numbered(100), images=800, recipe=Recipe(batch_size=30))
    assert whole.steps[:end] == network.steps
    assert shares[-1] < 1


class Scripted(nn.Module):
    """In training, its weight counts the steps; in evaluation, it gives a loss for each count."""

    def __init__(self, losses: list[float]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.losses = losses
        self.seen: list[tuple[int, int]] = []
        self.graphs: set[bool] = set()

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            return Straight.apply(self.weight, torch.zeros(len(images), 2))  # type: ignore[no-any-return]
        step = -round(self.weight.item())
        self.seen.append((step, len(images)))
        self.graphs.add(torch.is_grad_enabled())
        return torch.full((len(images), 1), self.losses[step])


def scripted(losses: list[float], steps: int, **settings: Any) -> tuple[Scripted, EarlyStopping]:
    """Trains a network that has these losses, at first and after each step."""
    network = Scripted(losses).train()
    stopping = EarlyStopping(network, numbered(4), lambda outputs, _: outputs.mean(), **settings)
    recipe = Recipe("sgd", 1.0, batch_size=10, momentum=0)
    fitted(network, numbered(10), images=10 * steps, recipe=recipe, after_step=stopping)
    return network, stopping


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("losses", "every", "patience", "looks", "best"),
    [
        ([9, 8, 7, 6, 5, 4], 1, 1, [0, 1, 2, 3, 4, 5], 5),
        ([9, 8, 7, 7, 6, 5], 1, 1, [0, 1, 2, 3], 2),  # as good is not better
        ([9, 8, 7, 7, 6, 8], 1, 2, [0, 1, 2, 3, 4, 5], 4),
        ([9, 8, 9, 7, 9, 8, 7, 0], 1, 3, [0, 1, 2, 3, 4, 5, 6], 3),  # looks in a row
        ([1, 2, 2, 2, 0, 0], 1, 3, [0, 1, 2, 3], 0),  # the untrained network is the best
        ([9, 0, 8, 0, 8, 0, 0], 2, 1, [0, 2, 4], 2),  # what is not looked at does not count
        ([9, 9, 9, 8, 9, 9, 9, 9], 3, 1, [0, 3, 6], 3),
        ([9, 8, 7, 6], 10, 1, [0], 3),  # it ends before the first look
        ([9, 8, 7, 9, 6, 5], 2, 3, [0, 2, 4], 5),  # and between two
        ([9, 8, NAN, INF, 1, 2], 1, 2, [0, 1, 2, 3], 1),
        ([9, 8, -INF, 7, 8, 8], 1, 2, [0, 1, 2, 3, 4, 5], 3),
        ([NAN, 8, 9, 9], 1, 2, [0, 1, 2, 3], 1),
        ([INF, NAN, 8, NAN, 7], 1, 2, [0, 1, 2, 3, 4], 4),
        ([NAN, NAN, NAN, 1], 1, 2, [0, 1, 2], 0),
    ],
)
def test_a_training_ends_when_it_no_longer_gets_better(
    losses: list[float], every: int, patience: int, looks: list[int], best: int
) -> None:
    network, stopping = scripted(losses, len(losses) - 1, every=every, patience=patience)
    assert [step for step, _ in network.seen] == looks
    assert network.graphs == {False}
    assert network.training
    stopping.restore()
    assert -round(network.weight.item()) == best
    assert network.training
    finite = torch.tensor(losses[best]).isfinite()
    assert stopping.least == (losses[best] if finite else INF)
    stopping.restore()
    assert -round(network.weight.item()) == best


def test_the_usual_patience_is_three_looks_every_ten_steps() -> None:
    network, stopping = scripted([9.0] + [10.0] * 60, 60)
    assert [step for step, _ in network.seen] == [0, 10, 20, 30]
    stopping.restore()
    assert network.weight.item() == 0
    assert (Stopping().every, Stopping().patience) == (stopping.every, stopping.patience)


def test_the_watched_loss_is_that_of_all_images_alike(digits: Data) -> None:
    # 300 images are two whole batches and a smaller one.
    watched, network, told = digits.validation.subset(range(300)), fresh(), []

    def cross_entropy(outputs: Tensor, rows: Tensor) -> Tensor:
        told.append(rows.tolist())
        return nn.functional.cross_entropy(outputs, watched.labels[rows])

    stopping = EarlyStopping(network, watched, cross_entropy)
    assert stopping.least == pytest.approx(loss(network, watched), rel=1e-6)
    assert [len(rows) for rows in told] == [128, 128, 44]
    assert [row for rows in told for row in rows] == list(range(300))


def test_what_was_best_is_restored_whole(digits: Data) -> None:
    network, watched = pruned().train(), digits.validation.subset(range(100))
    stopping = EarlyStopping(
        network, watched,
        lambda outputs, rows: nn.functional.cross_entropy(outputs, watched.labels[rows]), every=5,
    )  # fmt: skip
    assert same(network, pruned())  # looking leaves the statistics of batch norms alone
    fitted(network, digits.train, images=1_000, after_step=stopping)
    best = copy.deepcopy(network)
    stopping.restore()
    assert same(network, best)
    for _ in range(2):  # what is remembered is a copy: it outlasts another training
        fitted(network, digits.train, recipe=Recipe("sgd", 3.0), after_step=stopping)
        assert not same(network, best)
        stopping.restore()
        assert same(network, best)
    assert loss(network.eval(), watched) == pytest.approx(stopping.least, rel=1e-5)


def test_looking_leaves_every_layer_in_its_mode_and_the_training_as_it_was(digits: Data) -> None:
    one, other = (pruned().train() for _ in range(2))
    for network in (one, other):
        network[1].eval()  # a frozen batch norm
    stopping = EarlyStopping(one, digits.validation, lambda outputs, _: outputs.mean(), every=1,
                             patience=10_000)  # fmt: skip
    assert [layer.training for layer in one] == [True, False, True, True, True]
    for network, after_step in ((one, stopping), (other, None)):
        settings: Any = {"recipe": Recipe(), "seed": 0, "images": 600, "after_step": after_step}
        fit(network, digits.train, loss=lambda outputs, _: outputs.square().mean(), **settings)
    assert [layer.training for layer in one] == [True, False, True, True, True]
    assert same(one, other)


def test_restored_weights_keep_the_place_of_their_channels(digits: Data) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 10))
    colours = Split(digits.train.images.expand(-1, 3, -1, -1), digits.train.labels)
    stopping = EarlyStopping(network, colours, lambda outputs, _: outputs.square().mean())
    recipe = Recipe("sgd", 0.01, channels_last=True)
    fitted(network, colours, images=200, recipe=recipe, after_step=stopping)
    stopping.restore()
    weight = network.get_parameter("0.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ["every", "patience", "images"])
@pytest.mark.parametrize("value", [0, -3])
def test_stopping_that_cannot_be_is_refused(name: str, value: int) -> None:
    settings: Any = {name: value}
    message = f"{name} must be at least 1, but it is {value}"
    with pytest.raises(PruneError, match=message):
        Stopping(**settings)
    if name != "images":
        with pytest.raises(PruneError, match=message):
            EarlyStopping(fresh(), numbered(4), lambda outputs, _: outputs.mean(), **settings)


# Memory.


def test_channels_that_lie_side_by_side_change_nothing_but_time(digits: Data) -> None:
    before = digits.train.images.clone()
    recipe = Recipe("sgd", 0.02, "linear", weight_decay=1e-3, crop=1)
    usual, last = (
        trained(
            pruned(), digits.train, images=600, recipe=replace(recipe, channels_last=one), seed=1
        )
        for one in (False, True)
    )
    for (name, value), other in zip(
        usual.state_dict().items(), last.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(other, value, atol=1e-3, rtol=1e-3, msg=name)
    start = pruned().state_dict()
    assert not torch.allclose(last.state_dict()["0.weight"], start["0.weight"], atol=1e-2)
    assert torch.equal(digits.train.images, before)


def test_channels_lie_side_by_side_in_batches_and_weights(digits: Data) -> None:
    seen = []

    class Looks(nn.Sequential):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(images.is_contiguous(memory_format=torch.channels_last))
            return super().forward(images)

    colours = Split(digits.train.images.expand(-1, 3, -1, -1), digits.train.labels)
    for last in (False, True):
        seen.clear()
        network = Looks(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))
        recipe = Recipe("sgd", 0.01, crop=1, flip=True, channels_last=last)
        result: Any = trained(network, colours, images=200, recipe=recipe)
        assert result[0].weight.is_contiguous(memory_format=torch.channels_last) is last
        if last:
            assert seen == [True, True]


# Precision, and what goes wrong.


def test_half_the_bits_give_nearly_the_same(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "has_fast_bfloat16", lambda _: True)
    recipe = Recipe("sgd", 0.05, "linear")
    full, half = (
        trained(pruned(), digits.train, images=3_000, recipe=replace(recipe, bfloat16=bits))
        for bits in (False, True)
    )
    assert not same(full, half)
    assert all(p.dtype == torch.float32 for p in half.parameters())
    losses = [loss(network, digits.validation) for network in (pruned().eval(), full, half)]
    assert losses[1] < 0.3 * losses[0]
    assert losses[2] == pytest.approx(losses[1], rel=0.1)
    monkeypatch.setattr(training, "has_fast_bfloat16", lambda _: False)
    slow = trained(
        pruned(), digits.train, images=3_000, recipe=replace(recipe, bfloat16=True)
    )  # fmt: skip
    assert same(slow, full)


def test_a_training_that_diverges_says_so(digits: Data) -> None:
    with pytest.raises(PruneError, match=r"the training diverged: .*loss is (nan|inf); try a lo"):
        trained(
            fresh(), digits.train, images=2_000, recipe=Recipe("sgd", 1e9, weight_decay=1.0)
        )  # fmt: skip


class Apart(nn.Module):
    """A parameter that is no part of the outputs."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 10)
        self.other = nn.Parameter(torch.tensor([value]))

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(images.flatten(1))  # type: ignore[no-any-return]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_a_training_that_diverged(
    digits: Data, value: float
) -> None:
    with pytest.raises(TrainingDiverged, match=r"the training diverged: its last loss is [0-9.]+;"):
        trained(Apart(value), digits.train, images=200)
    trained(Apart(7.0), digits.train, images=200)
    assert issubclass(TrainingDiverged, CandidateFailed)


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(1), nn.BatchNorm2d(1, affine=False)])
def test_statistics_that_overflow_are_a_training_that_diverged(
    digits: Data, norm: nn.Module
) -> None:
    # The variance is more than a float32 can be; what the norm gives is 0, and so is fine.
    large = Split(digits.train.images * 1e25, digits.train.labels)
    network = nn.Sequential(norm, nn.Flatten(), nn.Linear(64, 10))
    result = copy.deepcopy(network).train()
    last = fit(
        result, large, images=200, recipe=Recipe(), seed=0,
        loss=lambda outputs, rows: nn.functional.cross_entropy(outputs, large.labels[rows]),
    )  # fmt: skip
    assert last.isfinite()
    assert all(parameter.isfinite().all() for parameter in result.parameters())
    with pytest.raises(TrainingDiverged, match=r"diverged: its last loss is [0-9.]+; try a lower"):
        trained(network, large, images=200)
    assert all(value.isfinite().all() for value in network.state_dict().values())


def test_a_loss_that_is_not_finite_is_a_training_that_diverged(digits: Data) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    nn.init.constant_(network.get_parameter("1.weight"), 1e38)
    with pytest.raises(TrainingDiverged, match=r"last loss is (inf|nan)"):
        trained(network, digits.train, images=100)


def test_convolutions_over_volumes_are_trained_in_float32_on_a_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Their gradients in bfloat16 are NaN on processors that are otherwise fast at it.
    monkeypatch.setattr("pymoo_prune.training.has_fast_bfloat16", lambda device: True)
    processor = torch.device("cpu")
    assert can_halve(nn.Sequential(nn.Conv2d(1, 1, 3)), processor)
    assert not can_halve(nn.Sequential(nn.Conv3d(1, 1, 3)), processor)
    assert can_halve(nn.Sequential(nn.Conv3d(1, 1, 3)), torch.device("cuda"))
