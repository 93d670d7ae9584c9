"""Problems are copied and pickled as pymoo's own are."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.optimize import minimize

from pymoo_prune import Data, PruningProblem
from pymoo_prune.inference import supports_int8
from pymoo_prune_problems import (
    DenseConnectivity,
    DistilledFilters,
    EComp,
    LayerAlphabet,
    LayerVector,
)

ECOMP: dict[str, Any] = {"parent_widths": (8, 8), "parent_images": 500}
LAYERS: dict[str, Any] = {"network": "resnet-8", "parent_epochs": 0.1}
PROBLEMS: dict[str, Callable[[Data], PruningProblem]] = {
    "ecomp": lambda data: EComp(data, **ECOMP),
    "ecomp, weights": lambda data: EComp(data, **ECOMP, encoding="weights"),
    "ecomp, batches": lambda data: EComp(data, **ECOMP, batch_size=50),
    "ecomp, latency": lambda data: EComp(data, **ECOMP, objectives=["accuracy", "latency"]),
    "layer vector": lambda data: LayerVector(data, **LAYERS),
    "layer vector, thresholds": lambda data: LayerVector(data, **LAYERS, encoding="thresholds"),
    "layer vector, int8": lambda data: LayerVector(
        data, **LAYERS, precision="int8" if supports_int8() else "bfloat16", racing=True
    ),
    "layer alphabet": lambda data: LayerAlphabet(data, **LAYERS, letters="1,0.2@32,4"),
    "rounded inputs": lambda data: LayerAlphabet(data, **LAYERS, letters="1,0.2@32,4/32,8"),
    "dense connectivity": lambda data: DenseConnectivity(
        data, depth=10, growth=4, parent_epochs=0.1
    ),
    "distilled filters": lambda data: DistilledFilters(data, parent_epochs=0.1, recovery="refit"),
}


def pickled(thing: Any) -> Any:
    """As another process gets it."""
    return pickle.loads(pickle.dumps(thing))  # noqa: S301 - our own


@pytest.mark.parametrize("name", PROBLEMS)
def test_copies_measure_the_same(digits: Data, name: str) -> None:
    problem = PROBLEMS[name](digits)
    X = problem.operators()["sampling"](problem, 3, random_state=np.random.default_rng(0)).get("X")
    found = problem.measured(X)
    for copied in (copy.deepcopy(problem), pickled(problem)):
        assert copied is not problem
        assert copied.fingerprint == problem.fingerprint
        again = copied.measured(X)
        for quantity in problem.quantities.keys() - {"latency"}:
            assert np.array_equal(found[quantity], again[quantity]), quantity
        other = copied.with_goals(["accuracy"])
        assert (copied.n_obj, other.n_obj) == (problem.n_obj, 1)


@pytest.mark.parametrize("name", PROBLEMS)
def test_results_with_a_history_are_pickled(digits: Data, name: str) -> None:
    problem = PROBLEMS[name](digits)
    engine = NSGA2(pop_size=4, **problem.operators())
    if problem.changes_batches:
        return  # pymoo's NSGA-II does not suit it
    result = minimize(problem, engine, ("n_gen", 2), seed=1, save_history=True)
    again = pickled(result)
    assert [len(step.pop) for step in again.history] == [len(one.pop) for one in result.history]
    assert len(again.history) == 2
    assert np.array_equal(again.F, result.F)
    assert again.history[0].problem.data_set is again.problem.data_set
