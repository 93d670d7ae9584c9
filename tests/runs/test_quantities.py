"""A quantity that follows from others is one option, or one line."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from pymoo_prune import Data, PruneError, Quantity
from pymoo_prune.cli import main
from pymoo_prune.objectives import from_measurements
from pymoo_prune.problem import extended
from pymoo_prune.results import read_csv
from pymoo_prune_problems import EComp
from tests.support.own_quantities import energy

OWN = "tests.support.own_quantities"
SMALL = ["--set", "parent_widths=[8, 6]", "--set", "parent_images=500", "--pop-size", "6"]
SMALL += ["--generations", "2", "--finish", "100", "--threads", "1"]


def test_one_line_in_a_class(digits: Data) -> None:
    class Thrifty(EComp):
        quantities: ClassVar[Mapping[str, Quantity]] = {
            **EComp.quantities,
            "energy": from_measurements(energy, "lower", "energy"),
        }

    problem = Thrifty(
        digits,
        parent_widths=(8, 6),
        parent_images=500,
        objectives=["accuracy", "energy"],
        constraints=["energy<=80%"],
    )
    found = problem.measured(problem.random(5, np.random.default_rng(0)))
    assert np.array_equal(found["energy"], energy(found))
    whole = {name: np.array([value]) for name, value in problem.parent_values.items()}
    assert problem.parent_values["energy"] == energy(whole)[0]
    G = problem.score(found)["G"][:, 0]
    assert np.array_equal(G <= 0, found["energy"] <= 0.8 * problem.parent_values["energy"])


@pytest.mark.parametrize("more", [[], ["--workers", "2"]])
def test_one_option_on_the_command_line(tmp_path: Path, more: list[str]) -> None:
    folder = tmp_path / "run"
    command = [
        "run",
        "ecomp",
        "--quantity",
        f"{OWN}:energy",
        "--quantity",
        f"left={OWN}:SHARE_LEFT",
    ]
    command += ["--objectives", "accuracy", "energy", *SMALL, *more, "--output", str(folder)]
    assert main(command) == 0
    series = read_csv(folder / "front.csv")
    assert len(series) > 1  # baselines have it too
    for one in series:
        assert one.columns["energy"] == pytest.approx(energy(one.columns))
    assert series[0].columns["left"] == pytest.approx(1 - series[0].columns["sparsity"])
    page = (folder / "report.md").read_text()
    assert "Hypervolumes of (error, energy)" in page
    assert (
        main(["export", str(folder), "--pick", "energy<=50%", "--output", str(tmp_path / "n")]) == 0
    )


def test_a_class_with_added_quantities_is_pickled(digits: Data) -> None:
    cls = extended(EComp, [f"{OWN}:energy"])
    assert extended(EComp, [f"{OWN}:energy"]) is cls
    assert extended(EComp, []) is EComp
    problem = cls(digits, parent_widths=(8, 6), parent_images=500)
    again = pickle.loads(pickle.dumps(problem))  # noqa: S301 - our own
    assert type(again) is cls
    assert again.fingerprint == problem.fingerprint
    X = problem.random(3, np.random.default_rng(0))
    assert np.array_equal(again.measured(X)["energy"], problem.measured(X)["energy"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{OWN}:missing", "cannot be imported"),
        (f"{OWN}:NUMBER", "is 5; it must be a function"),
        (f"macs={OWN}:energy", "measures 'macs' already; give another name"),
        (f"rank={OWN}:energy", r"no name that is taken.*\['rank'\]"),
        ("energy", "a quantity is named package.module:function"),
    ],
)
def test_quantities_that_cannot_be_added_are_refused(text: str, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        extended(EComp, [text])


# FLOPs.


def test_flops_are_twice_the_macs_where_they_are_asked_for(digits: Data) -> None:
    small = {"parent_widths": (8, 6), "parent_images": 500}
    problem = EComp(
        digits, **small, objectives=["accuracy", "flops"], constraints=["flops<=50%"]
    )  # fmt: skip
    X = problem.random(6, np.random.default_rng(0))
    found = problem.measured(X)
    assert np.array_equal(found["flops"], 2 * found["macs"])
    assert problem.parent_values["flops"] == 2 * problem.parent_values["macs"]
    scores = problem.score(found)
    assert np.array_equal(scores["F"][:, 1], 2 * found["macs"])
    kept = found["macs"] <= 0.5 * problem.parent_values["macs"]
    assert np.array_equal(scores["G"][:, 0] <= 0, kept)
    plain = EComp(digits, **small, parent=problem.parent)
    assert "flops" not in plain.measured(X)
    assert plain.fingerprint != problem.fingerprint, "a store has a column for each quantity"
    twin = plain.with_goals(["accuracy", "flops"])
    assert np.array_equal(twin.measured(X)["flops"], found["flops"])


def test_flops_on_the_command_line(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = ["run", "ecomp", "--objectives", "accuracy", "flops", *SMALL]
    assert main([*command, "--constraint", "flops<=1500", "--output", str(folder)]) == 0
    for one in read_csv(folder / "front.csv"):
        assert one.columns["flops"] == pytest.approx(2 * one.columns["macs"])
    assert "FLOPs (2 × MACs)" in (folder / "report.md").read_text(encoding="utf-8")


def test_a_quantity_of_ones_own_may_be_called_flops(digits: Data) -> None:
    cls = extended(EComp, [f"flops={OWN}:energy"])
    problem = cls(
        digits, parent_widths=(8, 6), parent_images=500, objectives=["accuracy", "flops"]
    )  # fmt: skip
    found = problem.measured(problem.random(5, np.random.default_rng(0)))
    assert np.array_equal(found["flops"], energy(found))
