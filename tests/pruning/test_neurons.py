from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pymoo_prune.data import Data
from pymoo_prune.networks import FeedForward
from pymoo_prune.pruning import (
    KeepMasks,
    active_order,
    explaining_order,
    kept_width,
    l1_order,
    least_missed_order,
    prefix_masks,
    split_mask,
    widths_of_least_loss,
    widths_of_same_share,
)
from pymoo_prune.recovery import DenseRefit

Matrix = NDArray[np.float64]
SIZES = (24, 16)


def covariance(samples: Matrix) -> Matrix:
    centred = samples - samples.mean(axis=0)
    return centred.T @ centred / len(samples)


def slow_order(samples: Matrix, readout: Matrix) -> list[int]:
    """Greedy selection with an explicit least-squares fit for every neuron at every step."""
    centred = samples - samples.mean(axis=0)
    goal = centred @ readout.T
    order: list[int] = []
    while len(order) < samples.shape[1]:
        errors = {}
        for neuron in set(range(samples.shape[1])) - set(order):
            design = centred[:, [*order, neuron]]
            fit = np.linalg.lstsq(design, goal, rcond=None)[0]
            errors[neuron] = ((goal - design @ fit) ** 2).sum()
        order.append(min(errors, key=lambda neuron: errors[neuron]))
    return order


def test_l1_order_is_by_norm_and_ties_by_index() -> None:
    weight = np.array([[1, -1], [0, 5], [2, 0], [-5, 0], [0, 0], [1, 1]], dtype=np.float32)
    assert l1_order(weight).tolist() == [1, 3, 0, 2, 5, 4]
    assert l1_order(np.ones((200, 3), np.float32)).tolist() == list(range(200))


@given(
    hnp.arrays(
        np.float32, st.tuples(st.integers(1, 30), st.integers(1, 5)),
        elements=st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0]),
    )
)  # fmt: skip
def test_l1_order_equals_sorting(weight: NDArray[np.float32]) -> None:
    norms = [float(sum(abs(w) for w in row)) for row in weight.tolist()]
    assert l1_order(weight).tolist() == sorted(range(len(norms)), key=lambda i: (-norms[i], i))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("neurons", "outputs"), [(7, 3), (6, 1), (5, 9), (1, 2)])
def test_explaining_order_is_greedy_least_squares(seed: int, neurons: int, outputs: int) -> None:
    generator = np.random.default_rng(seed)
    mixing = generator.standard_normal((neurons, neurons))
    samples = np.maximum(generator.standard_normal((60, neurons)) @ mixing, 0)
    readout = generator.standard_normal((outputs, neurons)).astype(np.float32)
    got = explaining_order(covariance(samples), readout, ridge=1e-12)
    expected = slow_order(samples, readout.astype(np.float64))
    # When as many are chosen as the target has dimensions, everything is explained.
    told = neurons if outputs >= neurons else min(neurons, outputs + 1)
    assert got.tolist()[:told] == expected[:told]


@given(
    st.integers(1, 12), st.integers(1, 4), st.integers(0, 3), st.integers(0, 3), st.integers(0, 99)
)
def test_explaining_order_has_every_neuron_once(
    neurons: int, outputs: int, rank: int, dead: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    samples = generator.standard_normal((20, rank)) @ generator.standard_normal((rank, neurons))
    samples[:, :dead] = 0
    readout = generator.standard_normal((outputs, neurons)).astype(np.float32)
    order = explaining_order(covariance(samples), readout)
    assert sorted(order.tolist()) == list(range(neurons))


def test_a_copy_comes_last() -> None:
    generator = np.random.default_rng(0)
    samples = generator.standard_normal((100, 6))
    samples = np.hstack([samples, samples[:, [2]]])  # neuron 6 is neuron 2 again
    readout = generator.standard_normal((8, 7)).astype(np.float32)
    order = explaining_order(covariance(samples), readout).tolist()
    assert order[-1] in (2, 6)
    # The next layer reads both strongly: one comes first, but its copy still comes last.
    readout[:, [2, 6]] *= 10
    order = explaining_order(covariance(samples), readout).tolist()
    assert order[0] in (2, 6)
    assert {order[0], order[-1]} == {2, 6}


def test_a_neuron_that_no_layer_reads_and_that_predicts_no_other_comes_last() -> None:
    generator = np.random.default_rng(1)
    samples = generator.standard_normal((100, 6))
    samples = np.linalg.qr(samples - samples.mean(axis=0))[0]  # uncorrelated
    samples[:, 3] *= 50
    readout = generator.standard_normal((4, 6)).astype(np.float32)
    readout[:, 3] = 0
    assert explaining_order(covariance(samples), readout).tolist()[-1] == 3


def test_a_dead_neuron_comes_last_and_an_all_dead_layer_keeps_its_order() -> None:
    generator = np.random.default_rng(2)
    samples = generator.standard_normal((50, 5))
    samples[:, 1] = 0
    readout = generator.standard_normal((4, 5)).astype(np.float32)
    assert explaining_order(covariance(samples), readout).tolist()[-1] == 1
    assert explaining_order(np.zeros((5, 5)), readout).tolist() == list(range(5))


def test_active_order_weighs_activations_with_outgoing_weights() -> None:
    readout = np.array([[3, 1, 0, 0, 1], [4, 0, 9, 0, 0]], dtype=np.float32)
    means = np.array([1.0, -7.0, 0.0, 2.0, 7.0])
    assert active_order(means, readout).tolist() == [1, 4, 0, 2, 3]


@given(
    st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=4), min_size=1, max_size=3),
    st.integers(0, 100),
)
def test_widths_have_the_least_loss_of_all_with_as_many_neurons(
    losses: list[list[float]], total: int
) -> None:
    total = len(losses) + total % (sum(map(len, losses)) - len(losses) + 1)
    (found,) = widths_of_least_loss([np.array(some) for some in losses], np.array([total]))

    def loss(widths: Any) -> float:
        return sum(some[width - 1] for some, width in zip(losses, widths, strict=True))

    possible = itertools.product(*(range(1, len(some) + 1) for some in losses))
    assert found.sum() == total
    assert loss(found) == min(loss(widths) for widths in possible if sum(widths) == total)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_widths_of_the_same_share_have_the_neurons_asked_for(full: list[int]) -> None:
    totals = np.arange(len(full), sum(full) + 1)
    widths = widths_of_same_share(full, totals)
    assert widths.sum(axis=1).tolist() == totals.tolist()
    assert widths.min() >= 1
    assert (widths <= full).all()
    wanted = totals[:, None] * np.array(full) / sum(full)
    assert (widths - wanted).max() <= 1
    if totals[0] == totals[-1] or min(wanted[-1]) >= 1:
        assert widths[-1].tolist() == full


def test_arguments_of_explaining_order_are_left_alone() -> None:
    generator = np.random.default_rng(3)
    matrix = covariance(generator.standard_normal((50, 5)))
    readout = generator.standard_normal((4, 5)).astype(np.float32)
    before = matrix.copy(), readout.copy()
    first = explaining_order(matrix, readout)
    np.testing.assert_array_equal(matrix, before[0])
    np.testing.assert_array_equal(readout, before[1])
    np.testing.assert_array_equal(explaining_order(matrix, readout), first)


@given(st.integers(1, 500), st.floats(0, 1))
def test_what_remains_of_a_layer_is_at_least_one(size: int, rate: float) -> None:
    assert 1 <= kept_width(size, rate) <= size
    assert kept_width(size, rate) >= size * (1 - rate) - 1e-9
    assert kept_width(size, rate) < size * (1 - rate) + 1.001 or kept_width(size, rate) == 1


@given(st.permutations(range(6)), st.permutations(range(4)), st.integers(0, 6), st.integers(0, 4))
def test_prefix_masks_keep_the_first_of_each_order(
    first: list[int], second: list[int], one: int, two: int
) -> None:
    orders = [np.array(first), np.array(second)]
    masks = prefix_masks(orders, np.array([[one, two], [6, 1]]))
    assert masks.shape == (2, 10)
    assert masks.dtype == bool
    assert set(np.flatnonzero(masks[0, :6])) == set(first[:one])
    assert set(np.flatnonzero(masks[0, 6:])) == set(second[:two])
    assert masks[1].sum() == 7


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=5), min_size=1, max_size=4))
def test_a_mask_is_split_into_its_layers(layers: list[list[bool]]) -> None:
    parts = split_mask(np.array([gene for layer in layers for gene in layer]), [*map(len, layers)])
    assert len(parts) == len(layers)
    for part, layer in zip(parts, layers, strict=True):
        assert part.tolist() == [i for i, gene in enumerate(layer) if gene]


@pytest.fixture(scope="module")
def encoding(digits: Data, parent: FeedForward) -> KeepMasks:
    return KeepMasks(parent, digits.train)


def layer_counts(masks: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.column_stack([masks[:, :24].sum(axis=1), masks[:, 24:].sum(axis=1)])


@pytest.mark.parametrize("n", [1, 2, 30, 100])
@pytest.mark.usefixtures("untouched_global_generators")
def test_the_first_population_covers_the_widths_and_empties_no_layer(
    encoding: KeepMasks, n: int
) -> None:
    masks = encoding.initial(n, np.random.default_rng(0))
    assert masks.shape == (n, 40)
    assert masks.dtype == bool
    counts = layer_counts(masks)
    assert counts.min() >= 1
    shares = np.exp(np.linspace(np.log(0.01), np.log(0.9), n))[:, None]
    expected = np.maximum(np.rint(shares * SIZES), 1)
    alike, least = np.arange(n) % 3 == 1, np.arange(n) % 3 == 0
    np.testing.assert_array_equal(counts[alike], expected[alike])
    np.testing.assert_array_equal(counts[least].sum(axis=1), expected[least].sum(axis=1))
    # Others are up to half a unit of the logarithm away.
    uneven = np.arange(n) % 3 == 2
    ratio = counts[uneven] / np.maximum(shares * SIZES, 1)[uneven]
    assert ((ratio > np.exp(-0.5) - 0.5) & (ratio < np.exp(0.5) + 0.5)).all()


@pytest.mark.parametrize("refit", [True, False])
def test_the_first_population_follows_both_orders(
    digits: Data, parent: FeedForward, refit: bool
) -> None:
    encoding = KeepMasks(parent, digits.train, refit=refit)
    masks = encoding.initial(30, np.random.default_rng(0))
    counts = layer_counts(masks)
    weights, _ = parent.arrays()
    fitted = DenseRefit(parent, digits.train)
    orders = [
        least_missed_order(fitted, layer) if refit else l1_order(weights[layer]) for layer in (0, 1)
    ]
    for row in range(0, 30, 3):
        for layer, part in enumerate(split_mask(masks[row], SIZES)):
            assert set(part) == set(orders[layer][: counts[row, layer]])
    if refit:
        losses = [fitted.losses(layer, order) ** 1.5 for layer, order in enumerate(orders)]
        least = widths_of_least_loss(losses, counts[::3].sum(axis=1))
        np.testing.assert_array_equal(counts[::3], least)
    for row in (1, 2, 16, 29):
        for layer, part in enumerate(split_mask(masks[row], SIZES)):
            assert set(part) == set(encoding.explaining_orders[layer][: counts[row, layer]])
    uneven = counts[2::3] / SIZES
    assert (np.abs(uneven[:, 0] - uneven[:, 1]) > 0.1).any()


@pytest.mark.parametrize("name", ["initial", "random"])
def test_the_same_generator_gives_the_same_masks(encoding: KeepMasks, name: str) -> None:
    make = getattr(encoding, name)
    masks = make(30, np.random.default_rng(5))
    np.testing.assert_array_equal(masks, make(30, np.random.default_rng(5)))
    assert (masks != make(30, np.random.default_rng(6))).any()


def test_random_masks_keep_random_neurons_within_the_shares(encoding: KeepMasks) -> None:
    masks = encoding.random(600, np.random.default_rng(0))
    assert masks.shape == (600, 40)
    counts = layer_counts(masks)
    assert counts.min() >= 1
    assert (counts.max(axis=0) <= np.rint(np.multiply(SIZES, 0.9))).all()
    for part, size in ((masks[:, :24], 24), (masks[:, 24:], 16)):
        # No neuron is preferred: each is as frequent as its layer's share.
        assert np.abs(part.mean(axis=0) - part.mean()).max() < 5 * np.sqrt(0.25 / 600), size


def test_layers_have_the_shape_of_the_mask(digits: Data, parent: FeedForward) -> None:
    mask = np.random.default_rng(0).random(40) < 0.4
    one, two = int(mask[:24].sum()), int(mask[24:].sum())
    for refit in (True, False):
        encoding = KeepMasks(parent, digits.train, refit=refit)
        before = mask.copy()
        weights, biases = encoding.layers(mask)
        np.testing.assert_array_equal(mask, before)
        assert [tuple(w.shape) for w in weights] == [(one, 64), (two, one), (10, two)]
        assert [tuple(b.shape) for b in biases] == [(one,), (two,), (10,)]
        kept_weights, _ = parent.arrays()
        np.testing.assert_array_equal(weights[0], kept_weights[0][mask[:24]])
        same = np.array_equal(weights[1], kept_weights[1][mask[24:]][:, mask[:24]])
        assert same is not refit


def test_the_parent_is_left_alone(digits: Data, parent: FeedForward) -> None:
    before = copy.deepcopy(parent.state_dict())
    encoding = KeepMasks(parent, digits.train)
    encoding.layers(encoding.initial(1, np.random.default_rng(0))[0])
    assert all(torch.equal(value, before[name]) for name, value in parent.state_dict().items())


def test_operators_fit_the_encoding(encoding: KeepMasks) -> None:
    operators: dict[str, Any] = encoding.operators()
    assert operators.keys() == {"sampling", "crossover", "mutation"}
    assert operators["crossover"].sizes == operators["mutation"].sizes == SIZES
    assert encoding.n_var == 40
