from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.networks import FeedForward
from pymoo_prune.recovery import DenseRefit, Recovery, plain_layers

Matrix = NDArray[np.float64]
Keep = list[NDArray[np.intp]]

ALL: Keep = [np.arange(24), np.arange(16)]
SOME: Keep = [np.arange(0, 24, 2), np.array([0, 3, 4, 7, 9, 10, 15])]


def kept(size: int) -> st.SearchStrategy[NDArray[np.intp]]:
    return st.sets(st.integers(0, size - 1), min_size=1).map(lambda s: np.array(sorted(s)))


def activations(parent: FeedForward, images: Tensor) -> list[Matrix]:
    """The activations of each hidden layer, (images, neurons), computed plainly."""
    weights, biases = parent.arrays()
    hidden, result = images.flatten(1).double().numpy(), []
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        hidden = np.maximum(hidden @ weight.astype(np.float64).T + bias, 0)
        result.append(hidden)
    return result


def assert_equal(one: Sequence[Sequence[Tensor]], other: Sequence[Sequence[Tensor]]) -> None:
    for mine, theirs in zip(one, other, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            assert torch.equal(a, b)


@given(st.booleans(), st.booleans(), st.integers(0, 10**6))
def test_recoveries_survive_being_written_and_read(
    refit: bool, batch_norm: bool, steps: int
) -> None:
    recovery = Recovery(refit=refit, batch_norm=batch_norm, steps=steps)
    assert Recovery.parse(str(recovery)) == recovery


@pytest.mark.parametrize(
    ("text", "recovery"),
    [
        ("none", Recovery()),
        ("refit", Recovery(refit=True)),
        ("steps:20", Recovery(steps=20)),
        ("refit+steps:20", Recovery(refit=True, steps=20)),
        ("batch-norm", Recovery(batch_norm=True)),
        ("batch-norm+steps:3", Recovery(batch_norm=True, steps=3)),
        ("refit+batch-norm", Recovery(refit=True, batch_norm=True)),
        ("refit+batch-norm+steps:100", Recovery(refit=True, batch_norm=True, steps=100)),
    ],
)
def test_recoveries_are_read(text: str, recovery: Recovery) -> None:
    assert Recovery.parse(text) == recovery


@pytest.mark.parametrize(
    "text",
    ["", " ", "refti", "none+refit", "none+steps:5", "refit+", "+steps:5", "refitsteps:5", "steps",
     "steps:", "steps:-1", "steps:1.5", "steps:5+refit", "refit+refit", "refit+steps:5+", "Refit",
     "refit\n", "steps:0", "refit+steps:0", "steps:05", "steps:٣", "refit++steps:5", "batchnorm",
     "batch-norm+refit", "refitbatch-norm", "batch-norm+", "none+batch-norm"],
)  # fmt: skip
def test_other_recoveries_are_refused_with_what_there_is(text: str) -> None:
    known = "'none', or 'refit', 'batch-norm', 'steps:K' joined by a plus in this order"
    with pytest.raises(PruneError, match=known) as error:
        Recovery.parse(text)
    assert repr(text) in str(error.value)


@pytest.mark.parametrize("text", ["batch-norm", "refit+batch-norm", "batch-norm+steps:2"])
def test_rungs_that_make_no_sense_for_a_problem_are_refused(text: str) -> None:
    assert Recovery.parse("refit+steps:2", rungs=["refit", "steps"]) == Recovery(
        refit=True, steps=2
    )
    assert Recovery.parse("none", rungs=[]) == Recovery()
    with pytest.raises(PruneError, match=r"'none', or 'refit', 'steps:K' joined by a plus"):
        Recovery.parse(text, rungs=["refit", "steps"])


def test_with_all_neurons_kept_the_refit_is_the_parent(digits: Data, parent: FeedForward) -> None:
    weights, biases = DenseRefit(parent, digits.train, ridge=1e-7).layers(ALL)
    refitted = FeedForward.from_layers(weights, biases)
    with torch.no_grad():
        gap = refitted(digits.train.images) - parent(digits.train.images)
        spread = parent(digits.train.images).std()
    assert float(gap.abs().max() / spread) < 1e-2
    # The ridge may change weights that do not matter for the outputs: compare outputs.
    with torch.no_grad():
        usual = FeedForward.from_layers(*DenseRefit(parent, digits.train).layers(ALL))
        gap = usual(digits.train.images) - parent(digits.train.images)
    assert float(gap.square().mean().sqrt() / spread) < 2e-2


@given(kept(24), kept(16))
@settings(max_examples=15)
def test_the_refit_solves_the_normal_equations(
    digits: Data, parent: FeedForward, first: Any, second: Any
) -> None:
    ridge = 1e-3
    weights, biases = DenseRefit(parent, digits.train, ridge=ridge).layers([first, second])
    parents_weights, parents_biases = parent.arrays()
    np.testing.assert_array_equal(weights[0], parents_weights[0][first])
    np.testing.assert_array_equal(biases[0], parents_biases[0][first])
    hidden = activations(parent, digits.train.images)
    for layer, (source, target) in enumerate([(first, second), (second, np.arange(10))]):
        A = hidden[layer] - hidden[layer].mean(axis=0)
        goal = hidden[layer] @ parents_weights[layer + 1].T + parents_biases[layer + 1]
        goal, A_kept = goal[:, target], A[:, source]
        penalty = ridge * (A**2).mean() * len(A)
        gram = A_kept.T @ A_kept + penalty * np.eye(len(source))
        solved = np.linalg.solve(gram, A_kept.T @ (goal - goal.mean(axis=0))).T
        intercept = goal.mean(axis=0) - solved @ hidden[layer][:, source].mean(axis=0)
        np.testing.assert_allclose(weights[layer + 1], solved, atol=1e-4)
        np.testing.assert_allclose(biases[layer + 1], intercept, atol=1e-4)


@given(kept(24), kept(16))
@settings(max_examples=15)
def test_the_refit_reconstructs_better_than_the_cut(
    digits: Data, parent: FeedForward, first: Any, second: Any
) -> None:
    keep = [first, second]
    refitted = DenseRefit(parent, digits.train).layers(keep)
    cut = plain_layers(parent, keep)
    parents_weights, parents_biases = parent.arrays()
    hidden = activations(parent, digits.train.images)
    for layer, (source, target) in enumerate([(first, second), (second, np.arange(10))]):
        goal = (hidden[layer] @ parents_weights[layer + 1].T + parents_biases[layer + 1])[:, target]
        errors = [
            ((hidden[layer][:, source] @ w[layer + 1].numpy().T + b[layer + 1].numpy() - goal) ** 2)
            for w, b in (refitted, cut)
        ]
        # Not worse even where nothing can be gained, apart from the ridge.
        assert errors[0].mean() <= errors[1].mean() + 1e-3 * goal.var()
        if len(source) <= 12:
            assert errors[0].mean() < errors[1].mean()


def test_the_refit_is_worth_its_name(digits: Data, parent: FeedForward) -> None:
    def right(layers: Any) -> float:
        network = FeedForward.from_layers(*layers)
        with torch.no_grad():
            predicted = network(digits.validation.images).argmax(dim=1)
        return float((predicted == digits.validation.labels).double().mean())

    cut, refit = (
        right(plain_layers(parent, SOME)),
        right(DenseRefit(parent, digits.train).layers(SOME)),
    )
    assert refit > cut + 0.1


def test_losses_are_those_of_refitted_layers(digits: Data, parent: FeedForward) -> None:
    refit = DenseRefit(parent, digits.train, ridge=1e-9)
    hidden = activations(parent, digits.train.images)
    generator = np.random.default_rng(0)
    for layer, width in enumerate((24, 16)):
        order = generator.permutation(width)
        losses = refit.losses(layer, order)
        assert losses.shape == (width,)
        goal = hidden[layer] @ parent.arrays()[0][layer + 1].T.astype(np.float64)
        goal -= goal.mean(axis=0)
        A = hidden[layer] - hidden[layer].mean(axis=0)
        for left in (1, 3, width - 2):
            design = A[:, order[:left]]
            gap = goal - design @ np.linalg.lstsq(design, goal, rcond=None)[0]
            expected = (gap**2).sum() / (goal**2).sum()
            assert losses[left - 1] == pytest.approx(expected, rel=1e-4, abs=1e-5)
        assert losses[-1] == pytest.approx(0, abs=1e-5)


def test_dead_neurons_and_constant_layers_are_refitted_too(digits: Data) -> None:
    torch.manual_seed(0)
    network = FeedForward(64, [6, 5], 10)
    with torch.no_grad():
        network.linear_layers[0].weight[:3] = 0
        network.linear_layers[0].bias[:3] = torch.tensor([-1.0, 0.0, 2.0])
    weights, biases = DenseRefit(network, digits.train).layers([np.arange(3), np.arange(5)])
    assert all(torch.isfinite(a).all() for a in (*weights, *biases))
    # Neurons that are the same for every image can only shift the next layer to its mean.
    np.testing.assert_allclose(weights[1], 0, atol=1e-6)
    means = network.linear_layers[1](
        network.activate(network.linear_layers[0](digits.train.images.flatten(1)))
    ).mean(dim=0)
    np.testing.assert_allclose(biases[1], means.detach(), atol=1e-4)
    with torch.no_grad():
        for layer in network.linear_layers:
            layer.weight.zero_()
    layers = DenseRefit(network, digits.train).layers([np.arange(2), np.arange(5)])
    assert all(torch.isfinite(a).all() for group in layers for a in group)


@pytest.mark.usefixtures("untouched_global_generators")
def test_arguments_are_left_alone_and_calls_agree_bit_for_bit(
    digits: Data, parent: FeedForward
) -> None:
    before, images = copy.deepcopy(parent.state_dict()), digits.train.images.clone()
    refit = DenseRefit(parent, digits.train)
    keep, kept_before = copy.deepcopy(SOME), copy.deepcopy(SOME)
    first = refit.layers(keep)
    refit.layers(ALL)
    for group in refit.layers(keep):  # a result shares no memory with the statistics
        for array in group:
            array.zero_()
    assert_equal(refit.layers(keep), first)
    assert_equal(DenseRefit(parent, digits.train).layers(keep), first)
    for mine, theirs in zip(keep, kept_before, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert torch.equal(digits.train.images, images)
    assert all(torch.equal(value, before[name]) for name, value in parent.state_dict().items())
    assert not any(a.requires_grad for group in first for a in group)
    assert all(a.dtype == torch.float32 for group in first for a in group)


@given(kept(24), kept(16), st.sampled_from(["relu", "tanh", "gelu", "sigmoid"]))
@settings(max_examples=25)
def test_the_cut_equals_the_masked_network(
    digits: Data, parent: FeedForward, first: Any, second: Any, activation: str
) -> None:
    full = FeedForward.from_layers(
        [layer.weight for layer in parent.linear_layers],
        [layer.bias for layer in parent.linear_layers],
        activation,
    )
    slim = FeedForward.from_layers(*plain_layers(full, [first, second]), activation)
    assert slim.widths == (len(first), len(second))
    images = digits.validation.images[:50]
    with torch.no_grad():
        hidden = images.flatten(1)
        for layer, keep in zip(full.linear_layers[:-1], (first, second), strict=True):
            mask = torch.zeros(layer.out_features)
            mask[torch.from_numpy(keep)] = 1
            hidden = full.activate(layer(hidden)) * mask
        masked = full.linear_layers[-1](hidden)
        torch.testing.assert_close(slim(images), masked, atol=1e-5, rtol=1e-5)


def test_the_cut_is_a_copy(parent: FeedForward) -> None:
    before = copy.deepcopy(parent.state_dict())
    for group in plain_layers(parent, ALL):
        for array in group:
            assert not array.requires_grad
            array.zero_()
    assert all(torch.equal(value, before[name]) for name, value in parent.state_dict().items())
