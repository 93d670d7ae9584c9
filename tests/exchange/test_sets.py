"""moocore's sets of points, read back with moocore."""

from __future__ import annotations

from pathlib import Path

import moocore
import numpy as np
import pytest

from pymoo_prune.exchange import write_evaluations
from tests.support.evaluations import feasible_costs, made_up

REFERENCE = np.array([0.0, 1_000.0])


def test_hypervolumes_are_the_same(tmp_path: Path) -> None:
    runs = [made_up(seed, failed=(2, 9), infeasible=(5,)) for seed in range(5)]
    notes = write_evaluations(runs, "moocore", tmp_path / "sets")
    assert notes == ["15 infeasible or failed evaluations are left out."]
    (path,) = (tmp_path / "sets").iterdir()
    assert path.name == "pixels--nsga2.dat"
    data = moocore.read_datasets(path)
    assert set(data[:, -1]) == {1, 2, 3, 4, 5}
    for number, run in enumerate(runs, 1):
        points, costs = data[data[:, -1] == number, :-1], feasible_costs(run)
        expected = moocore.hypervolume(costs, ref=REFERENCE)
        assert moocore.hypervolume(points, ref=REFERENCE) == pytest.approx(expected, rel=1e-9)
        best = costs[moocore.is_nondominated(costs)]
        assert {tuple(point) for point in points} == {tuple(point) for point in best}


def test_each_method_on_each_problem_has_a_file(tmp_path: Path) -> None:
    pairs = [("a:B", "nsga2"), ("a:B", "nsga2+rbf"), ("a B", "nsga2"), ("A-B", "nsga2")]
    runs = [made_up(0, problem=problem, method=method) for problem, method in pairs]
    write_evaluations(runs, "moocore", tmp_path / "sets")
    assert sorted(path.name for path in (tmp_path / "sets").iterdir()) == [
        *("A-B-3--nsga2.dat", "a-B--nsga2+rbf.dat", "a-B--nsga2.dat", "a-B-2--nsga2.dat"),
    ]


def test_comments_say_which_run_a_set_is(tmp_path: Path) -> None:
    nothing = made_up(3, infeasible=tuple(range(60)))
    notes = write_evaluations([made_up(7), nothing, made_up(5)], "moocore", tmp_path / "sets")
    assert notes[-1] == "pixels, nsga2, seed 3 found nothing feasible, and has no set."
    path = tmp_path / "sets" / "pixels--nsga2.dat"
    comments = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert comments == [
        "# pixels, nsga2",
        "# cost of accuracy: its value times -1, less is better",
        "# cost of parameters: its value, less is better",
        "# set 1: seed 7",
        "# set 2: seed 5",
    ]
    assert set(moocore.read_datasets(path)[:, -1]) == {1, 2}


def test_a_method_that_found_nothing_has_no_file(tmp_path: Path) -> None:
    nothing = made_up(0, method="random", infeasible=tuple(range(60)))
    write_evaluations([nothing, made_up()], "moocore", tmp_path / "sets")
    assert [path.name for path in (tmp_path / "sets").iterdir()] == ["pixels--nsga2.dat"]
