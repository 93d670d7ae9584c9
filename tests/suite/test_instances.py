from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.optimize import minimize

from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import FAILED
from pymoo_prune.suite import Instance, measuring, problem, suite
from pymoo_prune.suite.definition import Cost
from pymoo_prune.suite.definitions import DEFINITIONS, GROUPS
from pymoo_prune.suite.genes import Bits, Reals, Whole
from tests.support.imports import imported
from tests.support.suite import NEURONS, NOISY, WIDTHS, bounded, tabular

EVERY = list(DEFINITIONS)
TABULAR = list(GROUPS["tabular"])
CHEAP = [*TABULAR, "deep-digits-levels-bounded"]
"""Instances that are measured within a second."""


def opened(name: str) -> Instance:
    return tabular(name) if name in TABULAR else problem(name)


def scored(instance: Instance, X: Any, **given: Any) -> dict[str, Any]:
    found: dict[str, Any] = instance.evaluate(
        X, return_values_of=["F", "G"], return_as_dictionary=True, **given
    )
    return found


# Names, groups, versions.


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(PruneError, match=r"Did you mean 'three-layers-digits-widths'\?$"):
        problem("three-layer-digits-width")
    with pytest.raises(PruneError, match=r"group .*'tabul'.* Did you mean 'tabular'\?$"):
        suite("tabul")


@pytest.mark.parametrize("version", [0, 2, 17])
def test_a_version_that_the_package_lacks_is_refused(version: int) -> None:
    with pytest.raises(PruneError, match=rf"has version 1 of {WIDTHS}, not {version}; "):
        problem(WIDTHS, version)
    assert problem(WIDTHS, 1).version == 1


def test_groups_are_parts_of_the_suite() -> None:
    names = [definition.name for definition in suite()]
    assert names == EVERY
    assert [*GROUPS["tabular"], *GROUPS["live"]] == names
    assert all(definition.table for definition in suite("tabular"))
    assert not any(definition.table for definition in suite("live"))
    quick = {definition.name for definition in suite("quick")}
    assert quick <= set(GROUPS["tabular"])


# What pymoo sees.


@pytest.mark.parametrize("name", EVERY)
def test_an_instance_is_a_problem_of_pymoo(name: str) -> None:
    instance = problem(name)
    definition = DEFINITIONS[name]
    assert instance.name() == name
    assert instance.n_var == definition.genes.n_var == len(instance.xl) == len(instance.xu)
    assert instance.n_obj == len(definition.costs) == len(set(instance.objectives))
    assert instance.n_ieq_constr == len(definition.constraints)
    assert instance.n_eq_constr == 0
    assert (instance.xl <= instance.xu).all()
    assert instance.vtype is {Bits: bool, Whole: int, Reals: float}[type(definition.genes)]


@pytest.mark.parametrize("name", CHEAP)
def test_all_ways_to_measure_agree(name: str) -> None:
    instance = opened(name)
    X = instance.random(6, np.random.default_rng(3))
    found, known = scored(instance, X), instance.measurements(X)
    costs = instance.costs(known)
    assert found["F"].shape == (6, instance.n_obj)
    assert np.array_equal(found["F"], costs)
    parent = instance.measurer.parent
    for place, cost in enumerate(instance.definition.costs):
        values = known[cost.quantity]
        expected = {
            "error": lambda v: 1 - v,
            "plain": lambda v: v,
            "share": lambda v, q=cost.quantity: v / parent[q],
            "log": lambda v, q=cost.quantity: np.log10(v / parent[q]),
        }[cost.scale](values)
        assert np.array_equal(costs[:, place], expected)
    for row, x in enumerate(X):
        named = instance(x)
        assert list(named) == [*instance.objectives, *instance.constraints]
        G = found["G"][row].tolist() if instance.constraints else []
        assert list(named.values()) == [*found["F"][row].tolist(), *G]
        one = instance.measurements(x)
        assert {q: v.tolist() for q, v in one.items()} == {q: [v[row]] for q, v in known.items()}


def test_several_candidates_are_not_taken_for_one() -> None:
    instance = tabular(NEURONS)
    assert instance.n_var == 18
    for X in (np.zeros((2, 9)), np.zeros((18, 1))):
        with pytest.raises(PruneError, match="has 18 genes"):
            instance(X)
        with pytest.raises(PruneError, match="has 18 genes"):
            instance.network(X)
    with pytest.raises(PruneError, match=r"one candidate of .* but there are 2"):
        instance(np.zeros((2, 18)))


def test_wrong_candidates_are_refused_wherever_they_come_in() -> None:
    instance = tabular(WIDTHS)
    x = [0, 2.5, 0]
    for ask in (instance, instance.measurements, instance.network):
        with pytest.raises(PruneError, match=r"gene 1 of candidate 0 is 2\.5"):
            ask(x)
    with pytest.raises(PruneError, match=r"gene 1 of candidate 0 is 2\.5"):
        instance.evaluate(np.array([x]))
    for shapeless in ([[1, 2], [3]], "abc", None, {}, 3, [[[1, 2, 3]]]):
        for ask in (instance, instance.measurements, instance.network, instance.evaluate):
            with pytest.raises(PruneError, match=f"{WIDTHS} (has 3 genes|must have 3 genes)"):
                ask(shapeless)
    with pytest.raises(PruneError, match="gene 0 of candidate 0 is 'a', but "):
        instance.evaluate([["a", "b", "c"]])
    assert instance.evaluate(np.empty((0, 3))).shape == (0, 2)
    assert instance.evaluate([[1, 2, 3]]).shape == (1, 2)
    assert instance.evaluate([1, 2, 3]).shape == (2,)


def test_pymoo_shows_progress_and_keeps_the_history() -> None:
    instance = tabular(WIDTHS)
    algorithm = NSGA2(pop_size=8, **instance.operators())
    result = minimize(instance, algorithm, ("n_gen", 3), seed=1, verbose=True, save_history=True)
    assert [len(generation.pop) for generation in result.history] == [8, 8, 8]
    assert result.problem is instance


def test_the_whole_network_costs_what_the_parent_does() -> None:
    instance = tabular(WIDTHS)
    values = instance([0, 0, 0])
    assert values["log_parameters"] == 0
    assert instance.measurements([0, 0, 0])["macs"] == instance.measurer.parent["macs"]


# Constraints.


def test_constraints_are_values_in_g() -> None:
    tabular(WIDTHS)
    instance = bounded("accuracy_drop<=0.02", "parameters<=50%")
    X = instance.random(500, np.random.default_rng(0))
    found, known = scored(instance, X), instance.measurements(X)
    assert found["G"].shape == (500, 2)
    assert np.array_equal(found["G"][:, 0], known["accuracy_drop"] - 0.02)
    assert np.array_equal(found["G"][:, 1], known["parameters"] - 4522 / 2)
    kept = (found["G"] <= 0).all(axis=1)
    assert 0 < kept.sum() < 500
    assert list(instance(X[0]))[2:] == ["accuracy_drop<=0.02", "parameters<=50%"]
    without = tabular(WIDTHS)
    assert np.array_equal(found["F"], without.evaluate(X))
    result = minimize(instance, NSGA2(pop_size=40, **instance.operators()), ("n_eval", 800), seed=1)
    assert (result.G <= 0).all()


@pytest.mark.parametrize("name", [name for name in EVERY if DEFINITIONS[name].constraints])
def test_instances_with_constraints_give_g(name: str) -> None:
    instance = opened(name)
    ends = np.array([instance.xl, instance.xu])
    G = scored(instance, ends)["G"]
    assert G.shape == (2, 1)
    # The whole network keeps its accuracy, and has all MACs; the smallest is the opposite.
    whole, smallest = (G <= 0).ravel().tolist()
    assert whole != smallest
    assert whole == ("accuracy_drop" in DEFINITIONS[name].constraints[0])


# Copies.


def test_copies_are_the_same_instance() -> None:
    instance = tabular(WIDTHS)
    X = instance.random(9, np.random.default_rng(0))
    assert copy.deepcopy(instance) is instance
    for again in (copy.copy(instance), pickle.loads(pickle.dumps(instance))):  # noqa: S301 - ours
        assert again.definition == instance.definition
        assert np.array_equal(again.evaluate(X), instance.evaluate(X))
    assert len(pickle.dumps(instance)) < 2_000


def test_tables_are_read_once_and_definitions_are_not_mixed_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tabular(WIDTHS)
    tabular(NEURONS)
    monkeypatch.setattr(measuring, "_MEASURERS", {})
    first = problem(WIDTHS)
    other = Instance(replace(DEFINITIONS[NEURONS], name=WIDTHS))
    assert other.measurer is not first.measurer
    assert other.measurer is problem(NEURONS).measurer
    assert problem(f"{WIDTHS}-five").measurer is first.measurer


@pytest.mark.parametrize("name", [WIDTHS, NEURONS])
def test_a_seed_gives_the_same_bytes(name: str) -> None:
    def run(seed: int) -> bytes:
        instance = tabular(name)
        algorithm = NSGA2(pop_size=20, **instance.operators())
        result = minimize(instance, algorithm, ("n_gen", 8), seed=seed)
        return bytes(result.pop.get("X").tobytes() + result.F.tobytes())

    assert run(1) == run(1)
    assert run(1) != run(2)


# Failures.


def test_candidates_that_cannot_be_measured_rank_last(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = Instance(
        replace(DEFINITIONS["deep-digits-thresholds"], constraints=("accuracy_drop<=0.5",))
    )

    class Failing:
        table = None

        def __init__(self) -> None:
            self.parent = {"parameters": 100.0}

        def measured(self, genes: Any, batch: int | None) -> dict[str, Any]:
            return {
                "accuracy": np.array([0.9, np.nan]),
                "accuracy_drop": np.array([0.0, np.nan]),
                "parameters": np.array([10.0, 20.0]),
            }

    monkeypatch.setitem(vars(instance), "measurer", Failing())
    found = scored(instance, instance.random(2, np.random.default_rng(0)))
    assert np.allclose(found["F"][0], [0.1, -1])
    assert (found["F"][1] == FAILED).all()
    assert found["G"].tolist() == [[-0.5], [FAILED]]


# Noise.


def test_generations_of_a_noisy_instance_differ_and_measurements_do_not() -> None:
    instance = Instance(NOISY)
    assert instance.requires_kwargs
    X = instance.random(12, np.random.default_rng(0))
    first, again, second = (
        instance.evaluate(X, batch=1), instance.evaluate(X, batch=1), instance.evaluate(X, batch=2)
    )  # fmt: skip
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)
    assert np.array_equal(first[:, 1], second[:, 1])  # sizes have no noise
    exact = instance.costs(instance.measurements(X))
    assert np.array_equal(exact, instance.costs(instance.measurements(X)))
    assert np.array_equal(exact, instance.evaluate(X, batch=None))
    assert not np.array_equal(exact, first)
    assert list(instance(X[0]).values()) == exact[0].tolist()


def test_an_engine_gives_a_noisy_instance_its_generation() -> None:
    asked = []

    class Watched(Instance):
        def _evaluate(self, X: Any, out: Any, *args: Any, algorithm: Any = None, **k: Any) -> None:
            super()._evaluate(X, out, *args, algorithm=algorithm, **k)
            if algorithm is not None:
                asked.append((algorithm.n_iter, X, out["F"]))

    instance = Watched(NOISY)
    minimize(instance, NSGA2(pop_size=6, **instance.operators()), ("n_gen", 3), seed=1)
    assert [generation for generation, _, _ in asked] == [1, 2, 3]
    for generation, X, F in asked:
        assert np.array_equal(F, instance.evaluate(X, batch=generation))


# Without torch.


def test_listing_needs_none_of_the_heavy_packages() -> None:
    assert not imported(
        f"from pymoo_prune.suite import problem, suite\nsuite()\nproblem({WIDTHS!r})"
    )


def test_tabular_instances_need_no_torch() -> None:
    tabular(WIDTHS)
    code = (
        "from pymoo.algorithms.moo.nsga2 import NSGA2\n"
        "from pymoo.optimize import minimize\n"
        "from pymoo_prune.suite import problem\n"
        f"instance = problem({WIDTHS!r})\n"
        "algorithm = NSGA2(pop_size=10, **instance.operators())\n"
        "result = minimize(instance, algorithm, ('n_gen', 3), seed=1)\n"
        "assert 0 < instance.hypervolume(result.F) < 1\n"
        "instance.measurements(result.X), instance(result.X[0]), instance.pareto_front()\n"
    )
    assert not {"torch", "torchvision"} & imported(code)


def test_names_of_objectives_say_their_scale() -> None:
    assert Cost("accuracy", "error", 0.3).name == "error"
    assert Cost("macs", "log", 0.0).name == "log_macs"
    assert Cost("width", "share", 1.0).name == "width"
