"""Each promise of the contract is broken once; the check must name it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pymoo_prune import Data, Measurements, WeightedSum
from pymoo_prune.chromosomes import Array
from pymoo_prune.objectives import Measured
from pymoo_prune.operators import BalancedMaskMutation, Candidates, UniformMaskCrossover
from pymoo_prune.problem import Preview
from pymoo_prune.testing import check_problem
from tests.support.tiny_problem import FailingPixels, Pixels, PixelsInBatches


@pytest.mark.parametrize("cls", [Pixels, PixelsInBatches, FailingPixels])
def test_a_sound_problem_passes(digits: Data, cls: type[Pixels]) -> None:
    check_problem(cls(digits))
    check_problem(cls(digits, objectives=WeightedSum({"accuracy": 1, "pixels": 1})), seed=5)


def broken_operator(name: str, operator: Callable[[Pixels], Any]) -> type[Pixels]:
    class Broken(Pixels):
        def operators(self) -> dict[str, Any]:
            return {**super().operators(), name: operator(self)}

    return Broken


def broken_measure(change: Callable[[Pixels, Array, dict[str, Any]], Any]) -> type[Pixels]:
    class Broken(Pixels):
        def measure(self, X: Array) -> Measurements:
            values = dict(super().measure(X))
            change(self, X, values)
            return values

    return Broken


def broken_network(change: Callable[[nn.Module], nn.Module]) -> type[Pixels]:
    class Broken(Pixels):
        def network(self, x: Array) -> nn.Module:
            return change(super().network(x))

    return Broken


class NoMutation(Pixels):
    def operators(self) -> dict[str, Any]:
        operators = super().operators()
        del operators["mutation"]
        return operators


class OwnRandomness(BalancedMaskMutation):
    def _do(self, problem: Any, X: Array, *args: Any, **kwargs: Any) -> Array:
        return X ^ (np.random.default_rng().random(X.shape) < 0.3)


class NumpyGlobal(BalancedMaskMutation):
    def _do(self, problem: Any, X: Array, *args: Any, **kwargs: Any) -> Array:
        np.random.random(3)  # noqa: NPY002 - too few to use up its numbers
        return super()._do(problem, X, *args, **kwargs)


class TorchGlobal(BalancedMaskMutation):
    def _do(self, problem: Any, X: Array, *args: Any, **kwargs: Any) -> Array:
        torch.rand(1)
        return super()._do(problem, X, *args, **kwargs)


class Longer(BalancedMaskMutation):
    def _do(self, problem: Any, X: Array, *args: Any, **kwargs: Any) -> Array:
        return np.hstack([X, X])


class Meddling(UniformMaskCrossover):
    def do(self, problem: Any, pop: Any, *args: Any, **kwargs: Any) -> Any:
        children = super().do(problem, pop, *args, **kwargs)
        for individual in pop:
            individual.X[:] = False
        return children


def unseeded(problem: Pixels) -> Candidates:
    return Candidates(lambda n, generator: problem.random(n, np.random.default_rng()))


def compared(problem: Pixels, X: Array, values: dict[str, Any]) -> None:
    values["accuracy"] = values["accuracy"] / values["accuracy"].max()


def ordered(problem: Pixels, X: Array, values: dict[str, Any]) -> None:
    values["macs"] = values["macs"] + np.arange(len(X))


def noisy(problem: Pixels, X: Array, values: dict[str, Any]) -> None:
    values["accuracy"] = values["accuracy"] * torch.rand(len(X)).numpy()


def writing(problem: Pixels, X: Array, values: dict[str, Any]) -> None:
    X[:] = False


def without_parameters(problem: Pixels, X: Array, values: dict[str, Any]) -> None:
    del values["parameters"]


def nan(problem: Pixels, X: Array, values: dict[str, Any]) -> None:
    values["macs"] = values["macs"] * np.nan


def percent(problem: Pixels, X: Array, values: dict[str, Any]) -> None:
    values["accuracy"] = 100 * values["accuracy"]


def miscounted(problem: Pixels, X: Array, values: dict[str, Any]) -> None:
    values["parameters"] = values["parameters"] + 1


class Miscounting(Pixels):
    def _sizes(self, X: Array) -> dict[str, Any]:
        sizes = super()._sizes(X)
        return {**sizes, "parameters": sizes["parameters"] + 1}


def reinitialised(network: nn.Module) -> nn.Module:
    network[1].weight.data.add_(torch.rand(10, 64) * (network[1].weight != 0))
    return network


class OneNetwork(Pixels):
    kept: nn.Module | None = None

    def network(self, x: Array) -> nn.Module:
        self.kept = self.kept or super().network(x)
        return self.kept


class NotJson(Pixels):
    def configuration(self) -> dict[str, Any]:
        return {**super().configuration(), "pixels": np.int64(64)}


class HalfAParent(Pixels):
    def parent_measurements(self) -> dict[str, float]:
        return {"accuracy": 0.9}


class NoNetwork(FailingPixels):
    """Failed candidates have no network."""

    def network(self, x: Array) -> nn.Module:
        self._accuracy(x, slice(1))
        return super().network(x)


def test_failed_candidates_need_no_network(digits: Data) -> None:
    check_problem(NoNetwork(digits))


class Mistaken(Pixels):
    def __init__(self, data: Data, **options: Any) -> None:
        super().__init__(data, **options)
        self.preview = Preview(sizes=self.sizes)

    def sizes(self, X: Array) -> Measurements:
        return {"parameters": self.measure(X)["parameters"] + 1}


class Unsaid(FailingPixels):
    can_fail = False


class FailingTogether(FailingPixels):
    """Failures depend on the neighbours."""

    def measure(self, X: Array) -> Measurements:
        values = dict(Pixels.measure(self, X))
        values["accuracy"][:1] = np.nan
        return Measured(values, {0: "the first one always fails"})

    def fails(self, x: Array) -> bool:
        return False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (NoMutation, r"operators\(\) lacks \['mutation'\]"),
        (broken_operator("mutation", lambda p: OwnRandomness([64])), "use `random_state`"),
        (broken_operator("mutation", lambda p: NumpyGlobal([64])), "numpy's global generator"),
        (broken_operator("mutation", lambda p: TorchGlobal([64])), "torch's global generator"),
        (broken_operator("mutation", lambda p: Longer([64])), "128 genes, not n_var = 64"),
        (
            broken_operator("crossover", lambda p: Meddling([64])),
            "an operator changed its parents'",
        ),
        (broken_operator("sampling", unseeded), "two searches with the same seed"),
        (broken_measure(compared), "accuracy depends on the other candidates"),
        (broken_measure(ordered), "macs depends on the order"),
        (broken_measure(noisy), "accuracy depends on the order"),
        (broken_measure(writing), "measure changed the chromosomes"),
        (broken_measure(without_parameters), r"\['parameters'\] are missing"),
        (broken_measure(nan), "'macs' of candidate 0 is nan"),
        (broken_measure(percent), "a share between 0 and 1"),
        (broken_measure(miscounted), "preview.sizes gives another parameters than measure"),
        (Miscounting, "but the network has 650"),
        (broken_network(reinitialised), "is not repeatable"),
        (
            broken_network(lambda n: nn.Sequential(n, nn.Softmax(1), nn.Unflatten(1, (2, 5)))),
            "gives",
        ),
        (Mistaken, r"preview.sizes gives another parameters than measure\(\)"),
        (OneNetwork, "a network of its own each time"),
        (Unsaid, "set its can_fail = True"),
        (FailingTogether, "accuracy depends on the order"),
        (NotJson, "JSON"),
        (HalfAParent, "are missing"),
    ],
)
def test_a_broken_promise_is_noticed(digits: Data, broken: type[Pixels], message: str) -> None:
    np.random.random(7)  # noqa: NPY002 - leaves the generator amid its numbers
    with pytest.raises((AssertionError, ValueError, TypeError), match=message):
        check_problem(broken(digits))
