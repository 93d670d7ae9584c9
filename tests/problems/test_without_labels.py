"""Every problem searches images without labels by the divergence, and refuses what needs labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
from torch import nn

from pymoo_prune import (
    Data,
    PrunedWeightsPerAccuracyDrop,
    PruneError,
    PruningProblem,
    Quantity,
    WeightedSum,
)
from pymoo_prune.networks import DenseNet, FeedForward
from pymoo_prune.objectives import STANDARD, from_measurements
from pymoo_prune.testing import check_problem
from pymoo_prune_problems.dense_connectivity import DenseConnectivity
from pymoo_prune_problems.distilled_filters import DistilledFilters
from pymoo_prune_problems.ecomp import EComp
from pymoo_prune_problems.layer_vector import LayerVector
from tests.support.own_networks import network as own_network
from tests.support.unlabelled import unlabelled

DENSE = {"depth": 10, "growth": 4}
OPTIONS: dict[type[PruningProblem], dict[str, Any]] = {
    LayerVector: {"recovery": "refit+steps:1", "search_images": 100},
    EComp: {"recovery": "refit+steps:1", "search_images": 100, "batch_size": 50},
    DistilledFilters: {
        "recovery": "refit+batch-norm+steps:2",
        "patience": 1,
        "search_images": 100,
        "train_images": 300,
    },
    DenseConnectivity: {**DENSE, "recovery": "refit+batch-norm+steps:1", "search_images": 100},
}


@pytest.fixture(scope="module")
def parents(digits: Data, parent: FeedForward) -> Mapping[type[PruningProblem], nn.Module]:
    dense = DenseConnectivity(digits, parent_epochs=0.5, recovery="none", **DENSE).parent
    assert isinstance(dense, DenseNet)
    return {
        LayerVector: parent,
        EComp: parent,
        DistilledFilters: own_network(),
        DenseConnectivity: dense,
    }


@pytest.mark.parametrize("cls", OPTIONS)
def test_a_problem_measures_divergences(
    cls: Any, digits: Data, parents: Mapping[Any, nn.Module]
) -> None:
    problem = cls(unlabelled(digits), parent=parents[cls], **OPTIONS[cls])
    assert next(iter(problem.quantities)) == "divergence"
    assert not {"accuracy", "accuracy_drop"} & {*problem.quantities, *problem.parent_values}
    assert problem.parent_values["divergence"] == 0
    # The default objectives, with the divergence in place of the accuracy.
    labelled = cls(digits, parent=parents[cls], **OPTIONS[cls])
    replaced = ["divergence" if n == "accuracy" else n for n in labelled.goals.names]
    assert list(problem.goals.names) == replaced
    X = problem.random(4, np.random.default_rng(0))
    measured = problem.measured(X, problem.batch(1))
    assert np.isfinite(measured["divergence"]).all()
    assert measured["divergence"].max() > 0
    network = problem.finished(problem.network(X[0]), images=100, seed=0)
    assert network(digits.test.images[:3]).shape == (3, 10)
    again = problem.with_goals(["divergence"], constraints=["macs<=50%"])
    assert again.fingerprint == problem.fingerprint


@pytest.mark.parametrize("cls", OPTIONS)
def test_a_problem_keeps_the_contract(
    cls: Any, digits: Data, parents: Mapping[Any, nn.Module]
) -> None:
    check_problem(cls(unlabelled(digits), parent=parents[cls], **OPTIONS[cls]))


@pytest.mark.parametrize("cls", OPTIONS)
def test_a_problem_refuses_what_needs_labels(
    cls: Any, digits: Data, parents: Mapping[Any, nn.Module]
) -> None:
    data, known = unlabelled(digits), "what can be: divergence, parameters"

    def refused(message: str, **given: Any) -> None:
        with pytest.raises(PruneError, match=message):
            cls(data, **{"parent": parents[cls], **OPTIONS[cls], **given})

    text = "arrays has no labels for its search images, so {} cannot be measured; " + known
    refused(text.format("accuracy"), objectives=["macs", "accuracy"])
    refused(text.format("accuracy"), objectives=WeightedSum({"accuracy": 1, "macs": 1}))
    refused(text.format("accuracy_drop"), constraints=["accuracy_drop<=0.1"])
    refused("no network can be trained here: give a trained one", parent=None)
    problem = cls(data, parent=parents[cls], **OPTIONS[cls])
    with pytest.raises(PruneError, match=text.format("accuracy")):
        problem.with_goals(["accuracy"])
    with pytest.raises(PruneError, match=text.format("accuracy")):
        problem.with_goals(["divergence", "macs"], front=["accuracy", "macs"])


def test_papers_goals_are_refused(digits: Data, parents: Mapping[Any, nn.Module]) -> None:
    data = unlabelled(digits)
    goal = PrunedWeightsPerAccuracyDrop()
    with pytest.raises(PruneError, match="so accuracy_drop cannot be measured"):
        LayerVector(data, parent=parents[LayerVector], objectives=goal, racing=True)
    with pytest.raises(PruneError, match="so accuracy cannot be measured"):
        EComp(data, parent=parents[EComp], objectives=EComp.fitness(1, 2, 1))
    dense = parents[DenseConnectivity]
    with pytest.raises(PruneError, match="take weights 'inherited'"):
        DenseConnectivity(data, parent=dense, weights="scratch", **DENSE)


def test_races_need_no_labels(digits: Data, parent: FeedForward) -> None:
    problem = LayerVector(unlabelled(digits), parent=parent, racing=True, objectives=["divergence"])
    X = problem.random(6, np.random.default_rng(0))
    first = problem.approximation
    assert first is not None
    assert set(first.measure(X, 0)) == set(problem.quantities)


def test_labelled_test_images_change_no_measurement(digits: Data, parent: FeedForward) -> None:
    one, other = (
        LayerVector(unlabelled(digits, tested=tested), parent=parent) for tested in (False, True)
    )
    X = one.random(3, np.random.default_rng(0))
    assert np.array_equal(one.measured(X)["divergence"], other.measured(X)["divergence"])
    assert one.fingerprint != other.fingerprint


class Own(PruningProblem):
    """A problem of a user's own, with the default `measure`."""

    quantities: ClassVar[Mapping[str, Quantity]] = {
        **STANDARD,
        "error": from_measurements(lambda m: 1 - m["accuracy"], "lower", "error"),
        "thousands": from_measurements(lambda m: m["macs"] / 1000, "lower", "thousands of MACs"),
    }

    def __init__(
        self, data: Data, parent: nn.Module, objectives: Any = ("accuracy", "macs")
    ) -> None:
        super().__init__(data, n_var=1, objectives=objectives, parent=parent)

    def network(self, x: Any) -> nn.Module:
        assert self.parent is not None
        return self.parent

    def operators(self) -> dict[str, Any]:
        return {}


class OwnMeasure(Own):
    """The same with a `measure` of its own."""

    def measure(self, X: Any) -> Any:
        raise NotImplementedError


def test_own_problems(digits: Data, parent: FeedForward) -> None:
    data = unlabelled(digits)
    problem = Own(data, parent)
    assert problem.goals.names == ("divergence", "macs")
    assert "error" not in problem.quantities
    measured = problem.measured(np.zeros((2, 1)))
    assert measured["divergence"].tolist() == [0, 0]
    assert (measured["thousands"] == measured["macs"] / 1000).all()
    with pytest.raises(PruneError, match="so error cannot be measured"):
        Own(data, parent, ["error", "macs"])
    with pytest.raises(PruneError, match="OwnMeasure measures accuracies with a measure"):
        OwnMeasure(data, parent)
    assert isinstance(Own(digits, parent).quantities["accuracy"], Quantity)
