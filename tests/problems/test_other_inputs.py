"""Problems on tables, series, ids, several inputs; regression, several labels, own metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pymoo_prune import Data, DataError, PruneError, data_from_inputs
from pymoo_prune.data import Metric
from pymoo_prune.measuring import goodness_of
from pymoo_prune.networks import OwnInputs, PackedInputs, build_network, own_inputs
from pymoo_prune.objectives import WeightedSum
from pymoo_prune.pruning import PrunableFilters
from pymoo_prune.results import appraise
from pymoo_prune.testing import check_problem
from pymoo_prune.training import Recipe, check_parent, train_parent
from pymoo_prune_problems.dense_connectivity import DenseConnectivity
from pymoo_prune_problems.distilled_filters import DistilledFilters
from pymoo_prune_problems.ecomp import EComp
from pymoo_prune_problems.layer_vector import LayerVector
from tests.support import other_inputs as other
from tests.support.other_inputs import fresh, table, trained_on

CASES: dict[str, tuple[Callable[[], Data], Callable[[], nn.Module]]] = {
    "regression": (other.diabetes, lambda: fresh(table, 10, 1)),
    "metric": (other.diabetes_by_mae, lambda: fresh(table, 10, 1)),
    "classes": (other.wine, lambda: fresh(table, 13, 3)),
    "labels": (other.several_labels, lambda: fresh(table, 8, 3)),
    "series": (other.series, lambda: fresh(other.Series)),
    "tokens": (other.tokens, lambda: fresh(other.Tokens)),
    "two": (other.two_inputs, lambda: fresh(other.TwoInputs)),
}
JUDGES = {"regression": "r2", "metric": "mae"}
OPTIONS: dict[type[Any], dict[str, Any]] = {
    LayerVector: {"recovery": "refit+batch-norm+steps:1", "search_images": 60},
    EComp: {"recovery": "refit+steps:1", "search_images": 60},
    DistilledFilters: {
        "recovery": "refit+batch-norm+steps:2",
        "search_images": 60,
        "recovery_images": 100,
    },
}
TABLES = ["regression", "metric", "classes", "labels"]


@cache
def data_of(case: str) -> Data:
    return CASES[case][0]()


@cache
def network_of(case: str) -> nn.Module:
    return trained_on(data_of(case), CASES[case][1]())


def problem_of(cls: type[Any], case: str, **options: Any) -> Any:
    return cls(data_of(case), parent=network_of(case), **{**OPTIONS[cls], **options})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cls", "case"),
    [
        *((LayerVector, case) for case in CASES),
        *((EComp, case) for case in TABLES),
        *((DistilledFilters, case) for case in (*TABLES, "series", "tokens", "two")),
    ],
)
def test_every_problem_keeps_its_promises(cls: type[Any], case: str) -> None:
    problem = problem_of(cls, case)
    judge = JUDGES.get(case, "accuracy")
    assert problem.goals.names[0] == judge
    assert ("accuracy" in problem.quantities) == (judge == "accuracy")
    check_problem(problem)
    # Without any recovery, nothing pruned is the parent.
    images = problem.data_set.validation.subset(np.arange(40))
    assert problem.parent_values[judge] == pytest.approx(
        goodness_of(problem.parent, problem.data_set.validation), abs=0.35
    )
    assert goodness_of(problem.parent, images) == goodness_of(
        check_parent(network_of(case), data_of(case)), images
    )


def test_measurements_are_the_metric_of_the_outputs() -> None:
    problem = problem_of(LayerVector, "metric", recovery="none", search_images=118)
    X = problem.random(4, np.random.default_rng(0))
    found = problem.measured(X)
    split = problem.data_set.validation
    assert split.labels is not None
    for x, value in zip(X, found["mae"], strict=True):
        with torch.no_grad():
            outputs = problem.network(x)(split.images).flatten()
        assert value == pytest.approx(float((outputs - split.labels).abs().mean()), rel=1e-5)
    # Lower is better.
    assert np.array_equal(problem.score(found)["F"][:, 0], found["mae"])


def test_a_metric_takes_the_place_of_the_accuracy_and_refuses_it_by_name() -> None:
    text = "networks on diabetes are judged by r2, so {} cannot be measured; what can be: r2, div"
    for objectives in (["accuracy", "macs"], WeightedSum({"accuracy": 1, "macs": 1})):
        with pytest.raises(PruneError, match=text.format("accuracy")):
            problem_of(LayerVector, "regression", objectives=objectives)
    with pytest.raises(PruneError, match=text.format("accuracy_drop")):
        problem_of(EComp, "regression", constraints=["accuracy_drop<=0.1"])
    problem = problem_of(EComp, "regression", constraints=["r2>=90%"], objectives=["r2", "macs"])
    assert (
        problem.with_goals(["divergence", "width"])
        .quantities["divergence"]
        .label.endswith("(share of the variance)")
    )
    with pytest.raises(PruneError, match=r"unknown objective .mae.*r2"):
        problem.with_goals(["mae"])
    taken = Metric(other.mean_absolute, "lower", "macs")
    with pytest.raises(PruneError, match="metric 'macs' has a name that is taken"):
        LayerVector(other.diabetes(metric=taken), parent=network_of("regression"))


def test_a_metric_that_is_no_number_is_named_before_the_search() -> None:
    with pytest.raises(PruneError, match="metric 'broken' gives nan for"):
        LayerVector(other.diabetes(metric=other.BROKEN), parent=network_of("regression"))


@pytest.mark.parametrize("cls", [LayerVector, EComp, DistilledFilters])
def test_regression_needs_no_labels(cls: type[Any]) -> None:
    X = np.random.default_rng(0).normal(size=(240, 10))
    network = network_of("regression")
    with pytest.raises(PruneError, match=r"one output.*task='regression'"):
        cls(data_from_inputs(X), parent=network, **OPTIONS[cls])
    problem = cls(data_from_inputs(X, task="regression"), parent=network, **OPTIONS[cls])
    assert problem.goals.names[0] == "divergence"
    X = problem.random(4, np.random.default_rng(0))
    found = problem.measured(X)["divergence"]
    assert (found > 0).all()
    assert problem.parent_values["divergence"] == 0
    assert "of the variance" in problem.quantities["divergence"].label


def test_dense_connectivity_is_for_images_of_classes() -> None:
    for case in ("classes", "regression", "series"):
        with pytest.raises(PruneError, match=r"DenseNets need images, "):
            DenseConnectivity(data_of(case), parent=network_of(case))


def test_parents_that_do_not_fit() -> None:
    data = data_of("two")
    with pytest.raises(PruneError, match=r"takes 2 pos.*the data have 2 inputs"):
        check_parent(network_of("series"), data)
    with pytest.raises(PruneError, match=r"the data have one input.*data_from_inputs\(\(a, b\)"):
        check_parent(other.TwoInputs(), data_of("series"))
    with pytest.raises(PruneError, match=r"gives \(3,\) values an image.*has a real number each"):
        check_parent(fresh(table, 10, 3), data_of("regression"))
    with pytest.raises(PruneError, match=r"has labels of 0 or 1 of shape \(3,\)"):
        check_parent(fresh(table, 8, 4), data_of("labels"))

    class Mixed(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return inputs @ inputs.T

    with pytest.raises(PruneError, match=r"changes with the batch: for 2 .* \(2, 2\).* \(3, 3\)"):
        check_parent(Mixed(), data_from_inputs(np.ones((60, 4)) * np.arange(60)[:, None]))


def test_networks_of_the_zoo_are_for_images() -> None:
    for case in ("classes", "regression"):
        with pytest.raises(PruneError, match="network 'simple-cnn' is for images of classes"):
            train_parent(data_of(case), "simple-cnn", 1, recipe=Recipe())
    with pytest.raises(PruneError, match="crop=2 and flip=True needs images"):
        train_parent(data_of("classes"), fresh(table, 13, 3), 1, recipe=Recipe(crop=2, flip=True))
    before = goodness_of(fresh(table, 13, 3), data_of("classes").test)
    assert goodness_of(network_of("classes"), data_of("classes").test) > before + 0.2


def test_packed_networks_take_their_own_inputs_again() -> None:
    data, network = data_of("two"), network_of("two")
    assert data.packing is not None
    packed = check_parent(network, data)
    assert isinstance(packed, PackedInputs)
    assert check_parent(packed, data).packing == data.packing
    table_, parts = data.test.images, data.packing.unpacked(data.test.images)
    with torch.no_grad():
        assert torch.equal(packed(table_), network(*parts))
        assert own_inputs(packed) is packed.network
        again = OwnInputs.of(packed, data.packing)
        assert torch.equal(again(*parts), network(*parts))
    assert packed.spec is None


def test_ids_that_the_data_do_not_have_stay_what_they_are() -> None:
    ids = np.random.default_rng(0).integers(0, 7, (60, 12))
    data = data_from_inputs(ids, np.arange(60) % 2)
    packed = check_parent(fresh(other.Tokens), data)
    filters = PrunableFilters(packed, data.shape, images=data.train.images[:2])
    whole = filters.network(np.ones(filters.genes.n_var, dtype=bool))
    unseen = torch.arange(8, 20).expand(3, 12)
    with torch.no_grad():
        expected = own_inputs(packed)(unseen)
        for network in (packed, whole):
            assert torch.allclose(OwnInputs.of(network, packed.packing)(unseen), expected)


def test_latencies_of_networks_that_take_ids() -> None:
    data = data_from_inputs(*other.sentences(60), name="tokens")
    problem = DistilledFilters(
        data, parent=fresh(other.Tokens), objectives=["accuracy", "latency"], search_images=20
    )
    assert problem.parent is not None
    assert problem.parent_values["latency"] > 0
    (appraisal,) = appraise({"parent": problem.parent}, data, batch_sizes=[2], repeats=1)
    assert appraisal.latencies[0].least > 0


def test_packed_networks_are_built_from_their_specs() -> None:
    inner = {"network": "feed-forward", "arguments": {"inputs": 5, "widths": [4], "classes": 3}}
    packing = data_from_inputs((np.ones((60, 5)),), np.arange(60) % 3).packing
    assert packing is not None
    packed = PackedInputs.of(build_network(inner), packing)
    assert packed.spec is not None
    built = build_network(packed.spec)
    assert isinstance(built, PackedInputs)
    assert built.packing == packing
    own = OwnInputs.of(packed, packing)
    assert own.spec is not None
    assert isinstance(build_network(own.spec), OwnInputs)
    assert built(torch.ones(2, 5)).shape == (2, 3)
    with pytest.raises(PruneError, match="parts must be pairs"):
        build_network({"network": "packed-inputs", "arguments": {"network": inner, "parts": [3]}})


def test_races_are_for_accuracies() -> None:
    with pytest.raises(PruneError, match=r"racing takes means over slices.*r2"):
        problem_of(LayerVector, "regression", racing=True, objectives=["r2"])


def test_crops_are_left_out_where_inputs_are_no_images() -> None:
    problem = problem_of(LayerVector, "classes")
    recipe = replace(problem.retraining, crop=2, flip=True)
    learnt = problem.lessons.learnt(network_of("classes"), images=64, recipe=recipe)
    assert learnt(problem.data_set.test.images).shape[1] == 3


def test_data_of_another_device_keep_task_and_packing() -> None:
    data = data_of("two").to("cpu")
    assert data.packing == data_of("two").packing
    with pytest.raises(DataError, match="only images have"):
        _ = data.size
