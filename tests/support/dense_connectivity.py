"""Helpers of the dense-connectivity tests: small problems, candidates, compared networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch import nn

from pymoo_prune import Data
from pymoo_prune.chromosomes import Array
from pymoo_prune.training import lessons, trained
from pymoo_prune_problems import DenseConnectivity
from pymoo_prune_problems.dense_connectivity import training as module

SIZE: dict[str, Any] = {"depth": 16, "growth": 4}  # 2 layers a block, 9 free connections
RECOVERIES = ("none", "refit", "batch-norm", "refit+batch-norm", "refit+batch-norm+steps:1")
SCRATCH: dict[str, Any] = {"weights": "scratch", "epochs": 0.07}  # two gradient steps


def small(data: Data, parent: nn.Module | None, **options: Any) -> DenseConnectivity:
    return DenseConnectivity(
        data, parent=parent, **{**SIZE, "search_images": 100, "recovery_images": 64, **options}
    )


def candidates(problem: DenseConnectivity, n: int = 4) -> Array:
    """The chain alone, all connections, and some in between."""
    X = problem.codec.random(n, np.random.default_rng(0), 0.5)
    X[0], X[1] = False, True
    return X


class Spy:
    """Trains networks, and notes the arguments of each training."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[dict[str, Any]] = []
        for place in (module, lessons):  # parents, and candidates
            monkeypatch.setattr(place, "trained", self)

    def __call__(self, network: Any, split: Any, **settings: Any) -> Any:
        self.calls.append({"network": network, "split": split, **settings})
        return trained(network, split, **settings)
