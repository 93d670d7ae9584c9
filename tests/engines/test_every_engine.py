"""Every engine on every problem: repeats itself, ends, resumes, and measures again."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.algorithm import Algorithm

from pymoo_prune import Budget, Data, PruneError
from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.engines import check_engine, make_algorithm, population_of
from pymoo_prune.operators import CountMutation, Generational, Remeasured
from pymoo_prune.search import Found, search
from pymoo_prune_problems import EComp
from tests.support.engines import FOR_SEVERAL, Rows, cases, run, same
from tests.support.searches import opened
from tests.support.tiny_problem import Pixels, PixelsInBatches

FOR_ONE = ["ga", "nsga2", "nsga3", "unsga3", "spea2", "age-moea", "age-moea2", "random"]


@pytest.mark.slow
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
    """A problem with nine candidates: one row may lose pixels."""

    def operators(self) -> dict[str, Any]:
        mutation = CountMutation([8] * 8, rate=0.5, frozen=range(1, 8))
        return {**super().operators(), "mutation": mutation}

    def random(self, n: int, generator: np.random.Generator) -> Array:
        return super().random(n, generator) * (np.arange(8) == 0)


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("engine", cases(*FOR_SEVERAL))
def test_every_engine_ends_where_all_candidates_are_known(digits: Data, engine: str) -> None:
    problem = Few(digits)
    algorithm = make_algorithm(engine, problem, 12)
    found, steps = run(problem, algorithm, Budget(evaluations=60))
    assert len(np.unique(np.concatenate([X for X, _ in steps]), axis=0)) <= 9
    # MOEA/D asks for duplicates too, and RVEA forgets candidates: they use their budget up.
    asked = {"moead": 60, "rvea": found.last.evaluated}
    assert found.last.evaluated == asked.get(engine, 9) <= 72


class Stopped(Pixels):
    """Interrupts a search after a number of measured candidates."""

    allowed = 10**9

    def _accuracy(self, x: Array, images: slice) -> float:
        self.allowed -= not x.all()
        if self.allowed < 0:
            raise KeyboardInterrupt
        return super()._accuracy(x, images)


@pytest.mark.slow
@pytest.mark.parametrize("engine", cases(*FOR_SEVERAL))
def test_a_resumed_search_is_the_uninterrupted_one(digits: Data, path: Path, engine: str) -> None:
    problem, budget = Stopped(digits), Budget(evaluations=40)
    _, plain = run(problem, engine, budget)
    store = opened(path, problem)
    problem.allowed = 21
    with pytest.raises(KeyboardInterrupt):
        run(problem, engine, budget, store=store)
    assert 0 < store.fresh <= 21
    for allowed in (10**9, 0):  # with some in the store, and with all of them
        problem.allowed = allowed
        found, steps = run(problem, engine, budget, store=store)
        assert same(plain, steps)
    assert len(store.history()) == found.last.evaluated == 40
    store.close()


# Populations.


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


# Changing batches.


@pytest.mark.slow
@pytest.mark.parametrize(
    "engine", cases(*(name for name in FOR_SEVERAL if name not in ("moead", "ctaea")))
)
def test_survivors_are_measured_again_where_batches_change(
    changing: PixelsInBatches, engine: str
) -> None:
    found, steps = run(changing, engine, Budget(generations=4))
    pop = found.last.algorithm.pop
    assert len(pop) > 0
    again = changing.approximation.measure(pop.get("X"), 3)
    assert np.array_equal(pop.get("F"), changing.score(again)["F"])
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


@pytest.mark.slow
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
