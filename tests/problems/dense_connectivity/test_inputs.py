"""Images, options and parents: measurements depend on them, and some are refused."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pymoo_prune import Data, PruneError
from pymoo_prune.chromosomes import Array, fully_connected
from pymoo_prune.data import balanced
from pymoo_prune.measuring import accuracy, count_macs
from pymoo_prune.networks import DenseNet, FeedForward
from pymoo_prune.recovery import calibrate
from pymoo_prune_problems import DenseConnectivity
from pymoo_prune_problems.dense_connectivity import training as module
from tests.support.dense_connectivity import SCRATCH, SIZE, Spy, candidates, small

# The images.


def test_fewer_and_smaller_images_are_what_is_trained_on(
    digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch)
    problem = small(
        digits, None, weights="scratch", epochs=2, train_images=70, image_size=5, search_images=30
    )
    X = candidates(problem)
    values = problem.measure(X)
    assert len(spy.calls) == 5  # the parent, too
    for call in spy.calls:
        assert call["split"].images.shape == (70, 1, 5, 5)
        assert torch.bincount(call["split"].labels).tolist() == [7] * 10
        assert call["images"] == 140
    assert problem.search_images.images.shape == (30, 1, 5, 5)
    network = problem.network(X[2])
    assert values["accuracy"][2] == accuracy(network, problem.search_images)
    assert values["macs"][2] == count_macs(network, (1, 8, 8))
    chosen = balanced(digits.train.labels, 70, 0)
    expected = digits.train.subset(chosen).resized(5)
    assert torch.equal(problem.train.images, expected.images)


def test_a_parent_with_heirs_is_trained_for_its_own_epochs(
    digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy, shares = Spy(monkeypatch), []
    problem = small(
        digits, None, recovery="batch-norm", parent_epochs=1.5, epochs=9, train_images=100,
        progress=shares.append,
    )  # fmt: skip
    assert [call["images"] for call in spy.calls] == [150]
    assert shares
    assert shares == sorted(shares)
    problem.measure(candidates(problem))
    assert len(spy.calls) == 1
    # Its statistics are those of training images with all connections.
    norm: Any = problem.parent.norm
    again = copy.deepcopy(problem.parent)
    calibrate(again, problem.train.images)
    assert torch.equal(norm.running_mean, again.norm.running_mean)  # type: ignore[arg-type]


def test_digits_are_not_mirrored(digits: Data, plain: DenseConnectivity) -> None:
    for recipe in (plain.training, plain.gentle, plain.retraining):
        assert not recipe.flip
        assert recipe.crop == 1
    named = replace(digits, name="photographs")
    assert small(named, plain.parent, recovery="none").training.flip


def test_a_search_on_test_images_says_so(digits: Data, parent: DenseNet) -> None:
    with pytest.warns(UserWarning, match="the search sees the test images") as warned:
        problem = small(digits, parent, recovery="none", fitness_split="test")
    # It points at the line that makes the problem.
    assert [warning.filename for warning in warned] == [small.__code__.co_filename]
    X = candidates(problem)
    (note,) = problem.illustration.notes(X)
    assert note.startswith("Beware: the search sees the test images")
    split = digits.test.subset(balanced(digits.test.labels, 100, 0))
    assert torch.equal(problem.search_images.images, split.images)
    expected = [accuracy(problem.network(x), split) for x in X]
    assert problem.measure(X)["accuracy"].tolist() == expected


def test_otherwise_no_test_image_is_seen(plain: DenseConnectivity, digits: Data) -> None:
    assert plain.illustration.notes(candidates(plain)) == []
    split = digits.validation.subset(balanced(digits.validation.labels, 100, 0))
    assert torch.equal(plain.search_images.images, split.images)
    assert torch.bincount(plain.search_images.labels).tolist() == [10] * 10


# Configurations.


def test_the_fingerprint_knows_what_measurements_depend_on(
    digits: Data, parent: DenseNet, plain: DenseConnectivity
) -> None:
    other = copy.deepcopy(parent)
    with torch.no_grad():
        other.norm.running_mean[0] += 1  # type: ignore[operator, index]
    fewer = replace(digits, train=digits.train.subset(range(900)))
    changes: list[tuple[Data, nn.Module, dict[str, Any]]] = [
        (digits, parent, {}),
        (digits, parent, {"recovery": "refit"}),
        (digits, parent, {"recovery": "steps:1"}),
        (digits, parent, {"recovery": "steps:2"}),
        (digits, parent, {"recovery_images": 65}),
        (digits, parent, {"train_images": 500}),
        (digits, parent, {"image_size": 6}),
        (digits, parent, {"search_images": 50}),
        (digits, parent, {"seed": 1}),
        (digits, parent, SCRATCH),
        (digits, parent, {**SCRATCH, "epochs": 0.1}),
        (digits, other, {}),
        (digits, DenseNet.of_depth(22, 4, 1), {"depth": 22}),
        (digits, DenseNet.of_depth(16, 5, 1), {"growth": 5}),
        (fewer, parent, {}),
    ]
    prints = [
        small(data, one, **{"recovery": "none", **options}).fingerprint
        for data, one, options in changes
    ]
    with pytest.warns(UserWarning, match="test images"):
        prints.append(small(digits, parent, recovery="none", fitness_split="test").fingerprint)
    assert prints[0] == plain.fingerprint
    assert len(set(prints)) == len(prints)


def test_the_fingerprint_does_not_know_what_changes_no_measurement(
    digits: Data, parent: DenseNet, plain: DenseConnectivity
) -> None:
    for options in (
        {"kept": 0.5}, {"together": 5}, {"objectives": ["accuracy"]}, {"epochs": 3.0},
        {"parent_epochs": 3.0}, {"constraints": ["macs<=50%"]}, {"train_images": 10_000},
    ):  # fmt: skip
        assert small(digits, parent, recovery="none", **options).fingerprint == plain.fingerprint
    one, two = (
        small(digits, parent, **SCRATCH, recovery=text, recovery_images=n).fingerprint
        for text, n in (("none", 64), ("refit", 32))
    )
    assert one == two


# Errors.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kept": 0}, r"share of connections kept must be above 0 and at most 1, but it is 0"),
        ({"kept": 1.5}, "at most 1, but it is 1.5"),
        ({"kept": -0.1}, "above 0.*but it is -0.1"),
        ({"kept": float("nan")}, "above 0.*but it is nan"),
        ({"weights": "inherit"}, "unknown origin of weights 'inherit'.*Did you mean 'inherited'"),
        ({"fitness_split": "train"}, "unknown fitness split 'train'; there are: test, validation"),
        ({"depth": 17}, r"depth must be 6 N \+ 4.*but it is 17"),
        ({"depth": 4}, r"depth must be 6 N \+ 4.*but it is 4"),
        ({"growth": 1}, "growth must be at least 2.*but growth is 1"),
        ({"growth": 0}, "growth must be at least 2.*but growth is 0"),
        ({"recovery": "refitt"}, "recovery 'refitt' is not known.*'batch-norm'.*'steps:K'"),
        ({"search_images": 0}, "must be at least 1.* are 0, 256, None, 1.0 and 12.0"),
        ({"recovery_images": -1}, "are 1000, -1, None"),
        ({"train_images": 0}, "are 1000, 256, 0, 1.0"),
        ({"train_images": -5}, "are 1000, 256, -5, 1.0"),
        ({"together": 0}, "together must be at least 1, but it is 0"),
        ({"together": -1}, "together must be at least 1, but it is -1"),
        ({"epochs": 0}, "epochs and parent_epochs above 0.*None, 0 and 12.0"),
        ({"parent_epochs": -1}, "None, 1.0 and -1"),
        ({"image_size": 0}, "images must have at least 4×4 pixels.*and image_size is 0"),
        ({"image_size": 3}, "images must have at least 4×4 pixels.*and image_size is 3"),
        ({"objectives": ["accuracy", "conections"]}, "Did you mean 'connections'"),
        ({"constraints": ["macs>0.5"]}, "must read like"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_trained(
    digits: Data, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    monkeypatch.delattr(module, "trained")
    with pytest.raises(PruneError, match=message):
        DenseConnectivity(digits, **options)


def test_images_that_are_too_small_are_refused(digits: Data) -> None:
    tiny = replace(
        digits, train=digits.train.resized(3), validation=digits.validation.resized(3),
        test=digits.test.resized(3),
    )  # fmt: skip
    with pytest.raises(PruneError, match=r"at least 4×4 pixels.*images have 3×3 pixels"):
        DenseConnectivity(tiny, **SIZE)


def lacking(layers: int = 2) -> DenseNet:
    matrices = fully_connected(layers)
    matrices[1, 0, 2] = False
    return DenseNet(matrices, 4, 1)


@pytest.mark.parametrize("weights", ["inherited", "scratch"])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FeedForward(64, [4], 10), "must be a DenseNet, but it is a FeedForward"),
        (lambda: DenseNet.of_depth(22, 4, 1), r"= \(\(2, 2, 2\), 4, 1.* has \(\(3, 3, 3\), 4, 1"),
        (lambda: DenseNet.of_depth(16, 5, 1), r"has \(\(2, 2, 2\), 5, 1, 10\) and 10; depth "),
        (lambda: DenseNet.of_depth(16, 4, 3), r"has \(\(2, 2, 2\), 4, 3, 10\)"),
        (lambda: DenseNet.of_depth(16, 4, 1, 7), r"has \(\(2, 2, 2\), 4, 1, 7\)"),
        (lambda: DenseNet.of_depth(16, 4, 1, stem=9), r"stem of twice the growth.* and 9;"),
        (lambda: DenseNet(fully_connected(2, 2), 4, 1), r"has \(\(2, 2\), 4, 1, 10\)"),
        (lacking, "in block 1 node 2 does not read node 0"),
    ],
)
def test_parents_that_do_not_fit(digits: Data, make: Any, message: str, weights: str) -> None:
    with torch.random.fork_rng(devices=[]), pytest.raises(PruneError, match=message):
        small(digits, make(), weights=weights)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((1, 9)), "9 booleans each .*but they are float64"),
        (np.zeros((1, 8), dtype=bool), r"9 booleans each .*bool of shape \(1, 8\)"),
    ],
)
def test_chromosomes_that_cannot_be(plain: DenseConnectivity, X: Array, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        plain.measure(X)


def test_chromosomes_are_drawn_as_what_reads_what(plain: DenseConnectivity) -> None:
    X = candidates(plain, 4)
    live, possible = plain.illustration.matrices(X)
    nodes = plain.codec.nodes
    assert live.shape == (4, 3, nodes, nodes)
    assert not (live & ~possible).any()
    assert (live | ~plain.codec.chain).all()  # the chain is never cut
    for x, matrices in zip(X, live, strict=True):
        assert np.array_equal(plain.network(x).connections, matrices)
