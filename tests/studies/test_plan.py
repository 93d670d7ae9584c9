from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pymoo_prune import PruneError, StoreError
from pymoo_prune.comparing import HypervolumeOptions
from pymoo_prune.errors import UntrustedCode
from pymoo_prune.studies import OnInstance, Study
from pymoo_prune.studies.plan import Plan
from pymoo_prune.studies.results import power_note
from tests.support.studies import BOUNDED, NEURONS, pixels

ON = OnInstance(NEURONS, 1, 40, 10)


def plan(**changes: Any) -> Plan:
    given = {"problems": (ON,), "methods": ("nsga2", "random"), "seeds": (0, 1), **changes}
    return Plan(**given)


def test_the_file_has_all_of_it(tmp_path: Path) -> None:
    volumes = HypervolumeOptions.parse(["accuracy=.5"], ["parameters"])
    whole = plan(
        problems=(ON, pixels(constraints=("macs<=80%",))),
        against="random",
        bounds=("macs<=20%",),
        volumes=volumes,
        outside={"hill": {"a.csv": "0" * 64}},
    )
    whole.write(tmp_path)
    again = Plan.read(tmp_path)
    assert [one.values() for one in again.problems] == [one.values() for one in whole.problems]
    assert replace(again, problems=whole.problems) == whole
    assert again.all_methods == ["nsga2", "random", "hill"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"problems": ()}, "a study needs one problem or more"),
        ({"problems": (ON, ON)}, "each once and with names that differ"),
        ({"methods": ()}, "needs one method or more"),
        ({"methods": ("nsga2", "nsga2")}, "needs one method or more, each once"),
        ({"methods": ("nsga22",)}, "unknown algorithm 'nsga22'"),
        ({"seeds": ()}, "needs one seed or more"),
        ({"seeds": (-1,)}, "seeds must be at least 0"),
        ({"against": "spea2"}, "unknown method to test against 'spea2'"),
        ({"outside": {"nsga2": {}}}, "each once"),
    ],
)
def test_impossible_plans(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PruneError, match=message):
        plan(**changes)


def test_two_plans_together(tmp_path: Path) -> None:
    other = OnInstance(BOUNDED, 1, 40, 10)
    before = plan(outside={"hill": {"a.csv": "1"}})
    more = plan(problems=(other, ON), methods=("spea2",), seeds=(3,), against="spea2")
    both = more.added_to(before, tmp_path)
    assert both.problems == (ON, other)
    assert both.methods == ("nsga2", "random", "spea2")
    assert both.seeds == (0, 1, 3)
    assert both.against == "spea2"
    assert both.outside == {"hill": {"a.csv": "1"}}


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        (ON, OnInstance(NEURONS, 1, 80, 10), "evaluations is 40 there and 80 here; give the same"),
        (ON, OnInstance(NEURONS, 1, 40, 20), "pop_size is 10 there and 20 here"),
        (pixels(), pixels(options={"pause": 0.1}), "options is {} there and {'pause': 0.1} here"),
    ],
)
def test_other_settings_are_refused(tmp_path: Path, before: Any, now: Any, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        plan(problems=(now,)).added_to(plan(problems=(before,)), tmp_path)


def test_other_files_under_one_name_are_refused(tmp_path: Path) -> None:
    one, other = plan(outside={"hill": {"a.csv": "1"}}), plan(outside={"hill": {"a.csv": "2"}})
    with pytest.raises(StoreError, match="other results of hill, made elsewhere; give these"):
        one.added_to(other, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "it has format 2, but this version reads format 1"),
        ({"methods": None}, "cannot be read"),
        ({"problems": [{"name": NEURONS, "suite": {"sorts": 3}}]}, "cannot be read"),
    ],
)
def test_damaged_files(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    plan().write(tmp_path)
    path = tmp_path / "study.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(StoreError, match=message):
        Study.open(tmp_path)


def test_no_study(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is not a study: there is no study\.json in it"):
        Study.open(tmp_path)
    assert not Study.is_one(tmp_path)


def test_code_that_a_folder_names_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYMOO_PRUNE_TRUST", "")
    plan(methods=("stranger:Engine",)).write(tmp_path)
    study = Study.open(tmp_path)
    with pytest.raises(UntrustedCode, match="names code outside of pymoo-prune: stranger"):
        study.plan.check_trust(tmp_path)


def test_what_so_few_seeds_cannot_show() -> None:
    many = plan(problems=(ON, OnInstance(BOUNDED, 1, 40, 10)), methods=("a:b", "nsga2", "random"))
    note = power_note(many)
    assert note is not None
    assert "2 seeds cannot show a difference in every cell" in note
    assert "correction for 4 tests p cannot be below 1.000. 5 seeds can." in note
    assert power_note(plan(seeds=tuple(range(5)))) is None
    assert power_note(plan(methods=("nsga2",))) is None
