from __future__ import annotations

from typing import Any

import moocore
import numpy as np
import pytest
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.optimize import minimize

from pymoo_prune.errors import PruneError
from pymoo_prune.suite import problem
from pymoo_prune.suite.contents import holds, index
from pymoo_prune.suite.definitions import DEFINITIONS, GROUPS
from pymoo_prune.suite.known import hypervolume, nondominated
from tests.support.suite import NEURONS, WIDTHS, bounded, with_front

TABULAR = list(GROUPS["tabular"])
KNOWN = [name for name in DEFINITIONS if holds(f"fronts/{name}.npz")]


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_front_is_a_front_of_valid_candidates(name: str) -> None:
    instance = problem(name)
    known = instance.known
    X = instance.genes.checked(known.X, name)
    assert known.F.shape == (len(X), instance.n_obj)
    assert np.isfinite(known.F).all()
    assert moocore.is_nondominated(known.F, keep_weakly=False).all()
    assert len(np.unique(known.F, axis=0)) == len(known.F)
    assert np.array_equal(instance.pareto_front(), known.F)
    assert np.array_equal(instance.pareto_set(), X)
    assert instance.pareto_set().dtype == instance.vtype
    kept = np.zeros((len(X), len(instance.constraints))) if instance.constraints else None
    assert instance.hypervolume(known.F, kept) == 1
    assert index()["instances"][name]["front"] == len(known.F)
    # Points that are better than the reference in all objectives make the hypervolume.
    assert (instance.reference > known.F).all(axis=1).any()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if (size or 0) > 300_000 else ())
        for name, size in ((name, DEFINITIONS[name].candidates) for name in TABULAR)
    ],
)
def test_a_true_front_has_all_that_nothing_in_the_table_dominates(name: str) -> None:
    instance = with_front(name)
    F, G = instance.all_scores
    kept = F[(G <= 0).all(axis=1)]
    every = moocore.is_nondominated(kept, keep_weakly=True)
    assert np.array_equal(np.unique(kept[every], axis=0), np.unique(instance.known.F, axis=0))
    # The same in other words, without moocore.
    covered = np.zeros(len(kept), dtype=bool)
    for point in instance.known.F:
        covered |= (kept >= point).all(axis=1)
        better = (kept <= point).all(axis=1) & (kept < point).any(axis=1)
        assert not better.any()
    assert covered.all()
    found: dict[str, Any] = instance.evaluate(
        instance.known.X, return_values_of=["F", "G"], return_as_dictionary=True
    )
    assert np.array_equal(found["F"], instance.known.F)
    assert not instance.constraints or (found["G"] <= 0).all()


# Searches.


def test_nsga2_comes_near_the_true_front_with_the_instances_operators() -> None:
    instance = with_front(WIDTHS)
    algorithm = NSGA2(pop_size=100, **instance.operators())
    result = minimize(instance, algorithm, ("n_eval", 2_000), seed=1)
    assert result.algorithm.evaluator.n_eval <= 2_000
    assert 0.95 <= instance.hypervolume(result.F) <= 1


def test_nsga2_comes_near_it_with_pymoos_operators_for_whole_numbers() -> None:
    instance = with_front(WIDTHS)
    repair = RoundingRepair()
    algorithm = NSGA2(
        pop_size=100,
        sampling=IntegerRandomSampling(),
        crossover=SBX(prob=0.9, eta=3.0, vtype=float, repair=repair),
        mutation=PM(prob=0.9, eta=3.0, vtype=float, repair=repair),
        eliminate_duplicates=True,
    )
    result = minimize(instance, algorithm, ("n_eval", 2_000), seed=1)
    assert 0.9 <= instance.hypervolume(result.F) <= 1


def test_nsga2_searches_bits() -> None:
    instance = with_front(NEURONS)
    algorithm = NSGA2(pop_size=50, **instance.operators())
    result = minimize(instance, algorithm, ("n_eval", 4_000), seed=1)
    assert result.X.dtype == bool
    assert 0.8 <= instance.hypervolume(result.F) <= 1


# Hypervolumes.


def test_the_hypervolume_is_a_share_of_the_known_fronts() -> None:
    instance = with_front(WIDTHS)
    F = instance.known.F
    half = instance.hypervolume(F[::2])
    assert 0 < half < 1
    assert instance.hypervolume(np.concatenate([F, F[:9], F + 0.1])) == 1
    assert instance.hypervolume(instance.reference) == 0
    assert instance.hypervolume([]) == instance.hypervolume(None) == 0
    assert instance.hypervolume(F[20]) == instance.hypervolume(F[20:21])
    for wrong in (np.nan, np.inf, -np.inf):
        with pytest.raises(
            PruneError, match=f"F must be finite numbers, but log_.* of candidate 1 is {wrong}"
        ):
            instance.hypervolume([[0.1, -1], [0.1, wrong]])
    assert instance.hypervolume([[0, -2]]) > 1


def test_candidates_that_break_constraints_have_no_hypervolume(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    F = with_front(WIDTHS).known.F
    instance = bounded("accuracy_drop<=0.02")
    monkeypatch.setitem(vars(instance), "known", with_front(WIDTHS).known)
    assert instance.hypervolume(F, np.zeros((len(F), 1))) == 1
    G = np.where(np.arange(len(F)) % 2, 1.0, 0.0)[:, None]
    assert instance.hypervolume(F, G) == with_front(WIDTHS).hypervolume(F[::2])
    with pytest.raises(PruneError, match=r"has constraints \(accuracy_drop<=0\.02\): give their"):
        instance.hypervolume(F)
    assert instance.hypervolume(None) == 0
    with pytest.raises(PruneError, match=f"F has {len(F)} candidates, but G has 3"):
        instance.hypervolume(F, G[:3])
    with pytest.raises(
        PruneError,
        match=r"^G must be numbers of shape \(n, 1\), one column for each of accuracy_",
    ):
        instance.hypervolume(F[:2], np.zeros((2, 2)))


@pytest.mark.parametrize("shape", [(2, 3), (4,), (1, 2, 2)])
def test_points_with_other_objectives_have_no_hypervolume(shape: tuple[int, ...]) -> None:
    instance = with_front(WIDTHS)
    with pytest.raises(
        PruneError, match=r"^F must be numbers of shape \(n, 2\), .* but its shape is"
    ):
        instance.hypervolume(np.zeros(shape))


def test_the_box_has_hypervolume_one() -> None:
    ideal, reference = np.array([-1.0, 2.0]), np.array([3.0, 4.0])
    assert hypervolume(ideal[None], ideal, reference) == 1
    assert hypervolume(np.array([[1.0, 3.0]]), ideal, reference) == 0.25
    assert nondominated(np.array([[1.0, 2], [0, 3], [1, 2], [2, 2]])).tolist() == [0, 1]


def test_a_known_front_has_corners_and_facts() -> None:
    instance = with_front(WIDTHS)
    assert instance.known.ideal.tolist() == instance.known.F.min(axis=0).tolist()
    assert instance.known.nadir.tolist() == instance.known.F.max(axis=0).tolist()
    assert instance.known.facts["true"]
