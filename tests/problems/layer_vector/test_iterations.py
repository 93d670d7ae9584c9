"""Networks that are pruned more than once."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pymoo_prune import Budget, Data, PruneError
from pymoo_prune.measuring import accuracy, count_parameters
from pymoo_prune.search import Step
from pymoo_prune.testing import sample
from pymoo_prune_problems import LayerVector
from pymoo_prune_problems.layer_vector import Iteration, KeptIn, reduced
from tests.support.counted import Counted
from tests.support.layer_vector import (
    assert_networks_are_what_was_measured,
    small,
    train_resnet,
    zeros,
)


@pytest.fixture(scope="module")
def pruned(plain: LayerVector) -> nn.Module:
    """A network without the smaller half of each layer's weights; nothing is retrained."""
    return plain.network(plain.order.uniform(np.array([0.5]))[0])


@pytest.mark.slow
@pytest.mark.parametrize("recovery", ["none", "refit+batch-norm"])
def test_a_second_iteration_counts_what_is_left(
    digits: Data, plain: LayerVector, pruned: nn.Module, recovery: str
) -> None:
    problem = small(digits, pruned, recovery=recovery, levels=8)
    left = plain.order.counts - plain.order.uniform(np.array([0.5]))[0]
    assert problem.order.counts.tolist() == left.tolist()
    assert problem.xu.tolist() == left.tolist()
    full = count_parameters(pruned)
    before = zeros(pruned)
    assert problem.parent_measurements()["sparsity"] == pytest.approx(before / full, abs=1e-15)
    assert problem.parent_measurements()["parameters"] == full - before
    gone = {name: p == 0 for name, p in pruned.named_parameters() if p.ndim > 1}
    X = sample(problem)
    X[0], X[-1] = 0, left
    assert_networks_are_what_was_measured(problem, X)
    for x in X:
        network = problem.network(x)
        assert zeros(network) == before + x.sum()
        for name, zero in gone.items():
            assert (network.get_parameter(name)[zero] == 0).all()
    found = {one.name: one for one in problem.rivals.at({"sparsity": np.array([0.75])})}
    for name in ("global magnitude pruning", "LAMP"):
        assert zeros(found[name].networks[0]) == round(0.75 * full)


def test_half_of_a_half_is_three_quarters(
    digits: Data, plain: LayerVector, pruned: nn.Module
) -> None:
    again = small(digits, pruned, recovery="none")
    twice = again.network(again.order.uniform(np.array([0.5]))[0])
    once = plain.network(plain.order.uniform(np.array([0.75]))[0])
    for (name, one), other in zip(once.named_parameters(), twice.parameters(), strict=True):
        assert torch.equal(one, other), name


@pytest.mark.slow
def test_pruning_and_retraining_again_and_again(digits: Data, resnet: nn.Module) -> None:
    weights = copy.deepcopy(resnet.state_dict())
    generations: list[int] = []
    executor = Counted()
    iterations: list[Iteration] = list(
        reduced(
            digits,
            resnet,
            budget=Budget(generations=2),
            epochs=(0.2, 0.3),
            on_generation=lambda step: generations.append(step.generation),
            executor=executor,
            search_images=50,
            recovery_images=16,
        )
    )
    assert generations == [1, 2, 1, 2]
    assert executor.candidates > 0
    assert [one.number for one in iterations] == [1, 2]
    assert [one.epochs for one in iterations] == pytest.approx([0.2, 0.5])
    full = count_parameters(resnet)
    for one in iterations:
        assert one.sparsity == pytest.approx(zeros(one.network) / full, abs=1e-12)
        assert one.pepe == pytest.approx(100 * one.sparsity / one.epochs)
        assert one.accuracy == accuracy(one.network, digits.test)
        assert one.generations == 2
        assert min(one.search_seconds, one.retrain_seconds) > 0
        assert one.compact_key == ()  # no layer of a resnet-8 is that small
        at_first, found = (some["accuracy_drop"] / some["pruned"] for some in one.fittest)
        assert found <= at_first, "all candidates, the first ones among them"
    first, second = iterations
    # Each iteration removes around 50 to 80 % of the weights that are left.
    assert 0.4 < first.sparsity < 0.9
    assert 0.4 < (second.sparsity - first.sparsity) / (1 - first.sparsity) < 0.9
    for (name, one), other in zip(
        first.network.named_parameters(), second.network.parameters(), strict=True
    ):
        if one.ndim > 1:
            assert (other[one == 0] == 0).all(), name
            assert not torch.equal(one[other != 0], other[other != 0]), name  # it was retrained
    assert all(torch.equal(weights[name], now) for name, now in resnet.state_dict().items())


@pytest.mark.parametrize("epochs", [(), (0,), (2, 0), (1, -1)])
def test_iterations_need_epochs(digits: Data, resnet: nn.Module, epochs: Sequence[float]) -> None:
    with pytest.raises(PruneError, match="every iteration needs a number of epochs above 0"):
        next(reduced(digits, resnet, budget=Budget(generations=1), epochs=epochs))


def test_a_network_at_chance_is_refused(digits: Data) -> None:
    network = train_resnet(digits, 0.01)
    with pytest.raises(PruneError, match=r"accuracy of [\d.]+ % on digits, and guessing has 1"):
        next(reduced(digits, network, budget=Budget(generations=1)))


def test_a_search_goes_on_where_it_stopped(digits: Data, resnet: nn.Module, tmp_path: Path) -> None:
    def first(on_generation: Callable[[Step], None], folder: Path | None) -> Iteration:
        keeper = None if folder is None else KeptIn(folder)
        return next(
            reduced(
                digits, resnet, budget=Budget(generations=2), epochs=(0.1,), search_images=20,
                on_generation=on_generation, keeper=keeper,
            )
        )  # fmt: skip

    def stop(step: Step) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first(stop, tmp_path)
    replayed: list[bool] = []
    iteration = first(lambda step: replayed.append(step.replayed), tmp_path)
    assert replayed == [True, False]
    fresh = first(lambda _: None, None)
    assert (iteration.sparsity, iteration.accuracy) == (fresh.sparsity, fresh.accuracy)
    assert iteration.rivals == fresh.rivals
