from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pymoo.core.population import Population
from pymoo.core.problem import Problem

from pymoo_prune.errors import PruneError
from pymoo_prune.networks import CifarResNet
from pymoo_prune.operators import KeepShareMutation
from pymoo_prune.pruning import (
    CountAllocations,
    Levels,
    MagnitudeOrder,
    OnLevels,
    ThresholdAllocations,
)
from pymoo_prune.pruning.allocations import LEAST_KEPT, spread_shares

Matrix = NDArray[np.float64]

sizes = st.lists(st.integers(1, 5_000), min_size=1, max_size=5).map(np.array)


@pytest.fixture(scope="module")
def order() -> MagnitudeOrder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MagnitudeOrder(CifarResNet(8, 1, 10), (1, 8, 8))


@pytest.fixture(scope="module")
def levels(order: MagnitudeOrder) -> Levels:
    return Levels(order.counts, 16)


# Levels.


@given(sizes, st.integers(2, 40))
def test_levels_rise_from_nothing_pruned_to_the_least_that_is_kept(
    counts: Any, number: int
) -> None:
    levels = Levels(counts, number)
    assert levels.pruned.shape == (number, len(counts))
    assert levels.pruned.dtype == np.int64
    assert (levels.pruned[0] == 0).all()
    assert (np.diff(levels.pruned, axis=0) >= 0).all()
    assert (counts - levels.pruned >= 1).all()
    assert (counts - levels.pruned[-1] == np.maximum(np.rint(LEAST_KEPT * counts), 1)).all()


def test_levels_are_even_in_the_logarithm_of_what_is_kept() -> None:
    kept = 10**8 - Levels(np.array([10**8]), 9).pruned[:, 0]
    ratios = kept[1:] / kept[:-1]
    np.testing.assert_allclose(ratios, LEAST_KEPT ** (1 / 8), rtol=1e-5)


def test_one_level_is_refused() -> None:
    with pytest.raises(PruneError, match="levels must be at least 2, but it is 1"):
        Levels(np.array([5]), 1)


@given(sizes, st.integers(2, 20), st.integers(0, 10**6))
def test_the_nearest_level_is_the_nearest(counts: Any, number: int, seed: int) -> None:
    levels = Levels(counts, number)
    genes = np.random.default_rng(seed).integers(0, counts, (20, len(counts)), endpoint=True)
    genes[0], genes[1] = 0, counts
    before = genes.copy()
    snapped = levels.nearest(genes)
    np.testing.assert_array_equal(genes, before)
    assert snapped.dtype == genes.dtype
    for layer, column in enumerate(levels.pruned.T):
        assert np.isin(snapped[:, layer], column).all()
        gaps = np.abs(genes[:, layer, None] - column).min(axis=1)
        assert (np.abs(snapped[:, layer] - genes[:, layer]) == gaps).all()
    np.testing.assert_array_equal(levels.nearest(snapped), snapped)
    np.testing.assert_array_equal(levels.nearest(levels.pruned), levels.pruned)


def test_the_repair_moves_genes_to_levels(levels: Levels) -> None:
    X = np.random.default_rng(0).integers(0, levels.counts, (7, len(levels.counts)))
    pop = OnLevels(levels).do(Problem(n_var=X.shape[1]), Population.new("X", X))
    np.testing.assert_array_equal(pop.get("X"), levels.nearest(X))


def table(levels: Levels, losses: Matrix, prices: Matrix) -> tuple[Matrix, Matrix]:
    """The cost and the loss of every choice of a level for each layer."""
    number, layers = levels.pruned.shape
    choices = np.array(list(product(range(number), repeat=layers)))
    left = (levels.counts - levels.pruned) * prices
    columns = np.arange(layers)
    return left[choices, columns].sum(axis=1), losses[choices, columns].sum(axis=1)


def spent_and_lost(
    levels: Levels, losses: Matrix, prices: Matrix, counts: Any
) -> tuple[Matrix, Matrix]:
    """The cost and the loss of these counts."""
    lost = [
        sum(
            losses[list(levels.pruned[:, layer]).index(gene), layer] for layer, gene in enumerate(r)
        )
        for r in counts.tolist()
    ]
    return ((levels.counts - counts) * prices).sum(axis=1), np.array(lost)


@given(st.integers(0, 10**6), st.booleans())
def test_nothing_that_costs_no_more_loses_less_than_the_cheapest(seed: int, convex: bool) -> None:
    generator = np.random.default_rng(seed)
    levels = Levels(np.array([900, 300, 2_000]), 6)
    prices = generator.integers(1, 20, 3).astype(float)
    gone = levels.pruned / levels.counts
    losses = gone**2 if convex else np.sort(generator.random((6, 3)), axis=0)
    losses = losses * generator.uniform(0.1, 3, 3)
    budgets = np.sort(generator.uniform(0.01, 1, 12))
    counts = levels.cheapest(losses, prices, budgets)
    assert counts.dtype == np.int64
    spent, lost = spent_and_lost(levels, losses, prices, counts)
    costs, sums = table(levels, losses, prices)
    for cost, loss in zip(spent, lost, strict=True):
        assert loss <= sums[costs <= cost].min() + 1e-12
    # A larger budget is used at least as much; where possible, no budget is exceeded.
    assert (np.diff(spent) >= 0).all()
    money = budgets * (levels.counts * prices).sum()
    assert (spent <= np.maximum(money, costs.min()) + 1e-6).all()
    if convex:
        steps = np.diff(levels.pruned, axis=0) * prices
        assert (spent >= money - steps.max() - 1e-6).all()


def test_with_the_whole_budget_everything_is_kept(levels: Levels) -> None:
    layers = len(levels.counts)
    losses = np.linspace(0, 1, 16)[:, None] ** 2 * np.ones(layers)
    counts = levels.cheapest(losses, np.ones(layers), np.array([1.0, 1e-9]))
    assert (counts[0] == 0).all()
    np.testing.assert_array_equal(counts[1], levels.pruned[-1])


# Counts.


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("snapped", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 40])
def test_the_first_counts_are_magnitude_pruning_from_dense_to_sparse(
    order: MagnitudeOrder, levels: Levels, snapped: bool, n: int
) -> None:
    encoding = CountAllocations(order, levels if snapped else None)
    X = encoding.initial(n, np.random.default_rng(0))
    assert X.shape == (n, len(order))
    assert X.dtype == np.int64
    assert ((X >= 0) & (order.counts >= X)).all()
    np.testing.assert_array_equal(encoding.decode(X), X)
    shares = np.geomspace(0.9, LEAST_KEPT, n)
    for offset, kind in enumerate((order.smallest, order.uniform)):
        expected = kind(1 - shares)
        expected = levels.nearest(expected) if snapped else expected
        np.testing.assert_array_equal(X[offset::3], expected[offset::3])
    # The others are disturbed global pruning.
    kept = (order.counts - X)[2::3].sum(axis=1) / order.counts.sum()
    assert (np.abs(np.log(kept / shares[2::3])) < 0.8).all()
    if n == 40:
        assert (X[2::3] != order.smallest(1 - shares)[2::3]).any(axis=1).all()
    np.testing.assert_array_equal(X, encoding.initial(n, np.random.default_rng(0)))


def test_known_losses_give_counts_that_nothing_in_the_population_beats(
    order: MagnitudeOrder, levels: Levels
) -> None:
    gone = levels.pruned / order.counts
    losses = gone**2 * np.random.default_rng(1).uniform(0.2, 3, len(order))
    asked: list[Any] = []

    def known(counts: Any) -> Matrix:
        asked.append(counts)
        return losses

    n = 70
    encoding = CountAllocations(order, levels, known)
    X = encoding.initial(n, np.random.default_rng(0))
    assert len(asked) == 1
    np.testing.assert_array_equal(asked[0], levels.pruned)
    ones, macs = np.ones(len(order)), order.positions.astype(float)
    kinds = [(3, losses**1.5, ones), (5, losses, ones), (6, losses**1.5, macs)]
    for offset, lost, prices in kinds:
        spent, sums = spent_and_lost(levels, lost, prices, X)
        for row in range(offset, n, 7):
            assert sums[row] <= sums[spent <= spent[row]].min() + 1e-12
            assert spent[row] <= spread_shares(n)[row] * (order.counts * prices).sum()
    np.testing.assert_array_equal(X[::7], levels.nearest(order.smallest(1 - spread_shares(n)))[::7])
    np.testing.assert_array_equal(X, encoding.initial(n, np.random.default_rng(0)))
    assert (encoding.initial(n, np.random.default_rng(1)) != X).any()


@pytest.mark.parametrize("kind", ["counts", "levels", "thresholds"])
def test_random_candidates_are_inside_the_bounds_and_the_generators(
    order: MagnitudeOrder, levels: Levels, kind: str
) -> None:
    encoding: Any = {
        "counts": CountAllocations(order, None),
        "levels": CountAllocations(order, levels),
        "thresholds": ThresholdAllocations(order, levels),
    }[kind]
    X = encoding.random(200, np.random.default_rng(0))
    assert X.shape == (200, encoding.n_var)
    assert ((encoding.xl <= X) & (encoding.xu >= X)).all()
    counts = encoding.decode(X)
    kept = 1 - counts.sum(axis=1) / order.counts.sum()
    assert kept.min() < 0.05
    assert kept.max() > 0.7
    assert (counts.std(axis=0) > 0).all()
    np.testing.assert_array_equal(X, encoding.random(200, np.random.default_rng(0)))


@pytest.mark.parametrize("snapped", [False, True])
def test_operators_fit_the_encoding(order: MagnitudeOrder, levels: Levels, snapped: bool) -> None:
    encoding = CountAllocations(order, levels if snapped else None)
    operators = encoding.operators()
    assert operators.keys() - {"repair"} == {"sampling", "crossover", "mutation"}
    assert ("repair" in operators) is snapped
    assert isinstance(operators["mutation"], KeepShareMutation)
    problem = Problem(n_var=encoding.n_var, xl=encoding.xl, xu=encoding.xu, vtype=encoding.vtype)
    pop = operators["sampling"].do(problem, 5, random_state=np.random.default_rng(0))
    np.testing.assert_array_equal(pop.get("X"), encoding.initial(5, np.random.default_rng(0)))


def test_counts_that_are_none_are_refused(order: MagnitudeOrder) -> None:
    encoding = CountAllocations(order, None)
    X = np.zeros((3, len(order)), dtype=np.int64)
    with pytest.raises(PruneError, match="must be integers, but they are float64"):
        encoding.decode(X.astype(float))
    for wrong in (X[:, 1:], X[0]):
        with pytest.raises(PruneError, match=r"must be \(n, 8\), a column a layer, not \("):
            encoding.decode(wrong)
    for value in (-1, int(order.counts[2]) + 1):
        wrong = X.copy()
        wrong[1, 2] = value
        with pytest.raises(
            PruneError,
            match=rf"candidate 1 prunes {value} weights of layer '{order.names[2]}', which has "
            rf"{order.counts[2]}; counts must",
        ):
            encoding.decode(wrong)
    X[1] = order.counts  # whole layers may be pruned
    assert encoding.decode(X.astype(np.int32)).dtype == np.int64


# Thresholds.


@given(st.floats(0, float(-np.log2(LEAST_KEPT))))
def test_equal_factors_are_global_magnitude_pruning(order: MagnitudeOrder, gene: float) -> None:
    encoding = ThresholdAllocations(order, None)
    counts = encoding.decode(np.array([[gene, *[0.0] * len(order)]]))
    expected = order.smallest(1 - 2.0 ** -np.array([gene]))
    # Weights equal to the threshold stay: a few among 75,000.
    assert (expected - counts).min() >= 0
    assert (expected - counts).sum() <= 2


def test_a_factor_moves_its_own_layer_alone(order: MagnitudeOrder) -> None:
    encoding = ThresholdAllocations(order, None)
    x = np.array([2.0, *[0.0] * len(order)])
    for layer in range(len(order)):
        more, fewer = x.copy(), x.copy()
        more[1 + layer], fewer[1 + layer] = 0.5, -0.5
        counts = encoding.decode(np.stack([fewer, x, more]))
        others = np.arange(len(order)) != layer
        assert (counts[:, others] == counts[1, others]).all()
        assert counts[0, layer] < counts[1, layer] < counts[2, layer]
        limit = 2**0.5 * order.all_magnitudes[counts[1].sum()]
        assert counts[2, layer] == (order.magnitudes[layer] < limit).sum()


def test_thresholds_are_rounded_to_levels(order: MagnitudeOrder, levels: Levels) -> None:
    X = ThresholdAllocations(order, None).random(20, np.random.default_rng(0))
    plain = ThresholdAllocations(order, None).decode(X)
    snapped = ThresholdAllocations(order, levels).decode(X)
    np.testing.assert_array_equal(snapped, levels.nearest(plain))
    assert (plain != snapped).any()


@pytest.mark.parametrize("n", [1, 2, 31])
def test_half_of_the_first_thresholds_are_global_pruning(order: MagnitudeOrder, n: int) -> None:
    encoding = ThresholdAllocations(order, None, widest=0.4)
    X = encoding.initial(n, np.random.default_rng(0))
    assert X.shape == (n, 1 + len(order))
    assert ((encoding.xl <= X) & (encoding.xu >= X)).all()
    np.testing.assert_allclose(2.0 ** -X[:, 0], np.geomspace(0.9, LEAST_KEPT, n))
    assert (X[::2, 1:] == 0).all()
    assert (X[1::2, 1:] != 0).all()
    np.testing.assert_array_equal(X, encoding.initial(n, np.random.default_rng(0)))


def test_thresholds_that_are_none_are_refused(order: MagnitudeOrder) -> None:
    encoding = ThresholdAllocations(order, None)
    X = np.zeros((2, 1 + len(order)))
    for wrong in (X[:, 1:], X[0]):
        with pytest.raises(PruneError, match=r"must be \(n, 9\), one more than layers, not \("):
            encoding.decode(wrong)
    for value in (np.nan, np.inf):
        X[1, 3] = value
        with pytest.raises(
            PruneError, match=rf"must be finite, but gene 3 of candidate 1 is {value}"
        ):
            encoding.decode(X)
