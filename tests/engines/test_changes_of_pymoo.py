"""Our changes to pymoo's engines, and the behaviour of pymoo that we keep."""

from __future__ import annotations

import copy
import itertools
import math
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymoo.algorithms.moo.ctaea import CTAEA
from pymoo.algorithms.moo.nsga3 import NSGA3, comp_by_cv_then_random
from pymoo.algorithms.moo.rvea import RVEA
from pymoo.algorithms.moo.sms import SMSEMOA
from pymoo.algorithms.moo.spea2 import SPEA2
from pymoo.algorithms.moo.unsga3 import UNSGA3, comp_by_rank_and_ref_line_dist
from pymoo.core.population import Population
from pymoo.optimize import minimize

from pymoo_prune import Budget, Data, Measurements, PruneError
from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.engines import EndingCTAEA, PacedRVEA, ScaledMOEAD, check_engine, make_algorithm
from pymoo_prune.engines.making import even_directions
from pymoo_prune.operators import Candidates, OpenRanges, PacedAPD, SeededTournament, ShortArchives
from pymoo_prune.search import budget as search_module
from pymoo_prune.search import search
from tests.support.engines import THREE, TWO, run, same
from tests.support.searches import opened
from tests.support.tiny_problem import FailingPixels, Pixels

# Several engines.

DIRECTED = ["nsga3", "unsga3", "ctaea", "moead", "rvea"]


@pytest.mark.slow
@pytest.mark.parametrize("objectives", [TWO, THREE])
@pytest.mark.parametrize(
    ("engine", "cls"),
    [
        ("nsga3", NSGA3),
        ("unsga3", UNSGA3),
        ("spea2", SPEA2),
        ("sms-emoa", SMSEMOA),
        ("ctaea", CTAEA),
    ],
)
def test_without_constraints_engines_are_exactly_pymoos(
    digits: Data, engine: str, cls: Any, objectives: Any
) -> None:
    problem = Pixels(digits, objectives=objectives)
    size = {"pop_size": 10}
    if engine in DIRECTED:
        size = {"ref_dirs": even_directions(problem.n_obj, 10)}
    plain = copy.deepcopy(cls(**size, **problem.operators()))
    with warnings.catch_warnings():
        result = minimize(problem, plain, ("n_gen", 8), seed=3)
    found = search(problem, make_algorithm(engine, problem, 10), Budget(generations=8), seed=3)
    assert digests(result.pop.get("X")) == digests(found.last.algorithm.pop.get("X"))


def infeasible(n: int) -> Population:
    """Broken constraints, equal in pairs: 0 and 1, 2 and 3, and so on; the last keeps them."""
    G = np.repeat(np.arange(n / 2, 0, -1), 2)[:, None]
    G[-1] = -1
    pop = Population.new(X=np.arange(n)[:, None], F=np.zeros((n, 2)), G=G)
    pop.set("niche", 0, "rank", 0, "dist_to_niche", 0.0)
    return pop


@pytest.mark.parametrize("comparison", [comp_by_cv_then_random, comp_by_rank_and_ref_line_dist])
def test_a_seeded_tournament_breaks_ties_by_its_seed(comparison: Any) -> None:
    pop = infeasible(40)
    pairs = np.array([(2 * k, 2 * k + 1) for k in range(19)] * 10 + [(0, 7), (39, 0), (5, 39)])
    given = pairs.copy()
    compare = SeededTournament(comparison).func_comp

    def winners(seed: int) -> Array:
        return compare(pop, pairs, random_state=np.random.default_rng(seed))[:, 0]

    assert np.array_equal(winners(1), winners(1))
    assert not np.array_equal(winners(1), winners(2))
    # Equal candidates have even chances; otherwise the smaller violation wins.
    assert 60 < (winners(1)[:190] % 2).sum() < 130
    assert all(winner in pair for winner, pair in zip(winners(1), pairs, strict=True))
    assert winners(1)[190:].tolist() == [7, 39, 39]
    assert np.array_equal(given, pairs)
    # pymoo breaks ties without the seed. Once this fails, SeededTournament is not needed any more.
    generators = [np.random.default_rng(1) for _ in range(2)]
    first, second = (comparison(pop, pairs, random_state=one) for one in generators)
    assert not np.array_equal(first, second)


class MostlyFailing(FailingPixels):
    LEAST = 55


@pytest.mark.parametrize("engine", ["nsga3", "unsga3"])
def test_searches_with_many_failures_repeat_themselves(digits: Data, engine: str) -> None:
    problem = MostlyFailing(digits)
    runs = [run(problem, engine, Budget(generations=8)) for _ in range(3)]
    assert same(runs[0][1], runs[1][1])
    assert same(runs[0][1], runs[2][1])
    assert len(runs[0][0].failures) > 10


def test_ranges_are_never_empty(digits: Data) -> None:
    ranges = OpenRanges(2)
    F = np.array([[1.0, 5.0], [3.0, 5.0], [2.0, 5.0]])
    given = F.copy()
    filters = list(warnings.filters)
    ranges.update(F)
    assert ranges.ideal_point.tolist() == [1, 5]
    assert ranges.nadir_point.tolist() == [3, 6]
    assert warnings.filters == filters
    assert np.array_equal(F, given)


class WithoutMacs(Pixels):
    def measure(self, X: Array) -> Measurements:
        return {**super().measure(X), "macs": np.zeros(len(X))}


def test_spea2_still_compares_where_one_objective_never_differs(digits: Data) -> None:
    problem = WithoutMacs(digits, objectives=["accuracy", "macs"])
    algorithm = make_algorithm("spea2", problem, 8)
    search(problem, algorithm, Budget(generations=4), seed=0)
    assert np.isfinite(algorithm.pop.get("SPEA_F").astype(float)).all()


# Directions.


@given(st.integers(1, 5), st.integers(1, 200))
def test_directions_are_as_many_as_spread_evenly(n_obj: int, most: int) -> None:
    if most < n_obj:
        with pytest.raises(PruneError, match=f"population must be {n_obj} at least, but it is"):
            even_directions(n_obj, most)
        return
    directions = even_directions(n_obj, most)
    counts = [math.comb(parts + n_obj - 1, n_obj - 1) for parts in range(1, 201)]
    assert len(directions) == max(count for count in counts if count <= most)
    assert len(np.unique(directions.round(9), axis=0)) == len(directions)
    assert np.allclose(directions.sum(axis=1), 1)
    assert (directions >= 0).all()


def test_a_population_smaller_than_the_objectives_has_no_directions(problem_of: Any) -> None:
    with pytest.raises(PruneError, match=r"for each of 3 objectives .* must be 3 at least, but"):
        make_algorithm("nsga3", problem_of("masks", 3), 2)


# RVEA.


def test_rveas_pace_is_the_share_of_the_budget(pixels: Pixels) -> None:
    _, by_generations = run(pixels, "rvea", Budget(generations=10))
    _, by_evaluations = run(pixels, "rvea", Budget(evaluations=80))
    assert same(by_generations, by_evaluations)
    _, longer = run(pixels, "rvea", Budget(generations=30))
    assert not same(by_generations, longer[:10])


def test_rvea_is_pymoos_where_ranges_are_not_known_at_first(digits: Data) -> None:
    problem = Pixels(digits, objectives=["accuracy", "pixels"])
    directions = even_directions(2, 12)
    survival = PacedAPD(directions)
    survival.nadir = survival.ideal  # so that the first population's ranges are not taken
    ours = PacedRVEA(directions, survival=survival, **problem.operators())
    _, steps = run(problem, ours, Budget(generations=20))
    populations = []
    minimize(
        problem,
        RVEA(directions, **problem.operators()),
        ("n_gen", 20),
        seed=3,
        callback=lambda algorithm: populations.append(algorithm.pop.get("X", "F")),
    )
    assert same(steps, populations)


def test_rvea_keeps_many_whatever_the_unit_of_an_objective(pixels: Pixels) -> None:
    directions = even_directions(2, 20)
    ours, pymoos = [], []
    search(
        pixels,
        make_algorithm("rvea", pixels, 20),
        Budget(generations=10),
        seed=3,
        on_generation=lambda step: ours.append(len(step.algorithm.pop)),
    )
    minimize(
        pixels,
        RVEA(directions, **pixels.operators()),
        ("n_gen", 10),
        seed=3,
        callback=lambda algorithm: pymoos.append(len(algorithm.pop)),
    )
    assert min(pymoos) <= 3
    assert min(ours) >= 15


def test_directions_are_scaled_to_the_ranges_of_the_first_candidates() -> None:
    survival = PacedAPD(even_directions(2, 3))
    problem = SimpleNamespace(n_obj=2, has_constraints=lambda: False)
    algorithm = SimpleNamespace(termination=SimpleNamespace(perc=0.0))

    def survive(F: list[list[float]], used: float) -> list[list[float]]:
        algorithm.termination.perc = used
        pop = Population.new(X=np.zeros((len(F), 1)), F=np.array(F))
        kept = survival.do(problem, pop, n_survive=3, algorithm=algorithm, random_state=None)
        return kept.get("F").tolist()

    first = [[0.1, 4000.0], [0.3, 1000.0], [0.2, 2500.0], [0.25, 2600.0]]
    assert sorted(survive(first, 0.0)) == sorted(first[:3])
    middle = np.array([0.2, 3000]) / np.hypot(0.2, 3000)
    assert np.allclose(survival.V, [[0, 1], middle, [1, 0]])
    before = survival.V.copy()
    survive([[0.2, 2500.0], [0.25, 2600.0]], 0.05)
    assert np.array_equal(survival.V, before)  # not yet
    assert survival.nadir.tolist() == [0.2, 2500]
    survive([[0.1, 4000.0]], 0.1)
    middle = np.array([0.1, 1500]) / np.hypot(0.1, 1500)
    assert np.allclose(survival.V[1], middle)
    before = survival.V.copy()
    assert survival.nadir.tolist() == [0.1, 4000]
    survive([[0.1, 4000.0]], 0.2)
    assert np.array_equal(survival.V, before)  # no range to scale by


def test_a_search_by_time_at_rveas_pace_is_repeated_from_its_record(
    pixels: Pixels, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count()  # a second passes between any two looks at the clock
    monkeypatch.setattr(search_module.time, "perf_counter", lambda: float(next(ticks)))
    store = opened(path, pixels)
    _, steps = run(pixels, "rvea", Budget(seconds=40.0), store=store)
    _, again = run(pixels, "rvea", Budget(seconds=40.0), store=store)
    store.close()
    assert len(steps) > 5
    assert same(steps, again)


# MOEA/D.


def test_moead_goes_on_by_generations_and_measures_one_by_one(digits: Data, path: Path) -> None:
    rows: list[int] = []

    class Counted(Pixels):
        def parts(self, X: Array, batch: int | None = None) -> Any:
            rows.append(len(X))
            return super().parts(X, batch)

    steps: list[Any] = []
    problem = Counted(digits)
    algorithm = make_algorithm("moead", problem, 8)
    search(problem, algorithm, Budget(generations=3), seed=3, on_generation=steps.append)
    assert [(step.generation, step.evaluated) for step in steps] == [(1, 8), (2, 16), (3, 24)]
    assert rows == [8] + [1] * 16


@given(st.integers(0, 2**32), st.integers(2, 3))
def test_moead_replaces_neighbours_that_are_worse_in_scaled_objectives(
    seed: int, n_obj: int
) -> None:
    generator = np.random.default_rng(seed)
    unit, shift = np.array([1.0, 1e6, 1e-3])[:n_obj], np.array([0.0, 5.0, -7.0])[:n_obj]
    directions = even_directions(n_obj, 10)
    F = generator.random((len(directions) + 1, n_obj))
    engine = ScaledMOEAD(directions, n_neighbors=4)
    engine._setup(SimpleNamespace(n_obj=n_obj, has_constraints=lambda: False))
    individuals = Population.new(X=np.arange(len(F))[:, None], F=F * unit + shift)
    engine.pop, child = individuals[:-1], individuals[-1]
    engine.ideal = individuals.get("F").min(axis=0)
    k = int(generator.integers(len(directions)))
    engine._replace(k, child)

    low, high = F.min(axis=0), F[:-1].max(axis=0)

    def value(row: int, direction: Array) -> float:
        scaled = (F[row] - low) / (high - low)
        if n_obj == 2:
            return float(np.abs(scaled * direction).max())
        along = scaled @ direction / np.linalg.norm(direction)
        across = np.linalg.norm(scaled - along * direction / np.linalg.norm(direction))
        return float(along + 5 * across)

    last = len(F) - 1
    near = np.linalg.norm(directions - directions[k], axis=1).argsort(kind="stable")[:4]
    assert set(near) == set(engine.neighbors[k])
    for row, x in enumerate(engine.pop.get("X")[:, 0]):
        better = value(last, directions[row]) < value(row, directions[row]) - 1e-12
        if abs(value(last, directions[row]) - value(row, directions[row])) > 1e-9:
            assert (x == last) == (row in near and better)


def test_moead_does_not_care_for_the_unit_of_an_objective(digits: Data) -> None:
    # The sparsity is 1 - parameters / those of the parent.
    _, counts = run(Pixels(digits, objectives=TWO), "moead", Budget(generations=8))
    _, shares = run(
        Pixels(digits, objectives=["accuracy", "sparsity"]), "moead", Budget(generations=8)
    )
    assert [digests(X) for X, _ in counts] == [digests(X) for X, _ in shares]


# C-TAEA.


@pytest.mark.timeout(60)
def test_ctaea_ends_where_its_first_population_is_short(pixels: Pixels) -> None:
    few = pixels.random(3, np.random.default_rng(0))
    operators = {
        **pixels.operators(),
        "sampling": Candidates(lambda n, generator: few[np.arange(n) % 3]),
    }
    directions = even_directions(2, 12)
    algorithm = EndingCTAEA(directions, survival=ShortArchives(directions), **operators)
    check_engine(algorithm, pixels)
    _, steps = run(pixels, algorithm, Budget(generations=5))
    sizes = [len(X) for X, _ in steps]
    assert sizes[0] == 3
    assert sizes[-1] == 12
