"""Layers that lost whole channels, and batch norms that need new statistics."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.data import Data, Split
from pymoo_prune.errors import PruneError
from pymoo_prune.recovery import ChannelRefit, calibrate
from pymoo_prune.recovery.moments import MOST_INPUTS, Moments, watch
from pymoo_prune.training import Recipe, trained

Matrix = NDArray[np.float64]
EVERYWHERE = 10_000
CHANNELS, OUTPUTS = 6, 5


class Means(nn.Module):
    """The means of channels, which a classifier reads."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))


CASES: dict[str, tuple[Callable[[], nn.Module], Callable[[], nn.Module]]] = {
    "linear": (Means, lambda: nn.Linear(6, 5)),
    "linear without bias": (Means, lambda: nn.Linear(6, 5, bias=False)),
    "pointwise": (nn.Identity, lambda: nn.Conv2d(6, 5, 1, bias=False)),
    "pointwise with bias": (nn.Identity, lambda: nn.Conv2d(6, 5, 1)),
    "square": (nn.Identity, lambda: nn.Conv2d(6, 5, 3, padding=1, bias=False)),
    "strided": (nn.Identity, lambda: nn.Conv2d(6, 5, (3, 2), stride=2, padding=(0, 1))),
}


def network(name: str) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        before, layer = CASES[name]
        return nn.Sequential(before(), layer())


@pytest.fixture(scope="module")
def split() -> Split:
    """Correlated channels that are not 0 on average; more than one batch of images."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(150, 6, 5, 5, generator=generator)
    mixing = torch.randn(6, 6, generator=generator) / 2 + torch.eye(6)
    images = torch.einsum("nchw,cd->ndhw", images, mixing) + torch.arange(6)[:, None, None] / 3
    return Split(images, torch.zeros(150, dtype=torch.int64))


def rows_of(sequence: nn.Sequential, images: Tensor) -> Matrix:
    """The inputs of the layer's filters, (samples, inputs of a filter)."""
    layer: Any = sequence[1]
    images = sequence[0](images).double()
    if isinstance(layer, nn.Conv2d):
        patches = functional.unfold(
            images, layer.kernel_size, padding=layer.padding, stride=layer.stride
        )
        images = patches.mT.flatten(0, 1)
    return images.numpy()  # type: ignore[no-any-return]


def solved(A: Matrix, wanted: Matrix, ridge: float) -> Matrix:
    """x for which |A x - wanted|² / n + ridge |x|² is least."""
    n, inputs = A.shape
    system = np.concatenate([A / np.sqrt(n), np.sqrt(ridge) * np.eye(inputs)])
    right = np.concatenate([wanted / np.sqrt(n), np.zeros((inputs, wanted.shape[1]))])
    return np.linalg.lstsq(system, right, rcond=None)[0]


def some(size: int) -> st.SearchStrategy[Tensor]:
    chosen = st.sets(st.integers(0, size - 1), min_size=1)
    return chosen.map(lambda s: torch.tensor(sorted(s)))


@pytest.fixture(scope="module")
def refits(split: Split) -> dict[tuple[str, bool, float], tuple[nn.Sequential, ChannelRefit]]:
    found = {}
    for name in CASES:
        for centred in (False, True):
            for ridge in (0.0, 0.05):
                sequence = network(name)
                found[name, centred, ridge] = sequence, ChannelRefit(
                    sequence, ["1"], split, centred=centred, positions=EVERYWHERE, ridge=ridge
                )  # fmt: skip
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("ridge", [0.0, 0.05])
@given(some(CHANNELS), some(OUTPUTS))
@settings(max_examples=6)
def test_the_refit_is_the_least_squares_solution(
    split: Split, refits: Any, name: str, centred: bool, ridge: float,
    inputs: Tensor, outputs: Tensor,
) -> None:  # fmt: skip
    sequence, refit = refits[name, centred, ridge]
    layer: Any = sequence[1]
    A = rows_of(sequence, split.images)
    given_outputs = outputs.numpy()
    weight = layer.weight.detach().flatten(1).double().numpy()[given_outputs]
    means = A.mean(axis=0)
    centred_A = A - means if centred or layer.bias is not None else A
    taps = layer.weight[0, 0].numel()
    kept = np.isin(np.arange(A.shape[1]) // taps, inputs.numpy())
    r = ridge * float((centred_A**2).mean())
    change = solved(centred_A[:, kept], centred_A[:, ~kept] @ weight[:, ~kept].T, r).T
    expected = weight[:, kept] + change
    found = refit.layer("1", inputs, outputs)
    assert found["weight"].shape == (len(outputs), len(inputs), *layer.weight.shape[2:])
    assert found["weight"].dtype == torch.float32
    np.testing.assert_allclose(found["weight"].flatten(1).numpy(), expected, atol=2e-4)
    assert set(found) == {name for name, _ in layer.named_parameters()}
    if layer.bias is not None:
        bias = layer.bias.detach().double().numpy()[given_outputs]
        shifted = bias + weight @ means - expected @ means[kept]
        np.testing.assert_allclose(found["bias"].numpy(), shifted, atol=2e-4)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("centred", [False, True])
def test_with_all_inputs_the_weights_are_the_parents(refits: Any, name: str, centred: bool) -> None:
    sequence, refit = refits[name, centred, 0.05]
    for outputs in (torch.arange(OUTPUTS), torch.tensor([0, 3])):
        found = refit.layer("1", torch.arange(CHANNELS), outputs)
        for path, parameter in sequence[1].named_parameters():
            assert torch.equal(found[path], parameter.detach()[outputs])
            assert not found[path].requires_grad


def test_what_depends_on_the_rest_is_lost_without_a_trace(split: Split) -> None:
    # One channel is the sum of two others and a constant.
    images = split.images.clone()
    images[:, 4] = images[:, 0] + images[:, 1] + 2
    sequence = network("pointwise with bias")
    refit = ChannelRefit(
        sequence, ["1"], Split(images, split.labels), centred=False, ridge=1e-9
    )  # fmt: skip
    kept = torch.tensor([0, 1, 2, 3, 5])
    found = refit.layer("1", kept, torch.arange(OUTPUTS))
    smaller = functional.conv2d(images[:, kept], found["weight"], found["bias"])
    torch.testing.assert_close(smaller, sequence(images).detach(), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("centred", [False, True])
def test_inputs_that_never_change_are_no_trouble(split: Split, centred: bool) -> None:
    for value in (0.0, 0.7, 1_000.0):
        constant = Split(torch.full_like(split.images, value), split.labels)
        for name in CASES:
            sequence = network(name)
            layer: Any = sequence[1]
            refit = ChannelRefit(sequence, ["1"], constant, centred=centred)
            kept = torch.tensor([1, 4])
            found = refit.layer("1", kept, torch.arange(OUTPUTS))
            assert all(values.isfinite().all() for values in found.values())
            if layer.bias is not None and name != "strided":  # whose padding is no constant
                with torch.no_grad():
                    given_: Any = sequence[0](constant.images)
                    if isinstance(layer, nn.Linear):
                        outputs = functional.linear(given_[:, kept], found["weight"], found["bias"])
                    else:
                        outputs = functional.conv2d(given_[:, kept], found["weight"], found["bias"])
                    tolerance = 1e-4 * max(1.0, value)
                    torch.testing.assert_close(
                        outputs, layer(given_), atol=tolerance, rtol=tolerance
                    )


def test_some_places_depend_on_the_seed(split: Split) -> None:
    sequence = network("square")  # has 25 places
    full, one, same, other = (
        ChannelRefit(sequence, ["1"], split, centred=False, positions=n, seed=seed)
        .layer("1", torch.arange(3), torch.arange(OUTPUTS))["weight"]
        for n, seed in ((25, 0), (12, 0), (12, 0), (12, 1))
    )  # fmt: skip
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert 1e-4 < float((one - full).norm() / full.norm()) < 0.2


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(6, 6, 3, groups=2),
        nn.Conv2d(6, 6, 3, groups=6),
        nn.Conv2d(6, 4, 3, dilation=2),
        nn.Conv2d(6, 4, 3, padding="same"),
        nn.Conv2d(6, 4, 15, padding=7),
        nn.ConvTranspose2d(6, 4, 3),
        nn.BatchNorm2d(6),
    ],
    ids=["groups", "depthwise", "dilated", "same", "large", "transposed", "norm"],
)
def test_layers_that_cannot_be_refitted_are_named(layer: nn.Module, split: Split) -> None:
    assert nn.Conv2d(6, 4, 15).weight[0].numel() > MOST_INPUTS
    sequence = nn.Sequential(nn.Conv2d(6, 6, 1), layer)
    with pytest.raises(PruneError, match=r"layers \['1'\] cannot be refitted"):
        ChannelRefit(sequence, ["0", "1"], split, centred=False)


# On a trained network.


@pytest.fixture(scope="module")
def small(digits: Data) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        start = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU(),
            nn.Conv2d(12, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 24, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10),
        )  # fmt: skip
    return trained(start, digits.train, images=5_000, recipe=Recipe(learning_rate=5e-3))


NAMES = ["3", "6", "11"]


@pytest.fixture(scope="module")
def sample(digits: Data) -> Split:
    return digits.train.subset(range(150))


@pytest.fixture(scope="module")
def small_refits(small: nn.Sequential, sample: Split) -> dict[bool, ChannelRefit]:
    return {
        centred: ChannelRefit(small, NAMES, sample, centred=centred, positions=EVERYWHERE)
        for centred in (False, True)
    }


@pytest.mark.parametrize("centred", [False, True])
@given(st.data(), st.sampled_from(NAMES))
@settings(max_examples=15)
def test_the_refit_gives_more_like_the_parents_outputs_than_the_cut(
    small: nn.Sequential, sample: Split, small_refits: Any, centred: bool, data: Any, name: str
) -> None:
    layer: Any = small[int(name)]
    kept = data.draw(some(layer.weight.shape[1]))
    everything = torch.arange(layer.weight.shape[0])
    found = small_refits[centred].layer(name, kept, everything)
    with torch.no_grad():
        hidden = small[: int(name)](sample.images)
        wanted = layer(hidden).transpose(0, 1).flatten(1)

        def error(weight: Tensor, bias: Tensor | None) -> float:
            if isinstance(layer, nn.Linear):
                outputs = functional.linear(hidden[:, kept], weight, bias)
            else:
                outputs = functional.conv2d(
                    hidden[:, kept], weight, bias, layer.stride, layer.padding
                )
            gap = outputs.transpose(0, 1).flatten(1) - wanted
            if centred:  # a batch norm takes the mean away
                gap = gap - gap.mean(dim=1, keepdim=True)
            return float(gap.square().mean())

        cut = error(layer.weight[:, kept], layer.bias)
        refitted = error(found["weight"], found.get("bias"))
    assert refitted <= cut * (1 + 1e-4) + 1e-9
    if len(kept) == layer.weight.shape[1] // 2:
        assert refitted < 0.9 * cut


def test_the_refit_is_worth_its_name(small: nn.Sequential, sample: Split, digits: Data) -> None:
    refit = ChannelRefit(small, NAMES, sample, centred=False)

    def right(state: Any) -> float:
        changed = copy.deepcopy(small)
        kept = {name: torch.arange(0, small[int(name)].weight.shape[1], 2) for name in NAMES}  # type: ignore[arg-type]
        with torch.no_grad():
            for name, channels in kept.items():
                layer: Any = changed[int(name)]
                for path, value in state(name, channels).items():
                    parameter = layer.get_parameter(path)
                    if path == "weight":
                        parameter.zero_()
                        parameter[:, channels] = value
                    else:
                        parameter.copy_(value)
            predicted = changed(digits.validation.images).argmax(dim=1)
        return float((predicted == digits.validation.labels).double().mean())

    def cut(name: str, channels: Tensor) -> Any:
        return {"weight": small[int(name)].weight[:, channels]}  # type: ignore[index]

    def refitted(name: str, channels: Tensor) -> Any:
        return refit.layer(name, channels, torch.arange(len(small[int(name)].weight)))  # type: ignore[arg-type]

    assert right(refitted) > right(cut) + 0.1


@pytest.mark.usefixtures("untouched_global_generators")
def test_the_network_is_left_as_it_was(small: nn.Sequential, sample: Split) -> None:
    changed = copy.deepcopy(small).train()
    changed[1].eval()
    modes = [module.training for module in changed.modules()]
    before, images = copy.deepcopy(changed.state_dict()), sample.images.clone()
    refits = [ChannelRefit(changed, NAMES, sample, centred=True) for _ in range(2)]
    asked = torch.tensor([1, 5]), torch.tensor([0, 2, 3])
    found = refits[0].layer("3", *asked)
    for name, value in refits[1].layer("3", *asked).items():
        assert torch.equal(found[name], value)
    for value in found.values():
        value.zero_()
    assert refits[0].layer("3", *asked)["weight"].any()
    assert [places.tolist() for places in asked] == [[1, 5], [0, 2, 3]]
    assert torch.equal(sample.images, images)
    assert [module.training for module in changed.modules()] == modes
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in changed.modules())
    assert all(torch.equal(value, before[key]) for key, value in changed.state_dict().items())


# Means.


@pytest.mark.parametrize("offset", [0.0, 1_000.0])
@pytest.mark.parametrize("groups", [1, 3])
def test_means_are_those_of_all_images(split: Split, offset: float, groups: int) -> None:
    layer = nn.Conv2d(6, 6, 3, stride=2, groups=groups)
    moments = Moments(layer, EVERYWHERE, 0, centred=True)
    images = split.images + offset
    watch(nn.Sequential(layer), {"0": moments}, images)
    patches = functional.unfold(images.double(), 3, stride=2).mT.flatten(0, 1)
    means = patches.mean(dim=0).reshape(groups, -1)
    assert moments.mean().dtype == torch.float64
    torch.testing.assert_close(moments.mean(), means, atol=1e-5, rtol=1e-6)
    grouped = patches.reshape(len(patches), groups, -1).transpose(0, 1) - means[:, None]
    torch.testing.assert_close(
        moments.gram(), grouped.mT @ grouped / len(patches), atol=1e-3, rtol=1e-3
    )


def test_means_of_a_linear_layer(split: Split) -> None:
    sequence = nn.Sequential(nn.Flatten(2), nn.Linear(25, 2))  # each channel is a token
    moments = Moments(sequence[1], 3, 0, centred=True)
    watch(sequence, {"1": moments}, split.images)
    torch.testing.assert_close(
        moments.mean(), split.images.double().reshape(1, -1, 25).mean(dim=1), atol=1e-5, rtol=1e-5
    )


# Batch norms.


def with_norms() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(6, 4, 3), nn.BatchNorm2d(4, momentum=0.3), nn.ReLU(), nn.Dropout(0.5),
            nn.Conv2d(4, 3, 2), nn.BatchNorm2d(3, momentum=None), nn.Flatten(),
            nn.Linear(12, 5), nn.BatchNorm1d(5),
        )  # fmt: skip


@pytest.mark.parametrize("batch_size", [150, 64, 50])
def test_statistics_are_means_over_batches(split: Split, batch_size: int) -> None:
    network = with_norms()
    with torch.no_grad():
        for place in (1, 5, 8):
            norm: Any = network[place]
            norm.running_mean.fill_(torch.nan)
            norm.running_var.fill_(7)
            norm.num_batches_tracked.fill_(100)
            norm.weight.uniform_(0.5, 1.5)
    assert calibrate(network, split.images, batch_size=batch_size) is network
    batches = split.images.split(batch_size)
    for place in (1, 5, 8):
        norm = network[place]
        means, variances = [], []
        for batch in batches:
            hidden = batch
            for layer in network[:place]:
                if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
                    axes = [0, *range(2, hidden.ndim)]
                    hidden = functional.batch_norm(
                        hidden, None, None, layer.weight, layer.bias, training=True
                    )
                elif not isinstance(layer, nn.Dropout):
                    hidden = layer(hidden)
            axes = [0, *range(2, hidden.ndim)]
            means.append(hidden.mean(axes))
            variances.append(hidden.var(axes))
        for found, values in ((norm.running_mean, means), (norm.running_var, variances)):
            expected = torch.stack(values).mean(dim=0).detach()
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
        assert norm.num_batches_tracked == len(batches)


def test_a_single_image_that_is_left_over_counts() -> None:
    images = torch.arange(257.0)[:, None]
    norm = nn.BatchNorm1d(1)
    calibrate(norm, images)
    torch.testing.assert_close(norm.running_mean, images.mean(0))


@pytest.mark.usefixtures("untouched_global_generators")
def test_all_but_the_statistics_is_left_as_it_was(split: Split) -> None:
    network = with_norms().train()
    network[1].eval()
    network[4].eval()
    modes = [module.training for module in network.modules()]
    weights = {name: value.detach().clone() for name, value in network.named_parameters()}
    images = split.images.clone()
    calibrate(network, split.images)
    assert [network[place].momentum for place in (1, 5, 8)] == [0.3, None, 0.1]
    assert [module.training for module in network.modules()] == modes
    for name, parameter in network.named_parameters():
        assert torch.equal(parameter.detach(), weights[name])
        assert parameter.requires_grad
        assert parameter.grad is None
    assert torch.equal(split.images, images)
    first = copy.deepcopy(network.state_dict())
    calibrate(network, split.images)
    assert all(torch.equal(value, first[name]) for name, value in network.state_dict().items())


def test_a_network_without_batch_norms_is_as_it_was(split: Split) -> None:
    network = nn.Sequential(nn.Conv2d(6, 2, 3))
    before = copy.deepcopy(network.state_dict())
    calibrate(network, split.images)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_new_statistics_make_up_for_a_shift(small: nn.Sequential, digits: Data) -> None:
    moved, still = copy.deepcopy(small), copy.deepcopy(small)
    images = digits.validation.images
    with torch.no_grad():
        moved.get_parameter("3.bias").add_(5)
        moved.get_parameter("6.weight").mul_(3)
        assert float((moved(images) - small(images)).abs().mean()) > 0.5
    calibrate(moved, digits.train.images[:300])
    calibrate(still, digits.train.images[:300])
    with torch.no_grad():
        torch.testing.assert_close(moved(images), still(images), atol=2e-3, rtol=2e-3)
