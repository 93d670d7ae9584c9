"""The choice of children, and the data that models learn from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from pymoo.core.infill import InfillCriterion
from pymoo.core.population import Population
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from pymoo_prune import Budget, Data, PruneError
from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.engines import make_algorithm
from pymoo_prune.objectives import Values
from pymoo_prune.operators import RandomMating
from pymoo_prune.problem import Preview
from pymoo_prune.search import search
from pymoo_prune.surrogates import MODELS, Model, Prescreened, prescreen
from tests.support.surrogates import (
    SUM,
    Bits,
    BitsOfUnknownSize,
    Perfect,
    Recorded,
    found_by,
    mating_of,
    measured,
    same,
)
from tests.support.tiny_problem import FailingPixels

# Features.


def test_genes_are_the_features_unless_written(bits: Bits, digits: Data) -> None:
    X = bits.random(3, np.random.default_rng(0))
    assert bits.preview.features(X).dtype == np.float64
    assert np.array_equal(bits.preview.features(X), X)
    assert Preview().sizes(X) == {}


def test_objects_have_no_features(bits: Bits) -> None:
    genomes = np.array([[object()], [object()]], dtype=object)
    with pytest.raises(PruneError, match=r"has no features.*give it a preview with features"):
        bits.preview.features(genomes)


# The choice of children.


@pytest.mark.parametrize("n", [1, 5, 12])
def test_with_a_perfect_model_the_best_of_the_pool_are_handed_on(digits: Data, n: int) -> None:
    problem = Bits(digits, objectives=SUM)
    pop = measured(problem, 60)
    mating = Recorded(mating_of(problem))
    choosing = Prescreened(mating, model=lambda _: Perfect(problem), explore=0)
    off = choosing.do(problem, pop, n, random_state=np.random.default_rng(1))
    pool = np.concatenate([made.get("X") for made in mating.made])
    assert len(set(digests(pool))) == len(pool) == 10 * n
    expected = np.sort(problem.score(problem.measure(pool))["F"][:, 0])[:n]
    assert len(off) == n
    assert set(digests(off.get("X"))) <= set(digests(pool))
    assert np.array_equal(
        np.sort(problem.score(problem.measure(off.get("X")))["F"][:, 0]), expected
    )


def test_with_two_objectives_no_better_child_is_left_behind(bits: Bits) -> None:
    pop = measured(bits, 60)
    mating = Recorded(mating_of(bits))
    choosing = Prescreened(mating, model=lambda _: Perfect(bits), explore=0)
    off = choosing.do(bits, pop, 20, random_state=np.random.default_rng(1))
    pool = np.concatenate([made.get("X") for made in mating.made])
    F = bits.score(bits.measure(pool))["F"]
    rank = NonDominatedSorting().do(F, return_rank=True)[1]
    chosen = np.isin(digests(pool), digests(off.get("X")))
    assert chosen.sum() == 20
    assert rank[chosen].max() <= rank[~chosen].min()


def test_children_that_keep_the_constraints_come_first(digits: Data) -> None:
    # One bound on what is known, one on what is predicted.
    problem = Bits(digits, constraints=["parameters<=16", "accuracy>=0.75"])
    pop = measured(problem, 60)
    mating = Recorded(mating_of(problem))
    choosing = Prescreened(mating, model=lambda _: Perfect(problem), factor=20, explore=0)
    off = choosing.do(problem, pop, 30, random_state=np.random.default_rng(1))
    pool = np.concatenate([made.get("X") for made in mating.made])

    def violation(X: Array) -> Values:
        return np.maximum(problem.score(problem.measure(X))["G"], 0).sum(axis=1)

    kept = int((violation(pool) == 0).sum())
    assert 0 < kept < 30
    assert (violation(off.get("X")) == 0).sum() == kept
    expected = np.sort(violation(pool))[:30]
    assert np.array_equal(np.sort(violation(off.get("X"))), expected)


def test_some_are_taken_at_random(digits: Data) -> None:
    problem = Bits(digits, objectives=SUM)
    pop = measured(problem, 60)
    mating = Recorded(mating_of(problem))
    choosing = Prescreened(mating, model=lambda _: Perfect(problem), explore=0.5)
    off = choosing.do(problem, pop, 20, random_state=np.random.default_rng(1)).get("X")
    pool = np.concatenate([made.get("X") for made in mating.made])
    order = np.argsort(problem.score(problem.measure(pool))["F"][:, 0])
    places = [digests(pool[order]).index(key) for key in digests(off)]
    assert places[:10] == list(range(10))
    assert len(set(places)) == 20
    assert max(places) > 100


def test_a_share_of_one_child_is_taken_now_and_then(digits: Data) -> None:
    problem = Bits(digits, objectives=SUM)
    pop = measured(problem, 60)
    mating = Recorded(mating_of(problem))
    choosing = Prescreened(mating, model=lambda _: Perfect(problem), explore=0.3)
    generator = np.random.default_rng(1)
    best = 0
    for _ in range(60):
        mating.made.clear()
        off = choosing.do(problem, pop, 1, random_state=generator)
        pool = np.concatenate([made.get("X") for made in mating.made])
        F = problem.score(problem.measure(pool))["F"][:, 0]
        best += digests(off.get("X"))[0] == digests(pool)[F.argmin()]
    assert 35 <= best <= 52  # 42 expected, and a few by chance


def test_no_child_was_there_before(bits: Bits) -> None:
    pop = measured(bits, 60)

    class Forgetful(InfillCriterion):
        """A mating that repeats old candidates as half of its children."""

        def do(self, problem: Any, pop: Population, n_offsprings: int, **kwargs: Any) -> Any:
            old = pop.get("X")[: n_offsprings // 2]
            new = bits.random(n_offsprings - len(old), kwargs["random_state"])
            return Population.new("X", np.concatenate([old, new]))

    choosing = Prescreened(Forgetful(), model="ridge")
    off = choosing.do(bits, pop, 10, random_state=np.random.default_rng(1))
    keys = digests(off.get("X"))
    assert len(set(keys)) == 10
    assert not set(keys) & set(digests(pop.get("X")))


def test_if_the_mating_finds_too_few_children_all_are_handed_on(bits: Bits) -> None:
    pop = measured(bits, 60)
    new = bits.random(3, np.random.default_rng(5))
    choosing = Prescreened(RandomMating(lambda n, _: new[np.arange(n) % 3]))
    off = choosing.do(bits, pop, 10, random_state=np.random.default_rng(1))
    assert digests(off.get("X")) == digests(new)
    empty = Prescreened(RandomMating(lambda n, _: pop.get("X")[np.arange(n) % 60]))
    assert len(empty.do(bits, pop, 10, random_state=np.random.default_rng(1))) == 0


def test_a_search_ends_when_all_candidates_were_measured(digits: Data) -> None:
    problem = Bits(digits, n_var=4)
    algorithm = prescreen(make_algorithm("nsga2", problem, 6), warm_up=6)
    mating = Recorded(algorithm.mating.mating)
    algorithm.mating.mating = mating
    found = search(problem, algorithm, Budget(generations=30), seed=3)
    assert len(problem.asked) == len(set(problem.asked)) <= 16
    assert found.last.generation < 30
    # A mating that has found all candidates is not asked again.
    assert len(mating.made) <= found.last.generation


# What models learn from.


def test_the_pool_is_not_measured(bits: Bits) -> None:
    found = found_by(bits, 8)
    assert found.last.evaluated == len(bits.asked) == 8 * 16
    assert len(set(bits.asked)) == 8 * 16


def test_models_learn_from_all_candidates_but_known_columns(bits: Bits) -> None:
    shown: list[tuple[Values, Values]] = []
    found_by(bits, 6, model=lambda _: Perfect(bits, shown=shown), warm_up=16)
    # One model a generation, of accuracy alone, from all candidates measured before.
    assert [len(y) for _, y in shown] == [16, 32, 48, 64, 80]
    Z, y = shown[-1]
    assert digests(Z.astype(bool)) == bits.asked[:80]
    assert np.array_equal(y, bits.accuracy(Z))


def test_unknown_quantities_are_predicted(digits: Data) -> None:
    problem = BitsOfUnknownSize(digits, constraints=["macs<=30", "accuracy>=0.1"])
    shown: list[tuple[Values, Values]] = []
    found_by(problem, 2, model=lambda _: Perfect(problem, shown=shown), warm_up=16)
    Z, accuracy = shown[0]
    assert np.array_equal(accuracy, problem.accuracy(Z))
    assert [y.tolist() for _, y in shown[1:]] == [Z.sum(axis=1).tolist()] * 2


def test_known_quantities_need_no_model(digits: Data) -> None:
    problem = Bits(digits, objectives=["parameters"])
    shown: list[tuple[Values, Values]] = []
    found_by(problem, 3, engine="ga", model=lambda _: Perfect(problem, shown=shown), warm_up=16)
    assert shown == []


def test_sizes_are_taken_as_they_are(digits: Data) -> None:
    class Misled(Bits):
        """A problem whose sizes say that the parent is the smallest."""

        def known_sizes(self, X: Array) -> Mapping[str, Values]:
            return {"parameters": 100.0 - X.sum(axis=1)}

    problem = Misled(digits, objectives=SUM)
    pop = measured(problem, 60)
    mating = Recorded(mating_of(problem))
    choosing = Prescreened(mating, model=lambda _: MODELS["ridge"](0), explore=0)
    off = choosing.do(problem, pop, 5, random_state=np.random.default_rng(1))
    pool = np.concatenate([made.get("X") for made in mating.made])
    assert off.get("X").sum(axis=1).mean() > pool.sum(axis=1).mean() + 3


def test_failed_candidates_are_not_learnt_from_and_not_asked_for_again(digits: Data) -> None:
    problem = FailingPixels(digits)
    shown: list[tuple[Values, Values]] = []

    def model(seed: int) -> Model:
        class Shown:
            def fit(self, Z: Values, y: Values, /) -> None:
                shown.append((Z, y))
                self.mean = float(y.mean())

            def predict(self, Z: Values, /) -> Values:
                return np.full(len(Z), self.mean)

        return Shown()

    found = found_by(problem, 8, model=model, warm_up=8)
    assert found.failures
    evaluated = found.last.algorithm.mating.evaluated
    assert found.failures.keys() <= evaluated.keys | set(digests(found.last.algorithm.off.get("X")))
    assert len(evaluated) + len(found.failures.keys() & evaluated.keys) == len(evaluated.keys)
    for Z, y in shown:
        assert np.isfinite(y).all()
        assert (Z.sum(axis=1) >= FailingPixels.LEAST).all()


def test_while_all_candidates_fail_children_are_the_matings_own(bits: Bits) -> None:
    pop = measured(bits, 60)
    pop.set("accuracy", np.full(60, np.nan))
    generators = np.random.default_rng(1), np.random.default_rng(1)
    plain = mating_of(bits).do(bits, pop, 10, random_state=generators[0])
    off = Prescreened(mating_of(bits)).do(bits, pop, 10, random_state=generators[1])
    assert digests(off.get("X")) == digests(plain.get("X"))


def test_candidates_without_evaluation_are_not_learnt_from(bits: Bits) -> None:
    pop = measured(bits, 60)
    choosing = Prescreened(mating_of(bits))
    new = Population.new("X", bits.random(5, np.random.default_rng(9)))
    choosing.evaluated.add(bits, Population.merge(pop, new))
    assert len(choosing.evaluated) == len(choosing.evaluated.keys) == 60


def test_during_the_warm_up_the_engine_is_unchanged(bits: Bits) -> None:
    plain = search(bits, make_algorithm("nsga2", bits, 16), Budget(generations=5), seed=3)
    assert same(plain, found_by(bits, 5, warm_up=80))
    assert not same(plain, found_by(bits, 5, warm_up=64))
