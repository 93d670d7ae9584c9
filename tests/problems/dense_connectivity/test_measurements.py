"""Measurements, and candidates that cannot be measured."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pymoo_prune import Budget, Data, Front
from pymoo_prune.chromosomes import Array, candidate_seed, digests
from pymoo_prune.engines import make_algorithm
from pymoo_prune.errors import NothingFoundError, TrainingDiverged
from pymoo_prune.measuring import accuracy, count_macs, count_parameters
from pymoo_prune.networks import DenseNet
from pymoo_prune.pruning import SharedWeights
from pymoo_prune.recovery import ChannelRefit, calibrate
from pymoo_prune.search import search
from pymoo_prune.testing import check_problem, sample
from pymoo_prune.training import trained
from pymoo_prune_problems import DenseConnectivity
from tests.support.dense_connectivity import RECOVERIES, SCRATCH, candidates, small
from tests.support.trainings import same

# The contract.


@pytest.mark.slow
@pytest.mark.parametrize("recovery", RECOVERIES)
def test_the_contract_with_inherited_weights(digits: Data, parent: DenseNet, recovery: str) -> None:
    check_problem(small(digits, parent, recovery=recovery, search_images=50, image_size=4))


@pytest.mark.slow
def test_the_contract_with_training_from_scratch(digits: Data) -> None:
    check_problem(
        small(
            digits, None, **SCRATCH, search_images=50, image_size=4, kept=0.5,
            objectives=["accuracy"], constraints=["connections<=0.9"],
        )
    )  # fmt: skip


# Measurements.


def assert_networks_are_what_was_measured(problem: DenseConnectivity, X: Array) -> None:
    values, data = problem.measure(X), problem.data_set
    whole = count_parameters(problem.parent)
    for row, (x, matrices) in enumerate(zip(X, problem.codec.matrices(X), strict=True)):
        network = problem.network(x)
        assert isinstance(network, DenseNet)
        assert not any(part.training for part in network.modules())
        assert np.array_equal(network.connections, matrices)
        own = count_parameters(network)
        assert values["parameters"][row] == own
        assert values["sparsity"][row] == 1 - own / whole
        assert values["macs"][row] == count_macs(network, data.shape)
        assert values["connections"][row] == pytest.approx(x.mean(), abs=1e-12)
        assert values["accuracy"][row] == accuracy(network, problem.search_images)
        drop = accuracy(problem.parent, problem.search_images) - accuracy(
            network, problem.search_images
        )
        assert values["accuracy_drop"][row] == drop
    for name, column in problem.preview.sizes(X).items():
        assert np.array_equal(column, values[name]), name
    assert {"parameters", "macs", "sparsity", "connections"} == problem.preview.sizes(X).keys()


@pytest.mark.slow
@pytest.mark.parametrize("recovery", RECOVERIES)
def test_networks_with_inherited_weights_are_what_was_measured(
    digits: Data, parent: DenseNet, recovery: str
) -> None:
    problem = small(digits, parent, recovery=recovery)
    assert_networks_are_what_was_measured(problem, candidates(problem))


def test_networks_trained_from_scratch_are_what_was_measured(scratch: DenseConnectivity) -> None:
    assert_networks_are_what_was_measured(scratch, candidates(scratch))


def test_the_parent_is_measured_like_a_candidate(plain: DenseConnectivity) -> None:
    X = candidates(plain)
    values = plain.measure(X)
    for name, value in plain.parent_measurements().items():
        assert values[name][1] == value, name
    assert values["sparsity"][1] == values["accuracy_drop"][1] == 0
    assert values["connections"].tolist()[:2] == [0, 1]
    assert plain.parent is plain.parent


def test_each_rung_does_what_it_says(digits: Data, parent: DenseNet) -> None:
    problems = {text: small(digits, parent, recovery=text) for text in RECOVERIES}
    images = problems["none"].inheritance.split
    assert len(images) == 64
    shared = SharedWeights(parent)
    names = [reader.layer for reader in shared.readers(parent.connections)]
    refits = {
        centred: ChannelRefit(parent, names, images, centred=centred) for centred in (False, True)
    }
    for x in candidates(problems["none"])[[0, 2]]:
        matrices = problems["none"].codec.matrices(x)
        networks = {
            "none": shared.network(matrices),
            "refit": shared.network(matrices, refits[False]),
            "batch-norm": calibrate(shared.network(matrices), images.images),
            "refit+batch-norm": calibrate(shared.network(matrices, refits[True]), images.images),
        }
        stepped = problems["refit+batch-norm+steps:1"]
        networks["refit+batch-norm+steps:1"] = trained(
            networks["refit+batch-norm"], digits.train, images=64, recipe=stepped.gentle
        )
        for text, expected in networks.items():
            assert same(problems[text].network(x), expected), text
        plainly = networks["none"].state_dict()["linear.weight"]
        for text in RECOVERIES[1:]:
            found = networks[text].state_dict()["linear.weight"]
            assert torch.equal(found, plainly) is (text == "batch-norm"), text


@pytest.mark.slow
def test_recovery_is_worth_its_name(digits: Data, parent: DenseNet) -> None:
    X = np.random.default_rng(0).random((12, 9)) < 0.6
    plain, recovered = (
        small(digits, parent, recovery=text, search_images=400, recovery_images=256).measure(X)
        for text in ("none", "refit+batch-norm")
    )
    assert recovered["accuracy"].mean() > plain["accuracy"].mean() + 0.1


def test_from_scratch_each_candidate_is_trained_from_weights_of_its_own(
    scratch: DenseConnectivity, digits: Data
) -> None:
    X = candidates(scratch)
    stems = set()
    for x, digest in zip(X, digests(X), strict=True):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(candidate_seed(0, digest))
            start = DenseNet(scratch.codec.matrices(x), 4, 1, 10)
        expected = trained(start, digits.train, images=67, recipe=scratch.training)
        assert same(scratch.network(x), expected)
        stems.add(expected.stem.weight.detach().numpy().tobytes())
    assert len(stems) == len(X)


def test_what_a_surrogate_looks_at_is_finite_and_has_the_connections(
    plain: DenseConnectivity,
) -> None:
    X = candidates(plain)
    features = plain.preview.features(X)
    assert features.shape == (4, plain.n_var + 2)
    assert np.isfinite(features).all()
    assert np.array_equal(features[:, :-2], X)
    values = plain.preview.sizes(X)
    np.testing.assert_allclose(
        np.exp(features[:, -2:]), np.column_stack([values["parameters"], values["macs"]])
    )


@pytest.mark.slow
@pytest.mark.usefixtures("whole_numbers")
@pytest.mark.parametrize("weights", ["scratch", "inherited"])
def test_candidates_trained_together_measure_what_they_measure_alone(
    digits: Data, parent: DenseNet, weights: str
) -> None:
    options: dict[str, Any] = {"recovery": "batch-norm+steps:2"}
    if weights == "scratch":
        options = {"weights": "scratch", "epochs": 0.2}
    one, three = (small(digits, parent, **options, search_images=300, together=n) for n in (1, 3))
    X = candidates(one)  # a stack of three, and one more
    alone, together = one.measure(X), three.measure(X)
    gaps = np.abs(alone["accuracy"] - together["accuracy"]) * 300
    assert gaps.max() <= 6
    for row, x in enumerate(X):  # its neighbours change nothing
        assert three.measure(x[None])["accuracy"] == together["accuracy"][row]
    for name in one.preview.sizes(X):
        assert np.array_equal(alone[name], together[name]), name
    assert one.fingerprint != three.fingerprint  # they round differently
    other = small(digits, parent, recovery="none")
    assert (one.portions.together, other.portions.together) == (1, 1)


@pytest.mark.slow
@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("options", [{"recovery": "refit+batch-norm+steps:1"}, SCRATCH], ids=str)
def test_arguments_are_left_as_they_were(digits: Data, options: dict[str, Any]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        parent = DenseNet.of_depth(16, 4, 1).train()
    weights = copy.deepcopy(parent.state_dict())
    images = digits.validation.images.clone(), digits.train.images.clone()
    problem = small(digits, parent, **options, parent_epochs=0.1, image_size=6)
    X = sample(problem)
    before = X.copy()
    problem.rivals.at(problem.measure(X))
    search(problem, make_algorithm("random", problem, 4), Budget(generations=2), seed=0)
    assert problem.parent is not parent
    assert np.array_equal(X, before)
    assert parent.training
    assert all(p.requires_grad and p.grad is None for p in parent.parameters())
    assert all(torch.equal(weights[name], now) for name, now in parent.state_dict().items())
    assert torch.equal(images[0], digits.validation.images)
    assert torch.equal(images[1], digits.train.images)


# Candidates that diverge.


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Candidates with the first free connection start with a weight that is NaN."""
    start = DenseConnectivity._start

    def poisoned(self: DenseConnectivity, matrices: Any, seed: int) -> DenseNet:
        network = start(self, matrices, seed)
        if self.codec.genes(matrices)[0]:
            nn.init.constant_(network.stem.weight, torch.nan)
        return network

    monkeypatch.setattr(DenseConnectivity, "_start", poisoned)


@pytest.mark.slow
@pytest.mark.usefixtures("poison", "whole_numbers")
@pytest.mark.parametrize("together", [1, 3])
def test_a_candidate_that_diverges_has_a_reason_and_no_accuracy(
    digits: Data, parent: DenseNet, together: int
) -> None:
    problem = small(digits, parent, **SCRATCH, together=together)
    X = candidates(problem, 7)
    values = problem.measured(X)
    diverged = np.flatnonzero(X[:, 0])
    assert 0 < len(diverged) < 6
    assert sorted(values.failures) == diverged.tolist()
    assert all("the training diverged: its last loss is" in r for r in values.failures.values())
    for name in ("accuracy", "accuracy_drop"):
        assert np.array_equal(np.isnan(values[name]), X[:, 0]), name
    for name, column in problem.preview.sizes(X).items():
        assert np.array_equal(values[name], column), name
    with pytest.raises(TrainingDiverged, match="the training diverged"):
        problem.network(X[diverged[0]])


@pytest.mark.slow
@pytest.mark.usefixtures("poison")
@pytest.mark.parametrize("objectives", [["accuracy"], ["accuracy", "parameters"]], ids=len)
def test_a_search_goes_on_without_candidates_that_diverge(
    digits: Data, parent: DenseNet, objectives: list[str]
) -> None:
    problem = small(
        digits, parent, recovery="steps:1", image_size=4, train_images=64, search_images=50,
        objectives=objectives, constraints=["accuracy_drop<=1"],
    )  # fmt: skip
    name = "ga" if len(objectives) == 1 else "nsga2"
    found = search(problem, make_algorithm(name, problem, 8), Budget(generations=3), seed=0)
    assert found.last.generation == 3
    assert len(found.failures) > 2
    assert not found.X[:, 0].any()
    assert all(np.isfinite(column).all() for column in found.measurements.values())
    front = Front.from_candidates(problem, found.X, found.measurements)
    assert not front.X[:, 0].any()
    # The wholly connected network is one of them, so that baselines go without it.
    for baseline in problem.rivals.at(front.columns):
        assert len(baseline.networks) == len(baseline.sizes["parameters"]) > 0


@pytest.mark.usefixtures("poison")
def test_a_search_in_which_all_candidates_diverge_says_why(digits: Data, parent: DenseNet) -> None:
    problem = small(digits, parent, recovery="steps:1", search_images=50, kept=1)
    with pytest.raises(NothingFoundError, match=r"all 1 candidates failed.*the training diverged"):
        search(problem, make_algorithm("nsga2", problem, 4), Budget(generations=1), seed=0)
