from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from pymoo_prune import Budget, PruneError, Settings, WeightedSum
from pymoo_prune.objectives import Objectives, PrunedWeightsPerAccuracyDrop
from pymoo_prune.objectives.scalarisations import LiteralPrunedWeightsPerAccuracyDrop

GIVEN: dict[str, Any] = {
    "problem": "layer-vector",
    "algorithm": "own",
    "pop_size": 40,
    "budget": Budget(generations=2),
}


@pytest.mark.parametrize(
    ("objectives", "written"),
    [
        (None, None),
        (["accuracy", "macs"], ["accuracy", "macs"]),
        (PrunedWeightsPerAccuracyDrop(), {"kind": "pwad"}),
        (LiteralPrunedWeightsPerAccuracyDrop(), {"kind": "literal_pwad"}),
        (
            WeightedSum({"accuracy": 1, "width": 0.5}, constant=0.5),
            {"kind": "weighted-sum", "weights": {"accuracy": 1, "width": 0.5}, "constant": 0.5},
        ),
    ],
)
def test_objectives_survive_being_written_and_read(objectives: Objectives, written: Any) -> None:
    text = Settings(**GIVEN, objectives=objectives).to_json()
    assert json.loads(text)["objectives"] == written
    again = Settings.from_json(text)
    assert again.objectives == objectives
    assert again.to_json() == text


def rewritten(objectives: Any) -> Settings:
    values = json.loads(Settings(**GIVEN).to_json())
    return Settings.from_json(json.dumps({**values, "objectives": objectives}))


def test_folders_from_before_there_were_kinds_hold_weighted_sums() -> None:
    read = rewritten({"weights": {"accuracy": 1.0, "width": 0.1}, "constant": 0.3})
    assert read.objectives == WeightedSum({"accuracy": 1.0, "width": 0.1}, constant=0.3)


def test_a_scalarisation_that_folders_do_not_know_is_refused() -> None:
    @dataclass(frozen=True)
    class Mine(PrunedWeightsPerAccuracyDrop):
        """Would be read back as another."""

    with pytest.raises(
        PruneError, match=r"scalarisation 'Mine'; there are: literal_pwad, pwad, weig"
    ):
        Settings(**GIVEN, objectives=Mine())
    with pytest.raises(PruneError, match=r"'pwda'.*Did you mean 'pwad'\?"):
        rewritten({"kind": "pwda"})


# What comparisons ask of a run.

COMPARED: dict[str, Any] = {
    "problem_seed": 3,
    "front": ["accuracy", "macs"],
    "baselines": False,
}


def test_runs_of_a_comparison_survive_being_written_and_read() -> None:
    text = Settings(**GIVEN, seed=5, **COMPARED).to_json()
    again = Settings.from_json(text)
    for name, value in COMPARED.items():
        assert json.loads(text)[name] == value
        assert getattr(again, name) == value
    assert again.seed == 5
    assert again.to_json() == text


def test_folders_from_before_there_were_comparisons() -> None:
    values = json.loads(Settings(**GIVEN).to_json())
    older = {name: value for name, value in values.items() if name not in COMPARED}
    read = Settings.from_json(json.dumps(older))
    assert (read.problem_seed, read.front, read.baselines) == (None, (), True)
    assert read.to_json() == Settings(**GIVEN).to_json()
