"""Training many networks at once gives what training them one by one gives."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pymoo_prune.chromosomes import Connections
from pymoo_prune.data import Data, Split
from pymoo_prune.errors import PruneError, TrainingDiverged
from pymoo_prune.networks import DenseNet
from pymoo_prune.pruning import DenseNetStack, train_together
from pymoo_prune.pruning import stacked as module
from pymoo_prune.training import Recipe, fit, trained
from pymoo_prune.training import loop as training

pytestmark = pytest.mark.slow

SGD = Recipe("sgd", 0.05, "cosine", batch_size=50, weight_decay=1e-3)
RECIPES = {
    "sgd": SGD,
    "adam": Recipe("adam", 3e-3, batch_size=50, weight_decay=1e-3),
    "augmented": replace(SGD, crop=1, flip=True),
    "channels-last": replace(SGD, channels_last=True),
}


# Networks and images are in double precision, except in tests about lower precision: then rounding
# is so small that many steps do not amplify it visibly.


def some_networks(layers: int = 3, blocks: int = 3, growth: int = 4) -> list[DenseNet]:
    """One with the chain only, one with all connections, two in between."""
    codec = Connections(layers, blocks)
    free = codec.random(2, np.random.default_rng(1), 0.5)
    chain, full = np.zeros((1, codec.n_var), bool), np.ones((1, codec.n_var), bool)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return [
            DenseNet(matrices, growth, 1, 10).double()
            for matrices in codec.matrices(np.concatenate([chain, free[:1], full, free[1:]]))
        ]


@pytest.fixture
def networks() -> list[DenseNet]:
    return some_networks()


@pytest.fixture(scope="module")
def split(digits: Data) -> Split:
    part = digits.train.subset(range(320))
    return Split(part.images.double(), part.labels)


@pytest.fixture(scope="module")
def alone(split: Split) -> Callable[..., list[DenseNet]]:
    """Networks that are trained one by one, once for all tests with the same arguments."""

    @cache
    def made(networks: tuple[int, ...], growth: int, precision: str, recipe: Recipe, images: int,
             places: tuple[int, ...]) -> list[DenseNet]:  # fmt: skip
        some, rows = some_networks(*networks, growth=growth), split
        if precision != "double":
            some, rows = in_single(some, split)
        return [trained(some[one], rows, images=images, recipe=recipe, seed=5) for one in places]

    return made


def in_single(networks: Sequence[DenseNet], split: Split) -> tuple[list[DenseNet], Split]:
    return [network.float() for network in networks], Split(split.images.float(), split.labels)


def same(found: Any, expected: DenseNet, tolerance: float) -> None:
    assert isinstance(found, DenseNet)
    assert not any(part.training for part in found.modules())
    assert np.array_equal(found.connections, expected.connections)
    state, right = found.state_dict(), expected.state_dict()
    assert list(state) == list(right)
    for name, value in state.items():
        assert value.shape == right[name].shape
        assert value.stride() == right[name].stride(), name
        torch.testing.assert_close(value, right[name], atol=tolerance, rtol=tolerance, msg=name)
    for name, parameter in found.named_parameters():
        assert parameter.requires_grad, name
        assert parameter.grad is None, name


@pytest.mark.parametrize("name", RECIPES)
def test_in_double_precision_many_steps_are_the_same(
    name: str, networks: list[DenseNet], split: Split
) -> None:
    settings: Any = {"images": 600, "recipe": RECIPES[name], "seed": 5}
    for network, found in zip(networks, train_together(networks, split, **settings), strict=True):
        same(found, trained(network, split, **settings), 1e-6)


@pytest.mark.parametrize("name", RECIPES)
def test_in_single_precision_a_few_steps_are_the_same(
    name: str, networks: list[DenseNet], split: Split
) -> None:
    networks, split = in_single(networks, split)
    # Few and small steps, because training amplifies rounding: a ReLU near 0 opens in one run and
    # not in the other, and Adam takes whole steps for gradients that are only rounding. The same
    # code is exact in double precision, above.
    rate = 1e-4 if name == "adam" else 1e-3
    recipe = replace(RECIPES[name], learning_rate=rate)
    settings: Any = {"images": 130, "recipe": recipe, "seed": 5}
    for network, found in zip(networks, train_together(networks, split, **settings), strict=True):
        expected = trained(network, split, **settings)
        same(found, expected, 2e-4)
        assert isinstance(found, DenseNet)
        with torch.no_grad():
            outputs = found(split.images)
            torch.testing.assert_close(outputs, expected(split.images), atol=1e-3, rtol=1e-3)


def test_half_the_bits_are_the_same_as_far_as_they_go(
    networks: list[DenseNet], split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks, split = in_single(networks, split)
    monkeypatch.setattr(training, "has_fast_bfloat16", lambda _: True)
    settings: Any = {"images": 100, "seed": 5}
    half = replace(SGD, learning_rate=5e-3, bfloat16=True, channels_last=True)
    together = train_together(networks, split, recipe=half, **settings)
    for network, found in zip(networks, together, strict=True):
        assert isinstance(found, DenseNet)
        alone = trained(network, split, recipe=half, **settings).state_dict()
        whole = trained(
            network, split, recipe=replace(half, bfloat16=False), **settings
        ).state_dict()
        assert not torch.equal(found.state_dict()["stem.weight"], whole["stem.weight"])
        for name, value in found.state_dict().items():
            # Eight bits are less than three digits.
            torch.testing.assert_close(value, alone[name], atol=0.02, rtol=0.02, msg=name)


@pytest.mark.parametrize(("layers", "blocks", "growth"), [(1, 1, 1), (2, 4, 3), (2, 2, 12)])
def test_any_size(layers: int, blocks: int, growth: int, split: Split) -> None:
    # Four blocks leave a single pixel; an odd number of channels enters transitions.
    networks = some_networks(layers, blocks, growth)
    for recipe in (RECIPES["sgd"], RECIPES["channels-last"]):
        settings: Any = {"images": 100, "recipe": recipe, "seed": 0}
        found = train_together(networks, split, **settings)
        for network, result in zip(networks, found, strict=True):
            same(result, trained(network, split, **settings), 1e-6)


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_dead_stays_exactly_zero(name: str, networks: list[DenseNet], split: Split) -> None:
    stack = DenseNetStack(networks).train()

    def loss(outputs: Tensor, rows: Tensor) -> Tensor:
        assert outputs.shape == (4, len(rows), 10)
        return -outputs.log_softmax(dim=2)[:, range(len(rows)), split.labels[rows]].sum()

    fit(stack, split, images=500, recipe=RECIPES[name], seed=0, loss=loss)
    parameters = dict(stack.full.named_parameters())
    dead = 0
    for candidate, places in enumerate(stack.places):
        for name_, parameter in parameters.items():
            values = parameter.detach().unflatten(0, (4, -1))[candidate].clone()
            assert values[places[name_]].ne(0).any()
            values[places[name_]] = 0
            assert values.eq(0).all(), name_
            dead += len(values[places[name_]].flatten()) < values.numel()
    assert dead > 50
    assert all(value.isfinite().all() for value in stack.state_dict().values())


@pytest.mark.parametrize(
    ("precision", "tolerance", "growth"),
    # Other precisions and sizes use other convolutions.
    [("double", 1e-6, 4), ("single", 2e-4, 4), ("single", 2e-4, 12), ("half", 0.02, 4)],
)
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, None])
def test_who_diverges_does_so_alone(
    bad: float | None, channels_last: bool, precision: str, tolerance: float, growth: int,
    split: Split, alone: Callable[..., list[DenseNet]], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    networks = some_networks(2, growth=growth)
    if precision != "double":
        networks, split = in_single(networks, split)
        monkeypatch.setattr(training, "has_fast_bfloat16", lambda _: True)
    recipe = replace(
        SGD, learning_rate=1e-3, channels_last=channels_last, bfloat16=precision == "half"
    )
    settings: Any = {"images": 100, "recipe": recipe, "seed": 5}
    with torch.no_grad():
        first: Any = networks[1].blocks[0]
        weight = first.layers[0].conv2.weight
        # Also numbers that are finite until a batch norm squares them.
        weight[0, 0] = torch.finfo(weight.dtype).max / 100 if bad is None else bad
    with pytest.raises(TrainingDiverged) as raised:
        trained(networks[1], split, **settings)
    again = []

    def spy(network: DenseNet, *args: Any, **kwargs: Any) -> DenseNet:
        again.append(network)
        return trained(network, *args, **kwargs)

    monkeypatch.setattr(module, "trained", spy)
    found = train_together(networks, split, **settings)
    # No other network was trained again: the numbers of networks never mix.
    assert again == [networks[1]]
    assert isinstance(found[1], TrainingDiverged)
    assert str(found[1]) == str(raised.value)
    places = (0, 2, 3)
    expected = alone((2,), growth, precision, recipe, 100, places)
    for place, network in zip(places, expected, strict=True):
        same(found[place], network, tolerance)


def test_a_learning_rate_that_is_too_high_is_an_error_for_all_networks(
    networks: list[DenseNet], split: Split
) -> None:
    recipe = replace(SGD, learning_rate=1e300)
    found = train_together(networks, split, images=300, recipe=recipe, seed=0)
    assert all("lower learning rate" in str(error) for error in found)
    assert all(isinstance(error, TrainingDiverged) for error in found)


def test_who_is_lost_in_the_stack_only_is_trained_alone(
    networks: list[DenseNet], split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a GPU that computes several groups as one.
    settings: Any = {"images": 130, "recipe": SGD, "seed": 5}
    extract = DenseNetStack.network

    def spoilt(stack: DenseNetStack, candidate: int, start: DenseNet) -> DenseNet:
        network = extract(stack, candidate, start)
        if candidate in (0, 3):
            nn.init.constant_(network.linear.bias, torch.nan)
        return network

    monkeypatch.setattr(DenseNetStack, "network", spoilt)
    found = train_together(networks, split, **settings)
    for network, result in zip(networks, found, strict=True):
        same(result, trained(network, split, **settings), 1e-6)


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to ..."),
    RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to ..."),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
    MemoryError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{type(error).__name__} {error}"[:60])
def test_too_little_memory_makes_smaller_stacks(
    error: Exception,
    split: Split,
    alone: Callable[..., list[DenseNet]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings: Any = {"images": 50, "recipe": SGD, "seed": 5}
    networks = some_networks(1)
    networks.append(copy.deepcopy(networks[0]))
    stacks: list[Any] = []
    sizes: list[int] = []

    def limited(network: DenseNetStack, *args: Any, **kwargs: Any) -> Tensor:
        assert all(stack() is None for stack in stacks), "the last one is there still"
        stacks.append(weakref.ref(network))
        sizes.append(network.size)
        result = fit(network, *args, **kwargs)
        if network.size > 2:
            raise type(error)(*error.args)
        return result

    monkeypatch.setattr(module, "fit", limited)
    with pytest.warns(UserWarning, match="memory is too little") as warned:
        found = train_together(networks, split, **settings)
    assert [str(warning.message) for warning in warned] == [
        "memory is too little for 5 candidates at once; trying 3",
        "memory is too little for 3 candidates at once; trying 2",
    ]
    assert all(warning.filename == __file__ for warning in warned)
    assert sizes == [5, 3, 2, 2]
    expected = alone((1,), 4, "double", SGD, 50, (0, 1, 2, 3, 0))
    for network, result in zip(expected, found, strict=True):
        same(result, network, 1e-6)


def test_too_little_memory_for_one_is_an_error_that_says_what_to_do(
    networks: list[DenseNet], split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: Any, **kwargs: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(module, "fit", never)
    monkeypatch.setattr(module, "trained", never)
    with (
        pytest.warns(UserWarning, match="2 candidates at once; trying 1"),
        pytest.raises(PruneError, match=r"single network with 50 images.*smaller batch_size"),
    ):
        train_together(networks[:2], split, images=100, recipe=SGD, seed=0)


def test_memory_that_is_really_too_little(
    networks: list[DenseNet], split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The error that torch raises for more memory than any machine has.
    def huge(*args: Any, **kwargs: Any) -> Any:
        return torch.empty(2**60)

    monkeypatch.setattr(module, "trained", huge)
    with pytest.raises(PruneError, match="memory is too little"):
        train_together(networks[:1], split, images=100, recipe=SGD, seed=0)


@pytest.mark.parametrize("path", ["fit", "trained"])
def test_other_errors_are_not_taken_for_too_little_memory(
    path: str, networks: list[DenseNet], split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(module, path, fails)
    some = networks if path == "fit" else networks[:1]
    with pytest.raises(RuntimeError, match="shapes differ"):
        train_together(some, split, images=100, recipe=SGD, seed=0)


MATRICES = Connections(2).matrices(np.ones(9, bool))


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (DenseNet(MATRICES, 3, 1, 10, 8), "the growth rate of network 1 is 3, and 4 of network 0"),
        (DenseNet(MATRICES, 4, 1, 10, 6), "the width of the stem of network 1 is 6, and 8"),
        (DenseNet(MATRICES, 4, 3, 10, 8), "an image's channels of network 1 is 3, and 1"),
        (DenseNet(MATRICES, 4, 1, 7, 8), "classes of network 1 is 7, and 10"),
        (DenseNet(MATRICES[:2], 4, 1, 10, 8), "blocks of network 1 is 2, and 3"),
        (DenseNet(Connections(1).matrices(np.ones(3, bool)), 4, 1), "layers of network 1 is 1"),
    ],
    ids=["growth", "stem", "channels", "classes", "blocks", "layers"],
)
def test_networks_that_are_not_alike_are_an_error(
    other: DenseNet, named: str, split: Split
) -> None:
    first = DenseNet(MATRICES, 4, 1, 10, 8)
    with pytest.raises(PruneError, match=named):
        train_together([first, other], split, images=100, recipe=SGD, seed=0)


def test_no_networks_are_no_work(split: Split) -> None:
    assert train_together([], split, images=100, recipe=SGD, seed=0) == []


def test_one_is_trained_as_it_is(networks: list[DenseNet], split: Split) -> None:
    settings: Any = {"images": 600, "recipe": SGD, "seed": 5}
    (found,) = train_together(networks[:1], split, **settings)
    same(found, trained(networks[0], split, **settings), 0)


def test_no_images_are_a_copy(networks: list[DenseNet], split: Split) -> None:
    for network, found in zip(
        networks, train_together(networks, split, images=0, recipe=SGD, seed=0), strict=True
    ):
        assert found is not network
        same(found, copy.deepcopy(network).eval(), 0)


@pytest.mark.usefixtures("untouched_global_generators")
def test_neither_the_networks_nor_their_order_matter(
    networks: list[DenseNet], split: Split
) -> None:
    # They were trained before, for different times, and are in either mode.
    networks[1] = trained(networks[1], split, images=200, recipe=SGD)
    before = [copy.deepcopy(network.state_dict()) for network in networks]
    settings: Any = {"images": 130, "recipe": SGD, "seed": 5}
    found = train_together(networks, split, **settings)
    turned = train_together(networks[::-1], split, **settings)[::-1]
    for network, state, one, other in zip(networks, before, found, turned, strict=True):
        assert isinstance(other, DenseNet)
        same(one, other, 1e-6)
        same(one, trained(network, split, **settings), 1e-6)
        assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
        assert all(parameter.grad is None for parameter in network.parameters())
    assert [network.training for network in networks] == [True, False, True, True]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
def test_on_a_gpu_diverging_networks_do_not_matter_either(
    half: bool, channels_last: bool, split: Split
) -> None:
    networks = [network.cuda().float() for network in some_networks(growth=12)]
    images = Split(split.images.cuda().float(), split.labels.cuda())
    recipe = replace(SGD, learning_rate=1e-3, bfloat16=half, channels_last=channels_last)
    settings: Any = {"images": 100, "recipe": recipe, "seed": 5}
    nn.init.constant_(networks[1].stem.weight, torch.nan)
    found = train_together(networks, images, **settings)
    assert isinstance(found[1], TrainingDiverged)
    for place in (0, 2, 3):
        same(found[place], trained(networks[place], images, **settings), 0.05 if half else 1e-2)
