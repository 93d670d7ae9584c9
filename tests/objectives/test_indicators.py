from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymoo_prune.objectives import Values, distance, hypervolume, hypervolumes, nondominated

CASES = st.tuples(st.integers(1, 3), st.integers(0, 25), st.integers(0, 10_000))


def costs_of(case: tuple[int, int, int]) -> Values:
    """Costs on a coarse grid, so that there are ties; some are above 1."""
    objectives, n, seed = case
    return np.random.default_rng(seed).integers(0, 12, (n, objectives)) / 10.0


def dominated_share(costs: Values, cells: int = 40) -> float:
    """The definition, on a grid that has every cost on an edge of cells."""
    axis = (np.arange(cells) + 0.5) / cells
    grid = np.stack(np.meshgrid(*[axis] * costs.shape[1], indexing="ij"), axis=-1)
    below = [(point <= grid).all(axis=-1) for point in costs]
    return float(np.any(below, axis=0).mean()) if below else 0.0


def beaten(costs: Values, row: int) -> bool:
    """Whether another row is at least as good in everything; an equal row must be earlier."""
    return any(
        (other <= costs[row]).all() and ((other < costs[row]).any() or place < row)
        for place, other in enumerate(costs)
        if place != row
    )


@given(CASES)
def test_the_hypervolume_is_the_share_that_is_dominated(case: tuple[int, int, int]) -> None:
    costs = costs_of(case)
    assert hypervolume(costs) == pytest.approx(dominated_share(costs), abs=1e-12)


def test_hypervolumes_by_hand() -> None:
    assert hypervolume(np.empty((0, 2))) == 0.0
    assert hypervolume(np.array([[0.5, 0.25]])) == pytest.approx(0.375)
    assert hypervolume(np.array([[0.5, 0.25], [0.25, 0.5]])) == pytest.approx(0.5)
    # Rows on the edge of the cube, beyond it, or unknown dominate nothing.
    assert hypervolume(np.array([[1.0, 0.0], [0.2, 1.5], [np.nan, 0.1]])) == 0.0
    assert hypervolume(np.array([[0.3]])) == pytest.approx(0.7)


@given(CASES)
def test_nondominated_rows(case: tuple[int, int, int]) -> None:
    costs = costs_of(case)
    expected = [not beaten(costs, row) for row in range(len(costs))]
    assert nondominated(costs).tolist() == expected


@given(CASES, CASES)
def test_the_distance_is_igd_plus(case: tuple[int, int, int], other: tuple[int, int, int]) -> None:
    objectives = case[0]
    costs, reference = costs_of(case), costs_of((objectives, other[1] + 1, other[2]))
    expected = np.inf
    if len(costs):
        # Ishibuchi et al., "Modified distance calculation in GD and IGD", 2015.
        excess = np.maximum(costs[None] - reference[:, None], 0)
        expected = np.linalg.norm(excess, axis=2).min(axis=1).mean()
    assert distance(costs, reference) == pytest.approx(expected)
    assert distance(reference, reference) == 0


@given(CASES, st.data())
def test_the_curve_is_that_of_the_plain_loop(
    case: tuple[int, int, int], data: st.DataObject
) -> None:
    objectives, n, seed = case
    costs = costs_of((objectives, n + 1, seed))
    # Candidates that failed, or break a bound.
    costs[np.random.default_rng(seed).random(n + 1) < 0.2] = np.nan
    before = costs.copy()
    after = np.array(sorted(data.draw(st.sets(st.integers(1, n + 1), min_size=1))))
    curve = hypervolumes(costs, after)
    known = [costs[:end][~np.isnan(costs[:end]).any(axis=1)] for end in after]
    assert curve.tolist() == pytest.approx([hypervolume(rows) for rows in known], abs=1e-12)
    assert (np.diff(curve) >= -1e-12).all()
    np.testing.assert_array_equal(costs, before)


def test_without_candidates_the_curve_is_flat() -> None:
    unknown = np.full((4, 2), np.nan)
    assert hypervolumes(unknown, np.array([1, 4])).tolist() == [0, 0]
