from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pymoo_prune import PruneError, StoreError, WeightedSum
from pymoo_prune.comparing import Plan
from pymoo_prune.comparing.plan import has_plan
from tests.support.campaigns import settings

METHODS = ["nsga2+rbf", "ga@accuracy=1,pixels=0.5", "own"]


@pytest.mark.parametrize("bounds", [None, [], ["macs<=20%"]])
@pytest.mark.parametrize("objectives", [None, ["accuracy", "macs"], WeightedSum({"accuracy": 1})])
def test_a_plan_is_read_as_it_was_written(
    tmp_path: Path, bounds: list[str] | None, objectives: Any
) -> None:
    methods, seeds = list(METHODS), [3, 1]
    plan = Plan.of(settings(objectives=objectives), methods, seeds, bounds)
    assert not has_plan(tmp_path)
    plan.write(tmp_path)
    assert has_plan(tmp_path)
    again = Plan.read(tmp_path)
    assert (again.methods, again.seeds, again.bounds) == (plan.methods, plan.seeds, plan.bounds)
    assert again.settings.to_json() == plan.settings.to_json()
    assert (methods, seeds) == (METHODS, [3, 1])
    written = json.loads((tmp_path / "comparison.json").read_text())
    assert written.keys() == {"format", "settings", "methods", "seeds", "bounds", "against"}
    assert (written["methods"], written["seeds"], written["bounds"]) == (METHODS, [3, 1], bounds)


def test_plans_are_added_in_order_and_once(tmp_path: Path) -> None:
    before = Plan.of(settings(), ["ga", "random"], [1, 0], ["macs<=20%"])
    more = Plan.of(settings(), ["nsga2", "ga"], [7, 1])
    both = more.added_to(before, tmp_path)
    assert [method.name for method in both.methods] == ["ga", "random", "nsga2"]
    assert both.seeds == (0, 1, 7)
    assert both.bounds == ("macs<=20%",)
    assert Plan.of(settings(), ["ga"], [0], ["macs<=5%"]).added_to(before, tmp_path).bounds == (
        "macs<=5%",
    )
    other = Plan.of(settings(pop_size=9), ["ga"], [0])
    with pytest.raises(StoreError, match="with other settings: pop_size is 8 there and 9 here"):
        other.added_to(before, tmp_path)


def test_names_that_nothing_measures_are_refused() -> None:
    Plan.of(settings(), ["ga@accuracy=1", "nsga2"], [0], ["sparsity>=50%"]).check_names()
    for plan in (
        Plan.of(settings(), ["ga"], [0], ["evaluation<=3"]),
        Plan.of(settings(), ["ga@speed=1"], [0]),
    ):
        with pytest.raises(PruneError, match="unknown"):
            plan.check_names()


def test_an_engine_must_suit_the_shared_objectives() -> None:
    Plan.of(settings(pop_size=2), ["nsga3", "ga"], [0]).check_names()
    three = ["accuracy", "macs", "parameters"]
    for methods, options, message in (
        (["nsga3"], {"pop_size": 2, "objectives": three}, "must be 3 at least, but it is 2"),
        (["ga", "moead"], {"constraints": ["pixels<=50%"]}, "'moead' handles no constraints"),
    ):
        with pytest.raises(PruneError, match=message):
            Plan.of(settings(**options), methods, [0]).check_names()
