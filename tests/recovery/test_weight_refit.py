from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.data import Data, Split
from pymoo_prune.pruning import MagnitudeOrder
from pymoo_prune.recovery import WeightRefit
from pymoo_prune.recovery.moments import MOST_INPUTS
from tests.support.trained_cnn import trained_cnn

Matrix = Tensor
EVERYWHERE = 10_000

CASES: dict[str, tuple[Callable[[], nn.Module], Callable[[], nn.Module]]] = {
    "linear": (nn.Flatten, lambda: nn.Linear(150, 5, bias=False)),
    "tokens": (lambda: nn.Flatten(2), lambda: nn.Linear(25, 5, bias=False)),
    "conv": (nn.Identity, lambda: nn.Conv2d(6, 4, 3, bias=False)),
    "grouped": (nn.Identity, lambda: nn.Conv2d(6, 9, 3, groups=3, padding=1, bias=False)),
    "depthwise": (nn.Identity, lambda: nn.Conv2d(6, 6, 2, groups=6, bias=False)),
    "strided": (
        nn.Identity,
        lambda: nn.Conv2d(6, 4, (3, 2), stride=(2, 1), padding=(0, 1), bias=False),
    ),
    "solid": (
        lambda: nn.Unflatten(1, (2, 3)),
        lambda: nn.Conv3d(2, 4, (2, 3, 1), stride=(1, 2, 1), padding=(1, 0, 1), bias=False),
    ),
    "signal": (lambda: nn.Flatten(2), lambda: nn.Conv1d(6, 4, 3, stride=2, padding=1, bias=False)),
}


def network(name: str, seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        before, layer = CASES[name]
        return nn.Sequential(before(), layer())


@pytest.fixture(scope="module")
def split() -> Split:
    """Correlated images whose pixels are not 0 on average; more than one batch of them."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(70, 6, 5, 5, generator=generator)
    mixing = torch.randn(150, 150, generator=generator) / 12 + torch.eye(150)
    images = (images.flatten(1) @ mixing).reshape(images.shape) + 0.5
    return Split(images, torch.zeros(70, dtype=torch.int64))


def inputs(sequence: nn.Sequential, images: Tensor) -> Matrix:
    """The inputs of each filter of a group by place: (groups, samples, inputs), float64."""
    layer: Any = sequence[1]
    images = sequence[0](images).double()
    if isinstance(layer, nn.Linear):
        return images.reshape(1, -1, layer.in_features)
    convolve = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
    size = layer.weight[0].numel()
    one_hot = torch.eye(size, dtype=torch.float64).reshape(size, *layer.weight.shape[1:])
    function = convolve[images.ndim - 2]
    patches = [
        function(group, one_hot, stride=layer.stride, padding=layer.padding)
        for group in images.chunk(layer.groups, dim=1)
    ]
    return torch.stack([p.movedim(1, -1).reshape(-1, size) for p in patches])


def second_moments(rows: Matrix, centred: bool) -> Matrix:
    rows = rows - rows.mean(dim=1, keepdim=True) if centred else rows
    return rows.mT @ rows / rows.shape[1]


def products(refit: WeightRefit, name: str = "1") -> Matrix:
    return torch.stack([gram.products for gram in refit.grams[name]])


def some_mask(weight: Tensor, seed: int) -> Tensor:
    """Different shares in each filter, nothing of one and everything of another.

    Of all together, more than half for even seeds and less for odd ones.
    """
    generator = np.random.default_rng(seed)
    shares = generator.permutation(np.linspace(0, 1, len(weight)) ** (3 if seed % 2 else 0.4))
    shares = shares.reshape(-1, *[1] * (weight.ndim - 1))
    return torch.from_numpy(generator.random(weight.shape) < shares)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("centred", [False, True])
def test_the_refit_solves_the_normal_equations(name: str, centred: bool, split: Split) -> None:
    sequence = network(name)
    weight = sequence[1].weight.detach()
    refit = WeightRefit(
        sequence, ["1"], split, centred=centred, positions=EVERYWHERE, ridge=0.05
    )  # fmt: skip
    grams = second_moments(inputs(sequence, split.images), centred)
    torch.testing.assert_close(products(refit), grams, atol=1e-5, rtol=1e-5)
    filters = len(weight) // len(grams)
    for seed in range(4):
        mask = some_mask(weight, seed)
        refitted = refit.weight("1", mask)
        assert refitted.dtype == torch.float32
        for number, (mine, w, m) in enumerate(zip(refitted, weight, mask, strict=True)):
            gram = grams[number // filters]
            mine, w, m = mine.flatten().double(), w.flatten().double(), m.flatten()  # noqa: PLW2901
            ridge = 0.05 * gram.diagonal().mean() * torch.eye(int(m.sum()))
            change = torch.linalg.solve(gram[m][:, m] + ridge, gram[m][:, ~m] @ w[~m])
            torch.testing.assert_close(mine[m], w[m] + change, atol=1e-5, rtol=1e-5)
            assert (mine[~m] == 0).all()


@pytest.mark.parametrize("centred", [False, True])
def test_the_moments_are_those_of_every_unfolded_patch(centred: bool, split: Split) -> None:
    sequence = network("strided")
    refit = WeightRefit(sequence, ["1"], split, centred=centred, positions=EVERYWHERE)
    patches = functional.unfold(split.images, (3, 2), padding=(0, 1), stride=(2, 1)).double()
    gram = second_moments(patches.mT.reshape(1, -1, 36), centred)
    torch.testing.assert_close(products(refit), gram, atol=1e-5, rtol=1e-5)


def test_some_places_are_near_all_places_and_depend_on_the_seed(split: Split) -> None:
    sequence = network("grouped")  # has 25 places
    full, some, same, other = (
        products(WeightRefit(sequence, ["1"], split, centred=False, positions=n, seed=seed))
        for n, seed in ((25, 0), (12, 0), (12, 0), (12, 1))
    )
    assert torch.equal(some, same)
    assert not torch.equal(some, other)
    gap = (some - full).norm() / full.norm()
    assert 0.001 < gap < 0.4


def test_layers_with_a_bias_are_never_centred(split: Split) -> None:
    sequence = nn.Sequential(nn.Identity(), nn.Conv2d(6, 4, 3), nn.Conv2d(4, 2, 1, bias=False))
    one, other = (WeightRefit(sequence, ["1", "2"], split, centred=c) for c in (False, True))
    assert torch.equal(products(one), products(other))
    assert not torch.equal(products(one, "2"), products(other, "2"))


@pytest.mark.parametrize("name", CASES)
def test_with_everything_kept_the_weights_are_the_parents(name: str, split: Split) -> None:
    sequence = network(name)
    weight = sequence[1].weight.detach()
    refit = WeightRefit(sequence, ["1"], split, centred=True)
    assert torch.equal(refit.weight("1", torch.ones_like(weight, dtype=torch.bool)), weight)
    nothing = refit.weight("1", torch.zeros_like(weight, dtype=torch.bool))
    assert torch.equal(nothing, torch.zeros_like(weight))


@pytest.mark.parametrize("centred", [False, True])
def test_weights_of_dead_inputs_are_kept(centred: bool, split: Split) -> None:
    images = split.images.clone()
    images[:, 2] = 0
    images[:, 4] = 0
    sequence = network("conv")
    weight = sequence[1].weight.detach()
    refit = WeightRefit(sequence, ["1"], Split(images, split.labels), centred=centred)
    mask = some_mask(weight, 1)
    refitted = refit.weight("1", mask)
    assert torch.equal(refitted[:, [2, 4]], (weight * mask)[:, [2, 4]])
    assert not torch.equal(refitted, weight * mask)


@pytest.mark.parametrize("value", [0.0, 0.7, 1_000.0])
def test_inputs_that_never_change_are_no_trouble(value: float, split: Split) -> None:
    constant = Split(torch.full_like(split.images, value), split.labels)
    for name in ("conv", "linear", "tokens"):
        sequence = network(name)
        weight = sequence[1].weight.detach()
        refit = WeightRefit(sequence, ["1"], constant, centred=True)
        for seed in range(5):
            mask = some_mask(weight, seed)
            refitted = refit.weight("1", mask)
            torch.testing.assert_close(refitted, weight * mask, atol=1e-2, rtol=0)
            assert refit.loss("1", refitted) >= 0


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(6, 4, 3, dilation=2),
        nn.Conv2d(6, 4, 3, padding="same"),
        nn.Conv2d(6, 4, 3, padding=1, padding_mode="reflect"),
        nn.ConvTranspose2d(6, 4, 3),
        nn.Sequential(
            nn.Flatten(), nn.Linear(150, MOST_INPUTS + 1), nn.ReLU(), nn.Linear(MOST_INPUTS + 1, 4)
        ),
    ],
    ids=["dilated", "same", "reflect", "transposed", "large"],
)  # fmt: skip
def test_layers_that_are_too_large_or_too_odd_are_masked(layer: nn.Module, split: Split) -> None:
    sequence = nn.Sequential(layer)
    name = "0.3" if isinstance(layer, nn.Sequential) else "0"
    weight: Any = sequence.get_submodule(name).weight
    refit = WeightRefit(sequence, [name], split, centred=False)
    mask = some_mask(weight, 0)
    refitted = refit.weight(name, mask)
    assert torch.equal(refitted, weight.detach() * mask)
    assert not refitted.requires_grad
    gone = (weight.detach() * ~mask).square().sum() / weight.detach().square().sum()
    assert refit.loss(name, refitted) == pytest.approx(float(gone))
    assert refit.loss(name, weight.detach()) == 0


# On a trained network.


@pytest.fixture(scope="module")
def small(digits: Data) -> nn.Module:
    return trained_cnn(digits.train)


@pytest.fixture(scope="module")
def sample(digits: Data) -> Split:
    return digits.train.subset(range(150))


@pytest.fixture(scope="module")
def order(small: nn.Module) -> MagnitudeOrder:
    return MagnitudeOrder(small, (1, 8, 8))


@pytest.fixture(scope="module")
def refits(small: nn.Module, sample: Split, order: MagnitudeOrder) -> dict[bool, WeightRefit]:
    """Centred, and not."""
    return {
        centred: WeightRefit(small, order.names, sample, centred=centred, positions=EVERYWHERE)
        for centred in (False, True)
    }


def layer_inputs(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_pre_hook(lambda _, i, name=name: seen.update({name: i[0]}))
        for name, module in network.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
    ]
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize("centred", [False, True])
@given(st.integers(0, 3), st.floats(0.05, 0.999))
@settings(max_examples=25)
def test_the_refit_gives_more_like_the_parents_outputs_than_the_cut(
    small: nn.Module, sample: Split, order: MagnitudeOrder, refits: Any,
    centred: bool, layer: int, share: float,
) -> None:  # fmt: skip
    refit = refits[centred]
    name, pruned = order.names[layer], int(share * order.counts[layer])
    mask = order.mask(layer, pruned)
    module: Any = copy.deepcopy(small.get_submodule(name))
    hidden = layer_inputs(small, sample.images)[name]
    weights = [order.weights[layer], refit.weight(name, mask), order.weight(layer, pruned)]
    outputs = []
    for weight in weights:
        module.weight.data = weight
        with torch.no_grad():
            outputs.append(module(hidden).double().transpose(0, 1).flatten(1))
    if centred and module.bias is None:
        outputs = [found - found.mean(dim=1, keepdim=True) for found in outputs]
    errors = [float((found - outputs[0]).square().mean()) for found in outputs[1:]]
    assert errors[0] <= errors[1] * (1 + 1e-4) + 1e-9
    losses = [refit.loss(name, weight) for weight in weights]
    whole = float((outputs[0] - (0 if module.bias is None else module.bias.detach()[:, None]))
                  .square().mean())  # fmt: skip
    assert losses[0] == 0
    for loss, error in zip(losses[1:], errors, strict=True):
        assert loss == pytest.approx(error / whole, rel=1e-2, abs=1e-6)


@pytest.mark.parametrize("centred", [False, True])
def test_losses_rise_from_the_parent_to_nothing(
    order: MagnitudeOrder, refits: Any, centred: bool
) -> None:
    refit = refits[centred]
    for layer, name in enumerate(order.names):
        count = int(order.counts[layer])
        assert refit.loss(name, order.weights[layer]) == 0
        assert refit.loss(name, torch.zeros_like(order.weights[layer])) == pytest.approx(1)
        losses = [
            refit.loss(name, refit.weight(name, order.mask(layer, int(share * count))))
            for share in (0.0, 0.5, 0.9, 0.97)
        ]
        assert losses == sorted(losses)
        assert losses[0] == 0
        assert 0 < losses[1] < losses[-1] < 1


@pytest.mark.parametrize("centred", [False, True])
def test_the_refit_is_worth_its_name(order: MagnitudeOrder, refits: Any, centred: bool) -> None:
    refit = refits[centred]
    ratios = [
        refit.loss(name, refit.weight(name, order.mask(layer, count * 7 // 10)))
        / refit.loss(name, order.weight(layer, count * 7 // 10))
        for layer, (name, count) in enumerate(zip(order.names, order.counts.tolist(), strict=True))
    ]
    assert max(ratios) < 0.9
    assert np.mean(ratios) < 0.6


@pytest.mark.usefixtures("untouched_global_generators")
def test_the_network_is_left_as_it_was(small: nn.Module, sample: Split) -> None:
    network = copy.deepcopy(small).train()
    network.get_submodule("1").eval()
    modes = [module.training for module in network.modules()]
    before, images = copy.deepcopy(network.state_dict()), sample.images.clone()
    refits = [WeightRefit(network, ["0", "10"], sample, centred=True) for _ in range(2)]
    mask = some_mask(network.get_submodule("0").weight, 0)  # type: ignore[arg-type]
    mask_before = mask.clone()
    found = refits[0].weight("0", mask)
    assert torch.equal(found, refits[1].weight("0", mask))
    assert not found.requires_grad
    found.zero_()
    assert torch.equal(refits[0].weight("0", mask), refits[1].weight("0", mask))
    assert torch.equal(mask, mask_before)
    assert torch.equal(sample.images, images)
    assert [module.training for module in network.modules()] == modes
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in network.modules())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


class Breaks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 2)

    def forward(self, images: Tensor) -> Tensor:
        self.layer(images)
        raise RuntimeError


def test_hooks_are_removed_when_the_network_fails(split: Split) -> None:
    network = Breaks().train()
    with pytest.raises(RuntimeError):
        WeightRefit(network, ["layer"], split, centred=False)
    assert not network.layer._forward_pre_hooks
    assert network.training
