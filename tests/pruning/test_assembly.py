from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pymoo_prune.data import Data
from pymoo_prune.pruning import Assembly, MagnitudeOrder
from pymoo_prune.pruning import assembly as module
from pymoo_prune.recovery import Recovery
from tests.support.trained_cnn import trained_cnn

RECOVERIES = ("none", "refit", "batch-norm", "refit+batch-norm")


@pytest.fixture(scope="module")
def small(digits: Data) -> nn.Module:
    return trained_cnn(digits.train)


@pytest.fixture(scope="module")
def order(small: nn.Module) -> MagnitudeOrder:
    return MagnitudeOrder(small, (1, 8, 8))


@pytest.fixture(scope="module")
def assemblies(small: nn.Module, order: MagnitudeOrder, digits: Data) -> dict[str, Assembly]:
    return {
        text: Assembly(small, order, digits.train, Recovery.parse(text), images=100)
        for text in RECOVERIES
    }


@pytest.fixture(scope="module")
def candidates(order: MagnitudeOrder) -> Any:
    """Nothing pruned, much, most, and one layer without any weights."""
    counts = order.uniform(np.array([0.0, 0.6, 0.9, 0.5]))
    counts[3, 2] = order.counts[2]
    return counts


@torch.no_grad()
def outputs(network: nn.Module, images: Tensor) -> Tensor:
    return network(images)  # type: ignore[no-any-return]


def norms(network: nn.Module) -> dict[str, Any]:
    return {p: m for p, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)}


def right(assembly: Assembly, counts: Any, data: Data, *, exact: bool = True) -> Tensor:
    inference = assembly.exact if exact else assembly.fast
    images = inference.prepare(data.validation.images)
    outputs = assembly.outputs(counts, images, exact=exact)
    return outputs.argmax(dim=1) == data.validation.labels


@pytest.mark.parametrize("text", RECOVERIES)
def test_the_network_classifies_as_the_candidate_does(
    text: str, assemblies: dict[str, Assembly], candidates: Any, digits: Data
) -> None:
    for counts in candidates:
        network = assemblies[text].network(counts)
        assert not any(part.training for part in network.modules())
        predicted = outputs(network, digits.validation.images).argmax(dim=1)
        found = right(assemblies[text], counts, digits)
        assert torch.equal(found, predicted == digits.validation.labels)


@pytest.mark.parametrize("text", RECOVERIES)
def test_weights_are_zero_where_they_were_pruned_and_nowhere_else(
    text: str, assemblies: dict[str, Assembly], order: MagnitudeOrder, candidates: Any,
    small: nn.Module,
) -> None:  # fmt: skip
    for counts in candidates:
        network, weights = assemblies[text].network(counts), assemblies[text].weights(counts)
        assert list(weights) == order.names
        for layer, name in enumerate(order.names):
            weight: Any = network.get_submodule(name).weight
            mask = order.mask(layer, int(counts[layer]))
            assert torch.equal(weight != 0, mask)
            assert torch.equal(weight.detach(), weights[name])
            parents: Any = small.get_submodule(name).weight
            if "refit" not in text or counts[layer] == 0:
                assert torch.equal(weight, parents * mask)
            elif mask.any():
                assert not torch.equal(weight, parents * mask)
        biases = [n for n, p in small.named_parameters() if p.ndim == 1]
        state, before = network.state_dict(), small.state_dict()
        assert all(torch.equal(state[name], before[name]) for name in biases)


@pytest.mark.parametrize("text", RECOVERIES)
def test_batch_norms_are_taken_again_where_that_is_wanted(
    text: str, assemblies: dict[str, Assembly], candidates: Any, small: nn.Module
) -> None:
    assembly = assemblies[text]
    assert len(assembly.images) == 100
    for counts in candidates:
        network = assembly.network(counts)
        expected = copy.deepcopy(small if "batch-norm" not in text else network)
        if "batch-norm" in text:
            for norm in norms(expected).values():
                norm.train().momentum = 1.0
            outputs(expected, assembly.images)
        for path, norm in norms(network).items():
            told = norms(expected)[path]
            torch.testing.assert_close(norm.running_mean, told.running_mean, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(norm.running_var, told.running_var, atol=1e-4, rtol=1e-4)
    if "batch-norm" not in text:
        assert assembly.statistics(assembly.weights(candidates[1]), assembly.exact, {}) == {}


def test_repairs_are_worth_their_names(
    assemblies: dict[str, Assembly], order: MagnitudeOrder, digits: Data
) -> None:
    counts = order.smallest(np.array([0.8]))[0]
    none, refit, norm, both = (
        float(right(assemblies[text], counts, digits).double().mean()) for text in RECOVERIES
    )
    assert none + 0.15 < norm < min(refit, both) - 0.1


def test_a_mean_plays_no_part_where_a_batch_norm_takes_it_away(
    assemblies: dict[str, Assembly], order: MagnitudeOrder, candidates: Any, small: nn.Module
) -> None:
    plain, centred = (
        assemblies[text].weights(candidates[1]) for text in ("refit", "refit+batch-norm")
    )
    for name in order.names:
        biased = small.get_submodule(name).bias is not None
        assert torch.equal(plain[name], centred[name]) is biased


def test_a_refitted_layer_is_solved_for_once(
    small: nn.Module, order: MagnitudeOrder, digits: Data, candidates: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assembly = Assembly(small, order, digits.train, Recovery.parse("refit"), images=100)
    assert assembly.refit is not None
    solve, asked = assembly.refit.weight, []

    def spy(name: str, mask: Tensor) -> Tensor:
        asked.append(name)
        return solve(name, mask)

    monkeypatch.setattr(assembly.refit, "weight", spy)
    first = assembly.weights(candidates[1])
    assert asked == order.names
    mixed = candidates[1].copy()
    mixed[2] = candidates[2][2]
    second = assembly.weights(mixed)
    assert asked[4:] == [order.names[2]]
    for name in order.names:
        assert (second[name] is first[name]) == (name != order.names[2])
    assembly.losses(candidates[1:2])
    assembly.network(candidates[1])
    assert len(asked) == 5


@pytest.mark.slow
@pytest.mark.parametrize("text", ["none", "refit+batch-norm"])
@pytest.mark.parametrize("memory", [None, 0, 50_000])
def test_candidates_do_not_depend_on_what_came_before_nor_on_memory(
    text: str, memory: int | None, small: nn.Module, order: MagnitudeOrder, digits: Data,
    assemblies: dict[str, Assembly], candidates: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if memory is not None:
        monkeypatch.setattr(module, "CACHE_BYTES", memory)
    assembly = Assembly(small, order, digits.train, Recovery.parse(text), images=100)
    for counts in candidates[[2, 0, 3, 1, 2]]:
        expected = assemblies[text].weights(counts)
        for name, weight in assembly.weights(counts).items():
            assert torch.equal(weight, expected[name])
        assert torch.equal(right(assembly, counts, digits), right(assemblies[text], counts, digits))
    kept = list(assembly._layers.values())
    assert assembly._bytes == sum(weight.nbytes for weight in kept)
    if memory is not None:
        assert len(kept) <= 1 or assembly._bytes <= memory


def test_the_layers_that_were_not_used_for_longest_are_forgotten_first(
    small: nn.Module, order: MagnitudeOrder, digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    assembly = Assembly(small, order, digits.train, Recovery.parse("refit"), images=100)
    monkeypatch.setattr(module, "CACHE_BYTES", 3 * order.weights[0].nbytes)
    for pruned in (1, 2, 3, 1, 4):
        assembly._layer(0, pruned)
    assert list(assembly._layers) == [(0, 3), (0, 1), (0, 4)]


def test_losses_are_those_of_the_refit(
    assemblies: dict[str, Assembly], order: MagnitudeOrder, candidates: Any
) -> None:
    for plain in ("none", "batch-norm"):  # without a refit, the weights alone tell
        assert np.array_equal(assemblies[plain].losses(candidates), order.losses(candidates))
    assembly = assemblies["refit+batch-norm"]
    losses = assembly.losses(candidates[:3])
    assert losses.shape == (3, len(order))
    assert (losses[0] == 0).all()
    assert (np.diff(losses, axis=0) > 0).all()
    weights = assembly.weights(candidates[1])
    assert assembly.refit is not None
    mine = [assembly.refit.loss(name, weights[name]) for name in order.names]
    assert losses[1].tolist() == mine


def test_a_search_in_few_bits_is_exact_where_it_should_be(
    small: nn.Module, order: MagnitudeOrder, digits: Data, candidates: Any,
    assemblies: dict[str, Assembly],
) -> None:  # fmt: skip
    recovery = Recovery.parse("batch-norm")
    assembly = Assembly(
        small, order, digits.train, recovery, images=100, precision="bfloat16"
    )  # fmt: skip
    assert assembly.fast is not assembly.exact
    assert assemblies["none"].fast is assemblies["none"].exact
    for counts in candidates[:2]:
        found = right(assembly, counts, digits)
        assert torch.equal(found, right(assemblies["batch-norm"], counts, digits))
        expected = assemblies["batch-norm"].network(counts).state_dict()
        for name, value in assembly.network(counts).state_dict().items():
            assert torch.equal(value, expected[name])
        fast = right(assembly, counts, digits, exact=False)
        assert float((found != fast).double().mean()) < 0.03


@pytest.mark.usefixtures("untouched_global_generators")
def test_the_network_is_not_changed(
    small: nn.Module, order: MagnitudeOrder, digits: Data, candidates: Any
) -> None:
    before = copy.deepcopy(small.state_dict())
    assembly = Assembly(small, order, digits.train, Recovery.parse("refit+batch-norm"), images=100)
    network = assembly.network(candidates[2])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert all(torch.equal(value, before[name]) for name, value in small.state_dict().items())
    again = assembly.network(candidates[2])
    assert float(sum(p.detach().abs().sum() for p in again.parameters())) > 0
    assert all(p.requires_grad for p in again.parameters())
