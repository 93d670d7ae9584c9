"""Checks of the contract that every problem keeps, for our tests and for plugin authors'.

from pymoo_prune.testing import check_problem

def test_contract():
    check_problem(MyProblem(data))
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from pymoo.algorithms.base.genetic import GeneticAlgorithm
from pymoo.core.population import Population

from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.engines import make_algorithm
from pymoo_prune.executors import pack, unpack
from pymoo_prune.measuring import LATENCY, count_parameters
from pymoo_prune.objectives import (
    Measured,
    Measurements,
    Quantity,
    check_measurements,
    failed_rows,
)
from pymoo_prune.problem import PruningProblem
from pymoo_prune.search import Budget, search

SIZE = 8
"""Candidates that the checks look at."""


def check_problem(problem: PruningProblem, *, seed: int = 0) -> None:
    """Runs all checks; an AssertionError names the promise that is broken.

    Args:
        problem: Any problem; its measurements are taken a few dozen times.
        seed: The candidates' seed.
    """
    X = sample(problem, seed)
    check_operators(problem, X, seed)
    check_measuring(problem, X)
    check_networks(problem, X)
    check_configuration(problem)
    check_search(problem, seed)
    check_packing(problem, X)


def sample(problem: PruningProblem, seed: int = 0) -> Array:
    """A few candidates from the problem's own sampling, (SIZE, n_var)."""
    sampling = problem.operators()["sampling"]
    return sampling(problem, SIZE, random_state=np.random.default_rng(seed)).get("X")  # type: ignore[no-any-return]


def check_operators(problem: PruningProblem, X: Array, seed: int = 0) -> None:
    """Operators are complete, repeatable, change no argument, and draw from pymoo alone."""
    operators = problem.operators()
    missing = {"sampling", "crossover", "mutation"} - operators.keys()
    assert not missing, f"operators() lacks {sorted(missing)}"
    state, torch_state = _numpy_state(), torch.get_rng_state()
    contents = [_contents(row) for row in X]
    children = [_offspring(problem, operators, X, seed) for _ in range(2)]
    assert digests(children[0]) == digests(children[1]), (
        "operators give different children for the same generator; use `random_state`"
    )
    assert children[0].shape[1] == problem.n_var, (
        f"children have {children[0].shape[1]} genes, not n_var = {problem.n_var}"
    )
    assert [_contents(row) for row in X] == contents, "an operator changed its parents' weights"
    assert _numpy_state() == state, "an operator drew from numpy's global generator"
    assert torch.equal(torch.get_rng_state(), torch_state), (
        "an operator drew from torch's global generator"
    )
    check_measurements(problem.measured(children[0]), problem.quantities, len(children[0]))


def _numpy_state() -> str:
    """The state of the global generator: its numbers, and how many of them are used up."""
    state = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    return f"{state['key'].tobytes().hex()} {state['pos']}"


def _offspring(problem: PruningProblem, operators: dict[str, Any], X: Array, seed: int) -> Array:
    generator = np.random.default_rng(seed)
    pop = Population.new("X", X)
    crossover = operators["crossover"]
    n_parents = crossover.n_parents
    parents = np.arange(len(X) // n_parents * n_parents).reshape(-1, n_parents)
    children = crossover.do(problem, pop, parents, random_state=generator)
    children = operators["mutation"].do(problem, children, random_state=generator)
    repair = operators.get("repair")
    if repair is not None:
        children = repair.do(problem, children, random_state=generator)
    # pymoo has copied X into the individuals; an operator can reach these copies only.
    assert digests(pop.get("X")) == digests(X), "an operator changed its parents' chromosomes"
    return children.get("X")  # type: ignore[no-any-return]


def _contents(row: Array) -> bytes:
    """Everything in a chromosome, as bytes, whatever its digest says."""
    if row.dtype != object:
        return row.tobytes()
    return b"".join(array.tobytes() for g in row for array in (*g.weights, *g.biases))


def check_measuring(problem: PruningProblem, X: Array) -> None:
    """A candidate's measurements depend on it alone: not on neighbours, order or repetition."""
    together = _check_independence(problem, problem.measure, X)
    if (cheaper := problem.approximation) is not None:
        _check_independence(problem, lambda some: cheaper.measure(some, cheaper.batch(1)), X)
    for name, values in problem.preview.sizes(X).items():
        assert np.array_equal(values, together[name]), (
            f"preview.sizes gives another {name} than measure()"
        )
    if "accuracy" in together:  # images may have no labels
        accuracy = together["accuracy"][~failed_rows(together)]
        assert ((accuracy >= 0) & (accuracy <= 1)).all(), "accuracy must be a share between 0 and 1"


def _promised(problem: PruningProblem) -> Mapping[str, Quantity]:
    """What `measure` returns; a latency that is asked for is measured elsewhere."""
    timed = problem.measures_latency
    return {n: q for n, q in problem.quantities.items() if not (timed and n == LATENCY)}


def _check_independence(
    problem: PruningProblem, measure: Callable[[Array], Measurements], X: Array
) -> Measured:
    contents = [_contents(row) for row in X]
    promised = _promised(problem)

    def checked(some: Array) -> Measured:
        return check_measurements(problem.completed(measure(some)), promised, len(some))

    together = checked(X)
    assert [_contents(row) for row in X] == contents, "measure changed the chromosomes"
    backwards, alone = checked(X[::-1].copy()), checked(X[:1])
    for name, values in together.items():
        assert np.array_equal(values, backwards[name][::-1], equal_nan=True), (
            f"{name} depends on the order of the candidates"
        )
        assert np.array_equal(values[:1], alone[name], equal_nan=True), (
            f"{name} depends on the other candidates"
        )
    return together


def check_networks(problem: PruningProblem, X: Array) -> None:
    """Networks stand alone, have the parameters that were measured, and classify.

    The architectures that are timed have the same shapes.
    """
    data = problem.data_set
    values = check_measurements(problem.completed(problem.measure(X)), _promised(problem), len(X))
    measured = ~failed_rows(values)
    for x, parameters in zip(X[measured], values["parameters"][measured], strict=True):
        network, again = problem.network(x), problem.network(x)
        assert network is not again, "network(x) must build a network of its own each time"
        with torch.no_grad():
            images = data.validation.images[:4]
            outputs = network.eval()(images)
            assert torch.equal(outputs, again.eval()(images)), "network(x) is not repeatable"
        assert len(outputs) == len(images) and data.fits(outputs), (  # noqa: PT018 - one promise
            f"network(x) gives {tuple(outputs.shape)}, not (images, classes)"
        )
        remaining = _remaining(network)
        assert parameters in (count_parameters(network), remaining), (
            f"measured {parameters:.0f} parameters, but the network has "
            f"{count_parameters(network)} ({remaining} not zero)"
        )
        if problem.timing is not None and problem.timing.architecture is not None:
            check_architecture(problem.timing.architecture, x, network)


def check_architecture(
    architecture_of: Callable[[Array], torch.nn.Module], x: Array, network: torch.nn.Module
) -> None:
    """The architecture has the shapes of the network, and building it draws no random numbers."""
    state = torch.get_rng_state()
    architecture = architecture_of(x)
    assert torch.equal(torch.get_rng_state(), state), (
        "timing.architecture(x) drew from torch's global generator"
    )
    shapes = [
        {name: tuple(parameter.shape) for name, parameter in one.named_parameters()}
        for one in (architecture, network)
    ]
    assert shapes[0] == shapes[1], "timing.architecture(x) has other parameters than network(x)"


def _remaining(network: torch.nn.Module) -> int:
    return sum(int(torch.count_nonzero(parameter)) for parameter in network.parameters())


def check_configuration(problem: PruningProblem) -> None:
    """The configuration is plain JSON, and the parent's own measurements are complete."""
    json.dumps(problem.configuration())
    values = {name: [value] for name, value in problem.parent_values.items()}
    check_measurements(values, problem.quantities, 1)


def check_search(problem: PruningProblem, seed: int = 0) -> None:
    """One of pymoo's engines runs for three generations, twice with the same result."""
    name = "ga" if problem.n_obj == 1 else "nsga2"
    runs = []
    for _ in range(2):
        algorithm = make_algorithm(name, problem, SIZE)
        assert isinstance(algorithm, GeneticAlgorithm)
        found = search(problem, algorithm, Budget(generations=3), seed=seed)
        runs.append((digests(found.X), {n: v.tolist() for n, v in found.measurements.items()}))
    assert runs[0] == runs[1], "two searches with the same seed found different candidates"


def check_packing(problem: PruningProblem, X: Array) -> None:
    """Workers get the same problem; a class that they cannot import is not checked."""
    cls = type(problem)
    if getattr(sys.modules.get(cls.__module__), cls.__qualname__, None) is not cls:
        return
    try:
        sent: PruningProblem = unpack(pack(problem).copied())
    except Exception as error:
        msg = f"the problem cannot be sent to workers: {error}"
        raise AssertionError(msg) from error
    assert sent.fingerprint == problem.fingerprint, "workers get a problem with another fingerprint"
    here, there = problem.measured(X), sent.measured(X)
    for name, values in here.items():
        assert np.array_equal(values, there[name], equal_nan=True), (
            f"workers measure another {name}"
        )
