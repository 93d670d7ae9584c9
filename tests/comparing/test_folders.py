from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from pymoo_prune import Budget, PruneError, Run, Settings, StoreError, WeightedSum
from pymoo_prune.cli import main
from pymoo_prune.comparing import report_of_runs, tables
from pymoo_prune.comparing.comparison import SEARCHED
from pymoo_prune.search import Display
from tests.support.made_up_runs import cells
from tests.support.older_folders import without_digests

# Runs that were made one by one.


def executed(folder: Path, **changes: Any) -> Path:
    given = {
        "problem": "tests.support.tiny_problem:Pixels",
        "algorithm": "nsga2",
        "pop_size": 8,
        "budget": Budget(generations=2),
        "threads": 1,
    }
    Run.create(folder, Settings(**{**given, **changes})).execute(Display(Console(quiet=True)))
    return folder


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("apart")
    weights = WeightedSum({"accuracy": 1.0, "parameters": 0.001})
    changes: dict[str, dict[str, Any]] = {
        "nsga2": {},
        "nsga2 again": {"seed": 1},
        "ga": {"algorithm": "ga", "objectives": weights},
        "lighter": {
            "algorithm": "ga",
            "objectives": WeightedSum({"accuracy": 1.0, "parameters": 0.0001}),
        },
        "model": {"surrogate": "ridge"},
        "longer": {"budget": Budget(evaluations=32), "baselines": False},
        "wider": {"pop_size": 10},
    }
    return {name: executed(folder / name, **change) for name, change in changes.items()}


@pytest.mark.slow
def test_runs_are_compared_as_they_are(
    apart: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(apart[name]) for name in ("nsga2", "nsga2 again", "ga", "model")]
    arguments = ["--bounds", "pixels<=50%", "--output", str(tmp_path / "out")]
    assert main(["compare", *folders, *arguments]) == 0
    out = capsys.readouterr().out
    assert "pixels<=50%" in out
    assert (tmp_path / "out" / "report.md").is_file()
    shown = report_of_runs([Path(folder) for folder in folders], ["pixels<=50%"])
    one = shown.comparison
    assert [(t.method, t.seed) for t in one.trials] == [
        ("nsga2", 0),
        ("nsga2", 1),
        ("ga", 0),
        ("nsga2+ridge", 0),
    ]
    assert [t.origin for t in one.trials] == folders
    assert one.goals.names == ("accuracy", "parameters")
    for trial in one.trials:
        columns = Run.open(trial.origin).results()[0][0].columns
        for name, column in columns.items():
            np.testing.assert_array_equal(column, trial.columns[name])
        curve = one.curve(trial)
        assert curve is not None
        assert curve[1][-1] == pytest.approx(one.indicators[SEARCHED][one.trials.index(trial)])
    # Baselines are those of the first.
    assert [other.name for other in one.others] == ["random search"]
    assert shown.facts["baselines"] == f"those of {folders[0]}"
    assert shown.facts["problem's seed"] == "0, 1"
    assert shown.caution == ""
    assert tables.indicators_csv(shown.comparison) == (tmp_path / "out" / "runs.csv").read_text()


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """All files and folders, and when each was changed."""
    paths = [folder, *folder.rglob("*")]
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in paths}


@pytest.mark.slow
def test_runs_are_left_as_they_are(apart: dict[str, Path], tmp_path: Path) -> None:
    runs = [apart["nsga2"], apart["ga"]]
    before = [contents(run) for run in runs]
    assert main(["compare", *map(str, runs), "--output", str(tmp_path / "compared")]) == 0
    assert [contents(run) for run in runs] == before


def test_a_run_of_which_a_network_is_carried_away_is_left_as_it_is(tmp_path: Path) -> None:
    small = {"parent_widths": [16, 16], "parent_images": 3_000}
    run = executed(tmp_path / "run", problem="ecomp", options=small, pop_size=4, baselines=False)
    before = contents(run)
    assert main(["export", str(run), "--output", str(tmp_path / "network")]) == 0
    assert contents(run) == before
    assert (tmp_path / "network" / "network.pt").is_file()


def methods(apart: dict[str, Path], *names: str) -> list[str]:
    return report_of_runs([apart[name] for name in names]).comparison.methods


def test_what_differs_among_runs_of_an_engine_is_in_their_names(apart: dict[str, Path]) -> None:
    assert methods(apart, "nsga2", "longer") == ["nsga2, 2 generations", "nsga2, 32 evaluations"]
    assert methods(apart, "nsga2", "wider") == ["nsga2, population 8", "nsga2, population 10"]
    assert methods(apart, "ga", "nsga2", "lighter") == [
        "ga, accuracy=1,parameters=0.001",
        "nsga2",
        "ga, accuracy=1,parameters=0.0001",
    ]
    assert methods(apart, "nsga2", "nsga2 again", "model") == ["nsga2", "nsga2+ridge"]


def test_different_budgets_are_said_with_the_verdict(apart: dict[str, Path]) -> None:
    shown = report_of_runs([apart["longer"], apart["ga"]])
    assert shown.verdict().endswith(
        "The runs had different budgets: 32 evaluations / 2 generations."
    )
    assert shown.facts["budget of each run"] == "32 evaluations / 2 generations"
    assert shown.comparison.others == ()
    assert "baselines" not in shown.facts


def test_the_same_search_twice_is_refused(apart: dict[str, Path], tmp_path: Path) -> None:
    copied = Path(shutil.copytree(apart["nsga2"], tmp_path / "copy"))
    for other in (copied, apart["nsga2"]):
        with pytest.raises(
            StoreError, match=r"nsga2 and .* are both nsga2 with seed 0: .*leave one out"
        ):
            report_of_runs([apart["nsga2"], apart["ga"], other])


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        (
            "run.json",
            {"problem": "tests.support.tiny_problem:FailingPixels"},
            "problem .*FailingPixels",
        ),
        ("run.json", {"options": {"pause": 0.1}}, r"options \({} and {'pause': 0.1}\)"),
        ("run.json", {"data": "mnist"}, r"data \('digits' and 'mnist'\)"),
        ("run.json", {"validation": 0.3}, r"validation \(None and 0.3\)"),
        ("run.json", {"constraints": ["macs<=20%"]}, r"constraints .*and \['macs<=20%'\]\)"),
        ("run.json", {"finish_images": 100}, r"finish_images \(0 and 100\)"),
        ("summary.json", {"goals": ["accuracy"]}, r"objectives .*and \['accuracy'\]\)"),
        ("summary.json", {"parent": {"parameters": 7, "macs": 8}}, "parent's parameters .* macs"),
        ("summary.json", {"data": "abc"}, "images .*'abc'"),
    ],
)
def test_what_differs_is_named(
    apart: dict[str, Path], tmp_path: Path, file: str, changes: dict[str, Any], message: str
) -> None:
    other = without_digests(Path(shutil.copytree(apart["ga"], tmp_path / "other")))
    values = json.loads((other / file).read_text())
    if "parent" in changes:
        changes = {"parent": {**values["parent"], **changes["parent"]}}
    (other / file).write_text(json.dumps({**values, **changes}))
    with pytest.raises(StoreError, match=f"cannot be compared: they differ in {message}") as error:
        report_of_runs([apart["nsga2"], apart["model"], other])
    for part in (str(apart["nsga2"]), str(other), "'pymoo-prune compare PROBLEM' makes runs that"):
        assert part in str(error.value)


def test_folders_that_are_no_finished_runs(
    apart: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    unfinished = Path(shutil.copytree(apart["ga"], tmp_path / "unfinished"))
    (unfinished / "summary.json").unlink()
    for folder, message in (
        (tmp_path / "empty", "is not a run folder: there is no run.json in it"),
        (tmp_path / "nowhere", "is not a run folder"),
        (unfinished, f"is not finished; 'pymoo-prune resume {unfinished}' goes on with it"),
    ):
        assert main(["compare", str(apart["nsga2"]), str(folder)]) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(PruneError, match="unknown size to bound 'mac'"):
        report_of_runs([apart["nsga2"], apart["ga"]], ["mac<=3"])


def test_folders_from_before_are_compared_too(apart: dict[str, Path], tmp_path: Path) -> None:
    """Without what has been added since: in run.json, in summary.json, and in front.csv."""
    expected = report_of_runs([apart["nsga2"], apart["ga"]]).comparison
    older = [Path(shutil.copytree(apart[name], tmp_path / name)) for name in ("nsga2", "ga")]
    for folder in older:
        for file, names in (
            ("run.json", ["problem_seed", "front", "baselines", "surrogate"]),
            ("summary.json", ["data", "failed", "notes"]),
        ):
            values = json.loads((folder / file).read_text())
            kept = {name: value for name, value in values.items() if name not in names}
            (folder / file).write_text(json.dumps(kept))
        (folder / "layers.json").unlink()
        without_digests(folder)
        rows = list(csv.reader(io.StringIO((folder / "front.csv").read_text())))
        place = rows[0].index("evaluation")
        lines = [",".join(cell for k, cell in enumerate(row) if k != place) for row in rows]
        (folder / "front.csv").write_text("\n".join(lines) + "\n")
    shown = report_of_runs(older)
    for name, values in expected.indicators.items():
        np.testing.assert_array_equal(values, shown.comparison.indicators[name])
    cell = cells(tables.run_rows(shown.comparison))[0][str(expected.bounds[-1])]
    assert re.fullmatch(r"\d+\.\d\d % \(network \d+\)", cell)
    for mine, theirs in zip(expected.trials, shown.comparison.trials, strict=True):
        np.testing.assert_array_equal(expected.curve(mine), shown.comparison.curve(theirs))


def test_a_run_of_a_comparison_can_be_compared_with_one_beside_it(
    apart: dict[str, Path], tmp_path: Path
) -> None:
    more = executed(
        tmp_path / "more", seed=3, problem_seed=0, front=["accuracy", "parameters"],
        algorithm="ga", objectives=WeightedSum({"accuracy": 1}), baselines=False,
    )  # fmt: skip
    shown = report_of_runs([apart["nsga2"], more])
    assert shown.comparison.methods == ["nsga2", "ga"]
    assert shown.facts["problem's seed"] == "0"
    assert shown.facts["engine seeds"] == "0, 3"


def test_comparisons_given_as_runs_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
        (folder / "comparison.json").write_text("{}")
    assert main(["compare", *map(str, folders)]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert f"{folders[0]} is a comparison of its own; 'pymoo-prune report {folders[0]}'" in error
    assert f"'pymoo-prune compare {folders[0]}/runs/* {folders[1]}/runs/*'" in error
