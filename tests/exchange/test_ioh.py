"""IOHprofiler's folder, read back with IOHinspector."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import moocore
import numpy as np
import pytest

from pymoo_prune import PruneError
from pymoo_prune.chromosomes import Array
from pymoo_prune.exchange import Evaluations, write_evaluations
from tests.support.evaluations import feasible_costs, made_up

REFERENCE = np.array([0.0, 1_000.0])


@pytest.fixture(scope="module")
def iohinspector() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own imports warn
        return pytest.importorskip("iohinspector")


def read(iohinspector: Any, folder: Path) -> Any:
    manager = iohinspector.DataManager()
    manager.add_folder(str(folder))
    return manager


def volumes(iohinspector: Any, manager: Any, columns: list[str], reference: Array) -> list[float]:
    """The final hypervolume of each run, in the order of the overview."""
    from iohinspector.indicators import add_indicator
    from iohinspector.indicators.anytime import HyperVolume

    data = manager.load(monotonic=False)
    found = add_indicator(data, HyperVolume(reference), columns, evals=[1_000])
    by_run = dict(zip(found["data_id"], found["HyperVolume"], strict=True))
    return [by_run[run] for run in manager.overview["data_id"]]


def test_hypervolumes_are_the_same(tmp_path: Path, iohinspector: Any) -> None:
    runs = [
        made_up(seed, method=method, failed=(2, 9), infeasible=(5, 30))
        for method in ("nsga2", "ga@accuracy=1,width=0.5")
        for seed in range(4)
    ]
    notes = write_evaluations(runs, "ioh", tmp_path / "ioh")
    assert notes == ["32 infeasible or failed evaluations are left out."]
    manager = read(iohinspector, tmp_path / "ioh")
    overview = manager.overview
    assert overview.shape[0] == 8
    assert set(overview["function_name"]) == {"pixels"}
    assert set(overview["dimension"]) == {12}
    assert set(overview["evals"]) == {60}
    by_method: dict[str, list[Evaluations]] = {}
    for run in runs:
        by_method.setdefault(run.method, []).append(run)
    found = volumes(iohinspector, manager, ["raw_y", "F2"], REFERENCE)
    for method, run_id, volume, best in zip(
        overview["algorithm_name"], overview["run_id"], found, overview["best_y"], strict=True
    ):
        costs = feasible_costs(by_method[method][run_id - 1])
        assert volume == pytest.approx(moocore.hypervolume(costs, ref=REFERENCE), rel=1e-9)
        assert best == costs[:, 0].min()


def test_every_feasible_evaluation_is_there_exactly(tmp_path: Path, iohinspector: Any) -> None:
    run = made_up(failed=(9,), infeasible=(5,))
    write_evaluations([run], "ioh", tmp_path / "ioh")
    data = read(iohinspector, tmp_path / "ioh").load(monotonic=False)
    assert data["evaluations"].to_list() == [n for n in range(1, 61) if n not in (6, 10)]
    assert np.array_equal(data.select("raw_y", "F2").to_numpy(), feasible_costs(run))


@pytest.mark.parametrize("first", [(0,), (0, 1, 2)])
def test_a_run_may_begin_with_a_failure(
    tmp_path: Path, iohinspector: Any, first: tuple[int, ...]
) -> None:
    runs = [made_up(0), made_up(1, failed=first), made_up(2, infeasible=first), made_up(3)]
    write_evaluations(runs, "ioh", tmp_path / "ioh")
    manager = read(iohinspector, tmp_path / "ioh")
    data = manager.load(monotonic=False)
    for place, run in enumerate(runs, 1):
        mine = data.filter(data["run_id"] == place).select("raw_y", "F2").to_numpy()
        assert np.array_equal(mine, feasible_costs(run))


def test_a_run_without_a_feasible_candidate_is_empty(tmp_path: Path, iohinspector: Any) -> None:
    runs = [made_up(0, infeasible=tuple(range(60))), made_up(1)]
    write_evaluations(runs, "ioh", tmp_path / "ioh")
    manager = read(iohinspector, tmp_path / "ioh")
    assert manager.overview["best_y"].to_list() == [None, feasible_costs(runs[1])[:, 0].min()]
    assert set(manager.load(monotonic=False)["run_id"]) == {2}


def test_problems_are_functions(tmp_path: Path, iohinspector: Any) -> None:
    runs = [
        made_up(0, problem=problem, genes=genes, method=method)
        for problem, genes in (("ecomp", "booleans"), ("tests.tiny:Pixels", "none"))
        for method in ("nsga2", "random")
    ]
    write_evaluations(runs, "ioh", tmp_path / "ioh")
    overview = read(iohinspector, tmp_path / "ioh").overview
    pairs = set(zip(overview["function_id"], overview["function_name"], strict=True))
    assert pairs == {(1, "ecomp"), (2, "tests.tiny:Pixels")}
    assert set(overview["dimension"]) == {12, 0}
    assert set(overview["algorithm_name"]) == {"nsga2", "random"}


def test_more_genes_than_the_format_takes_are_not_counted(
    tmp_path: Path, iohinspector: Any
) -> None:
    run = made_up(X=np.zeros((60, 65_536), dtype=bool))
    write_evaluations([run], "ioh", tmp_path / "ioh")
    assert read(iohinspector, tmp_path / "ioh").overview["dimension"].to_list() == [0]


def test_the_meaning_of_costs_and_the_seeds_are_in_the_file(
    tmp_path: Path, iohinspector: Any
) -> None:
    write_evaluations([made_up(3), made_up(8)], "ioh", tmp_path / "ioh")
    (path,) = (tmp_path / "ioh").rglob("*.json")
    about = json.loads(path.read_text())
    assert [run["seed"] for run in about["scenarios"][0]["runs"]] == [3, 8]
    overview = read(iohinspector, tmp_path / "ioh").overview
    assert set(overview["meaning_of_raw_y"]) == {
        "cost of accuracy: its value times -1, less is better"
    }
    assert set(overview["meaning_of_F2"]) == {"cost of parameters: its value, less is better"}


def test_a_share_of_a_count_is_said_to_be_one(tmp_path: Path) -> None:
    run = made_up(
        objectives=("accuracy", "parameters_share"), shares={"parameters_share": "parameters"}
    )
    write_evaluations([run], "ioh", tmp_path / "ioh")
    (path,) = (tmp_path / "ioh").rglob("*.json")
    assert json.loads(path.read_text())["experiment_attributes"][1] == {
        "meaning_of_F2": (
            "cost of parameters_share: the share of the whole network's parameters, less is better"
        )
    }


def test_three_objectives(tmp_path: Path, iohinspector: Any) -> None:
    F = np.random.default_rng(1).random((60, 3))
    run = made_up(objectives=("a", "b", "c"), F=F, maximised=())
    write_evaluations([run], "ioh", tmp_path / "ioh")
    manager = read(iohinspector, tmp_path / "ioh")
    (volume,) = volumes(iohinspector, manager, ["raw_y", "F2", "F3"], np.ones(3))
    assert volume == pytest.approx(moocore.hypervolume(F, ref=np.ones(3)), rel=1e-9)


def test_runs_of_a_method_must_have_the_same_objectives(tmp_path: Path) -> None:
    other = made_up(1, objectives=("accuracy", "macs"))
    with pytest.raises(PruneError, match="must have the same objectives, but have accuracy, macs"):
        write_evaluations([made_up(), other], "ioh", tmp_path / "ioh")
    assert list(tmp_path.iterdir()) == []
