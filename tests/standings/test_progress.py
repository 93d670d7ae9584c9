"""Hypervolumes over evaluations equal those that are computed anew, here and by IOHinspector."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymoo_prune.objectives import Values, hypervolumes
from pymoo_prune.standings.progress import BLOCK, Progress
from tests.support.made_up_studies import suite_task

FEW = ["two-layers-digits-neurons", "three-layers-digits-widths-five"]


def costs_of(seed: int, n: int, objectives: int, steps: int) -> Values:
    """Costs with many ties, some beyond the reference, and some that failed."""
    generator = np.random.default_rng(seed)
    costs = generator.integers(-1, steps + 2, (n, objectives)) / steps
    costs[generator.random(n) < 0.1] = np.nan
    return np.asarray(costs)


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(0, 60),
    objectives=st.integers(2, 5),
    steps=st.integers(2, 30),
)
def test_every_hypervolume_is_that_of_the_candidates_so_far(
    seed: int, n: int, objectives: int, steps: int
) -> None:
    costs = costs_of(seed, n, objectives, steps)
    before = costs.copy()
    after = 3 * np.arange(1, n + 1)  # results from elsewhere leave some out
    progress = Progress(costs, after)
    wanted = hypervolumes(costs, np.arange(1, n + 1))
    assert progress.at(after) == pytest.approx(wanted, abs=1e-12)
    assert progress.at(np.array([0, 2])).tolist() == [0, 0]
    assert progress.last == pytest.approx(wanted[-1] if n else 0, abs=1e-12)
    targets = np.linspace(0.01, 1, 17)
    for target, hit in zip(targets, progress.hits(targets), strict=True):
        reached = after[wanted >= target - 1e-12]
        assert hit == (reached[0] if len(reached) else np.inf) or np.isclose(wanted, target).any()
    assert np.array_equal(costs, before, equal_nan=True)


@pytest.mark.parametrize("objectives", [2, 3, 5])
def test_more_candidates_than_are_compared_at_once(objectives: int) -> None:
    n = 2 * BLOCK + 40
    generator = np.random.default_rng(objectives)
    costs = generator.random((n, objectives)) * np.linspace(1.3, 0.5, n)[:, None]
    progress, after = Progress(costs, np.arange(1, n + 1)), np.arange(1, n + 1)
    assert len(progress) > 20
    assert progress.at(after) == pytest.approx(hypervolumes(costs, after), abs=1e-12)


def test_a_single_cost_is_what_is_left_to_the_reference() -> None:
    costs = np.array([[1.2], [0.8], [0.9], [np.nan], [0.3]])
    progress = Progress(costs, np.arange(1, 6))
    assert progress.at(np.arange(1, 6)) == pytest.approx([0, 0.2, 0.2, 0.2, 0.7])
    assert progress.hits(np.array([0.1, 0.7, 0.71])).tolist() == [2, 5, np.inf]


@pytest.mark.parametrize("name", FEW)
def test_hypervolumes_are_those_of_iohinspector(name: str) -> None:
    """Clipped at the reference point, and computed anew at each evaluation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        polars = pytest.importorskip("polars")
        anytime = pytest.importorskip("iohinspector.indicators.anytime")
    (course,) = suite_task(name, ["nsga2"], seeds=1, budget=120).courses
    assert course.costs is not None
    names = [f"F{k}" for k in range(course.costs.shape[1])]
    frame = polars.DataFrame(dict(zip(names, course.costs.T, strict=True)))
    frame = frame.with_columns(polars.Series("evaluations", course.after, dtype=polars.UInt64))
    evaluations = [1, 2, 5, 17, 40, 41, 80, 120]
    found = anytime.HyperVolume(np.ones(len(names)))(frame, names, evaluations)
    wanted = found["HyperVolume"].to_numpy()
    assert wanted[-1] > 0
    progress = Progress(course.costs, course.after)
    assert progress.at(np.array(evaluations)) == pytest.approx(wanted, abs=1e-12)
