"""All that a run asked for, read from its folder: finished, stopped, old or damaged."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymoo_prune import Budget, Data, PruningProblem, Run, Settings, StoreError
from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.exchange import Evaluations
from pymoo_prune.executors import InProcess
from pymoo_prune.objectives import Part
from tests.support.older_folders import without_digests
from tests.support.running import quiet
from tests.support.tiny_problem import FailingPixels, Pixels

BOUND = "macs<=60%"


def settings(problem: str = "tiny_problem:FailingPixels", **changes: Any) -> Settings:
    given = {"pop_size": 8, "budget": Budget(generations=4), "threads": 1, **changes}
    return Settings(problem=f"tests.support.{problem}", algorithm="nsga2", **given)


class Stopping(InProcess):
    """Stops, as if by Ctrl-C, when so many generations are measured."""

    def __init__(self, generations: int) -> None:
        self.left = generations

    def measure(self, problem: PruningProblem, X: Array, batch: int | None) -> Iterator[Part]:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return super().measure(problem, X, batch)


def stopped(folder: Path, generations: int, **changes: Any) -> Run:
    run = Run.create(folder, settings(**changes))
    with pytest.raises(KeyboardInterrupt):
        run.execute(quiet(), executor=Stopping(generations))
    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.create(tmp_path_factory.mktemp("runs") / "run", settings(constraints=[BOUND]))
    run.execute(quiet())
    return run


def test_a_finished_run_gives_everything(finished: Run, digits: Data) -> None:
    found = finished.evaluations()
    problem = FailingPixels(digits, constraints=[BOUND])
    assert len(found) == 32
    assert (found.problem, found.method) == ("tests.support.tiny_problem:FailingPixels", "nsga2")
    assert found.seed == 0
    assert found.notes == ()
    assert found.generation.tolist() == np.repeat([1, 2, 3, 4], 8).tolist()
    assert (found.objectives, found.maximised) == (("accuracy", "parameters"), ("accuracy",))
    assert found.X is not None
    again = problem.measured(found.X)
    for name, column in found.measurements.items():
        assert np.array_equal(column, again[name], equal_nan=True)
    scores = problem.score(again)
    assert np.array_equal(found.feasible, (scores["G"] <= 0).all(axis=1))
    assert found.failed.any()
    assert found.failed.tolist() == [problem.fails(x) for x in found.X]
    assert not found.feasible[found.failed].any()
    assert 0 < found.feasible.sum() < (~found.failed).sum()
    expected = np.column_stack([-again["accuracy"], again["parameters"]])
    assert np.array_equal(found.F, expected, equal_nan=True)
    assert {reason for reason in found.failures if reason} == {
        "the training diverged: its last loss is nan"
    }


def assert_begins_with(whole: Evaluations, part: Evaluations) -> None:
    n = len(part)
    assert part.X is not None
    assert whole.X is not None
    assert digests(part.X) == digests(whole.X[:n])
    assert np.array_equal(part.feasible, whole.feasible[:n])
    assert np.array_equal(part.F, whole.F[:n], equal_nan=True)
    assert list(part.failures) == list(whole.failures[:n])
    assert part.measurements.keys() == whole.measurements.keys()


def test_a_stopped_run_gives_what_was_measured(tmp_path: Path, finished: Run) -> None:
    run = stopped(tmp_path / "run", 2, constraints=[BOUND])
    found = run.evaluations()
    assert len(found) == 16  # the third generation was asked for, but not measured
    assert found.notes == (
        f"{tmp_path / 'run'} is not finished: these are its first 16 evaluations.",
    )
    assert_begins_with(finished.evaluations(), found)
    run.execute(quiet())
    assert run.evaluations().notes == ()


def test_a_generation_may_be_measured_in_part(tmp_path: Path, finished: Run) -> None:
    run = stopped(tmp_path / "run", 3, constraints=[BOUND])
    with sqlite3.connect(run.folder / "evaluations.sqlite") as db:
        db.execute(
            "DELETE FROM measurements WHERE digest = (SELECT digest FROM history WHERE number = 11)"
        )
    db.close()
    found = run.evaluations()
    assert len(found) == 11
    assert_begins_with(finished.evaluations(), found)


def test_absolute_bounds_need_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stopped(tmp_path / "run", 1, constraints=["macs<=300"])
    monkeypatch.setattr(Run, "prepare", None)
    found = run.evaluations()
    bound = found.measurements["macs"] <= 300
    assert found.feasible.tolist() == (bound & ~found.failed).tolist()


def test_a_run_that_asked_for_nothing_says_so(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", settings())
    with pytest.raises(StoreError, match="there are no evaluations: "):
        run.evaluations()


def test_the_surrogate_belongs_to_the_method(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", settings("tiny_problem:Pixels", surrogate="rbf"))
    run.execute(quiet())
    assert run.evaluations().method == "nsga2+rbf"


def changed(folder: Path, sql: str) -> None:
    with closing(sqlite3.connect(folder / "evaluations.sqlite", isolation_level=None)) as db:
        db.execute(sql)


def copy_of(run: Run, folder: Path) -> Run:
    folder.mkdir()
    for path in run.folder.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    return Run.open(folder)


def test_a_folder_of_an_older_version_has_no_chromosomes(tmp_path: Path, finished: Run) -> None:
    run = copy_of(finished, tmp_path / "old")
    changed(run.folder, "DROP TABLE chromosomes")
    found, new = run.evaluations(), finished.evaluations()
    assert found.X is None
    assert found.notes == ("It was begun with an older version, which did not keep chromosomes.",)
    assert np.array_equal(found.F, new.F, equal_nan=True)
    assert found.failures == new.failures


def test_a_damaged_store_is_told(tmp_path: Path, finished: Run) -> None:
    run = copy_of(finished, tmp_path / "damaged")
    path = run.folder / "evaluations.sqlite"
    path.write_bytes(path.read_bytes()[:5_000])
    with pytest.raises(StoreError, match="damaged"):
        run.evaluations()


def test_images_that_change_are_told(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", settings("tiny_problem:PixelsInBatches"))
    run.execute(quiet())
    found = run.evaluations()
    assert found.notes == (
        "Candidates were measured on images that change: nsga2's evaluations do not all compare.",
    )
    assert found.X is not None


def test_weights_are_no_chromosomes(tmp_path: Path) -> None:
    options = {"encoding": "weights", "parent_widths": [8], "parent_images": 500}
    run = Run.create(
        tmp_path / "run",
        Settings(
            problem="ecomp", algorithm="nsga2", pop_size=4, budget=Budget(generations=2),
            threads=1, options=options,
        ),
    )  # fmt: skip
    run.execute(quiet())
    found = run.evaluations()
    assert found.X is None
    assert found.notes == ("Its chromosomes are weights or other objects, which are not kept.",)


def test_a_front_has_a_row_for_each_network(finished: Run) -> None:
    pytest.importorskip("pandas")
    front = finished.front(quiet())
    frame = front.to_pandas()
    assert list(frame.columns) == list(front.columns)
    assert frame.index.tolist() == list(range(len(front)))
    evaluations = finished.evaluations().to_pandas().set_index("number")
    rows = evaluations.loc[frame["evaluation"].astype(int)]
    assert np.array_equal(rows["accuracy"], frame["accuracy"])
    X = finished.evaluations().X
    assert X is not None
    assert digests(X[frame["evaluation"].astype(int)]) == digests(front.X)


def test_the_summary_decides_what_is_finished(tmp_path: Path, finished: Run) -> None:
    run = copy_of(finished, tmp_path / "run")
    summary = json.loads((run.folder / "summary.json").read_text())
    without_digests(run.folder)
    (run.folder / "summary.json").write_text(json.dumps({**summary, "generations": 2}))
    assert len(run.evaluations()) == 16
    (run.folder / "summary.json").unlink()
    assert "is not finished" in run.evaluations().notes[0]
    assert isinstance(run, Run)
    assert issubclass(FailingPixels, Pixels)
