"""Comparisons that go on without methods that fail."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from pymoo_prune import PruneError
from pymoo_prune.comparing import Campaign, Comparison
from pymoo_prune.objectives import hypervolume
from tests.support.campaigns import created
from tests.support.studies import Breaking, named

METHODS = ("nsga2", "moead", named("Breaking"), "random")


def without_failures(campaign: Campaign, failures: dict[str, str]) -> tuple[Comparison, str]:
    console = Console(file=io.StringIO(), width=300)
    comparison = campaign.execute(console, failures=failures)
    return comparison, console.file.getvalue()  # type: ignore[attr-defined]


def test_the_others_go_on(tmp_path: Path) -> None:
    campaign = created(tmp_path / "c", METHODS, constraints=("macs<=80%",))
    failures: dict[str, str] = {}
    comparison, text = without_failures(campaign, failures)
    assert comparison.methods == ["nsga2", "random"]
    assert list(failures) == ["moead", named("Breaking")]
    assert failures["moead"].startswith("algorithm 'moead' handles no constraints")
    assert failures[named("Breaking")] == "seed 0: RuntimeError: the children are gone"
    assert "seeds cannot show" not in text  # the study says it once
    again = Campaign.open(campaign.folder)
    assert [method.name for method in again.plan.methods] == ["nsga2", "random"]
    assert again.complete


def test_unsuited_methods_are_left_out_before_a_parent_is_trained(tmp_path: Path) -> None:
    """Which methods cannot search is known by their names, and does not stop the others."""
    campaign = created(tmp_path / "c", ("moead", "nsga2", "moead+rbf"), constraints=("macs<=80%",))
    failures: dict[str, str] = {}
    with pytest.raises(PruneError, match="'moead' handles no constraints"):
        campaign.plan.check_names()
    campaign.plan.check_names(failures)
    assert list(failures) == ["moead", "moead+rbf"]
    comparison, _ = without_failures(campaign, failures := {})
    assert comparison.methods == ["nsga2"]
    assert list(failures) == ["moead", "moead+rbf"]


def test_a_users_engine_that_cannot_be_made_is_left_out(tmp_path: Path) -> None:
    campaign = created(tmp_path / "c", ("nsga2", named("unmade")))
    failures: dict[str, str] = {}
    comparison, _ = without_failures(campaign, failures)
    assert comparison.methods == ["nsga2"]
    assert failures == {named("unmade"): "ZeroDivisionError: my engine has a bug"}


def test_the_first_error_ends_it_otherwise(tmp_path: Path) -> None:
    campaign = created(tmp_path / "c", ("nsga2", named("Breaking")))
    with pytest.raises(RuntimeError, match="the children are gone"):
        campaign.execute(Console(quiet=True))


def test_where_no_method_remains(tmp_path: Path) -> None:
    campaign = created(tmp_path / "c", ("moead",), constraints=("macs<=80%",))
    with pytest.raises(PruneError, match="no method can search it: algorithm 'moead' handles no"):
        without_failures(campaign, {})


def test_a_method_is_added_once_it_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = created(tmp_path / "c", ("nsga2", named("Breaking")))
    without_failures(campaign, {})
    monkeypatch.setattr(Breaking, "broken", False)
    failures: dict[str, str] = {}
    comparison, _ = without_failures(
        created(tmp_path / "c", ("nsga2", named("Breaking"))), failures
    )
    assert failures == {}
    assert comparison.methods == ["nsga2", named("Breaking")]


def test_a_plan_without_methods(tmp_path: Path) -> None:
    plan = created(tmp_path / "c", ("nsga2", "random")).plan
    against = type(plan).of(plan.settings, ["nsga2", "random"], [0], against="random")
    assert [method.name for method in against.without(["random"]).methods] == ["nsga2"]
    assert against.without(["random"]).against is None
    assert against.without(["nsga2"]).against == "random"


def test_unit_costs_of_evaluations(tmp_path: Path) -> None:
    campaign = created(tmp_path / "c", ("nsga2",), constraints=("macs<=80%",))
    comparison = campaign.execute(Console(quiet=True))
    trial = comparison.trials[0]
    assert trial.history is not None
    costs = comparison.evaluated(trial.history)
    broken = trial.history["macs"] > 0.8 * comparison.parent["macs"]
    assert broken.any()
    assert np.isnan(costs).all(axis=1).tolist() == broken.tolist()
    expected = comparison.goals.unit_costs(trial.history, comparison.parent)
    np.testing.assert_array_equal(costs[~broken], expected[~broken])
    assert hypervolume(comparison.best_costs) == pytest.approx(hypervolume(comparison.union))
