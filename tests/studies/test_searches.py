from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.optimize import minimize

from pymoo_prune import PruneError
from pymoo_prune.studies import asked, best, recorded
from pymoo_prune.studies.searches import engine_for
from pymoo_prune.suite import Instance, problem
from tests.support.studies import NEURONS, named
from tests.support.suite import NOISY

LIVE = replace(NOISY, name="live", noisy=False, live=replace(NOISY.live, options={}))  # type: ignore[type-var, arg-type]


def test_it_is_what_pymoo_does_alone() -> None:
    instance = problem(NEURONS)
    algorithm = NSGA2(pop_size=10, **instance.operators())
    alone = minimize(instance, algorithm, ("n_eval", 60), seed=3)
    found = recorded(NSGA2(pop_size=10, **instance.operators()), instance, 60, 3)
    assert found.generations.tolist() == np.repeat(range(1, 7), 10).tolist()
    assert sorted(found.seconds) == list(range(1, 7))
    _, F = best(instance, found)
    # A population may lose a part of the front.
    assert {tuple(row) for row in alone.F.tolist()} <= {tuple(row) for row in F.tolist()}


def test_the_last_generation_is_cut() -> None:
    found = asked("nsga2", problem(NEURONS), 25, 0, 10)
    more = asked("nsga2", problem(NEURONS), 30, 0, 10)
    assert len(found.X) == len(found.F) == len(found.G) == 25
    assert all(len(column) == 25 for column in found.measurements.values())
    assert found.F.tolist() == more.F[:25].tolist()


def test_random_candidates() -> None:
    instance = problem(NEURONS)
    found = asked("random", instance, 30, 5)
    assert found.X.tolist() == instance.random(30, np.random.default_rng(5)).tolist()
    assert set(found.generations.tolist()) == {1}


@pytest.mark.parametrize("definition", [LIVE, NOISY], ids=lambda one: one.name)
@pytest.mark.parametrize("engine", ["nsga2", "random"])
def test_networks_are_measured_once(
    definition: Any, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = Instance(definition)
    counted: list[int] = []
    original = instance.measurer.measured

    def counting(genes: Any, batch: int | None) -> Any:
        counted.append(len(genes))
        return original(genes, batch)

    monkeypatch.setattr(instance.measurer, "measured", counting)
    found = asked(engine, instance, 20, 0, 10)
    most = 40 if definition.noisy and engine == "nsga2" else 20  # survivors are measured again
    assert 20 <= sum(counted) <= most
    np.testing.assert_array_equal(found.F, instance.costs(found.measurements))


def test_engines_that_are_refused() -> None:
    instance = problem(NEURONS)
    with pytest.raises(PruneError, match="'ga' is for one objective, but two-layers-digits-n"):
        engine_for("ga", instance, 10)
    with pytest.raises(PruneError, match="needs a problem's ladders"):
        engine_for("levels", instance, 10)


def test_an_engine_may_have_children_evaluated_itself() -> None:
    instance = problem(NEURONS)
    found = asked(named("Asking"), instance, 95, 0, 20)
    plain = asked(named("Mine"), instance, 95, 0, 20)
    assert found.generations.tolist() == plain.generations.tolist()
    assert {tuple(x) for x in found.X[:80].tolist()} == {tuple(x) for x in plain.X[:80].tolist()}


def test_evaluations_that_nothing_counts_are_refused() -> None:
    instance = problem(NEURONS)
    with pytest.raises(PruneError, match=r"evaluated 20 candidates that do not count towards the"):
        asked(named("Uncounted"), instance, 95, 0, 20)
    assert instance.unmeasured is None
