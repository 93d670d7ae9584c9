"""Trainings that end when they no longer get better."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pymoo_prune.data import Data, Split
from pymoo_prune.errors import PruneError
from pymoo_prune.training import Recipe, Stopping, fit
from pymoo_prune.training.early_stopping import EarlyStopping
from tests.support.trainings import Straight, fitted, fresh, loss, numbered, pruned, same


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
        ([9, 8, 7, 7, 6, 5], 1, 1, [0, 1, 2, 3], 2),  # equal is not better
        ([9, 8, 7, 7, 6, 8], 1, 2, [0, 1, 2, 3, 4, 5], 4),
        ([9, 8, 9, 7, 9, 8, 7, 0], 1, 3, [0, 1, 2, 3, 4, 5, 6], 3),  # looks in a row
        ([1, 2, 2, 2, 0, 0], 1, 3, [0, 1, 2, 3], 0),  # the untrained network is the best
        ([9, 0, 8, 0, 8, 0, 0], 2, 1, [0, 2, 4], 2),  # losses between looks do not count
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
    assert same(network, pruned())  # a look does not change batch-norm statistics
    fitted(network, digits.train, images=1_000, after_step=stopping)
    best = copy.deepcopy(network)
    stopping.restore()
    assert same(network, best)
    for _ in range(2):  # the remembered weights are a copy: another training leaves them
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
