"""The recovery of candidates: refits, batch norms and distillation."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pymoo_prune import Budget, Data
from pymoo_prune.data import balanced
from pymoo_prune.engines import make_algorithm
from pymoo_prune.errors import NothingFoundError, TrainingDiverged
from pymoo_prune.networks import SimpleCNN
from pymoo_prune.pruning import PrunableFilters
from pymoo_prune.recovery import ChannelRefit, calibrate
from pymoo_prune.search import search
from pymoo_prune.training import Distillation
from pymoo_prune_problems import DistilledFilters
from pymoo_prune_problems.distilled_filters import problem as module
from pymoo_prune_problems.distilled_filters.problem import FITNESS
from tests.support.distilled_filters import (
    RECOVERIES,
    STEPS,
    Spy,
    candidates,
    kept,
    seeded,
    small,
)
from tests.support.trainings import same

# Without gradient steps.

LAYERS = ("features.0.conv", "features.1.conv", "hidden", "classifier")


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
    # A refit changes the weights of layers that lost inputs, and no others.
    names = [f"network.{name}.weight" for name in LAYERS]
    for text, changed in {
        "refit": [False, True, True, True],
        "batch-norm": [False] * 4,
        "refit+batch-norm": [False, True, True, True],
        "refit+batch-norm+steps:2": [True] * 4,
    }.items():
        one, other = (problems[name].network(x).state_dict() for name in ("none", text))
        assert [not torch.equal(one[name], other[name]) for name in names] == changed, text


@pytest.mark.slow
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
    """Also where images come class by class, as from a folder."""
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


@pytest.mark.slow
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


def test_without_steps_the_teacher_is_not_asked(plain: DistilledFilters) -> None:
    assert plain.parent_accuracy > 0.8  # it is measured once
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


@pytest.mark.slow
def test_labels_and_teacher_count_as_they_are_weighed(digits: Data, teacher: SimpleCNN) -> None:
    """A teacher that is right, and labels that are wrong: they name the next class."""
    wrong = replace(digits.train, labels=(digits.train.labels + 1) % 10)
    data = replace(digits, train=wrong)
    found = []
    for alpha in (0, 1):
        problem = small(data, teacher, recovery="steps:120", alpha=alpha)
        found.append(problem.measure(np.ones((1, problem.n_var), dtype=bool))["accuracy"][0])
    assert found[0] > 0.8
    assert found[1] < 0.5


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
        assert np.isfinite(problem.measured(candidates(problem))["accuracy"]).all()


def test_a_frozen_teacher_has_children_that_learn(digits: Data, teacher: SimpleCNN) -> None:
    frozen = copy.deepcopy(teacher).requires_grad_(requires_grad=False)
    one, other = (small(digits, network, **STEPS) for network in (frozen, teacher))
    x = candidates(one)[2]
    assert same(one.network(x), other.network(x))
    assert not any(p.requires_grad for p in frozen.parameters())


class Forgetful(SimpleCNN):
    """A network that drops half of its hidden neurons in training."""

    def __init__(self) -> None:
        super().__init__(1, 10, (8, 8), widths=(4, 6), hidden=8)
        self.relu = nn.Sequential(nn.ReLU(), nn.Dropout(0.5))  # type: ignore[assignment]


@pytest.mark.usefixtures("untouched_global_generators")
def test_dropout_is_a_matter_of_the_seed(digits: Data) -> None:
    problem = small(digits, seeded(Forgetful), recovery="steps:2")
    x = np.ones(problem.n_var, dtype=bool)
    assert same(problem.network(x), problem.network(x))
    remembering: Any = seeded(Forgetful)
    remembering.relu[1].p = 0.0
    other = small(digits, remembering, recovery="steps:2")
    assert not same(problem.network(x), other.network(x)), "while it learns, something is dropped"


# Candidates that diverge.


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Candidates with more than six neurons in the hidden layer diverge."""
    distilled = Distillation.distilled

    def diverging(teaching: Distillation, network: Any, **settings: Any) -> Any:
        if len(network.get_parameter("network.hidden.weight")) > 6:
            msg = "the training diverged: its last loss is nan"
            raise TrainingDiverged(msg)
        return distilled(teaching, network, **settings)

    monkeypatch.setattr(Distillation, "distilled", diverging)


@pytest.mark.usefixtures("poison")
def test_a_candidate_that_diverges_has_a_reason_and_no_accuracy_and_ranks_last(
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
    for name, column in stepped.preview.sizes(X).items():
        assert np.array_equal(values[name], column), name
    scores = stepped.score(values)
    for column in (*scores["F"].T, *scores["G"].T):
        assert column[diverged].min() > column[~diverged].max()
    with pytest.raises(TrainingDiverged, match="the training diverged"):
        stepped.network(X[diverged.argmax()])


@pytest.mark.slow
@pytest.mark.usefixtures("poison")
@pytest.mark.parametrize("objectives", [FITNESS, ["accuracy", "parameters"]], ids=["one", "two"])
def test_a_search_goes_on_without_candidates_that_diverge(
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
    sizes = problem.preview.sizes(np.vstack([found.X, np.ones((1, problem.n_var), dtype=bool)]))
    for baseline in problem.rivals.at(sizes):
        assert len(baseline.networks) == len(baseline.sizes["parameters"]) > 0
        assert baseline.sizes["sparsity"].min() > 0


def test_all_candidates_may_diverge(
    digits: Data, teacher: SimpleCNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverging(*args: Any, **settings: Any) -> Any:
        raise TrainingDiverged("the training diverged")

    problem = small(digits, teacher, recovery="steps:1", search_images=50)
    monkeypatch.setattr(Distillation, "distilled", diverging)
    with pytest.raises(NothingFoundError, match=r"all 4 candidates failed.*the training diverged"):
        search(problem, make_algorithm("nsga2", problem, 4), Budget(generations=1), seed=0)
    front = problem.preview.sizes(candidates(problem))
    assert [len(baseline.networks) for baseline in problem.rivals.at(front)] == [0] * 7
