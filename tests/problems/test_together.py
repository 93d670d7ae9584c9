"""Candidates measured as one program, as on a GPU, measure the same as one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pymoo_prune import Budget, Data, PruneError, PruningProblem
from pymoo_prune.engines import make_algorithm
from pymoo_prune.executors import InProcess, Processes
from pymoo_prune.measuring import Stacks
from pymoo_prune.objectives import gathered
from pymoo_prune.problem import CHUNK
from pymoo_prune.search import search
from pymoo_prune.testing import check_problem
from pymoo_prune_problems import DenseConnectivity, EComp, LayerVector
from pymoo_prune_problems.ecomp import train_feed_forward
from tests.support.layer_vector import train_resnet

pytestmark = pytest.mark.slow

Make = Callable[..., PruningProblem]


@pytest.fixture(scope="module")
def parents(digits: Data) -> dict[type[PruningProblem], nn.Module]:
    return {
        EComp: train_feed_forward(digits, (16, 16), 20_000),
        LayerVector: train_resnet(digits),
    }


@pytest.fixture(scope="module")
def make(digits: Data, parents: dict[type[PruningProblem], nn.Module]) -> Make:
    def made(cls: Any, **options: Any) -> PruningProblem:
        problem: PruningProblem = cls(digits, parent=parents[cls], **options)
        return problem

    return made


LAYERS: dict[str, Any] = {"search_images": 200, "recovery_images": 64}
CONFIGURATIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "masks": (EComp, {}),
    "masks, no refit": (EComp, {"recovery": "none"}),
    "masks, steps": (EComp, {"recovery": "refit+steps:2"}),
    "masks, batches": (EComp, {"batch_size": 50, "search_images": 200}),
    "weights": (EComp, {"encoding": "weights"}),
    "weights, steps": (EComp, {"encoding": "weights", "recovery": "steps:2"}),
    "layers": (LayerVector, LAYERS),
    "layers, no recovery": (LayerVector, {**LAYERS, "recovery": "none"}),
    "layers, thresholds": (LayerVector, {**LAYERS, "encoding": "thresholds"}),
    "layers, half the bits": (LayerVector, {**LAYERS, "precision": "bfloat16"}),
    "layers, steps": (LayerVector, {**LAYERS, "recovery": "batch-norm+steps:1"}),
}
every = pytest.mark.parametrize(
    ("cls", "options"), CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys()
)


@every
def test_together_is_one_by_one(make: Make, cls: Any, options: dict[str, Any]) -> None:
    alone, together = make(cls, **options), make(cls, **options, together=4)
    sampling = alone.operators()["sampling"]
    X = sampling(alone, 12, random_state=np.random.default_rng(0)).get("X")
    for found, expected in (
        (together.measured(X), alone.measured(X)),
        (together.measured(X), alone.measured(X)),
    ):
        # Where outputs are nearly equal, rounding decides the class.
        clear = expected["accuracy"] > 0.25
        assert clear.sum() >= 2
        for name in alone.quantities:
            difference = np.abs(found[name] - expected[name])[clear]
            if name.startswith("accuracy"):
                assert difference.max() <= 0.02, name
                assert difference.mean() <= 0.005, name
            else:
                assert (difference <= 1e-3 * np.abs(expected[name][clear])).all(), name


@every
def test_neighbours_in_a_program_change_nothing(
    make: Make, cls: Any, options: dict[str, Any]
) -> None:
    problem = make(cls, **options, together=4)
    X = problem.random(6, np.random.default_rng(1))
    whole = problem.measured(X)
    for rows in ([5], [3, 1], [2, 0, 5, 4, 1]):
        some = problem.measured(X[rows])
        for name, column in whole.items():
            assert np.array_equal(some[name], column[rows]), name


@pytest.mark.parametrize("name", ["masks", "weights", "layers"])
def test_the_contract(make: Make, name: str) -> None:
    cls, options = CONFIGURATIONS[name]
    check_problem(make(cls, **options, together=3))


def test_a_search_is_the_same_with_workers(make: Make) -> None:
    problem = make(EComp, together=8)

    def found(executor: Any) -> Any:
        algorithm = make_algorithm("nsga2", problem, 12)
        return search(problem, algorithm, Budget(generations=3), seed=1, executor=executor)

    here = found(InProcess())
    with Processes(2) as crew:
        there = found(crew)
    assert np.array_equal(here.X, there.X)
    for name, column in here.measurements.items():
        assert np.array_equal(column, there.measurements[name])


def test_so_many_are_handed_over_at_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    assert make(EComp).portions.chunk == make(EComp, together=3).portions.chunk == CHUNK
    problem = make(EComp, together=40)
    sizes: list[int] = []
    run = Stacks.run

    def counted(self: Stacks, n: int, *args: Any, **kwargs: Any) -> Any:
        sizes.append(n)
        return run(self, n, *args, **kwargs)

    monkeypatch.setattr(Stacks, "run", counted)
    X = problem.random(90, np.random.default_rng(0))
    gathered(InProcess().measure(problem, X, 0), problem.quantities, len(X))
    assert sizes == [40, 40, 10]


def test_similarities_of_a_chunk_are_compared_at_once_on_a_processor_too(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = make(EComp)
    sizes: list[int] = []
    passed = EComp._one_by_one

    def counted(self: EComp, X: Any, view: Any) -> Any:
        sizes.append(len(X))
        return passed(self, X, view)

    monkeypatch.setattr(EComp, "_one_by_one", counted)
    problem.measured(problem.random(CHUNK + 3, np.random.default_rng(0)))
    assert sizes == [CHUNK, 3]


def test_memory_that_is_too_little_changes_nothing_but_rounding(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, expected = make(EComp, together=8), make(EComp, together=8)
    X = problem.random(8, np.random.default_rng(0))
    passed = EComp._together

    def limited(self: EComp, X: Any, view: Any) -> Any:
        if len(X) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return passed(self, X, view)

    whole = expected.measured(X)
    monkeypatch.setattr(EComp, "_together", limited)
    with pytest.warns(UserWarning, match="too little for 8 candidates at once; trying 4"):
        found = problem.measured(X)
    np.testing.assert_allclose(found["accuracy"], whole["accuracy"], atol=2 / 100)
    np.testing.assert_allclose(found["similarity_loss"], whole["similarity_loss"], rtol=1e-3)


def test_the_number_belongs_to_the_configuration(make: Make, digits: Data) -> None:
    for cls in (EComp, LayerVector):
        options = LAYERS if cls is LayerVector else {}
        alone, several = make(cls, **options), make(cls, **options, together=2)
        assert alone.fingerprint == make(cls, **options, together=1).fingerprint
        assert alone.fingerprint != several.fingerprint
    dense: dict[str, Any] = {"depth": 10, "growth": 2, "weights": "scratch"}
    one = DenseConnectivity(digits, **dense)
    assert one.fingerprint != DenseConnectivity(digits, **dense, together=2).fingerprint
    assert DenseConnectivity(digits, **dense, together=40).portions.chunk == 40
    for wrong in (lambda: make(EComp, together=0), lambda: make(LayerVector, together=-1)):
        with pytest.raises(PruneError, match="together must be at least 1"):
            wrong()
