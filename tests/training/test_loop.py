from __future__ import annotations

import copy
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pymoo_prune.data import Data, Split
from pymoo_prune.errors import CandidateFailed, PruneError, TrainingDiverged
from pymoo_prune.training import Recipe, fit, trained
from pymoo_prune.training import loop as training
from pymoo_prune.training.loop import can_halve
from tests.support.trainings import Recorder, fitted, fresh, loss, numbered, pruned, same


@pytest.mark.usefixtures("untouched_global_generators")
def test_a_seed_gives_the_same_weights_bit_for_bit(digits: Data) -> None:
    network = fresh()
    one = trained(network, digits.train, images=2_500, seed=3)
    torch.rand(5, generator=torch.Generator())  # other random draws do not matter
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
        (1, [1]),
        (101, [101]),
        (130, [100, 30]),
        (131, [100, 31]),
        (250, [100, 30, 100, 20]),
        (300, [100, 30, 100, 30, 40]),
    ],
)
def test_as_many_images_are_shown_as_were_asked_for(images: int, sizes: list[int]) -> None:
    result = trained(Recorder(), numbered(130), images=images, recipe=Recipe(batch_size=100))
    assert [len(step) for step in result.steps] == sizes
    assert result.modes == {True}


@pytest.mark.parametrize("images", [41, 61, 121])
def test_batch_norms_learn_from_any_number_of_images(images: int) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(1, 3), nn.BatchNorm1d(3))
    found = trained(network, numbered(60), images=images, recipe=Recipe(batch_size=20))
    assert found(torch.zeros(1, 1, 1, 1)).isfinite().all()


def test_batches_of_one_image_stay_as_they_are() -> None:
    steps = trained(Recorder(), numbered(3), images=4, recipe=Recipe(batch_size=1)).steps
    assert [len(step) for step in steps] == [1, 1, 1, 1]


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


# Zeros.


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
    # Biases and batch norms that start at 0 are not kept at 0.
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


def test_every_step_is_told_of(digits: Data) -> None:
    told: list[int] = []
    one, other = fresh(), fresh()
    last = fitted(one, digits.train, images=2_000, after_step=lambda n: bool(told.append(n)))
    # Two epochs; the first ends with a smaller batch.
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
    """A network with a parameter that the outputs do not depend on."""

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
    # The variance exceeds float32, but the batch norm then gives 0, which is finite.
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
    # Their bfloat16 gradients are NaN on processors that are fast at bfloat16 otherwise.
    monkeypatch.setattr("pymoo_prune.training.loop.has_fast_bfloat16", lambda device: True)
    processor = torch.device("cpu")
    assert can_halve(nn.Sequential(nn.Conv2d(1, 1, 3)), processor)
    assert not can_halve(nn.Sequential(nn.Conv3d(1, 1, 3)), processor)
    assert can_halve(nn.Sequential(nn.Conv3d(1, 1, 3)), torch.device("cuda"))
