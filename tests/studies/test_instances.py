from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pymoo_prune import StoreError
from pymoo_prune.search import Store
from pymoo_prune.studies import OnInstance, asked, best
from pymoo_prune.studies.instances import (
    Ended,
    Job,
    Scale,
    instance_of,
    keep_instance,
    keep_run,
    make_run,
    read_run,
)
from pymoo_prune.suite import Instance, problem
from tests.support.studies import BOUNDED, NEURONS, named
from tests.support.suite import NOISY


def job(folder: Path, method: str = "nsga2", name: str = NEURONS, evaluations: int = 95) -> Job:
    on = OnInstance.of(name, evaluations, 20)
    return Job(on, method, 1, folder, folder / "runs" / "run.sqlite")


@pytest.mark.parametrize("name", [NEURONS, BOUNDED])
@pytest.mark.parametrize("method", ["nsga2", "random", named("Mine")])
def test_a_run_and_what_is_read_of_it(tmp_path: Path, method: str, name: str) -> None:
    one = job(tmp_path, method, name)
    assert make_run(one) == Ended()
    instance = problem(name)
    found = asked(method, instance, 95, 1, 20)
    assert len(found.X) == 95
    run = read_run(one.path, one.on, Scale.read(tmp_path, one.on))
    assert run.after.tolist() == list(range(1, 96))
    assert run.evaluations == 95
    assert run.seconds >= 0
    kept = (found.G <= 0).all(axis=1)
    ideal = instance.known.ideal
    expected = np.where(kept[:, None], (found.F - ideal) / (instance.reference - ideal), np.nan)
    np.testing.assert_allclose(run.costs, expected, rtol=1e-12)
    share = instance.known.share(best(instance, found)[1], instance.reference)
    assert run.value == pytest.approx(share, abs=1e-12)
    assert kept.all() == (name == NEURONS)


def test_the_store_has_what_the_search_asked_for(tmp_path: Path) -> None:
    one = job(tmp_path)
    make_run(one)
    found = asked("nsga2", problem(NEURONS), 95, 1, 20)
    store = Store.existing(one.path)
    columns = store.evaluations()
    assert store.fingerprint == f"{NEURONS} version 1"
    assert columns["generation"].tolist() == found.generations.tolist()
    assert columns["generation"].max() == 5
    assert set(columns) == {"generation", *problem(NEURONS).measurements(found.X[:1])}
    for name, column in problem(NEURONS).measurements(found.X).items():
        np.testing.assert_array_equal(columns[name], column)
    assert store.elapsed(5) is not None
    store.close()
    names = sorted(path.name for path in one.path.parent.iterdir())
    assert names == ["run-times.csv", "run.sqlite"]


@pytest.mark.parametrize(
    ("method", "name", "reason"),
    [
        ("moead", BOUNDED, "algorithm 'moead' handles no constraints, but the problem has macs<=3"),
        ("ga", NEURONS, "algorithm 'ga' is for one objective, but two-layers-digits-neurons has 2"),
        ("own", NEURONS, "the paper's own algorithm is for the paper's problem, not for an inst"),
        ("levels", NEURONS, "algorithm 'levels' needs a problem's ladders, which instances of the"),
        ("sparse-ea", BOUNDED, "algorithm 'sparse-ea' is for chromosomes of bits"),
        ("nsga2+rbf", NEURONS, "surrogates are for problems that are no instances"),
        ("nsga2@accuracy", NEURONS, "the objectives of an instance are fixed"),
        (named("Breaking"), NEURONS, "seed 1: RuntimeError: the children are gone"),
        ("tests.support.engine_factories:text_of", NEURONS, "must be a function (problem, pop_si"),
        ("tests.support.engine_factories:single_of", NEURONS, "needs one objective, but the prob"),
    ],
)
def test_methods_that_cannot_search(tmp_path: Path, method: str, name: str, reason: str) -> None:
    one = job(tmp_path, method, name)
    ended = make_run(one)
    assert reason in ended.failure
    assert "\n" not in ended.failure
    assert not one.path.exists()


def test_a_noisy_instance_is_judged_by_all_images(tmp_path: Path) -> None:
    instance = Instance(NOISY)
    found = asked("nsga2", instance, 30, 0, 10)
    assert found.generations.max() > 1
    keep_instance(tmp_path, instance)
    keep_run(tmp_path / "run.sqlite", instance, found)
    on = OnInstance(NOISY.name, 1, 30, 10)

    class Known:
        F = np.array([[0.1, -1.0], [0.2, -2.0]])
        ideal = np.array([0.1, -2.0])

        def share(self, F: np.ndarray, reference: np.ndarray) -> float:
            return float(np.sort(F, axis=0).sum())

    vars(instance)["known"] = Known()
    scale = Scale(instance, instance.measurer.parent)
    run = read_run(tmp_path / "run.sqlite", on, scale)
    assert run.costs.shape == (0, 2)
    front = best(instance, found)[1]
    assert run.value == pytest.approx(float(front.sum()), rel=1e-9)
    assert not np.allclose(found.F[:10], instance.costs(instance.measurements(found.X[:10])))


def test_runs_of_another_instance_or_budget(tmp_path: Path) -> None:
    one = job(tmp_path)
    make_run(one)
    scale = Scale.read(tmp_path, one.on)
    with pytest.raises(
        StoreError, match=r"is a run on two-layers.* version 1, not on .* version 2"
    ):
        read_run(one.path, replace(one.on, version=2), scale)
    with pytest.raises(StoreError, match="has 95 evaluations, but a run has 1 to 50"):
        read_run(one.path, replace(one.on, evaluations=50), scale)
    one.path.write_bytes(b"no store")
    with pytest.raises(StoreError, match="damaged"):
        read_run(one.path, one.on, scale)


def test_an_instance_is_read_once(tmp_path: Path) -> None:
    assert instance_of(NEURONS, 1) is instance_of(NEURONS, 1)
    make_run(job(tmp_path))
    (tmp_path / "instance.json").write_text("{}")
    with pytest.raises(StoreError, match=r"instance\.json cannot be read"):
        Scale.read(tmp_path, OnInstance.of(NEURONS))
