from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.inference import Inference, Together, supports_int8
from pymoo_prune.measuring import accuracy
from pymoo_prune.networks import CifarResNet, FeedForward
from pymoo_prune.training import Recipe, seeded, trained

WEIGHTED_LAYERS = (nn.Conv2d, nn.Conv3d, nn.Linear)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
needs_int8 = pytest.mark.skipif(not supports_int8(), reason="no exact int8 kernels here")


def plain() -> nn.Module:
    """Biases, padding by name, groups, a grouped and a dilated convolution; no batch norm."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding="same"), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1, groups=4), nn.ReLU(inplace=True), nn.Dropout(0.5),
        nn.Conv2d(8, 6, 3, padding=2, dilation=2, padding_mode="reflect"), nn.GELU(),
        nn.Conv2d(6, 6, 1), nn.Flatten(), nn.Linear(96, 10),
    )  # fmt: skip


def normed() -> nn.Module:
    """Batch norms that can be folded, and others: behind activations, in front, and of 1 axis."""
    return nn.Sequential(
        nn.BatchNorm2d(1), nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2), nn.Identity(), nn.BatchNorm2d(8, affine=False), nn.Tanh(),
        nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1, bias=False), nn.ReLU(), nn.BatchNorm2d(4),
        nn.Flatten(), nn.Linear(16, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 10),
    )  # fmt: skip


def solid() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(2, (2, 4)), nn.Conv3d(1, 6, (1, 3, 3)), nn.BatchNorm3d(6), nn.ReLU(),
        nn.Flatten(), nn.Linear(6 * 2 * 2 * 6, 10),
    )  # fmt: skip


class Shared(nn.Module):
    """A convolution called twice, one that shares weights, and one whose weights are read."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.conv, self.twin = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.twin.weight = self.conv.weight
        self.read, self.last = nn.Conv2d(6, 6, 1), nn.Linear(6 * 64, 10)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.norm(self.conv(functional.relu(self.norm(self.stem(images)))))
        hidden = torch.relu(self.norm(self.conv(hidden)))
        hidden = self.norm(self.twin(hidden)).relu()
        hidden = self.norm(self.read(hidden)) + self.read.weight.sum()
        return self.last(hidden.view(hidden.size(0), -1))


class Shortcut(nn.Module):
    """Residual, with sums in place, a late projection, and a sum without an activation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one = (
            nn.Conv2d(1, 8, 3, padding=1),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
        )
        self.two, self.three = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.project, self.last = nn.Conv2d(8, 16, 1, stride=2), nn.Linear(16, 10)
        self.norms = nn.ModuleList([nn.BatchNorm2d(16) for _ in range(4)])

    def forward(self, images: Tensor) -> Tensor:
        hidden = functional.max_pool2d(functional.relu(self.stem(images)), 3, 1, 1)
        path = functional.relu(self.norms[0](self.one(hidden)), inplace=True)
        path = self.norms[1](self.two(path))
        path += self.norms[2](self.project(hidden))
        path = functional.relu(path)
        path = path + self.norms[3](self.three(path))
        path = functional.pad(path, (0, 0, 0, 0))[:, :, ::1]
        return self.last(path.mean((2, 3)))


class Looks(nn.Module):
    """Its forward pass depends on values, and on the order of pixels in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.last = nn.Linear(4 * 36, 10)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.norm(self.conv(images))
        if hidden.sum() > -1e9:
            hidden = hidden.relu()
        return self.last(hidden.view(len(hidden), -1))


class Lies(nn.Module):
    """Can be traced, but the graph differs from the network."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(images.flatten(1) * (2 if isinstance(images, Tensor) else 1))


NETWORKS = {
    "resnet": lambda: CifarResNet(8, 1, 10),
    "mlp": lambda: FeedForward(64, [24, 16], 10),
    "plain": plain, "normed": normed, "solid": solid, "shared": Shared, "shortcut": Shortcut,
    "looks": Looks, "lies": Lies,
}  # fmt: skip
SLOW = ("looks", "lies")


def network(name: str) -> nn.Module:
    """A network whose batch norms have an effect."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        result: nn.Module = NETWORKS[name]()
        for module in result.modules():
            if isinstance(module, NORMS):
                module.running_mean.uniform_(-0.3, 0.3)
                module.running_var.uniform_(0.5, 2.0)
                if module.affine:
                    nn.init.uniform_(module.weight, 0.5, 1.5)
                    nn.init.uniform_(module.bias, -0.3, 0.3)
    return result.eval()


def candidate(parent: nn.Module, seed: int, keep: float = 0.7) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        path: layer.weight.detach() * (torch.rand(layer.weight.shape, generator=generator) < keep)
        for path, layer in parent.named_modules()
        if isinstance(layer, WEIGHTED_LAYERS) and path != "twin"
    }


def masked(parent: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    result = copy.deepcopy(parent)
    for path, weight in weights.items():
        result.get_submodule(path).weight.data.copy_(weight)  # type: ignore[operator, union-attr]
    return result


def recalibrated(parent: nn.Module, images: Tensor) -> nn.Module:
    """In evaluation mode, with the statistics of one pass in training mode."""
    result = copy.deepcopy(parent)
    for module in result.modules():
        if isinstance(module, NORMS):
            module.train().momentum = 1.0
    with torch.no_grad():
        result(images)
    return result.eval()


@torch.no_grad()
def said(module: nn.Module, images: Tensor) -> Tensor:
    return module(images)  # type: ignore[no-any-return]


def assert_near(found: Tensor, expected: Tensor) -> None:
    # Processors differ in the order of sums: rounding is relative to the largest output.
    largest = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(found, expected, atol=1e-4 * largest, rtol=1e-4)


@pytest.fixture(scope="module")
def images(digits: Data) -> Tensor:
    return digits.train.images[:150]


@pytest.fixture(scope="module")
def small(digits: Data) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        start = CifarResNet(8, 1, 10)
    recipe = Recipe(learning_rate=3e-3, schedule="linear")
    return trained(start, digits.train, images=4_000, recipe=recipe)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_those_of_the_masked_network(name: str, images: Tensor) -> None:
    parent = network(name)
    inference = Inference(parent, images[:20], batch_size=40)
    traced = isinstance(inference.plain.model, torch.fx.GraphModule)
    assert traced == (name not in SLOW)
    for weights in ({}, candidate(parent, 1)):
        expected = said(masked(parent, weights), images)
        found = inference.outputs(weights, images)
        assert found.dtype == torch.float32
        assert_near(found, expected)
        labels = (expected.argmax(dim=1) + (torch.arange(150) % 2)) % 10
        assert torch.equal(inference.correct(weights, images, labels), torch.arange(150) % 2 == 0)


def test_batch_norms_are_folded_where_they_can_be(images: Tensor) -> None:
    folds = {name: Inference(network(name), images).fast.folds for name in NETWORKS}
    assert len(folds["resnet"]) == 7
    assert folds["normed"] == {"1": "2", "4": "6"}
    assert folds["solid"] == {"1": "2"}
    assert folds["shared"] == {"stem": "norm"}
    assert len(folds["shortcut"]) == 4
    assert not folds["plain"]
    assert not folds["looks"]


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "lies"])
def test_statistics_are_those_of_training_mode(name: str, images: Tensor) -> None:
    parent = network(name)
    inference = Inference(parent, images[:20], batch_size=40)
    weights = candidate(parent, 2)
    expected = recalibrated(masked(parent, weights), images)
    statistics = inference.statistics(weights, images)
    norms = {p: m for p, m in expected.named_modules() if isinstance(m, NORMS)}
    assert statistics.keys() == norms.keys()
    for path, (mean, variance) in statistics.items():
        assert_near(mean, norms[path].running_mean)  # type: ignore[arg-type]
        assert_near(variance, norms[path].running_var)  # type: ignore[arg-type]
    assert_near(inference.outputs(weights, images, statistics), said(expected, images))
    some = dict(list(statistics.items())[:1])
    partly = masked(parent, weights)
    for path, (mean, variance) in some.items():
        partly.get_submodule(path).running_mean.copy_(mean)  # type: ignore[operator, union-attr]
        partly.get_submodule(path).running_var.copy_(variance)  # type: ignore[operator, union-attr]
    assert_near(inference.outputs(weights, images, some), said(partly, images))


@pytest.mark.slow
@pytest.mark.parametrize(
    "precision", ["float32", "bfloat16", pytest.param("int8", marks=needs_int8)]
)
@pytest.mark.parametrize("name", ["resnet", "shared", "looks", "shortcut"])
def test_candidates_leave_no_trace(name: str, precision: Any, images: Tensor) -> None:
    if name == "looks" and precision == "int8":
        pytest.skip("refused")
    parent = network(name)
    before, images_before = copy.deepcopy(parent.state_dict()), images.clone()
    inference = Inference(parent, images[:20], precision=precision)
    one, other = candidate(parent, 3), candidate(parent, 4, 0.2)
    kept = {path: weight.clone() for path, weight in one.items()}
    few = {"last": other["last"]} if "last" in other else {"linear": other["linear"]}
    first = [inference.outputs(w, images) for w in (one, {}, few)]
    statistics = inference.statistics(one, images)
    inference.outputs(other, images, inference.statistics(other, images))
    again = [inference.outputs(w, images) for w in (one, {}, few)]
    for mine, theirs in zip(again, first, strict=True):
        assert torch.equal(mine, theirs)
    for path, pair in inference.statistics(one, images).items():
        assert all(map(torch.equal, pair, statistics[path]))
    assert torch.equal(images, images_before)
    assert all(torch.equal(weight, kept[path]) for path, weight in one.items())
    assert all(torch.equal(value, before[key]) for key, value in parent.state_dict().items())
    assert all(p.requires_grad for p in parent.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", pytest.param("int8", marks=needs_int8)])
def test_batches_do_not_matter(precision: Any, small: nn.Module, images: Tensor) -> None:
    weights = candidate(small, 5, 0.9)
    outputs, statistics = [], []
    for size in (1, 7, 64, 1000):
        inference = Inference(small, images, precision=precision, batch_size=size)
        prepared = inference.prepare(images)
        assert len(prepared) == len(images)
        outputs.append(inference.outputs(weights, prepared))
        assert torch.equal(outputs[-1], inference.outputs(weights, images))
        statistics.append(inference.statistics(weights, prepared))
    for other in outputs[1:]:
        assert_near(other, outputs[0])
    tolerance = 1e-4 if precision == "float32" else 2e-2  # they are from a pass in bfloat16
    for found in statistics[1:]:
        for path, pair in found.items():
            for mine, theirs in zip(pair, statistics[0][path], strict=True):
                torch.testing.assert_close(mine, theirs, atol=tolerance, rtol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", pytest.param("int8", marks=needs_int8)])
def test_low_precision_is_as_good(precision: Any, small: nn.Module, digits: Data) -> None:
    inference = Inference(small, digits.train.images[:256], precision=precision)
    images, labels = digits.validation.images, digits.validation.labels
    for seed, keep in enumerate((1.0, 0.9, 0.7)):
        weights = candidate(small, seed, keep)
        pruned = masked(small, weights)
        found = float(inference.correct(weights, images, labels).double().mean())
        assert abs(found - accuracy(pruned, digits.validation)) <= 0.01
        statistics = inference.statistics(weights, digits.train.images[:300])
        repaired = recalibrated(pruned, digits.train.images[:300])
        found = float(inference.correct(weights, images, labels, statistics).double().mean())
        assert abs(found - accuracy(repaired, digits.validation)) <= 0.01
    assert accuracy(small, digits.validation) > 0.9  # otherwise the test would show nothing


@pytest.mark.slow
@needs_int8
@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in SLOW])
@pytest.mark.parametrize("shift", [0.0, -0.6])
def test_8_bits_are_near_for_all_networks(name: str, shift: float, images: Tensor) -> None:
    parent, images = network(name), images + shift  # also for images with negative pixels
    weights = candidate(parent, 6, 0.9)
    expected = said(masked(parent, weights), images)
    inference = Inference(parent, images, precision="int8")
    found = inference.outputs(weights, images)
    assert float((found - expected).square().mean().sqrt()) < 0.05 * float(expected.std())
    nothing = {path: torch.zeros_like(weight) for path, weight in weights.items()}
    assert torch.isfinite(inference.outputs(nothing, images)).all()


class InPlace(nn.Module):
    """An activation, or a product, overwrites what convolutions give."""

    def __init__(self, order: str) -> None:
        super().__init__()
        self.order, self.relu = order, nn.ReLU(inplace=True)
        self.one, self.two = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Linear(8 * 64, 10)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.one(images)
        if self.order == "convolution before":
            hidden = self.two(hidden) + self.relu(hidden)
        elif self.order == "convolution after":
            hidden = self.relu(hidden) + self.two(hidden)
        elif self.order == "sum after":
            hidden = self.two(self.relu(hidden)) + hidden
        elif self.order == "sum and activation after":
            hidden = (self.two(self.relu(hidden)) + hidden).relu()
        else:
            hidden = self.two(hidden).relu()
            hidden[:, :4].mul_(3)
        return self.last(hidden.flatten(1))


@needs_int8
@pytest.mark.parametrize("order", ["convolution before", "sum after", "slice"])
def test_8_bits_are_near_where_tensors_are_overwritten(order: str, images: Tensor) -> None:
    with seeded(0, torch.device("cpu")):
        parent = InPlace(order).eval()
    expected = said(parent, images)
    found = Inference(parent, images, precision="int8").outputs({}, images)
    assert float((found - expected).square().mean().sqrt()) < 0.05 * float(expected.std())


@needs_int8
@pytest.mark.parametrize("order", ["convolution after", "sum and activation after"])
def test_8_bits_of_a_tensor_that_was_overwritten_are_refused(order: str, images: Tensor) -> None:
    with pytest.raises(PruneError, match=r"layer two reads a tensor that was .*use 'bfloat16'"):
        Inference(InPlace(order).eval(), images, precision="int8")


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_candidates_together_are_candidates_one_by_one(name: str, images: Tensor) -> None:
    parent = network(name)
    inference = Inference(parent, images, batch_size=64)
    if name in ("looks", "lies"):  # these cannot be traced, and so run one by one
        assert not Together.possible(inference, images)
        return
    assert Together.possible(inference, images)
    together = Together(inference)
    weights = [candidate(parent, seed, keep) for seed, keep in enumerate((1.0, 0.7, 0.2))]
    prepared = inference.prepare(images)
    for found, one in zip(together.outputs(weights, prepared), weights, strict=True):
        assert_near(found, said(masked(parent, one), images))
    statistics = together.statistics(weights, prepared)
    assert statistics.keys() == inference.parent.norms.keys()
    for place, one in enumerate(weights):
        for path, expected in inference.statistics(one, prepared).items():
            for mine, theirs in zip(statistics[path], expected, strict=True):
                torch.testing.assert_close(mine[place], theirs, atol=1e-5, rtol=1e-4)
    outputs = together.outputs(weights, prepared, statistics)
    for place, one in enumerate(weights):
        own = {path: (mean[place], var[place]) for path, (mean, var) in statistics.items()}
        assert_near(outputs[place], inference.outputs(one, prepared, own))
    modules = inference.plain.modules.values()
    assert not any(norm.training for norm in modules if isinstance(norm, NORMS))


def test_together_in_half_the_bits(images: Tensor) -> None:
    parent = network("resnet")
    inference = Inference(parent, images, precision="bfloat16")
    assert Together.possible(inference, images)
    weights = [candidate(parent, seed) for seed in range(2)]
    prepared = inference.prepare(images)
    for found, one in zip(Together(inference).outputs(weights, prepared), weights, strict=True):
        assert found.dtype == torch.float32
        expected = inference.outputs(one, prepared)
        assert float((found - expected).abs().max()) < 0.05 * float(expected.std())


@needs_int8
def test_8_bits_go_one_by_one(images: Tensor) -> None:
    inference = Inference(network("resnet"), images, precision="int8")
    assert not Together.possible(inference, images)


def test_what_differs_together_is_not_done_together(
    images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    inference = Inference(network("resnet"), images)
    right = Together.outputs

    def wrong(self: Together, *args: Any) -> Tensor:
        return right(self, *args).flip(0)

    monkeypatch.setattr(Together, "outputs", wrong)
    assert not Together.possible(inference, images)
    monkeypatch.undo()
    assert Together.possible(inference, images)
    monkeypatch.setattr(Together, "statistics", lambda *args: {})
    assert not Together.possible(inference, images)


@needs_int8
def test_a_residual_network_stays_in_8_bits(images: Tensor) -> None:
    code = Inference(network("resnet"), images, precision="int8").fast.model.code
    assert code.count("_quantise(") == 1  # type: ignore[operator]
    assert code.count("_dequantise(") == 1  # type: ignore[operator]


def test_dtypes_of_weights_and_gradients_do_not_matter(images: Tensor) -> None:
    parent = network("resnet")
    inference = Inference(parent, images)
    weights = {"conv": nn.Parameter(candidate(parent, 7)["conv"].double())}
    found = inference.outputs(weights, images)
    assert not found.requires_grad
    assert_near(found, said(masked(parent, weights), images))


def test_what_cannot_be_used_is_refused(images: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = network("resnet")
    inference = Inference(parent, images)
    with pytest.raises(PruneError, match="unknown precision 'int4'; there are: bfloat16"):
        Inference(parent, images, precision="int4")  # type: ignore[arg-type]
    with pytest.raises(PruneError, match="batch_size must be at least 1, but it is 0"):
        Inference(parent, images, batch_size=0)
    for wrong in (images[:0], images[:3].long(), torch.rand(3)):
        with pytest.raises(PruneError, match="images must be floating-point"):
            Inference(parent, wrong)
        with pytest.raises(PruneError, match="images must be floating-point"):
            inference.outputs({}, wrong)
    with pytest.raises(PruneError, match=r"layer 'stages.0.0.conv3'.*Did you mean 'stages"):
        inference.outputs({"stages.0.0.conv3": torch.zeros(1)}, images)
    with pytest.raises(
        PruneError, match=r"'conv' must have shape \(16, 1, 3, 3\), they have \(1,\)"
    ):
        inference.outputs({"conv": torch.zeros(1)}, images)
    with pytest.raises(PruneError, match="unknown batch norm 'conv'"):
        inference.outputs({}, images, {"conv": (torch.zeros(16), torch.ones(16))})
    with pytest.raises(PruneError, match=r"'norm' must have shape \(16,\), they have \(1,\)"):
        inference.outputs({}, images, {"norm": (torch.zeros(16), torch.ones(1))})
    with pytest.raises(PruneError, match="there are 150 images, but 3 labels"):
        inference.correct({}, images, torch.zeros(3))
    with pytest.raises(PruneError, match="statistics need at least 2 images, but there are 1"):
        inference.statistics({}, images[:1])
    if supports_int8():
        with pytest.raises(PruneError, match=r"cannot be traced.*use 'bfloat16' or 'float32'"):
            Inference(network("looks"), images, precision="int8")
    monkeypatch.setattr("pymoo_prune.inference.int8.supports_int8", lambda: False)
    with pytest.raises(PruneError, match="no exact kernels for it; use 'bfloat16' or 'float32'"):
        Inference(parent, images, precision="int8")
    with pytest.raises(PruneError, match="runs on CPUs only, and the network is on meta"):
        Inference(copy.deepcopy(parent).to("meta"), images, precision="int8")


class Picky(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(images.flatten(1).float())


def test_a_network_that_insists_on_float32_is_told_to_use_it(images: Tensor) -> None:
    with pytest.raises(PruneError, match=r"does not run in bfloat16.*use 'float32'"):
        Inference(Picky(), images, precision="bfloat16")
