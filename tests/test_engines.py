from __future__ import annotations

import copy
import itertools
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymoo.algorithms.moo.ctaea import CTAEA
from pymoo.algorithms.moo.dnsga2 import DNSGA2
from pymoo.algorithms.moo.moead import MOEAD
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.nsga3 import NSGA3, comp_by_cv_then_random
from pymoo.algorithms.moo.rnsga2 import RNSGA2
from pymoo.algorithms.moo.rvea import RVEA
from pymoo.algorithms.moo.sms import SMSEMOA
from pymoo.algorithms.moo.spea2 import SPEA2
from pymoo.algorithms.moo.unsga3 import UNSGA3, comp_by_rank_and_ref_line_dist
from pymoo.algorithms.soo.nonconvex.de import DE
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.algorithms.soo.nonconvex.ga_niching import NicheGA
from pymoo.algorithms.soo.nonconvex.pso import PSO
from pymoo.constraints.eps import AdaptiveEpsilonConstraintHandling
from pymoo.core.algorithm import Algorithm
from pymoo.core.population import Population
from pymoo.operators.crossover.pntx import TwoPointCrossover
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.bitflip import BitflipMutation
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import BinaryRandomSampling, IntegerRandomSampling
from pymoo.optimize import minimize

from pymoo_prune import Budget, Data, Measurements, PruneError, PruningProblem, Store, WeightedSum
from pymoo_prune import search as search_module
from pymoo_prune.engines import (
    ENGINES,
    EndingCTAEA,
    PacedRVEA,
    ScaledMOEAD,
    check_engine,
    check_engine_name,
    make_algorithm,
    one_objective,
    population_of,
)
from pymoo_prune.engines.making import even_directions
from pymoo_prune.genome import Array, digests
from pymoo_prune.networks import FeedForward
from pymoo_prune.objectives import Quantity
from pymoo_prune.operators import (
    Candidates,
    CountMutation,
    DigestDuplicates,
    Elitism,
    Generational,
    OpenRanges,
    PacedAPD,
    Remeasured,
    SeededTournament,
    ShortArchives,
    SoftmaxRoulette,
    UniformVectorCrossover,
    uniform_counts,
)
from pymoo_prune.search import Found, search
from pymoo_prune_problems import EComp
from tests.tiny_problem import FailingPixels, Pixels, PixelsInBatches, threads

SUM = WeightedSum({"accuracy": 1.0, "pixels": 0.5})
TWO, THREE = ("accuracy", "parameters"), ("accuracy", "parameters", "pixels")
BOUNDS = ("pixels<=0.5", "accuracy>=0.3")

FOR_ONE = ["ga", "nsga2", "nsga3", "unsga3", "spea2", "age-moea", "age-moea2", "random"]
FOR_SEVERAL = [name for name in ENGINES if name not in ("own", "ga")]
DIRECTED = ["nsga3", "unsga3", "ctaea", "moead", "rvea"]
COMPILED = ["age-moea", "age-moea2"]
needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="numba is not installed")


def cases(*rows: Any) -> list[Any]:
    """Parameters, of which those with an engine that numba compiles are skipped without it."""
    tuples = [row if isinstance(row, tuple) else (row,) for row in rows]
    return [
        pytest.param(*row, marks=[needs_numba] if set(COMPILED) & set(row) else [])
        for row in tuples
    ]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    with threads(1):
        yield


class Rows(PruningProblem):
    """How many pixels each of the eight rows of an image loses: genes are whole numbers."""

    quantities: Mapping[str, Quantity] = Pixels.quantities

    def __init__(self, data: Data, **options: Any) -> None:
        self.pixels = Pixels(data, **options)
        goals = {"objectives": self.pixels.goals.objectives, **options}
        super().__init__(data, n_var=8, vtype=int, xl=0, xu=8, **goals)

    def masks(self, X: Array) -> Array:
        return (np.arange(8) >= X[..., None]).reshape(len(X), -1)

    def measure(self, X: Array) -> Measurements:
        assert X.dtype == np.int64
        return self.pixels.measure(self.masks(X))

    def network(self, x: Array) -> Any:
        return self.pixels.network(self.masks(x[None])[0])

    def operators(self) -> dict[str, Any]:
        return {
            "sampling": Candidates(self.random),
            "crossover": UniformVectorCrossover(n_offsprings=2),
            "mutation": CountMutation([8] * 8, rate=0.1),
            "eliminate_duplicates": DigestDuplicates(),
        }

    def random(self, n: int, generator: np.random.Generator) -> Array:
        return uniform_counts(n, generator, [8] * 8, 0.0, 1.0)


def small_parent() -> FeedForward:
    import torch

    generator = np.random.default_rng(0)
    shapes = [(12, 64), (12, 12), (10, 12)]
    weights = [generator.normal(size=shape).astype(np.float32) / 8 for shape in shapes]
    biases = [torch.zeros(rows) for rows, _ in shapes]
    return FeedForward.from_layers([torch.from_numpy(weight) for weight in weights], biases)


@pytest.fixture(scope="module")
def problem_of(digits: Data) -> Callable[[str, int, bool], PruningProblem]:
    """A problem by what its genes are, how many objectives it has, and whether it has bounds."""

    @cache
    def made(kind: str, n_obj: int, bounded: bool = False) -> PruningProblem:
        if kind == "weights":
            objectives = [
                EComp.fitness(1, 2, 1),
                ("accuracy", "width"),
                ("accuracy", "width", "macs"),
            ]
            return EComp(
                digits,
                parent=small_parent(),
                encoding="weights",
                search_images=50,
                objectives=objectives[n_obj - 1],
                constraints=("width<=0.6", "accuracy>=0.1") if bounded else (),
            )
        cls = {"masks": Pixels, "counts": Rows}[kind]
        constraints = BOUNDS if bounded else ()
        return cls(digits, objectives=(SUM, TWO, THREE)[n_obj - 1], constraints=constraints)

    return made


@pytest.fixture(scope="module")
def pixels(problem_of: Any) -> Pixels:
    return problem_of("masks", 2)


@pytest.fixture(scope="module")
def bounded(problem_of: Any) -> Pixels:
    return problem_of("masks", 2, True)


@pytest.fixture(scope="module")
def single(problem_of: Any) -> Pixels:
    return problem_of("masks", 1)


@pytest.fixture(scope="module")
def changing(digits: Data) -> PixelsInBatches:
    return PixelsInBatches(digits)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "evaluations.sqlite"


def opened(path: Path, problem: Any) -> Store:
    return Store(path, tuple(problem.quantities), problem.fingerprint, {})


def run(
    problem: Any, engine: str | Algorithm, budget: Budget, **options: Any
) -> tuple[Found, list[Any]]:
    """What is found, and X and F of every generation."""
    algorithm = make_algorithm(engine, problem, 8) if isinstance(engine, str) else engine
    populations: list[Any] = []
    found = search(
        problem,
        algorithm,
        budget,
        seed=3,
        on_generation=lambda step: populations.append(step.algorithm.pop.get("X", "F")),
        **options,
    )
    return found, populations


def same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(
        digests(X) == digests(Y) and np.array_equal(F, G)
        for (X, F), (Y, G) in zip(one, other, strict=True)
    )


@pytest.mark.parametrize(
    ("kind", "engine", "n_obj", "bound"),
    cases(
        *(("masks", name, n, n == 2) for name in FOR_SEVERAL for n in (2, 3)),
        *(("counts", name, n, n == 3) for name in FOR_SEVERAL for n in (2, 3)),
        *(("weights", name, n, n == 2) for name in FOR_SEVERAL for n in (2, 3)),
        *(("masks", name, 1, True) for name in FOR_ONE),
        *(("counts", name, 1, False) for name in FOR_ONE),
        *(("weights", name, 1, False) for name in FOR_ONE),
    ),
)
def test_every_engine_repeats_itself_on_all_kinds_of_genes(
    problem_of: Any,
    kind: str,
    engine: str,
    n_obj: int,
    bound: bool,
    untouched_global_generators: None,
) -> None:
    problem = problem_of(kind, n_obj, bound and engine != "moead")
    filters = list(warnings.filters)
    first, steps = run(problem, engine, Budget(generations=4))
    assert warnings.filters == filters  # pymoo silences them in places
    _, again = run(problem, engine, Budget(generations=4))
    assert same(steps, again)
    assert first.last.generation == len(steps) == 4
    assert len(set(digests(first.X))) == len(first.X) > 0
    values = problem.measured(first.X)
    assert all(np.array_equal(values[name], first.measurements[name]) for name in values)
    assert first.X.dtype == {"masks": bool, "counts": np.int64, "weights": object}[kind]


class Few(Rows):
    """Nine candidates: one row may lose pixels."""

    def operators(self) -> dict[str, Any]:
        mutation = CountMutation([8] * 8, rate=0.5, frozen=range(1, 8))
        return {**super().operators(), "mutation": mutation}

    def random(self, n: int, generator: np.random.Generator) -> Array:
        return super().random(n, generator) * (np.arange(8) == 0)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("engine", cases(*FOR_SEVERAL))
def test_every_engine_ends_where_all_candidates_are_known(digits: Data, engine: str) -> None:
    problem = Few(digits)
    algorithm = make_algorithm(engine, problem, 12)
    found, steps = run(problem, algorithm, Budget(evaluations=60))
    assert len(np.unique(np.concatenate([X for X, _ in steps]), axis=0)) <= 9
    # MOEA/D, which asks for twins too, and RVEA, which forgets, use their budget up.
    asked = {"moead": 60, "rvea": found.last.evaluated}
    assert found.last.evaluated == asked.get(engine, 9) <= 72


class Stopped(Pixels):
    """A search over these is interrupted when so many candidates have been measured."""

    allowed = 10**9

    def _accuracy(self, x: Array, images: slice) -> float:
        self.allowed -= not x.all()
        if self.allowed < 0:
            raise KeyboardInterrupt
        return super()._accuracy(x, images)


@pytest.mark.parametrize("engine", cases(*FOR_SEVERAL))
def test_a_resumed_search_is_the_uninterrupted_one(digits: Data, path: Path, engine: str) -> None:
    problem, budget = Stopped(digits), Budget(evaluations=40)
    _, plain = run(problem, engine, budget)
    store = opened(path, problem)
    problem.allowed = 21
    with pytest.raises(KeyboardInterrupt):
        run(problem, engine, budget, store=store)
    problem.allowed = 10**9
    assert 0 < store.fresh <= 21
    for _ in range(2):  # with some in the store, and with all of them
        found, steps = run(problem, engine, budget, store=store)
        assert same(plain, steps)
    assert len(store.history()) == found.last.evaluated == 40
    store.close()


# What was changed in pymoo's engines, and what was not.


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
    """Broken constraints in pairs: 0 and 1 alike, 2 and 3 alike, and so on; the last keeps them."""
    G = np.repeat(np.arange(n / 2, 0, -1), 2)[:, None]
    G[-1] = -1
    pop = Population.new(X=np.arange(n)[:, None], F=np.zeros((n, 2)), G=G)
    pop.set("niche", 0, "rank", 0, "dist_to_niche", 0.0)
    return pop


@pytest.mark.parametrize("comparison", [comp_by_cv_then_random, comp_by_rank_and_ref_line_dist])
def test_a_seeded_tournament_tosses_no_coin_of_its_own(comparison: Any) -> None:
    pop = infeasible(40)
    pairs = np.array([(2 * k, 2 * k + 1) for k in range(19)] * 10 + [(0, 7), (39, 0), (5, 39)])
    given = pairs.copy()
    compare = SeededTournament(comparison).func_comp

    def winners(seed: int) -> Array:
        return compare(pop, pairs, random_state=np.random.default_rng(seed))[:, 0]

    assert np.array_equal(winners(1), winners(1))
    assert not np.array_equal(winners(1), winners(2))
    # Chances are even where two are alike; elsewhere who breaks less wins.
    assert 60 < (winners(1)[:190] % 2).sum() < 130
    assert all(winner in pair for winner, pair in zip(winners(1), pairs, strict=True))
    assert winners(1)[190:].tolist() == [7, 39, 39]
    assert np.array_equal(given, pairs)
    # pymoo's own coin: once this fails, SeededTournament is not needed any more.
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
        def measured(self, X: Array, batch: int = 0) -> Any:
            rows.append(len(X))
            return super().measured(X, batch)

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


# Directions and populations.


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


@pytest.mark.parametrize(
    ("engine", "population"),
    [
        *(
            (name, 14)
            for name in ("nsga2", "nsga3", "unsga3", "spea2", "sms-emoa", "rvea", "random")
        ),
        *(("moead", 10), ("ctaea", 10)),  # as many as there are directions
    ],
)
def test_the_population_is_known(problem_of: Any, engine: str, population: int) -> None:
    problem = problem_of("masks", 3)
    algorithm = make_algorithm(engine, problem, 14)
    assert population_of(algorithm) == population
    found = search(problem, algorithm, Budget(generations=2), seed=0)
    assert found.last.evaluated == 2 * population


def test_the_papers_own_algorithm_keeps_its_population(problem_of: Any) -> None:
    problem = problem_of("weights", 1)
    assert population_of(make_algorithm("own", problem, 8)) == EComp.POPULATION != 8
    assert population_of(Algorithm()) is None


def test_a_population_smaller_than_the_objectives_has_no_directions(problem_of: Any) -> None:
    with pytest.raises(PruneError, match=r"for each of 3 objectives .* must be 3 at least, but"):
        make_algorithm("nsga3", problem_of("masks", 3), 2)


# Changing batches.


@pytest.mark.parametrize(
    "engine", cases(*(name for name in FOR_SEVERAL if name not in ("moead", "ctaea")))
)
def test_survivors_are_measured_again_where_batches_change(
    changing: PixelsInBatches, engine: str
) -> None:
    found, steps = run(changing, engine, Budget(generations=4))
    pop = found.last.algorithm.pop
    assert len(pop) > 0
    assert np.array_equal(pop.get("F"), changing.score(changing.measure_on(pop.get("X"), 3))["F"])
    assert isinstance(found.last.algorithm.survival, Remeasured)
    assert same(steps, run(changing, engine, Budget(generations=4))[1])


@pytest.mark.parametrize("engine", ["moead", "ctaea"])
def test_engines_that_cannot_measure_again_are_refused(
    changing: PixelsInBatches, engine: str
) -> None:
    with pytest.raises(
        PruneError,
        match=f"algorithm '{engine}' has no survival .* PixelsInBatches measures .* fixed batch",
    ):
        make_algorithm(engine, changing, 8)


def test_an_elitist_engine_of_ones_own_must_measure_again(changing: PixelsInBatches) -> None:
    algorithm = NSGA2(pop_size=8, **changing.operators())
    with pytest.raises(PruneError, match=r"this NSGA2 compares .* = Remeasured\(algorithm.surv"):
        check_engine(algorithm, changing)
    algorithm.survival = Remeasured(algorithm.survival)
    check_engine(algorithm, changing)
    check_engine(NSGA2(pop_size=8, survival=Generational(), **changing.operators()), changing)


# Surrogates.


@pytest.mark.parametrize(
    "engine",
    cases("nsga3", "unsga3", "spea2", "sms-emoa", "age-moea", "age-moea2", "ctaea", "rvea"),
)
def test_engines_take_a_surrogate(pixels: Pixels, engine: str) -> None:
    def found() -> tuple[Found, list[Any]]:
        algorithm = make_algorithm(engine, pixels, 8, surrogate="ridge")
        algorithm.mating.warm_up = 16
        return run(pixels, algorithm, Budget(generations=5))

    first, steps = found()
    assert same(steps, found()[1])
    assert first.last.evaluated == 40
    _, without = run(pixels, engine, Budget(generations=5))
    assert same(steps[:2], without[:2])
    assert not same(steps, without)


def test_moead_takes_no_surrogate(pixels: Pixels) -> None:
    with pytest.raises(PruneError, match="has no mating that makes children freely"):
        make_algorithm("moead", pixels, 8, surrogate="ridge")


# Names.


@pytest.mark.parametrize("name", [*ENGINES, "package.module:factory", "mine:Engine.of"])
def test_names_that_can_be_used(name: str) -> None:
    check_engine_name(name)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (
            ["cmaes", "CMA-ES", "de", "PSO", "es", "nelder-mead", "NelderMead", "pattern_search"],
            "moves points in a continuous space with operators of its own, but problems here",
        ),
        (
            ["brkga", "cmopso", "direct", "eppso", "g3pcx", "gde3", "isres", "mopso-cd", "nrbo"],
            "moves points in a continuous space",
        ),
        (["nsde", "nsder", "optuna", "sres"], "moves points in a continuous space"),
        (["dnsga2", "kgb"], "is for problems that change with time"),
        (["rnsga2", "rnsga3"], "needs reference points, which a name cannot"),
        (["pinsga2"], "asks a person"),
        (["niche-ga", "omni-optimizer"], "needs to know how far apart two chromosomes are"),
    ],
)
def test_engines_that_cannot_be_used_are_known_by_name(names: list[str], reason: str) -> None:
    for name in names:
        with pytest.raises(PruneError, match=f"^algorithm '{name}' {reason}"):
            check_engine_name(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nsga22", "unknown algorithm 'nsga22'; there are: age-moea, .* Did you mean 'nsga2'"),
        ("a:b:c", "unknown algorithm 'a:b:c'"),
        ("a b:c", "unknown algorithm 'a b:c'"),
        ("", "unknown algorithm ''; there are"),
    ],
)
def test_unknown_names_are_refused(pixels: Pixels, name: str, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        check_engine_name(name)
    with pytest.raises(PruneError, match=message):
        make_algorithm(name, pixels, 8)


@pytest.mark.parametrize("engine", COMPILED)
def test_without_numba_it_is_said_what_to_install(
    pixels: Pixels, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(
        PruneError, match=rf"'{engine}' needs numba; pip install 'pymoo-prune\[age-moea\]'"
    ):
        make_algorithm(engine, pixels, 8)


# Numbers of objectives, and constraints.


@pytest.mark.parametrize("engine", ["sms-emoa", "ctaea", "moead", "rvea"])
def test_engines_for_several_objectives(single: Pixels, engine: str) -> None:
    with pytest.raises(
        PruneError, match=f"'{engine}' needs several objectives, but the problem has one; take ga"
    ):
        make_algorithm(engine, single, 8)


def test_engines_for_one_objective(pixels: Pixels, problem_of: Any) -> None:
    message = (
        r"algorithm 'ga' needs one objective, but the problem has 2; weigh them into one, for "
        r'example --weights "accuracy=1,parameters=0.5", or take nsga2'
    )
    with pytest.raises(PruneError, match=message):
        make_algorithm("ga", pixels, 8)
    with pytest.raises(PruneError, match=r"algorithm 'own' needs one objective, but the .* has 2"):
        make_algorithm("own", problem_of("weights", 2), 8)


def of_one(problem: Any) -> list[Algorithm]:
    operators = problem.operators()
    return [
        GA(pop_size=8, **operators),
        NicheGA(pop_size=8, **operators),
        NSGA2(pop_size=8, selection=SoftmaxRoulette(), **operators),
        NSGA2(pop_size=8, survival=Elitism(), **operators),
        DE(pop_size=8),
    ]


def test_engines_for_one_objective_are_told_by_what_they_compare(pixels: Pixels) -> None:
    for algorithm in of_one(pixels):
        assert one_objective(algorithm)
    assert one_objective("ga")
    for algorithm in (
        NSGA2(pop_size=8),
        make_algorithm("random", pixels, 8),
        make_algorithm("nsga2", pixels, 8, surrogate="ridge"),
    ):
        assert not one_objective(algorithm)
    assert not any(one_objective(name) for name in ENGINES if name != "ga")
    for algorithm in of_one(pixels)[:4]:
        with pytest.raises(PruneError, match="needs one objective, but the problem has 2"):
            check_engine(algorithm, pixels)


def test_moead_handles_no_constraints(bounded: Pixels, digits: Data) -> None:
    with pytest.raises(
        PruneError,
        match=r"'moead' handles no constraints, but the problem has pixels<=0.5, accuracy>=0.3; ",
    ):
        make_algorithm("moead", bounded, 8)
    with pytest.raises(PruneError, match="but the problem has candidates that can fail, which"):
        make_algorithm("moead", FailingPixels(digits), 8)


# Engines that are handed over.


def used(problem: Any) -> Algorithm:
    algorithm = NSGA2(pop_size=4, **problem.operators())
    search(problem, algorithm, Budget(generations=1), seed=0)
    return algorithm


def with_used_survival(problem: Any) -> Algorithm:
    algorithm = copy.deepcopy(SPEA2(pop_size=4, **problem.operators()))
    minimize(problem, algorithm, ("n_gen", 1), seed=0, copy_algorithm=False)
    return SPEA2(pop_size=4, survival=algorithm.survival, **problem.operators())


D3 = even_directions(3, 10)
D2 = even_directions(2, 10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: "nsga2", "this str is not an engine: it must be a pymoo Algorithm"),
        (used, "this NSGA2 has been used; hand over a fresh one"),
        (with_used_survival, r"this SPEA2 has a survival .* give it survival=SPEA2Survival"),
        (lambda p: NSGA2(8).setup(p), "this NSGA2 has been used"),
        (lambda p: NSGA2(8), "this NSGA2 has the sampling FloatRandomSampling, which is for real"),
        (
            lambda p: NSGA2(8, sampling=p.operators()["sampling"]),
            "has the crossover SBX, .* of Pix",
        ),
        (
            lambda p: NSGA2(8, **{**p.operators(), "mutation": PM()}),
            r"has the mutation PM, .* chromosomes of Pixels; give it \*\*problem.operators",
        ),
        (lambda p: DE(8), "this DE moves points .* but Pixels brings its own chromosomes; take an"),
        (lambda p: PSO(8), "this PSO moves points in a continuous space"),
        (lambda p: DNSGA2(pop_size=8, **p.operators()), "this DNSGA2 is for problems that change"),
        (
            lambda p: NSGA3(D3, **p.operators()),
            "this NSGA3 has reference points for 3 objectives, but the problem has 2; give it",
        ),
        (
            lambda p: RNSGA2(ref_points=D3, pop_size=8, **p.operators()),
            "this RNSGA2 has reference points for 3 objectives, but the problem has 2; give it",
        ),
        (lambda p: RVEA(D2, **p.operators()), "this RVEA takes its pace from .* take rvea by name"),
        (lambda p: PacedRVEA(D2, **p.operators()), "this PacedRVEA takes its pace"),
        (lambda p: CTAEA(D2, **p.operators()), "this CTAEA never ends where .* ctaea by name"),
        (
            lambda p: EndingCTAEA(D2, **p.operators()),
            r"this EndingCTAEA never .*=ShortArchives\(ref",
        ),
        (
            lambda p: MOEAD(
                D2,
                sampling=p.operators()["sampling"],
                crossover=TwoPointCrossover(),
                mutation=BitflipMutation(),
            ),
            "this MOEAD calls each candidate a generation, .* take moead by name",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(pixels: Pixels, make: Any, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        check_engine(make(pixels), pixels)


def test_coins_that_no_seed_governs_are_refused(pixels: Pixels, bounded: Pixels) -> None:
    for engine, comparison in (
        (NSGA3, comp_by_cv_then_random),
        (UNSGA3, comp_by_rank_and_ref_line_dist),
    ):
        plain = engine(D2, **pixels.operators())
        check_engine(plain, pixels)
        with pytest.raises(
            PruneError, match=r"tosses coins .* selection=SeededTournament\(\.\.\.\)"
        ):
            check_engine(plain, bounded)
        check_engine(
            engine(D2, selection=SeededTournament(comparison), **pixels.operators()), bounded
        )


def test_engines_of_pymoo_that_can_be_used(pixels: Pixels, bounded: Pixels, single: Pixels) -> None:
    binary = {
        "sampling": BinaryRandomSampling(),
        "crossover": TwoPointCrossover(),
        "mutation": BitflipMutation(),
    }
    for algorithm, problem in (
        (NSGA2(8, **binary), pixels),
        (GA(8, **binary), single),
        (RNSGA2(ref_points=np.array([[-0.9, 300.0]]), pop_size=8, **pixels.operators()), pixels),
        (AdaptiveEpsilonConstraintHandling(NSGA2(8, **bounded.operators())), bounded),
    ):
        check_engine(algorithm, problem)
        found, steps = run(problem, algorithm, Budget(generations=3))
        assert len(steps) == 3
        assert found.X.dtype == bool


def test_whole_numbers_may_be_rounded(digits: Data) -> None:
    problem = Rows(digits)
    algorithm = NSGA2(
        8,
        sampling=IntegerRandomSampling(),
        crossover=SBX(vtype=float, repair=RoundingRepair()),
        mutation=PM(vtype=float, repair=RoundingRepair()),
    )
    check_engine(algorithm, problem)
    assert run(problem, algorithm, Budget(generations=3))[0].X.dtype == np.int64


class Thresholds(Rows):
    """The same with real numbers, which are rounded down."""

    def masks(self, X: Array) -> Array:
        return super().masks(np.floor(X))

    def measure(self, X: Array) -> Measurements:
        return self.pixels.measure(self.masks(X))

    def operators(self) -> dict[str, Any]:
        return {"sampling": Candidates(self.random), "crossover": SBX(), "mutation": PM()}

    def random(self, n: int, generator: np.random.Generator) -> Array:
        return generator.uniform(0, 8, (n, 8))


def test_engines_for_real_numbers_can_be_handed_over_where_genes_are_real(digits: Data) -> None:
    problem = Thresholds(digits, objectives=SUM)
    for make in (DE, PSO, GA):
        steps = []
        for _ in range(2):
            algorithm = make(pop_size=8)
            check_engine(algorithm, problem)
            steps.append(run(problem, algorithm, Budget(generations=3))[1])
        assert same(*steps)
    with pytest.raises(PruneError, match="this DE needs one objective, but the problem has 2"):
        check_engine(DE(8), Thresholds(digits))


# Factories.


def spea2_of(problem: PruningProblem, pop_size: int) -> Algorithm:
    return SPEA2(pop_size=pop_size, **problem.operators())


def two_arguments_too_many(problem: Any, pop_size: int, one: int, other: int) -> None: ...


def text_of(problem: Any, pop_size: int) -> str:
    return "nsga2"


def used_of(problem: Any, pop_size: int) -> Algorithm:
    return used(problem)


def single_of(problem: Any, pop_size: int) -> Algorithm:
    return GA(pop_size=pop_size, **problem.operators())


class Mine(NSGA2):
    """An engine that takes a population's size and operators."""


ready_made = NSGA2(pop_size=4)


@pytest.mark.parametrize(
    "name", ["tests.test_engines:spea2_of", "pymoo.algorithms.moo.spea2:SPEA2"]
)
def test_factories_and_classes_are_engines(digits: Data, pixels: Pixels, name: str) -> None:
    algorithm = make_algorithm(name, pixels, 6)
    assert type(algorithm) is SPEA2
    assert population_of(algorithm) == 6
    _, first = run(pixels, algorithm, Budget(generations=3))
    # What one search has seen is not what the next one starts with.
    three = Pixels(digits, objectives=THREE)
    run(three, make_algorithm(name, three, 6), Budget(generations=3))
    _, again = run(pixels, make_algorithm(name, pixels, 6), Budget(generations=3))
    assert same(first, again)


def test_a_factorys_engine_measures_survivors_again(changing: PixelsInBatches) -> None:
    algorithm = make_algorithm("tests.test_engines:spea2_of", changing, 6)
    assert isinstance(algorithm.survival, Remeasured)
    assert isinstance(make_algorithm("tests.test_engines:Mine", changing, 6).survival, Remeasured)


def test_a_factory_may_lie_in_the_folder_one_works_in(
    pixels: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "engines_at_hand.py").write_text(
        "from pymoo.algorithms.moo.sms import SMSEMOA\n"
        "def small(problem, pop_size):\n"
        "    return SMSEMOA(pop_size=pop_size // 2, **problem.operators())\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    algorithm = make_algorithm("engines_at_hand:small", pixels, 12)
    monkeypatch.delitem(sys.modules, "engines_at_hand")
    assert (type(algorithm), population_of(algorithm)) == (SMSEMOA, 6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere:factory", "'nowhere:factory' cannot be imported from nowhere:factory: No module"),
        ("tests.test_engines:nothing", "cannot be imported from tests.test_engines:nothing"),
        ("tests.test_engines:D3", "D3' must be a function .* but it is of type ndarray"),
        ("tests.test_engines:ready_made", r"must be a function \(problem, pop.* of type NSGA2"),
        ("tests.test_engines:Rows", "or a class of those, but it is another class"),
        (
            "tests.test_engines:two_arguments_too_many",
            "but it cannot be called so: missing a required argument: 'one'",
        ),
        (
            "tests.test_engines:text_of",
            "text_of' must be .* returns an Algorithm, .* returned a str",
        ),
        ("tests.test_engines:used_of", "has been used; hand over a fresh one"),
        ("tests.test_engines:single_of", "single_of' needs one objective, but the problem has 2"),
        ("pymoo.algorithms.soo.nonconvex.ga:GA", "GA' needs one objective, but the problem has 2"),
        (
            "pymoo.algorithms.moo.nsga3:NSGA3",
            "NSGA3' cannot be made .*'ref_dirs'; write a function",
        ),
        ("pymoo.algorithms.moo.moead:MOEAD", "MOEAD' cannot be made from pop_size and problem.ope"),
        (
            "pymoo.algorithms.soo.nonconvex.de:DE",
            "DE' moves points in .* but Pixels brings its own",
        ),
        ("pymoo.algorithms.moo.dnsga2:DNSGA2", "DNSGA2' is for problems that change with time"),
    ],
)
def test_factories_that_make_no_engine_are_refused(pixels: Pixels, name: str, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        make_algorithm(name, pixels, 8)
