"""Walks over levels, on a size and a fitness that are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymoo.algorithms.base.genetic import GeneticAlgorithm
from pymoo.core.population import Population
from pymoo.core.problem import Problem

from pymoo_prune.chromosomes import Array, Floats
from pymoo_prune.operators import BestWithinBounds, Candidates, Ladders, LevelSwitch, Moves, Walks

VALUES = [np.array([0, 3, 5, 9]), np.array([0, 4, 8]), np.array([0, 1]), np.arange(0, 40, 5)]
WHOLE = np.array([10, 9, 2, 41])


def left(X: Array) -> Floats:
    return (WHOLE - X).sum(axis=1) / WHOLE.sum()


LADDERS = Ladders(VALUES)
MOVES = Moves(LADDERS, left)
any_places = st.tuples(*(st.integers(0, len(one) - 1) for one in VALUES)).map(np.array)
SMALLEST = float(left(np.array([[one[-1] for one in VALUES]]))[0])
bounds = st.floats(SMALLEST, 1.0)


@given(any_places)
def test_places_and_chromosomes_are_one_another(places: Any) -> None:
    (x,) = LADDERS.chromosomes(places[None])
    assert x.tolist() == [one[k] for one, k in zip(VALUES, places, strict=True)]
    assert LADDERS.places(x).tolist() == places.tolist()


@given(any_places, bounds, st.integers(0, 9))
def test_moves_keep_the_bound_and_leave_their_argument(
    places: Any, bound: float, seed: int
) -> None:
    before, generator = places.copy(), np.random.default_rng(seed)
    for moved in (
        MOVES.switched(places, bound, generator),
        MOVES.shifted(places, bound),
        MOVES.shrunk(places, bound, generator),
    ):
        assert ((moved >= 0) & (moved <= LADDERS.last)).all()
        assert left(LADDERS.chromosomes(moved[None]))[0] <= bound
    assert np.array_equal(places, before)


def test_a_single_ladder_gets_all_places_within_the_bound() -> None:
    moves = Moves(Ladders([np.arange(6)]), lambda X: 1 - X[:, 0] / 5)
    before, generator = np.array([0]), np.random.default_rng(0)
    found = [moves.switched(before, 0.65, generator) for _ in range(60)]
    assert {tuple(places) for places in found} == {(2,), (3,), (4,), (5,)}
    assert before.tolist() == [0]


@given(any_places, bounds, st.integers(0, 9))
def test_after_a_switch_nothing_more_fits(places: Any, bound: float, seed: int) -> None:
    child = MOVES.switched(places, bound, np.random.default_rng(seed))
    for gene in np.flatnonzero(child):
        larger = child.copy()
        larger[gene] -= 1
        assert left(LADDERS.chromosomes(larger[None]))[0] > bound


def test_a_switch_gives_one_layer_what_it_takes_from_another() -> None:
    generator, bound = np.random.default_rng(0), 0.6
    places = MOVES.filled(np.array([3, 2, 1, 7]), bound, generator)
    children = [MOVES.switched(places, bound, generator) for _ in range(200)]
    changes = np.array([child - places for child in children])
    assert (changes.any(axis=1)).mean() > 0.3
    moved = changes[changes.any(axis=1)]
    # Nothing can grow unless something else shrinks.
    assert ((moved > 0).any(axis=1)).all()
    assert len(np.unique(moved, axis=0)) > 5


class Known(Problem):
    """The fitness is the weighted square of what goes: the best is known by enumeration."""

    def __init__(self, n_obj: int, bound: float = 1.0) -> None:
        super().__init__(n_var=4, n_obj=n_obj, n_ieq_constr=1, xl=0, xu=WHOLE, vtype=int)
        self.bound = bound

    def _evaluate(self, x: Array, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        loss = ((x / WHOLE) ** 2 * np.array([4, 1, 2, 3])).sum(axis=1)
        out["F"] = np.column_stack([loss, left(x)])[:, : self.n_obj]
        out["G"] = (left(x) - self.bound)[:, None]


EVERYTHING = np.stack(np.meshgrid(*VALUES, indexing="ij"), axis=-1).reshape(-1, 4)


def engine(walks: Walks, pop_size: int) -> GeneticAlgorithm:
    def drawn(n: int, generator: np.random.Generator) -> Array:
        return EVERYTHING[generator.choice(len(EVERYTHING), n, replace=False)]

    return GeneticAlgorithm(
        pop_size=pop_size, sampling=Candidates(drawn), mating=LevelSwitch(walks),
        survival=BestWithinBounds(walks), advance_after_initial_infill=True,
    )  # fmt: skip


def best_below(bound: float) -> float:
    values: dict[str, Any] = {}
    Known(1)._evaluate(EVERYTHING, values)
    return float(values["F"][left(EVERYTHING) <= bound, 0].min())


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("bound", [0.3, 0.5, 0.8])
def test_one_walk_finds_the_best_below_its_bound(bound: float) -> None:
    algorithm = engine(Walks(MOVES, [bound]), 8)
    algorithm.setup(Known(1, bound), termination=("n_gen", 12), seed=1)
    while algorithm.has_next():
        algorithm.next()
    assert len(algorithm.pop) == 1
    assert algorithm.opt[0].F[0] == pytest.approx(best_below(bound))


def test_walks_along_a_front_find_each_its_best_and_measure_nothing_twice() -> None:
    sizes = [0.3, 0.45, 0.6, 0.75, 0.9]
    walks = Walks(MOVES, sizes)
    algorithm = engine(walks, 20)
    algorithm.setup(Known(2), termination=("n_gen", 9), seed=1, save_history=False)
    seen: list[bytes] = []
    while algorithm.has_next():
        algorithm.next()
        if algorithm.n_iter > 2 and algorithm.off is not None:
            seen += [x.tobytes() for x in algorithm.off.get("X")]
    assert len(set(seen)) == len(seen)
    for bound, one in zip(sizes, walks.standing, strict=True):
        assert one is not None
        assert one.F[0] == pytest.approx(best_below(bound))
        assert one.F[1] <= bound


def test_children_that_are_not_measured_may_come_again() -> None:
    """A surrogate leaves most of them out; they are no less promising later."""
    walks = Walks(MOVES, [0.5, 0.9])
    algorithm = engine(walks, 20)
    algorithm.setup(Known(2), termination=("n_gen", 3), seed=1)
    algorithm.next()
    measured = {x.tobytes() for x in algorithm.pop.get("X")}
    before = set(walks.seen)
    generator = np.random.default_rng(0)
    for _ in range(3):
        algorithm.mating.do(Known(2), algorithm.pop, 20, random_state=generator)
    assert walks.seen == before
    assert len(before) >= len(measured)


def test_every_candidate_competes_in_every_walk_and_only_feasible_ones() -> None:
    walks = Walks(MOVES, [0.55, 0.95])
    survival = BestWithinBounds(walks)
    pop = Population.new(X=np.array([[9, 8, 1, 35], [0, 0, 0, 5], [5, 4, 0, 20], [9, 8, 1, 30]]))
    pop.set("F", np.array([[3.0, 0.1], [1.0, 0.9], [2.0, 0.5], [0.5, 0.2]]))
    pop.set("G", np.array([[-1.0], [-1.0], [-1.0], [1.0]]))
    kept = survival.do(Known(2), pop, n_survive=4)
    # The last is the best, but it breaks a constraint.
    assert kept.get("X").tolist() == [[5, 4, 0, 20], [0, 0, 0, 5]]
    change = np.array([0, 0, 0, 1])
    better = Population.new(X=np.array([[5, 4, 0, 25]]))
    better.set("F", np.array([[1.5, 0.4]]))
    better.set("G", np.array([[-1.0]]))
    better[0].set("change", change)
    survival.do(Known(2), Population.merge(kept, better), n_survive=4)
    # It is now the first walk's, and its neighbour will try the same change.
    assert [one.X.tolist() for one in walks.standing if one is not None] == [
        [5, 4, 0, 25], [0, 0, 0, 5],
    ]  # fmt: skip
    assert [(walk, known.tolist()) for walk, known in walks.repeats] == [(1, change.tolist())]
