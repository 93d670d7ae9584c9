"""The divergence from the parent, for every problem: measured where a goal asks for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pymoo_prune import Data, PruneError
from pymoo_prune.measuring import Expected
from pymoo_prune.objectives import WeightedSum
from pymoo_prune.suite.parents import parent
from pymoo_prune_problems import DenseConnectivity, DistilledFilters, EComp, LayerVector

SMALL: dict[Any, dict[str, Any]] = {
    LayerVector: {"search_images": 60, "recovery_images": 32, "levels": 4},
    DistilledFilters: {"search_images": 60, "recovery": "refit+batch-norm"},
    EComp: {"search_images": 60},
    DenseConnectivity: {
        "depth": 10, "growth": 4, "parent_epochs": 0.3, "search_images": 60, "recovery_images": 32,
    },
}  # fmt: skip
PARENTS = {
    LayerVector: "resnet-8-digits",
    DistilledFilters: "simple-cnn-digits",
    EComp: "mlp-digits",
}


def made(cls: Any, data: Data, **options: Any) -> Any:
    if cls in PARENTS:
        options["parent"] = parent(PARENTS[cls])[0]
    return cls(data, **SMALL[cls], **options)


@pytest.mark.parametrize("cls", SMALL)
def test_it_is_measured_where_a_goal_asks_for_it(cls: Any, digits: Data) -> None:
    plain = made(cls, digits)
    assert "divergence" not in plain.quantities
    problem = made(cls, digits, objectives=["divergence", "parameters"])
    assert problem.parent_values["divergence"] == 0
    assert problem.fingerprint != plain.fingerprint
    X = problem.random(3, np.random.default_rng(0))
    found = problem.measured(X)
    images = problem.batches[0] if cls is EComp else getattr(problem, "search_images")  # noqa: B009
    split = getattr(images, "split", images)
    expected = Expected.of(problem.parent, split)
    own = [
        expected.measured_on(problem.network(x), split.images, ("accuracy", "divergence"))
        for x in X
    ]
    for name in ("accuracy", "divergence"):
        assert found[name] == pytest.approx([one[name] for one in own], rel=1e-3, abs=1e-6)
    assert (found["divergence"] > 0).all()
    for name, values in plain.measured(X).items():
        assert np.array_equal(values, found[name])
    asked = plain.with_goals(("parameters",), constraints=["divergence<=0.5"])
    assert np.array_equal(asked.measured(X)["divergence"], found["divergence"])
    assert np.array_equal(asked.score(found)["G"][:, 0], found["divergence"] - 0.5)


def test_a_race_and_fewer_bits_measure_it_too(digits: Data) -> None:
    problem = made(
        LayerVector, digits, objectives=WeightedSum({"divergence": 1.0}), racing=True,
        precision="bfloat16",
    )  # fmt: skip
    X = problem.levels.pruned[:2]  # those that still work
    exact, fast = problem.measured(X)["divergence"], problem.measured(X, 1)["divergence"]
    assert fast == pytest.approx(exact, rel=0.2, abs=0.02)


def test_a_parent_without_an_opinion_is_refused(digits: Data) -> None:
    dead = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
    with torch.no_grad():
        dead[3].weight.zero_()
    with pytest.raises(PruneError, match="the same outputs for all"):
        LayerVector(digits, parent=dead, objectives=["divergence", "sparsity"])
