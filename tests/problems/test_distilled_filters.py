from __future__ import annotations

import copy
import inspect
import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pymoo.algorithms.soo.nonconvex.ga import GA
from torch import Tensor, nn

from pymoo_prune import Budget, Data, Front, PruneError, Run, data_from_arrays, find_problem
from pymoo_prune.baselines import baseline_series
from pymoo_prune.batches import balanced
from pymoo_prune.cli import main
from pymoo_prune.complexity import count_macs, count_parameters
from pymoo_prune.distillation import Distillation
from pymoo_prune.engines import make_algorithm
from pymoo_prune.errors import NothingFoundError, TrainingDiverged
from pymoo_prune.evaluation import accuracy
from pymoo_prune.export import load_network, save_network
from pymoo_prune.genome import Array, digests
from pymoo_prune.networks import DenseNet, SimpleCNN, SlimNetwork
from pymoo_prune.pruning.filters import PrunableFilters
from pymoo_prune.recovery import ChannelRefit, Recovery, calibrate
from pymoo_prune.search import search
from pymoo_prune.testing import check_problem, sample
from pymoo_prune.training import Recipe, trained
from pymoo_prune_problems import DistilledFilters
from pymoo_prune_problems import distilled_filters as module
from pymoo_prune_problems.distilled_filters import FITNESS
from tests.test_run import asked, assert_same_run, quiet, started, stopped_when
from tests.tiny_problem import threads

RECOVERIES = ("none", "refit", "batch-norm", "refit+batch-norm", "refit+batch-norm+steps:2")
STEPS: dict[str, Any] = {"recovery": "batch-norm+steps:2"}
LAYERS = ("features.0.conv", "features.1.conv", "hidden", "classifier")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    with threads(1):
        yield


@pytest.fixture(scope="module")
def teacher(digits: Data) -> SimpleCNN:
    """Trained for all of its candidates; nothing here may change it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fresh = SimpleCNN(1, 10, (8, 8), widths=(6, 8), hidden=12)
    return trained(fresh, digits.train, images=8_000, recipe=Recipe(learning_rate=5e-3))


@pytest.fixture(scope="module", autouse=True)
def unchanged_teacher(teacher: SimpleCNN) -> Iterator[None]:
    before = copy.deepcopy(teacher.state_dict())
    yield
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in teacher.parameters())


def small(data: Data, parent: nn.Module | None, **options: Any) -> DistilledFilters:
    return DistilledFilters(
        data, parent=parent, **{"search_images": 100, "recovery_images": 64, **options}
    )


@pytest.fixture(scope="module")
def plain(digits: Data, teacher: SimpleCNN) -> DistilledFilters:
    """Filters go, and nothing is done about it."""
    return small(digits, teacher, recovery="none")


@pytest.fixture(scope="module")
def stepped(digits: Data, teacher: SimpleCNN) -> DistilledFilters:
    return small(digits, teacher, **STEPS)


class Block(nn.Module):
    """Residual, with a shortcut that is nothing but the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.two = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        return torch.relu(images + self.two(torch.relu(self.norm(self.one(images)))))


class Residual(nn.Module):
    """A user's own network, of no spec."""

    def __init__(self, width: int = 6, blocks: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.head = nn.Linear(16 * width, 10)

    def forward(self, images: Tensor) -> Tensor:
        images = torch.relu(self.stem(images))
        for part in self.blocks:
            images = part(images)
        return self.head(images.flatten(1))  # type: ignore[no-any-return]


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


@pytest.fixture(scope="module")
def residual(digits: Data) -> nn.Module:
    recipe = Recipe(learning_rate=5e-3)
    return trained(seeded(Residual), digits.train, images=3_000, recipe=recipe)


def candidates(problem: DistilledFilters, n: int = 4) -> Array:
    """Everything, nothing as it is repaired, and some in between."""
    X = problem.random(n, np.random.default_rng(0))
    X[0], X[1] = True, False
    return problem.filters.repaired(X)


def same(one: nn.Module, other: nn.Module) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(
        mine[k].shape == theirs[k].shape and torch.equal(mine[k], theirs[k]) for k in mine
    )


# The contract.

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    **{text: {"recovery": text} for text in RECOVERIES},
    "teacher alone": {"recovery": "steps:1", "alpha": 0, "temperature": 1, "train_images": 100},
    "labels alone": {"recovery": "steps:1", "alpha": 1, "seed": 3},
    "patience": {"recovery": "steps:10", "patience": 1, "train_images": 60},
    "one fitness": {"recovery": "refit", "objectives": FITNESS},
    "bounds": {
        "recovery": "none",
        "objectives": ["accuracy_drop", "macs_removed"],
        "constraints": ["accuracy_drop<=0.3", "macs<=50%"],
    },
}


@pytest.mark.parametrize("options", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_the_contract(digits: Data, teacher: SimpleCNN, options: dict[str, Any]) -> None:
    check_problem(small(digits, teacher, **{"search_images": 50, **options}))


@pytest.mark.parametrize("recovery", ["none", "refit+batch-norm"])
def test_the_contract_with_branches(digits: Data, residual: nn.Module, recovery: str) -> None:
    problem = small(digits, residual, recovery=recovery, search_images=50)
    assert problem.filters.genes.n_pieces == 3
    check_problem(problem)


# The paper.


def test_the_paper_preset_is_the_papers_search(digits: Data, teacher: SimpleCNN) -> None:
    preset = find_problem("distilled-filters").presets["paper"]
    recovery = Recovery.parse(preset.options["recovery"])
    assert not recovery.refit
    assert not recovery.batch_norm
    epoch = recovery.steps * DistilledFilters.LEARNING.batch_size
    assert epoch == pytest.approx(50_000, rel=0.01)  # of CIFAR-10
    assert preset.options["patience"] > 0
    assert preset.objectives == FITNESS
    # A tenth of the parameters, and of the MACs, is worth a point of accuracy.
    assert FITNESS.weights == {"accuracy": 1, "sparsity": 0.1, "macs_removed": 0.1}
    assert (preset.algorithm, preset.pop_size, preset.generations) == ("own", 20, 10)
    assert preset.finish_images > 10 * epoch
    algorithm = small(digits, teacher, recovery="none", objectives=FITNESS).algorithm()
    assert isinstance(algorithm, GA)
    assert (algorithm.pop_size, algorithm.n_offsprings) == (preset.pop_size, preset.pop_size)


def test_presets_are_options_that_there_are(digits: Data, teacher: SimpleCNN) -> None:
    known = inspect.signature(DistilledFilters).parameters
    assert next(iter(DistilledFilters.presets)) == "quick"
    for preset in DistilledFilters.presets.values():
        assert preset.options.keys() <= known.keys()
        objectives = {} if preset.objectives is None else {"objectives": preset.objectives}
        problem = small(digits, teacher, **{**preset.options, **objectives})
        make_algorithm(preset.algorithm, problem, preset.pop_size)


def test_the_papers_algorithm_needs_one_objective(plain: DistilledFilters) -> None:
    with pytest.raises(
        PruneError,
        match=r"one objective, but the problem has 3; take --weights accuracy=1,sparsity=0\.1,"
        r"macs_removed=0\.1, or --algorithm nsga2",
    ):
        plain.algorithm()
    with pytest.raises(PruneError, match="needs one objective, but the problem has 3"):
        make_algorithm("own", plain, 20)


def test_the_papers_algorithm_is_elitist(digits: Data, teacher: SimpleCNN) -> None:
    problem = small(digits, teacher, recovery="refit", objectives=FITNESS)
    populations: list[Any] = []
    found = search(
        problem, problem.algorithm(), Budget(generations=4), seed=0,
        on_generation=lambda step: populations.append(step.algorithm.pop),
    )  # fmt: skip
    best, middle = ([float(of(pop.get("F"))) for pop in populations] for of in (np.min, np.median))
    assert best == sorted(best, reverse=True)
    assert middle[-1] < middle[0] - 0.1
    for before, after in pairwise(populations):
        assert len(after) == 20
        # Of parents and children the best live on: nobody is worse than the same place before.
        ranked = [np.sort(pop.get("F")[:, 0])[: len(before)] for pop in (after, before)]
        assert (ranked[0] <= ranked[1]).all()
    front = Front.from_candidates(problem, found.X, found.measurements)
    values = front.fittest().values
    fitness = sum(weight * values[name] for name, weight in FITNESS.weights.items())
    assert -fitness == pytest.approx(best[-1], abs=1e-12)


# Measurements.


def assert_networks_are_what_was_measured(problem: DistilledFilters, X: Array) -> None:
    values, data = problem.measure(X), problem.data_set
    whole, its_accuracy = problem.parent, accuracy(problem.parent, problem.search)
    for row, x in enumerate(X):
        network = problem.network(x)
        assert isinstance(network, SlimNetwork)
        own = count_parameters(network)
        assert values["parameters"][row] == own
        assert values["sparsity"][row] == 1 - own / count_parameters(whole)
        macs = count_macs(network, data.shape)
        assert values["macs"][row] == macs
        assert values["macs_removed"][row] == 1 - macs / count_macs(whole, data.shape)
        assert values["accuracy"][row] == accuracy(network, problem.search)
        assert values["accuracy_drop"][row] == its_accuracy - values["accuracy"][row]
        assert not any(leaf.training for leaf in network.modules() if not [*leaf.children()])
    for name, column in problem.sizes(X).items():
        assert np.array_equal(column, values[name]), name
    assert {"parameters", "sparsity", "macs", "macs_removed"} == problem.sizes(X).keys()


@pytest.mark.parametrize("recovery", RECOVERIES)
def test_networks_are_what_was_measured(digits: Data, teacher: SimpleCNN, recovery: str) -> None:
    problem = small(digits, teacher, recovery=recovery)
    assert problem.n_var == 6 + 8 + 12
    assert_networks_are_what_was_measured(problem, candidates(problem))


def test_the_whole_network_is_measured_like_the_parent(plain: DistilledFilters) -> None:
    values = plain.measure(np.ones((1, plain.n_var), dtype=bool))
    assert plain.parent_measurements() == {name: column[0] for name, column in values.items()}
    assert values["sparsity"] == values["macs_removed"] == values["accuracy_drop"] == 0
    assert plain.parent_network() is plain.parent
    assert values["accuracy"] > 0.8


@pytest.mark.parametrize("recovery", ["none", "refit+batch-norm+steps:2"])
def test_what_must_be_repaired_is_measured_like_what_it_becomes(
    digits: Data, residual: nn.Module, recovery: str
) -> None:
    problem = small(digits, residual, recovery=recovery)
    genes = problem.filters.genes
    X = problem.random(6, np.random.default_rng(1))
    X[0] = False  # no layer has a filter, and no branch is there
    X[1, : genes.n_filters] = False
    X[2, : genes.sizes[0]] = False
    X[3, genes.n_filters :] = False
    before, repaired = X.copy(), problem.filters.repaired(X)
    assert not np.array_equal(X, repaired)
    assert (genes.counts(repaired) >= 1).all()
    values, expected = problem.measure(X), problem.measure(repaired)
    assert np.array_equal(X, before)
    for name, column in expected.items():
        assert np.array_equal(values[name], column), name
    for name, column in problem.sizes(repaired).items():
        assert np.array_equal(problem.sizes(X)[name], column), name
    assert np.isfinite(problem.features(X)).all()
    for x, other in zip(X, repaired, strict=True):
        assert same(problem.network(x), problem.network(other))


@pytest.mark.parametrize("recovery", ["none", "refit+batch-norm+steps:2"])
def test_branches_go_whole(digits: Data, residual: nn.Module, recovery: str) -> None:
    problem = small(digits, residual, recovery=recovery)
    genes = problem.filters.genes
    assert genes.sizes == (6, 6, 6, 6)  # what the sums share, and what is inside each block
    X = np.ones((4, problem.n_var), dtype=bool)
    X[1, genes.n_filters + 1] = False
    X[2, genes.n_filters :] = False
    X[3, ::2] = False
    assert_networks_are_what_was_measured(problem, problem.filters.repaired(X))
    one = count_parameters(Block(6))
    whole = count_parameters(residual)
    assert problem.sizes(X)["parameters"].tolist()[:3] == [whole, whole - one, whole - 3 * one]
    layers = {name for name, _ in problem.network(X[1]).named_modules()}
    assert not any("blocks.1.one" in name or "blocks.1.two" in name for name in layers)
    if recovery == "none":
        stump = copy.deepcopy(residual)
        stump.blocks = nn.ModuleList()
        images = digits.validation.images[:20]
        with torch.no_grad():
            torch.testing.assert_close(problem.network(X[2])(images), stump(images))


def test_what_a_surrogate_looks_at_is_finite_and_has_the_widths(
    digits: Data, residual: nn.Module
) -> None:
    problem = small(digits, residual, recovery="none")
    X, genes = candidates(problem, 5), problem.filters.genes
    features = problem.features(X)
    assert features.shape == (5, len(genes.sizes) + genes.n_pieces + 2)
    assert np.isfinite(features).all()
    np.testing.assert_allclose(np.exp(features[:, :4]), genes.counts(X))
    assert np.array_equal(features[:, 4:7], genes.pieces(X))
    values = problem.sizes(X)
    np.testing.assert_allclose(
        np.exp(features[:, 7:]), np.column_stack([values["parameters"], values["macs"]])
    )


def test_a_surrogate_may_choose_the_children(digits: Data, teacher: SimpleCNN) -> None:
    problem = small(digits, teacher, recovery="refit")
    algorithm = make_algorithm("nsga2", problem, 24, surrogate="ridge")
    found = search(problem, algorithm, Budget(generations=4), seed=0)
    assert found.last.evaluated > 3 * 24
    for name, column in problem.sizes(found.X).items():
        assert np.array_equal(column, found.measurements[name]), name


# What a candidate gets.


def kept(problem: DistilledFilters, x: Array) -> list[Array]:
    """Filters of the first and the second convolution, and of the hidden layer."""
    return [np.flatnonzero(part) for part in np.split(x, [6, 14])]


def test_without_recovery_all_weights_are_the_teachers(
    plain: DistilledFilters, teacher: SimpleCNN
) -> None:
    old = teacher.state_dict()
    for x in candidates(plain, 6):
        first, second, hidden = kept(plain, x)
        values = (4 * second[:, None] + np.arange(4)).flatten()  # 2×2 pixels of each channel
        inputs, outputs = (
            dict(zip(LAYERS, places, strict=True))
            for places in (
                (np.arange(1), first, values, hidden),
                (first, second, hidden, np.arange(10)),
            )
        )
        expected = {}
        for name in LAYERS:
            expected[f"{name}.weight"] = old[f"{name}.weight"][outputs[name]][:, inputs[name]]
            if f"{name}.bias" in old:
                expected[f"{name}.bias"] = old[f"{name}.bias"][outputs[name]]
        for place, channels in enumerate((first, second)):
            for part in ("weight", "bias", "running_mean", "running_var"):
                name = f"features.{place}.norm.{part}"
                expected[name] = old[name][channels]
        found = plain.network(x).state_dict()
        known = {name: value for name, value in found.items() if value.ndim > 0}
        assert known.keys() == {f"network.{name}" for name in expected}
        for name, value in expected.items():
            assert torch.equal(found[f"network.{name}"], value), name


def test_each_rung_does_what_it_says(digits: Data, teacher: SimpleCNN) -> None:
    problems = {text: small(digits, teacher, recovery=text) for text in RECOVERIES}
    plain = problems["none"]
    images = digits.train.subset(balanced(digits.train.labels, 64, 0))
    side_by_side: Any = torch.channels_last
    parent = copy.deepcopy(teacher).to(memory_format=side_by_side)
    filters = PrunableFilters(parent, digits.shape)
    refits = {
        centred: ChannelRefit(parent, LAYERS, images, centred=centred) for centred in (False, True)
    }
    for x in candidates(plain)[[0, 2]]:
        networks: dict[str, nn.Module] = {
            "none": filters.network(x),
            "refit": filters.network(x, refits[False]),
            "batch-norm": filters.network(x),
            "refit+batch-norm": filters.network(x, refits[True]),
        }
        for text, network in networks.items():
            network.to(memory_format=side_by_side)
            if "batch-norm" in text:
                calibrate(network, images.images)
        teaching = Distillation(parent, digits.train, alpha=0.5, temperature=4)
        networks["refit+batch-norm+steps:2"] = teaching.distilled(
            networks["refit+batch-norm"], images=128, recipe=DistilledFilters.LEARNING,
            seed=0,
        )  # fmt: skip
        for text, expected in networks.items():
            assert same(problems[text].network(x), expected), text
    # Of what lost inputs, a refit changes the weights; of the rest, as they were, it does not.
    names = [f"network.{name}.weight" for name in LAYERS]
    for text, changed in {
        "refit": [False, True, True, True],
        "batch-norm": [False] * 4,
        "refit+batch-norm": [False, True, True, True],
        "refit+batch-norm+steps:2": [True] * 4,
    }.items():
        one, other = (problems[name].network(x).state_dict() for name in ("none", text))
        assert [not torch.equal(one[name], other[name]) for name in names] == changed, text


def test_recovery_is_worth_its_name(digits: Data, teacher: SimpleCNN) -> None:
    accuracies = []
    for recovery in ("none", "refit+batch-norm", "refit+batch-norm+steps:20"):
        problem = small(digits, teacher, recovery=recovery, search_images=400, recovery_images=256)
        X = problem.random(12, np.random.default_rng(0))
        accuracies.append(problem.measure(X)["accuracy"].mean())
    plain, refitted, taught = accuracies
    assert refitted > plain + 0.1
    assert taught > refitted + 0.01


def test_batch_norms_see_images_of_all_classes(
    digits: Data, teacher: SimpleCNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the images come: in a folder, they come class by class."""
    order = torch.argsort(digits.train.labels, stable=True)
    data = replace(digits, train=digits.train.subset(order))
    seen: list[Tensor] = []
    monkeypatch.setattr(module, "calibrate", lambda _, images: seen.append(images))
    problem = DistilledFilters(data, parent=teacher, recovery="batch-norm", search_images=10)
    problem.measure(candidates(problem, 2))
    assert len(problem.recovery_split) == len(data.train) > problem.CALIBRATION
    for images in seen:
        found = (images[:, None] == data.train.images).flatten(2).all(dim=2)
        counts = torch.bincount(data.train.labels[found.int().argmax(dim=1)])
        assert found.any(dim=1).all()
        assert len(images) == problem.CALIBRATION
        assert sorted(set(counts.tolist())) == [25, 26]
    assert len(seen) == 2


# Distillation.


class Calls:
    """Counts the images that a network sees."""

    def __init__(self, network: nn.Module) -> None:
        self.images = 0
        network.register_forward_hook(self._count)

    def _count(self, _module: nn.Module, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        self.images += len(inputs[0])


@pytest.mark.parametrize(
    ("options", "times"),
    [({"alpha": 0}, 1), ({"alpha": 0.5}, 1), ({"alpha": 1}, 0), ({"patience": 1}, 1)],
    ids=str,
)
def test_the_teacher_is_asked_once_and_for_all(
    digits: Data, teacher: SimpleCNN, options: dict[str, Any], times: int
) -> None:
    problem = small(digits, teacher, **STEPS, **options)
    calls = Calls(problem.parent)
    X = candidates(problem, 3)
    assert problem.parent_accuracy > 0.8
    assert calls.images == 100
    problem.measure(X)
    assert calls.images == 100 + times * len(digits.train)
    for x in X:
        problem.network(x)
    problem.measure(X[::-1])
    problem.finished(problem.network(X[1]), images=64, seed=1)
    assert calls.images == 100 + times * len(digits.train)


def test_without_steps_the_teacher_teaches_nobody(plain: DistilledFilters) -> None:
    calls = Calls(plain.parent)
    plain.measure(candidates(plain))
    assert calls.images == 0


def test_the_teacher_has_nothing_to_teach_itself(digits: Data, teacher: SimpleCNN) -> None:
    losses = []
    for recovery in ("none", "steps:20"):
        problem = small(digits, teacher, recovery=recovery, alpha=0)
        rows = torch.arange(len(digits.train))
        everything = np.ones(problem.n_var, dtype=bool)
        for x in (everything, np.arange(problem.n_var) % 3 > 0):
            network = problem.network(x)
            with torch.no_grad():
                outputs = network(digits.train.images)
            losses.append(float(problem.distillation.loss(outputs, rows)))
    whole, pruned, whole_taught, pruned_taught = losses
    assert abs(whole) < 1e-5
    assert whole_taught < 0.05 * pruned
    assert pruned_taught < 0.8 * pruned


def test_labels_and_teacher_count_as_they_are_weighed(digits: Data, teacher: SimpleCNN) -> None:
    """A teacher that knows better than its labels: they are those of the next class."""
    wrong = replace(digits.train, labels=(digits.train.labels + 1) % 10)
    data = replace(digits, train=wrong)
    found = []
    for alpha in (0, 1):
        problem = small(data, teacher, recovery="steps:120", alpha=alpha)
        found.append(problem.measure(np.ones((1, problem.n_var), dtype=bool))["accuracy"][0])
    assert found[0] > 0.8
    assert found[1] < 0.5


class Spy:
    """Notes how networks are distilled, and distils them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[dict[str, Any]] = []
        distilled = Distillation.distilled

        def spied(teaching: Distillation, network: Any, **settings: Any) -> Any:
            self.calls.append({"teaching": teaching, "network": network, **settings})
            return distilled(teaching, network, **settings)

        monkeypatch.setattr(Distillation, "distilled", spied)


def test_candidates_learn_for_a_few_steps_and_the_winning_ticket_at_length(
    digits: Data, teacher: SimpleCNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"train_images": 200, "patience": 2, "alpha": 0.3, "seed": 7}
    options |= {**STEPS, "temperature": 2.0}
    problem, spy = small(digits, teacher, **options), Spy(monkeypatch)
    _, network = (problem.network(x) for x in candidates(problem)[1:3])
    finished = problem.finished(network, images=300, seed=5)
    other, few, many = spy.calls
    assert few["teaching"] is problem.distillation
    assert (len(few["teaching"].split), few["images"]) == (200, 128)
    assert torch.bincount(few["teaching"].split.labels).tolist() == [20] * 10
    assert (few["stopping"].patience, few["stopping"].images) == (2, 50)
    # All candidates see the same images in the same order.
    assert few["seed"] == other["seed"] == 7
    assert many["teaching"].split is digits.train
    assert (many["images"], many["seed"], many.get("stopping")) == (300, 5, None)
    assert many["network"] is network
    for call in spy.calls:
        assert (call["teaching"].alpha, call["teaching"].temperature) == (0.3, 2.0)
        assert call["recipe"] == problem.retraining == DistilledFilters.LEARNING
    expected = Distillation(problem.parent, digits.train, alpha=0.3, temperature=2).distilled(
        network, images=300, recipe=problem.retraining, seed=5
    )
    assert same(finished, expected)
    assert not same(finished, network)
    assert small(digits, teacher).teaching.split is digits.train


def test_few_images_are_enough_for_patience(digits: Data, teacher: SimpleCNN) -> None:
    for n, watched in ((None, 239), (40, 10), (20, 5)):
        problem = small(digits, teacher, recovery="steps:1", patience=1, train_images=n)
        assert problem.stopping is not None
        assert problem.stopping.images == watched
        assert len(problem.measure(candidates(problem))["accuracy"]) == 4


def test_a_frozen_teacher_has_children_that_learn(digits: Data, teacher: SimpleCNN) -> None:
    frozen = copy.deepcopy(teacher).requires_grad_(requires_grad=False)
    one, other = (small(digits, network, **STEPS) for network in (frozen, teacher))
    x = candidates(one)[2]
    assert same(one.network(x), other.network(x))
    assert not any(p.requires_grad for p in frozen.parameters())


class Forgetful(SimpleCNN):
    """Half of what is hidden is dropped in training."""

    def __init__(self) -> None:
        super().__init__(1, 10, (8, 8), widths=(4, 6), hidden=8)
        self.relu = nn.Sequential(nn.ReLU(), nn.Dropout(0.5))  # type: ignore[assignment]


@pytest.mark.usefixtures("untouched_global_generators")
def test_dropout_is_a_matter_of_the_seed(digits: Data) -> None:
    problem = small(digits, seeded(Forgetful), recovery="steps:2")
    x = np.ones(problem.n_var, dtype=bool)
    assert same(problem.network(x), problem.network(x))


# Seeds, and what is left alone.


def test_neighbours_order_and_repetition_change_no_bit(stepped: DistilledFilters) -> None:
    X = stepped.random(18, np.random.default_rng(0))
    X[17] = X[3]
    together = stepped.measure(X)
    backwards = stepped.measured(X[::-1])  # in chunks
    for name, column in together.items():
        assert np.array_equal(column, backwards[name][::-1]), name
        assert column[17] == column[3]
        for row in (3, 12):
            assert column[row] == stepped.measure(X[[row]])[name][0], name
    assert same(stepped.network(X[3]), stepped.network(X[17]))


def test_another_seed_differs_where_it_should(digits: Data, teacher: SimpleCNN) -> None:
    x = candidates(small(digits, teacher, recovery="none"))[2]
    for recovery, equal in (("none", True), ("refit", False), ("steps:1", False)):
        one, other = (small(digits, teacher, recovery=recovery, seed=seed) for seed in (0, 1))
        assert same(one.network(x), other.network(x)) is equal, recovery
        assert not torch.equal(one.search.images, other.search.images)
        assert one.fingerprint != other.fingerprint
        assert np.array_equal(one.sizes(x[None])["macs"], other.sizes(x[None])["macs"])


@pytest.mark.usefixtures("untouched_global_generators")
def test_a_seed_gives_the_same_teacher_and_measurements(digits: Data) -> None:
    shares: list[float] = []
    one, again, other = (
        small(digits, None, **STEPS, parent_epochs=0.4, seed=seed, progress=shares.append)
        for seed in (3, 3, 4)
    )
    assert isinstance(one.parent, SimpleCNN)
    assert shares
    assert same(one.parent, again.parent)
    assert not same(one.parent, other.parent)
    assert one.fingerprint == again.fingerprint != other.fingerprint
    X = candidates(one)
    first, second = one.measure(X), again.measure(X)
    for name, column in first.items():
        assert np.array_equal(column, second[name]), name


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("recovery", ["refit", "refit+batch-norm+steps:2"])
def test_arguments_are_left_as_they_were(digits: Data, residual: nn.Module, recovery: str) -> None:
    parent = copy.deepcopy(residual).train()
    weights = copy.deepcopy(parent.state_dict())
    images = digits.validation.images.clone(), digits.train.images.clone()
    problem = small(digits, parent, recovery=recovery, patience=1)
    X = sample(problem)
    before = X.copy()
    problem.baselines(problem.measure(X))
    problem.finished(problem.network(X[0]), images=64, seed=0)
    problem.finished(parent, images=64, seed=0)
    search(problem, make_algorithm("random", problem, 4), Budget(generations=2), seed=0)
    assert problem.parent is not parent
    assert np.array_equal(X, before)
    assert parent.training
    for network in (parent, problem.parent):
        assert all(p.requires_grad and p.grad is None for p in network.parameters())
        assert all(torch.equal(weights[k], now) for k, now in network.state_dict().items())
    assert torch.equal(images[0], digits.validation.images)
    assert torch.equal(images[1], digits.train.images)


def test_the_fingerprint_knows_what_measurements_depend_on(
    digits: Data, teacher: SimpleCNN
) -> None:
    other = copy.deepcopy(teacher)
    with torch.no_grad():
        other.get_buffer("features.0.norm.running_mean")[0] += 1
    changes: list[tuple[Data, nn.Module, dict[str, Any]]] = [
        (digits, teacher, {}),
        (digits, teacher, {"recovery": "refit+steps:1"}),
        (digits, teacher, {"recovery": "batch-norm+steps:2"}),
        (digits, teacher, {"recovery_images": 65}),
        (digits, teacher, {"train_images": 500}),
        (digits, teacher, {"search_images": 50}),
        (digits, teacher, {"alpha": 0.4}),
        (digits, teacher, {"temperature": 3.0}),
        (digits, teacher, {"patience": 1}),
        (digits, teacher, {"patience": 2}),
        (digits, teacher, {"seed": 1}),
        (digits, other, {}),
        (replace(digits, train=digits.train.subset(range(900))), teacher, {}),
    ]
    prints = [
        small(data, parent, **{"recovery": "steps:1", **options}).fingerprint
        for data, parent, options in changes
    ]
    assert len(set(prints)) == len(prints)
    for options in (
        {"objectives": FITNESS}, {"constraints": ["macs<=50%"]}, {"smallest": 0.5},
        {"network": "resnet-20", "parent_epochs": 3.0}, {"train_images": 10_000},
    ):  # fmt: skip
        assert small(digits, teacher, recovery="steps:1", **options).fingerprint == prints[0]


# The first population, and random ones.


def shares(problem: DistilledFilters, X: Array) -> Array:
    return problem.sizes(X)["parameters"] / count_parameters(problem.parent)


@pytest.mark.parametrize("n", [1, 2, 30])
@pytest.mark.parametrize("smallest", [0.1, 0.3])
def test_the_first_population_has_networks_of_all_sizes(
    digits: Data, teacher: SimpleCNN, n: int, smallest: float
) -> None:
    problem = small(digits, teacher, recovery="none", smallest=smallest)
    X = problem._first_population(n, np.random.default_rng(0))
    assert X.shape == (n, problem.n_var)
    assert X.dtype == bool
    assert (problem.filters.genes.counts(X) >= 1).all()
    wanted = np.geomspace(smallest, 1, n + 1)[:-1]
    assert np.abs(np.log(shares(problem, X) / wanted)).max() < 0.2
    assert len(set(digests(X))) >= 0.75 * n  # at few sizes there is but one
    again = problem._first_population(n, np.random.default_rng(0))
    assert np.array_equal(X, again)


def test_the_smallest_filters_go_first_in_one_of_four(plain: DistilledFilters) -> None:
    X = plain._first_population(24, np.random.default_rng(0))[3::4]
    norms = plain.parent.get_parameter("features.0.conv.weight").detach().abs().sum(dim=(1, 2, 3))
    for first, *_ in (kept(plain, x) for x in X):
        gone = np.setdiff1d(np.arange(6), first)
        if len(gone):
            assert norms[first].min() >= norms[gone].max()


def test_every_other_network_may_lack_branches(digits: Data, residual: nn.Module) -> None:
    problem = small(digits, residual, recovery="none")
    genes = problem.filters.genes
    X = problem._first_population(40, np.random.default_rng(0))
    pieces = genes.pieces(X)
    assert pieces[::2].all()
    assert not pieces[1::2].all()
    assert 0.1 < 1 - pieces[1::2].mean() < 0.4
    assert len(set(digests(X))) >= 25
    assert np.ptp(np.log(shares(problem, X))) > np.log(10)
    assert np.array_equal(X, sample_of(problem, 40))


def sample_of(problem: DistilledFilters, n: int) -> Array:
    sampling = problem.operators()["sampling"]
    X: Array = sampling(problem, n, random_state=np.random.default_rng(0)).get("X")
    return X


def test_random_candidates_have_any_size_and_any_branches(
    digits: Data, residual: nn.Module
) -> None:
    problem = small(digits, residual, recovery="none")
    genes = problem.filters.genes
    X = problem.random(300, np.random.default_rng(0))
    assert X.shape == (300, problem.n_var)
    assert X.dtype == bool
    assert np.array_equal(X, problem.filters.repaired(X))
    found = np.histogram(np.log(shares(problem, X)), bins=5)[0]
    assert found.min() > 10
    assert np.ptp(np.log(shares(problem, X))) > np.log(10)
    alive = genes.pieces(X).mean(axis=0)
    assert ((alive > 0.5) & (alive < 0.8)).all()
    assert len(set(digests(X))) > 290


# Fronts.


def test_a_search_with_the_same_seed_finds_the_same_front(digits: Data, teacher: SimpleCNN) -> None:
    fronts = []
    for seed in (1, 1, 2):
        problem = small(digits, teacher, recovery="refit+batch-norm")
        found = search(
            problem, make_algorithm("nsga2", problem, 12), Budget(generations=3), seed=seed
        )
        fronts.append(Front.from_candidates(problem, found.X, found.measurements))
    one, again, other = fronts
    assert np.array_equal(one.X, again.X)
    for name, column in one.columns.items():
        assert np.array_equal(column, again.columns[name]), name
    assert digests(one.X) != digests(other.X)
    assert len(one) >= 4
    assert (np.diff(one.columns["parameters"]) >= 0).all()
    assert one.columns["accuracy"].max() > 0.8
    assert one.columns["sparsity"].max() > 0.7
    assert accuracy(one[0].network(), problem.search) != 0
    assert one[0].network(finish_images=64) is not one[0].network()


# What it is compared with.


@pytest.mark.parametrize("which", ["teacher", "residual"])
def test_baselines_are_the_largest_weights_at_like_sizes(
    digits: Data, teacher: SimpleCNN, residual: nn.Module, which: str
) -> None:
    parent = teacher if which == "teacher" else residual
    problem = small(digits, parent, recovery="none")
    front = problem.sizes(problem._first_population(20, np.random.default_rng(0)))
    wanted = np.quantile(front["parameters"], np.linspace(0, 1, 8))
    for baseline, name in zip(
        problem.baselines(front), ("all layers alike", "whole network"), strict=True
    ):
        assert baseline.name == f"L1 pruning, {name}"
        assert 4 <= len(baseline.networks) <= 8
        own = baseline.sizes["parameters"]
        assert own.tolist() == [count_parameters(network) for network in baseline.networks]
        assert len(set(own)) == len(own)
        for size in wanted[2:]:
            assert np.abs(np.log(own / size)).min() < 0.25
        whole = count_parameters(parent)
        for place, network in enumerate(baseline.networks):
            sizes = {name: column[place] for name, column in baseline.sizes.items()}
            macs = count_macs(network, digits.shape)
            assert sizes["macs"] == macs
            assert sizes["macs_removed"] == 1 - macs / count_macs(parent, digits.shape)
            assert sizes["sparsity"] == 1 - sizes["parameters"] / whole
            with torch.no_grad():  # all branches are there
                assert network(digits.test.images[:3]).shape == (3, 10)
    if which == "teacher":
        weight = teacher.get_parameter("features.0.conv.weight").detach()
        norms = weight.abs().sum(dim=(1, 2, 3))
        for baseline in problem.baselines(front):
            for network in baseline.networks:
                kept_ones = network.get_parameter("network.features.0.conv.weight")
                expected = weight[torch.sort(norms.argsort(descending=True)[: len(kept_ones)])[0]]
                assert torch.equal(kept_ones, expected)


def test_baselines_get_what_candidates_get(
    digits: Data, teacher: SimpleCNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = small(digits, teacher, recovery="refit+batch-norm+steps:1", patience=1)
    front = problem.sizes(candidates(problem, 10))
    calibrated: list[nn.Module] = []

    def calibrating(network: Any, images: Tensor) -> Any:
        calibrated.append(network)
        return calibrate(network, images)

    monkeypatch.setattr(module, "calibrate", calibrating)
    spy = Spy(monkeypatch)
    found = problem.baselines(front)
    networks = [network for baseline in found for network in baseline.networks]
    assert len(networks) == len(spy.calls) == len(calibrated)
    for call, network in zip(spy.calls, calibrated, strict=True):
        assert call["network"] is network
        assert (call["images"], call["stopping"]) == (64, problem.stopping)
    # The same chromosome gives the same network, whoever asks for it.
    families = problem.filters.uniform(np.linspace(0, 1, 400))
    sizes = problem.sizes(families)["parameters"]
    for network, size in zip(found[0].networks, found[0].sizes["parameters"], strict=True):
        twins = families[sizes == size]
        assert any(same(problem.network(x), network) for x in np.unique(twins, axis=0))


def test_front_and_baselines_are_finished_by_the_teacher(
    digits: Data, teacher: SimpleCNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = small(digits, teacher, recovery="refit")
    X = candidates(problem)
    spy = Spy(monkeypatch)
    front = Front.from_candidates(problem, X, problem.measure(X)).finish(images=100)
    assert [call["seed"] for call in spy.calls] == front.seeds
    columns = {"test_accuracy", "finished_accuracy", "finished_test_accuracy"}
    assert columns <= front.columns.keys()
    alone = front[0].network(finish_images=100)
    assert front.columns["finished_accuracy"][0] == accuracy(alone, digits.validation)
    before = len(spy.calls)
    series = baseline_series(
        problem, front, store=None, evaluations=6, pop_size=6, seed=0, images=100,
        display=quiet(),
    )  # fmt: skip
    assert [one.name for one in series] == [
        "L1 pruning, all layers alike", "L1 pruning, whole network", "random search",
    ]  # fmt: skip
    assert len(spy.calls) - before == sum(len(one) for one in series)
    for call in spy.calls:
        assert call["teaching"] is problem.distillation
        assert (call["images"], call.get("stopping")) == (100, None)
    for one in series:
        assert columns <= one.columns.keys()
        assert np.isfinite(one.columns["finished_test_accuracy"]).all()


# Who diverges.


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has a hidden layer of more than six neurons diverges."""
    distilled = Distillation.distilled

    def diverging(teaching: Distillation, network: Any, **settings: Any) -> Any:
        if len(network.get_parameter("network.hidden.weight")) > 6:
            msg = "the training diverged: its last loss is nan"
            raise TrainingDiverged(msg)
        return distilled(teaching, network, **settings)

    monkeypatch.setattr(Distillation, "distilled", diverging)


@pytest.mark.usefixtures("poison")
def test_who_diverges_has_a_reason_and_no_accuracy_and_is_ranked_last(
    stepped: DistilledFilters,
) -> None:
    X = stepped.random(20, np.random.default_rng(0))
    values = stepped.measured(X)
    diverged = X[:, 14:].sum(axis=1) > 6
    assert 0 < diverged.sum() < 20
    assert sorted(values.failures) == np.flatnonzero(diverged).tolist()
    assert set(values.failures.values()) == {"the training diverged: its last loss is nan"}
    for name in ("accuracy", "accuracy_drop"):
        assert np.array_equal(np.isnan(values[name]), diverged), name
    for name, column in stepped.sizes(X).items():
        assert np.array_equal(values[name], column), name
    scores = stepped.score(values)
    for column in (*scores["F"].T, *scores["G"].T):
        assert column[diverged].min() > column[~diverged].max()
    with pytest.raises(TrainingDiverged, match="the training diverged"):
        stepped.network(X[diverged.argmax()])


@pytest.mark.usefixtures("poison")
@pytest.mark.parametrize("objectives", [FITNESS, ["accuracy", "parameters"]], ids=["one", "two"])
def test_a_search_goes_on_without_those_who_diverge(
    digits: Data, teacher: SimpleCNN, objectives: Any
) -> None:
    problem = small(
        digits, teacher, recovery="steps:1", search_images=50, objectives=objectives,
        constraints=["accuracy_drop<=1"],
    )  # fmt: skip
    name = "ga" if problem.n_obj == 1 else "nsga2"
    found = search(problem, make_algorithm(name, problem, 8), Budget(generations=3), seed=0)
    assert found.last.generation == 3
    assert found.failures
    assert (found.X[:, 14:].sum(axis=1) <= 6).all()
    assert all(np.isfinite(column).all() for column in found.measurements.values())
    sizes = problem.sizes(np.vstack([found.X, np.ones((1, problem.n_var), dtype=bool)]))
    for baseline in problem.baselines(sizes):
        assert len(baseline.networks) == len(baseline.sizes["parameters"]) > 0
        assert baseline.sizes["sparsity"].min() > 0


def test_everybody_may_diverge(
    digits: Data, teacher: SimpleCNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverging(*args: Any, **settings: Any) -> Any:
        raise TrainingDiverged("the training diverged")

    problem = small(digits, teacher, recovery="steps:1", search_images=50)
    monkeypatch.setattr(Distillation, "distilled", diverging)
    with pytest.raises(NothingFoundError, match=r"all 4 candidates failed.*the training diverged"):
        search(problem, make_algorithm("nsga2", problem, 4), Budget(generations=1), seed=0)
    front = problem.sizes(candidates(problem))
    assert [len(baseline.networks) for baseline in problem.baselines(front)] == [0, 0]


# Networks that it takes, and those that it does not.


def test_a_dense_network_may_lose_layers(digits: Data) -> None:
    parent = seeded(lambda: DenseNet.of_depth(10, 4, 1))
    problem = small(digits, parent, recovery="refit+batch-norm", search_images=30)
    genes = problem.filters.genes
    assert genes.n_pieces >= 3
    X = candidates(problem, 3)
    for piece in range(genes.n_pieces):
        x = np.ones(problem.n_var, dtype=bool)
        x[genes.n_filters + piece] = False
        X = np.vstack([X, problem.filters.repaired(x)])
    assert_networks_are_what_was_measured(problem, X)
    assert len(set(problem.sizes(X)["parameters"])) > 3


def test_what_was_pruned_can_be_pruned_again(
    digits: Data, plain: DistilledFilters, tmp_path: Path
) -> None:
    slim = plain.network(candidates(plain)[2])
    problem = small(digits, slim, recovery="refit+batch-norm")
    assert problem.n_var < plain.n_var
    assert problem.parent_measurements()["parameters"] == count_parameters(slim)
    X = candidates(problem)
    assert_networks_are_what_was_measured(problem, X)
    network = problem.network(X[2])
    again = load_network(save_network(network, tmp_path / "again", about={}))
    assert count_parameters(again) == count_parameters(network) < count_parameters(slim)
    images = digits.validation.images[:10]
    with torch.no_grad():
        torch.testing.assert_close(again(images), network(images))


def colours(classes: int = 3) -> Data:
    """Small images that are told apart by their colour."""
    generator = np.random.default_rng(0)
    labels = np.arange(72) % classes
    images = generator.random((72, 3, 16, 16)).astype(np.float32)
    images[np.arange(72), labels] += 1
    return data_from_arrays(images, labels)


@pytest.mark.parametrize(("network", "pieces"), [("resnet-18", 8), ("googlenet", 36)])
def test_the_papers_networks_can_be_had_by_name(
    network: str, pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Removal orders take most of a minute, and nobody asks for them here.
    monkeypatch.setattr(module, "RemovalOrders", lambda filters, statistics: None)
    data = colours()
    problem = DistilledFilters(
        data, network=network, parent_epochs=0.5, recovery="batch-norm", search_images=8,
        recovery_images=8,
    )  # fmt: skip
    assert problem.filters.genes.n_pieces == pieces
    X = problem.random(2, np.random.default_rng(0))
    X[1, -pieces:] = False
    X = problem.filters.repaired(X)
    values = problem.measure(X)
    for x, parameters, macs in zip(X, values["parameters"], values["macs"], strict=True):
        small_one = problem.network(x)
        assert parameters == count_parameters(small_one)
        assert macs == count_macs(small_one, data.shape)
    assert (values["sparsity"] > 0).all()


class Grouped(nn.Module):
    def __init__(self, groups: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3)
        self.middle = nn.Conv2d(8, 8, 3, groups=groups)
        self.linear = nn.Linear(128, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(self.middle(self.first(images)).flatten(1))  # type: ignore[no-any-return]


class Clips(nn.Module):
    """An image as a clip of one frame."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, 6, (1, 3, 3), stride=(1, 2, 2))
        self.linear = nn.Linear(54, 10)

    def forward(self, images: Tensor) -> Tensor:
        hidden = torch.relu(self.conv(torch.unsqueeze(images, 2)))
        return self.linear(hidden.flatten(1))  # type: ignore[no-any-return]


def test_convolutions_over_time_lose_filters(digits: Data) -> None:
    problem = small(digits, seeded(Clips), **STEPS)
    assert problem.filters.genes.sizes == (6,)
    assert_networks_are_what_was_measured(problem, candidates(problem))


def test_depthwise_convolutions_lose_what_they_read(digits: Data) -> None:
    problem = small(digits, seeded(lambda: Grouped(8)), recovery="refit")
    assert problem.filters.genes.sizes == (8,)
    assert_networks_are_what_was_measured(problem, candidates(problem))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Grouped(2), "cannot be pruned: in 'middle' there is a convolution with 2 groups"),
        (lambda: SimpleCNN(1, 7, (8, 8), (4,), 4), r"gives \(7,\) values an image, .*10 classes"),
        (lambda: SimpleCNN(3, 10, (8, 8), (4,), 4), r"cannot take the images of digits, \(1, 8"),
        (lambda: SimpleCNN(1, 10, (16, 16), (4,), 4), "cannot take the images of digits"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)),
            "a Sequential has no filters that could be pruned",
        ),
    ],
)
def test_parents_that_do_not_fit(digits: Data, make: Any, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        small(digits, seeded(make), recovery="none")


def test_a_zero_padding_residual_network_is_refused_by_its_layer(digits: Data) -> None:
    with pytest.raises(PruneError, match=r"cannot be pruned: in 'stages\.1\.0' there is pad\(\)"):
        small(digits, None, network="resnet-8", parent_epochs=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": -0.1}, "alpha must be between 0 and 1, but it is -0.1"),
        ({"alpha": 1.1}, "alpha must be between 0 and 1, but it is 1.1"),
        ({"alpha": float("nan")}, "alpha must be between 0 and 1, but it is nan"),
        ({"temperature": 0}, "temperature must be finite and greater than 0, but it is 0"),
        ({"temperature": -4}, "temperature must be .*greater than 0, but it is -4"),
        ({"temperature": float("nan")}, "temperature must be finite.*but it is nan"),
        ({"temperature": float("inf")}, "temperature must be finite.*but it is inf"),
        ({"patience": -1}, "patience at least 0.* are 1000, 1024, None, -1 and 0.02"),
        ({"smallest": 0}, "smallest above 0 and at most 1.* 0 and 0$"),
        ({"smallest": 1.5}, "smallest above 0 and at most 1.* 0 and 1.5"),
        ({"smallest": float("nan")}, "smallest above 0 and at most 1.* 0 and nan"),
        ({"search_images": 0}, "must be at least 1.* are 0, 1024, None"),
        ({"recovery_images": 0}, "are 1000, 0, None"),
        ({"train_images": 0}, "are 1000, 1024, 0"),
        ({"train_images": -5}, "are 1000, 1024, -5"),
        ({"recovery": "refitt"}, "recovery 'refitt' is not known.*'batch-norm'.*'steps:K'"),
        ({"recovery": "steps:0"}, "recovery 'steps:0' is not known"),
        ({"network": "resnet18"}, "unknown network 'resnet18'.*Did you mean 'resnet-18'"),
        ({"parent_epochs": 0}, "parent_epochs must be above 0, but they are 0"),
        ({"parent_epochs": -1.5}, "parent_epochs must be above 0, but they are -1.5"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_trained(
    digits: Data, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    monkeypatch.delattr("pymoo_prune.parents.trained")
    with pytest.raises(PruneError, match=message):
        DistilledFilters(digits, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objectives": ["accuracy", "sparsty"]}, "Did you mean 'sparsity'"),
        ({"constraints": ["macs>0.5"]}, "must read like"),
    ],
)
def test_goals_that_cannot_be(
    digits: Data, teacher: SimpleCNN, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(PruneError, match=message):
        small(digits, teacher, recovery="none", **options)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((1, 26)), "26 booleans each .*but they are float64"),
        (np.ones((1, 25), dtype=bool), r"26 booleans each .*bool of shape \(.*25,?\)"),
    ],
)
def test_chromosomes_that_cannot_be(plain: DistilledFilters, X: Array, message: str) -> None:
    for asked_for in (plain.measure, plain.sizes, plain.features, lambda X: plain.network(X[0])):
        with pytest.raises(PruneError, match=message):
            asked_for(X)


# Runs.


def command(folder: Path, parent: Path, *more: str) -> list[str]:
    return [
        *("run", "distilled-filters", "--parent", str(parent), "--output", str(folder)),
        *("--threads", "1", "--pop-size", "8", "--generations", "4", "--finish", "32"),
        *("--set", "recovery=refit+batch-norm+steps:2", "--set", "search_images=100"),
        *("--set", "recovery_images=64", *more),
    ]


@pytest.fixture
def exported(teacher: SimpleCNN, tmp_path: Path) -> Path:
    return save_network(teacher, tmp_path / "teacher", about={})


def test_a_run_that_is_killed_ends_as_if_nothing_had_happened(
    exported: Path, tmp_path: Path, teacher: SimpleCNN, digits: Data
) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    assert main(command(whole, exported)) == 0
    process = started(command(folder, exported))
    out, err = stopped_when(process, lambda: asked(folder) >= 16, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, (out, err)
    assert not (folder / "summary.json").exists()
    Run.open(folder).execute(quiet())
    assert_same_run(whole, folder)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["evaluations"] > 3 * 8
    run = Run.open(whole)
    assert same(load_network(whole / "parent"), teacher)
    names = [series.name for series in run.results()[0]]
    assert names[1:] == [
        "L1 pruning, all layers alike", "L1 pruning, whole network", "random search",
    ]  # fmt: skip
    carried = run.export("knee", tmp_path / "ticket", quiet())
    member, ticket = carried.member, load_network(carried.folder)
    assert count_parameters(ticket) == member.values["parameters"]
    assert accuracy(ticket, digits.test) == pytest.approx(
        member.values["finished_test_accuracy"], abs=0.01
    )


def test_the_papers_algorithm_can_be_had_on_the_command_line(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paper = ("--preset", "paper", "--set", "recovery=steps:1", "--generations", "2")
    assert (
        main(command(tmp_path / "one", exported, *paper, "--objectives", "accuracy", "macs")) == 2
    )
    assert "needs one objective, but the problem has 2; take --weights" in capsys.readouterr().err
    assert main(command(tmp_path / "two", exported, *paper)) == 0
    summary = json.loads((tmp_path / "two" / "summary.json").read_text())
    assert summary["goals"] == ["accuracy", "sparsity", "macs_removed"]
    assert summary["evaluations"] > 20  # and not of --pop-size: the paper's algorithm has its own
    assert summary["fittest"] is not None


@pytest.mark.parametrize(
    "content", [[1, 2], torch.zeros(3), "text", {"weight": 1}, {"epoch": torch.zeros(3)}], ids=repr
)
def test_a_parent_that_is_no_state_is_refused(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: Any
) -> None:
    torch.save(content, exported / "network.pt")
    assert main(command(tmp_path / "run", exported)) == 2
    assert f"the exported network in {exported} is damaged" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_parent_that_is_no_folder_of_a_network_is_refused(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (exported / "network.pt").unlink()
    assert main(command(tmp_path / "run", exported)) == 2
    error = capsys.readouterr().err
    assert f"{exported} is not an exported network: network.pt is missing" in error
