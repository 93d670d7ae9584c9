from __future__ import annotations

import pytest
import torch

from pymoo_prune import Data, PruneError, Recipe, Split
from pymoo_prune.measuring import Expected, accuracy
from pymoo_prune.networks import FeedForward
from pymoo_prune.training import (
    Distillation,
    Lessons,
    Stopping,
    check_parent,
    train_parent,
    trained,
)
from tests.support.unlabelled import unlabelled

RECIPE = Recipe(learning_rate=3e-3, crop=1, flip=True)


def damaged(parent: FeedForward) -> FeedForward:
    weights, biases = parent.arrays()
    torch.manual_seed(3)
    noise = [torch.tensor(w) + 0.2 * torch.randn(w.shape) for w in weights]
    return FeedForward.from_layers(noise, [torch.tensor(b) for b in biases], parent.activation)


def test_labels_teach_where_there_are_some(digits: Data, parent: FeedForward) -> None:
    ours = Lessons(digits.train, parent).learnt(parent, images=300, recipe=RECIPE, seed=4)
    theirs = trained(parent, digits.train, images=300, recipe=RECIPE, seed=4)
    assert all(
        torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True)
    )


def test_without_labels_the_parent_teaches(digits: Data, parent: FeedForward) -> None:
    start, split = damaged(parent), Split(digits.train.images)
    expected = Expected.of(parent, Split(digits.validation.images))
    finished = Lessons(split, parent).learnt(start, images=4_000, recipe=RECIPE, seed=1)
    before, after = (
        expected.measured_on(one, digits.validation.images, ["divergence"])["divergence"]
        for one in (start, finished)
    )
    assert after < before / 2
    assert accuracy(finished, digits.validation) > accuracy(start, digits.validation)
    # Zeros stay where pruned weights must.
    with torch.no_grad():
        start.linear_layers[0].weight[:, :5] = 0
    kept = Lessons(split, parent).learnt(start, images=300, recipe=RECIPE, keep_zeros=True)
    assert (kept.linear_layers[0].weight[:, :5] == 0).all()


def test_labels_that_are_missing_are_named(digits: Data, parent: FeedForward) -> None:
    split = Split(digits.train.images)
    with pytest.raises(PruneError, match="have no labels"):
        trained(parent, split, images=100)
    with pytest.raises(PruneError, match="alpha must be 0, as the images have no labels"):
        Distillation(parent, split)
    with pytest.raises(PruneError, match="have no labels"):
        Lessons(split, None).learnt(parent, images=100, recipe=RECIPE)
    with pytest.raises(PruneError, match="no network can be trained here: give a trained one"):
        train_parent(unlabelled(digits), "simple-cnn", 1, recipe=RECIPE)
    with pytest.raises(PruneError, match="accuracy cannot be measured"):
        Expected.of(parent, split).goodness(torch.zeros(len(split), 10))


def test_early_stopping_needs_no_labels(digits: Data, parent: FeedForward) -> None:
    distillation = Distillation(parent, Split(digits.train.images), alpha=0)
    stopping = Stopping(every=2, patience=1, images=100)
    found = distillation.distilled(damaged(parent), images=1_000, stopping=stopping)
    assert found(digits.test.images).shape == (len(digits.test), 10)


def test_parents_of_images_without_labels(digits: Data, parent: FeedForward) -> None:
    check_parent(parent, unlabelled(digits))
    check_parent(parent, unlabelled(digits, tested=True))
    few = FeedForward(64, [4], 7)
    check_parent(few, unlabelled(digits))
    with pytest.raises(PruneError, match=r"gives \(7,\) values an image, .* labels up to 9"):
        check_parent(few, unlabelled(digits, tested=True))
    with pytest.raises(PruneError, match=r"gives \(7,\) values an image, .* 10 classes"):
        check_parent(few, digits)
