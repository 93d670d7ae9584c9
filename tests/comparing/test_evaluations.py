"""All that comparisons asked for: of folders, and of comparisons made in Python."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from pymoo_prune import Budget, Data, PruneError, Run, StoreError
from pymoo_prune.chromosomes import digests
from pymoo_prune.comparing import Campaign, compare, evaluations_in
from pymoo_prune.exchange import Evaluations, write_evaluations
from pymoo_prune.objectives import hypervolume
from tests.support.campaigns import METHODS, created, done
from tests.support.tiny_problem import FailingPixels, Pixels, PixelsInBatches

PROBLEM = "tests.support.tiny_problem:Pixels"


def same(one: Evaluations, other: Evaluations) -> None:
    assert (one.problem, one.method, one.seed) == (other.problem, other.method, other.seed)
    assert one.objectives == other.objectives
    assert np.array_equal(one.F, other.F, equal_nan=True)
    assert np.array_equal(one.feasible, other.feasible)
    assert list(one.failures) == list(other.failures)
    assert one.notes == other.notes
    assert one.X is not None
    assert other.X is not None
    assert digests(one.X) == digests(other.X)


def test_a_folder_and_its_comparison_give_the_same(finished: Campaign) -> None:
    found = evaluations_in(finished.folder)
    assert [(run.method, run.seed) for run in found] == [
        (method, seed) for method in METHODS for seed in (0, 1)
    ]
    comparison = finished.comparison()
    for one, other in zip(found, comparison.evaluations(), strict=True):
        same(one, other)
        assert one.problem == PROBLEM
        assert one.notes == ()
        assert one.objectives == ("accuracy", "parameters")  # also of a weighted sum


def test_hypervolumes_are_those_of_the_comparison(finished: Campaign) -> None:
    comparison = finished.comparison()
    for run, volume in zip(
        comparison.evaluations(), comparison.indicators["hypervolume"], strict=True
    ):
        costs = comparison.goals.unit_costs(run.measurements, comparison.parent)
        assert hypervolume(costs) == pytest.approx(volume, abs=1e-9)


def test_moocore_reads_the_fronts_of_the_comparison(finished: Campaign, tmp_path: Path) -> None:
    import moocore

    comparison = finished.comparison()
    write_evaluations(comparison.evaluations(), "moocore", tmp_path / "sets")
    for method in METHODS:
        (path,) = (tmp_path / "sets").glob(f"*--{method}.dat")
        data = moocore.read_datasets(path)
        for number, trial in enumerate(t for t in comparison.trials if t.method == method):
            points = data[data[:, -1] == number + 1, :-1]
            front = comparison.goals.costs(trial.columns)
            reference = front.max(axis=0) + 1
            assert moocore.hypervolume(points, ref=reference) == pytest.approx(
                moocore.hypervolume(front, ref=reference), rel=1e-9
            )


def test_iohinspector_finds_the_hypervolumes_of_the_comparison(
    finished: Campaign, tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own imports warn
        iohinspector = pytest.importorskip("iohinspector")
    from iohinspector.indicators import add_indicator
    from iohinspector.indicators.anytime import HyperVolume

    comparison = finished.comparison()
    write_evaluations(comparison.evaluations(), "ioh", tmp_path / "ioh")
    manager = iohinspector.DataManager()
    manager.add_folder(str(tmp_path / "ioh"))
    # Costs are -accuracy and parameters; the unit cube's worst corner is an accuracy of 0.
    whole = comparison.parent["parameters"]
    found = add_indicator(
        manager.load(monotonic=False),
        HyperVolume(np.array([0.0, whole])),
        ["raw_y", "F2"],
        evals=[24],
    )
    volumes = dict(zip(found["data_id"], found["HyperVolume"] / whole, strict=True))
    overview = manager.overview
    assert len(overview) == 6
    for method, run, data in zip(
        overview["algorithm_name"], overview["run_id"], overview["data_id"], strict=True
    ):
        (expected,) = [
            volume
            for trial, volume in zip(
                comparison.trials, comparison.indicators["hypervolume"], strict=True
            )
            if (trial.method, trial.seed) == (method, run - 1)
        ]
        assert volumes[data] == pytest.approx(expected, abs=1e-9)


def test_pandas_has_all_runs(finished: Campaign) -> None:
    pytest.importorskip("pandas")
    frame = finished.comparison().to_pandas()
    assert len(frame) == 6 * 24
    counts = frame.groupby(["method", "seed"]).size()
    assert counts.to_dict() == {(method, seed): 24 for method in METHODS for seed in (0, 1)}
    assert set(frame["problem"]) == {PROBLEM}


def test_a_run_of_a_comparison_can_be_read_alone(finished: Campaign) -> None:
    folder = finished.folder / "runs" / "nsga2-1"
    (alone,) = evaluations_in(folder)
    (same_run,) = [
        run for run in evaluations_in(finished.folder) if (run.method, run.seed) == ("nsga2", 1)
    ]
    same(alone, same_run)


def test_a_comparison_that_is_not_finished_gives_what_there_is(
    finished: Campaign, tmp_path: Path
) -> None:
    folder = shutil.copytree(finished.folder, tmp_path / "half")
    (folder / "results.json").unlink()
    shutil.rmtree(folder / "runs" / "ga-0")
    (folder / "runs" / "nsga2-0" / "evaluations.sqlite").unlink()
    (folder / "runs" / "random-1" / "summary.json").unlink()
    seen: list[tuple[float, str]] = []
    found = evaluations_in(folder, lambda *given: seen.append(given))
    assert [(run.method, run.seed) for run in found] == [
        *(("ga", 1), ("nsga2", 1), ("random", 0), ("random", 1)),
    ]
    assert found[0].notes == (
        f"{folder} is not finished: ga, seed 0 and nsga2, seed 0 did not begin.",
    )
    assert found[-1].notes == (
        f"{folder / 'runs' / 'random-1'} is not finished: these are its first 24 evaluations.",
    )
    assert seen[-1] == (1, "6 of 6 runs")


def test_a_run_that_found_nothing_is_finished(tmp_path: Path) -> None:
    methods = ("nsga2", "random")
    campaign = created(
        tmp_path / "tiny",
        methods,
        (0,),
        problem="compared_problems:Tiny",
        constraints=["macs<=90%"],
    )
    done(campaign)
    *_, run = evaluations_in(campaign.folder)
    assert run.method == "random"
    assert run.failed.all()
    assert run.notes == ()


def test_damage_is_told_with_its_remedy(finished: Campaign, tmp_path: Path) -> None:
    folder = shutil.copytree(finished.folder, tmp_path / "damaged")
    path = folder / "runs" / "ga-0" / "evaluations.sqlite"
    path.write_bytes(b"nonsense" * 1_000)
    with pytest.raises(StoreError, match=r"damaged.*makes that run again"):
        evaluations_in(folder)


def test_other_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere has no evaluations: there is no such folder"):
        evaluations_in(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="it holds no run and no comparison"):
        evaluations_in(tmp_path)
    campaign = created(tmp_path / "new")
    with pytest.raises(StoreError, match=r"has no evaluations yet; 'pymoo-prune resume "):
        evaluations_in(campaign.folder)


# Made in Python.


def test_without_a_folder_measurements_are_there(digits: Data) -> None:
    problem = FailingPixels(digits, constraints=["macs<=300"])
    comparison = compare(problem, ["nsga2"], Budget(generations=3), seeds=2, pop_size=8)
    for seed, run in enumerate(comparison.evaluations()):
        assert (run.problem, run.method, run.seed) == ("FailingPixels", "nsga2", seed)
        assert run.X is None
        assert "Chromosomes were not kept" in run.notes[0]
        history = comparison.trials[seed].history
        assert history is not None
        assert np.array_equal(run.F[:, 1], history["parameters"])
        assert run.failed.tolist() == np.isnan(history["accuracy"]).tolist()
        assert {reason for reason in run.failures if reason} <= {"the reason was not kept"}
        assert [bool(reason) for reason in run.failures] == run.failed.tolist()
        bound = history["macs"] <= 300
        assert run.feasible.tolist() == (bound & ~run.failed).tolist()
    assert any(run.failed.any() for run in comparison.evaluations())


def test_with_a_folder_chromosomes_are_there_too(digits: Data, tmp_path: Path) -> None:
    problem = FailingPixels(digits)
    comparison = compare(
        problem, ["nsga2", "random"], Budget(generations=3), seeds=2, pop_size=8, folder=tmp_path
    )
    without = compare(problem, ["nsga2", "random"], Budget(generations=3), seeds=2, pop_size=8)
    for run, other in zip(comparison.evaluations(), without.evaluations(), strict=True):
        assert run.X is not None
        assert [problem.fails(x) for x in run.X] == run.failed.tolist()
        assert np.array_equal(run.F, other.F, equal_nan=True)
        assert run.notes == ()


def test_approximate_measurements_need_a_folder(digits: Data, tmp_path: Path) -> None:
    problem = PixelsInBatches(digits)
    budget = Budget(generations=3)
    comparison = compare(problem, ["nsga2"], budget, seeds=1, pop_size=8)
    with pytest.raises(PruneError, match=r"measured approximately, .* give compare\(\) a folder"):
        comparison.evaluations()
    kept = compare(problem, ["nsga2"], budget, seeds=1, pop_size=8, folder=tmp_path)
    (run,) = kept.evaluations()
    assert len(run) >= 24
    assert run.X is not None
    assert "images that change" in run.notes[0]


def test_runs_and_problems_are_as_they_were(finished: Campaign) -> None:
    run = Run.open(finished.folder / "runs" / "ga-0")
    assert run.evaluations().objectives == ("accuracy", "parameters")
    assert Pixels.keeps_chromosomes
