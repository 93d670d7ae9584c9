from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pymoo.algorithms.moo.moead import MOEAD
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.nsga3 import NSGA3
from pymoo.algorithms.soo.nonconvex.de import DE
from pymoo.algorithms.soo.nonconvex.nelder import NelderMead
from pymoo.core.infill import InfillCriterion
from pymoo.core.mating import Mating
from pymoo.core.population import Population
from pymoo.operators.selection.rnd import RandomSelection
from pymoo.optimize import minimize
from pymoo.problems import get_problem
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting
from pymoo.util.ref_dirs import get_reference_directions
from scipy.stats import kendalltau
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge, SGDRegressor
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_info, threadpool_limits
from torch import nn

from pymoo_prune import Budget, Data, Measurements, PruneError, PruningProblem, Store, WeightedSum
from pymoo_prune.engines import make_algorithm
from pymoo_prune.genome import Array, digests
from pymoo_prune.indicators import hypervolume
from pymoo_prune.objectives import Objectives, Values
from pymoo_prune.operators import (
    BalancedMaskMutation,
    Candidates,
    DigestDuplicates,
    RandomMating,
    UniformMaskCrossover,
)
from pymoo_prune.search import Found, search
from pymoo_prune.surrogates import (
    DEFAULT_MODEL,
    MODELS,
    Model,
    Prescreened,
    Standardised,
    model_factory,
    prescreen,
)
from pymoo_prune_problems import EComp
from tests.tiny_problem import FailingPixels, Pixels, PixelsInBatches

SUM = WeightedSum({"accuracy": 1.0, "parameters": 0.01})


class Bits(PruningProblem):
    """Each bit adds to the accuracy, some more than others, and each is a parameter."""

    def __init__(
        self,
        data: Data,
        *,
        n_var: int = 40,
        objectives: Objectives = ("accuracy", "parameters"),
        constraints: Sequence[str] = (),
    ) -> None:
        self.gains = np.random.default_rng(7).exponential(size=n_var)
        self.gains /= self.gains.sum()
        self.asked: list[bytes] = []
        super().__init__(
            data,
            n_var=n_var,
            objectives=objectives,
            constraints=constraints,
            vtype=bool,
            xl=0,
            xu=1,
        )

    def accuracy(self, X: Array) -> Values:
        return np.asarray(1 - np.exp(-3 * (X * self.gains).sum(axis=1)))

    def measure(self, X: Array) -> Measurements:
        self.asked += digests(X)
        accuracy, parameters = self.accuracy(X), X.sum(axis=1).astype(float)
        return {
            "accuracy": accuracy,
            "accuracy_drop": 0.95 - accuracy,
            "parameters": parameters,
            "sparsity": 1 - parameters / self.n_var,
            "macs": parameters,
        }

    def sizes(self, X: Array) -> Mapping[str, Values]:
        return {"parameters": X.sum(axis=1).astype(float)}

    def network(self, x: Array) -> nn.Module:
        raise NotImplementedError

    def operators(self) -> dict[str, Any]:
        return {
            "sampling": Candidates(self.random),
            "crossover": UniformMaskCrossover([self.n_var]),
            "mutation": BalancedMaskMutation([self.n_var]),
            "eliminate_duplicates": DigestDuplicates(),
        }

    def random(self, n: int, generator: np.random.Generator) -> Array:
        return generator.random((n, self.n_var)) < generator.uniform(0.1, 0.9, (n, 1))

    def parent_measurements(self) -> Mapping[str, float]:
        return {"accuracy": 0.95, "parameters": float(self.n_var)}

    def model(self, seed: int) -> Model:
        return MODELS["ridge"](seed)

    def __deepcopy__(self, memo: dict[int, Any]) -> Bits:
        pytest.fail("the problem was copied")


class BitsOfUnknownSize(Bits):
    def sizes(self, X: Array) -> Mapping[str, Values]:
        return {}


class Perfect:
    """A model that knows, and writes down what it was shown."""

    def __init__(self, problem: Bits, *, shown: list[tuple[Values, Values]] | None = None) -> None:
        self.problem, self.shown = problem, shown

    def fit(self, Z: Values, y: Values, /) -> None:
        if self.shown is not None:
            self.shown.append((Z, y))

    def predict(self, Z: Values, /) -> Values:
        return self.problem.accuracy(Z)


class Recorded(InfillCriterion):
    """A mating that writes down the children it made."""

    def __init__(self, mating: InfillCriterion) -> None:
        super().__init__()
        self.mating, self.made = mating, list[Any]()

    def do(self, problem: Any, pop: Population, n_offsprings: int, **kwargs: Any) -> Population:
        children = self.mating.do(problem, pop, n_offsprings, **kwargs)
        self.made.append(children)
        return children


@pytest.fixture
def bits(digits: Data) -> Bits:
    return Bits(digits)


def measured(problem: PruningProblem, n: int, seed: int = 0) -> Population:
    """An evaluated random population."""
    X = problem.random(n, np.random.default_rng(seed))
    values = problem.measure(X)
    return Population.new("X", X, **values, **problem.score(values))


def mating_of(problem: PruningProblem) -> InfillCriterion:
    operators = {name: o for name, o in problem.operators().items() if name != "sampling"}
    return Mating(RandomSelection(), **operators)


def found_by(
    problem: PruningProblem,
    generations: int,
    *,
    engine: str = "nsga2",
    pop_size: int = 16,
    seed: int = 3,
    store: Store | None = None,
    **options: Any,
) -> Found:
    algorithm = prescreen(make_algorithm(engine, problem, pop_size), **options)
    return search(problem, algorithm, Budget(generations=generations), seed=seed, store=store)


def same(one: Found, other: Found) -> bool:
    return digests(one.last.algorithm.pop.get("X")) == digests(other.last.algorithm.pop.get("X"))


# Models.


def linear(n: int, seed: int, features: int = 30) -> tuple[Values, Values]:
    Z = (np.random.default_rng(seed).random((n, features)) < 0.5).astype(float)
    return Z, 0.9 - Z @ np.linspace(0, 0.02, features)


@pytest.mark.parametrize("name", list(MODELS))
def test_models_learn_what_every_gene_does(name: str) -> None:
    model = MODELS[name](0)
    model.fit(*linear(200, seed=1))
    Z, y = linear(200, seed=2)
    predicted = model.predict(Z)
    assert predicted.shape == (200,)
    assert kendalltau(predicted, y).statistic > 0.5
    assert np.square(predicted - y).mean() < 0.5 * y.var()


@pytest.mark.parametrize("name", list(MODELS))
def test_models_learn_how_genes_act_together(name: str) -> None:
    generator = np.random.default_rng(0)
    Z = (generator.random((400, 12)) < 0.5).astype(float)
    y = Z[:, 0] + Z[:, 1] + Z[:, 2] * Z[:, 3] - np.square(Z[:, 4:].mean(axis=1))
    model = MODELS[name](0)
    model.fit(Z[:300], y[:300])
    assert kendalltau(model.predict(Z[300:]), y[300:]).statistic > 0.7


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("value", [0.1, 0.5, 0.0])  # 0.1 has a deviation from its mean: rounding
def test_a_constant_target_is_predicted(name: str, value: float) -> None:
    Z, _ = linear(20, seed=1)
    model = MODELS[name](0)
    model.fit(Z, np.full(20, value))
    assert np.allclose(model.predict(linear(5, seed=2)[0]), value, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", list(MODELS))
def test_one_point_is_predicted_everywhere(name: str) -> None:
    Z, y = linear(1, seed=1)
    model = MODELS[name](0)
    model.fit(Z, y)
    assert np.array_equal(model.predict(linear(5, seed=2)[0]), np.full(5, y[0]))


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("n", [2, 3, 10])
def test_few_points_are_enough_for_many_features(name: str, n: int) -> None:
    model = MODELS[name](0)
    model.fit(*linear(n, seed=1, features=300))
    predicted = model.predict(linear(5, seed=2, features=300)[0])
    assert np.isfinite(predicted).all()
    assert (np.abs(predicted) < 10).all()


@pytest.mark.parametrize("name", list(MODELS))
def test_duplicates_do_no_harm(name: str) -> None:
    Z, y = linear(60, seed=1)
    Z, y = np.repeat(Z, 3, axis=0), np.repeat(y, 3)
    y[::3] += 0.01  # and they disagree
    model = MODELS[name](0)
    model.fit(np.column_stack([Z, Z]), y)
    held_out, truth = linear(100, seed=2)
    predicted = model.predict(np.column_stack([held_out, held_out]))
    assert kendalltau(predicted, truth).statistic > 0.4


@pytest.mark.parametrize("name", list(MODELS))
def test_features_that_never_varied_are_not_looked_at(name: str) -> None:
    Z, y = linear(60, seed=1)
    held_out, _ = linear(20, seed=2)
    plain, more = MODELS[name](0), MODELS[name](0)
    plain.fit(Z, y)
    more.fit(np.column_stack([np.full(60, 0.3), Z, np.zeros(60)]), y)
    predicted = more.predict(np.column_stack([np.full(20, 7.0), held_out, np.ones(20)]))
    assert np.array_equal(predicted, plain.predict(held_out))


@pytest.mark.parametrize("name", list(MODELS))
def test_with_no_feature_that_varies_the_mean_is_predicted(name: str) -> None:
    model = MODELS[name](0)
    model.fit(np.ones((4, 3)), np.array([1.0, 2.0, 3.0, 4.0]))
    assert np.array_equal(model.predict(np.zeros((2, 3))), [2.5, 2.5])


@pytest.mark.parametrize("name", list(MODELS))
def test_units_do_not_matter(name: str) -> None:
    Z, y = linear(60, seed=1)
    held_out, _ = linear(20, seed=2)
    plain, scaled = MODELS[name](0), MODELS[name](0)
    plain.fit(Z, y)
    scaled.fit(1024 * Z + 3, 4096 * y)
    assert np.allclose(scaled.predict(1024 * held_out + 3), 4096 * plain.predict(held_out), 1e-4)


@pytest.mark.parametrize("name", list(MODELS))
def test_a_models_seed_decides(name: str, untouched_global_generators: None) -> None:
    Z, y = linear(400, seed=1)
    held_out, _ = linear(20, seed=2)
    before = Z.copy(), y.copy()

    def predicted(seed: int) -> Values:
        model = MODELS[name](seed)
        model.fit(Z, y)
        return model.predict(held_out)

    assert np.array_equal(predicted(5), predicted(5))
    assert np.array_equal(predicted(5), predicted(6)) == (name in {"ridge", "rbf"})
    assert np.array_equal(Z, before[0])
    assert np.array_equal(y, before[1])


def test_the_default_model_exists() -> None:
    assert DEFAULT_MODEL in MODELS


# Models of a user's own.


def test_a_regressor_is_copied_seeded_and_standardised(untouched_global_generators: None) -> None:
    own = make_pipeline(Ridge(alpha=2.0), memory=None)
    forest = RandomForestRegressor(5)
    made = model_factory(forest)(11)
    assert isinstance(made, Standardised)
    assert made.model is not forest
    assert made.model.random_state == 11  # type: ignore[attr-defined]
    assert forest.random_state is None
    Z, y = linear(60, seed=1)
    made.fit(Z, y)
    again = model_factory(forest)(11)
    again.fit(Z, y)
    assert np.array_equal(made.predict(Z), again.predict(Z))
    assert not hasattr(forest, "estimators_")
    inner = model_factory(make_pipeline(SGDRegressor()))(3)
    assert inner.model.get_params()["sgdregressor__random_state"] == 3  # type: ignore[attr-defined]
    assert model_factory(RandomForestRegressor(random_state=1))(3).model.random_state == 1  # type: ignore[attr-defined]
    assert model_factory(own)(0).model is not own  # type: ignore[attr-defined]


def test_an_object_with_fit_and_predict_is_copied(bits: Bits) -> None:
    class Counting:
        def __init__(self) -> None:
            self.fits = 0

        def fit(self, Z: Values, y: Values, /) -> None:
            self.fits += 1

        def predict(self, Z: Values, /) -> Values:
            return Z[:, 0]

    own = Counting()
    made = model_factory(own)(0)
    made.fit(np.zeros((1, 1)), np.zeros(1))
    assert isinstance(made, Counting)
    assert (own.fits, made.fits) == (0, 1)
    assert isinstance(model_factory(lambda _: Counting())(0), Counting)


@pytest.mark.parametrize("model", [Ridge, 3, None])
def test_what_is_no_model_is_refused(model: Any) -> None:
    with pytest.raises(PruneError, match=r"a regressor, not its class"):
        model_factory(model)


def test_unknown_models_are_refused_with_the_nearest() -> None:
    with pytest.raises(PruneError, match=r"unknown surrogate model 'rigde'.*Did you mean 'ridge'"):
        model_factory("rigde")


# What a problem says.


def test_genes_are_the_features_unless_written(bits: Bits, digits: Data) -> None:
    X = bits.random(3, np.random.default_rng(0))
    assert bits.features(X).dtype == np.float64
    assert np.array_equal(bits.features(X), X)
    assert PruningProblem.sizes(bits, X) == {}


def test_objects_have_no_features(bits: Bits) -> None:
    genomes = np.array([[object()], [object()]], dtype=object)
    with pytest.raises(PruneError, match=r"Bits has no features.*write features"):
        bits.features(genomes)


# Which children are handed on.


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


def test_with_two_objectives_nobody_better_is_left_behind(bits: Bits) -> None:
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


def test_who_keeps_the_constraints_comes_first(digits: Data) -> None:
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
        """Half of its children are known already."""

        def do(self, problem: Any, pop: Population, n_offsprings: int, **kwargs: Any) -> Any:
            old = pop.get("X")[: n_offsprings // 2]
            new = bits.random(n_offsprings - len(old), kwargs["random_state"])
            return Population.new("X", np.concatenate([old, new]))

    choosing = Prescreened(Forgetful(), model="ridge")
    off = choosing.do(bits, pop, 10, random_state=np.random.default_rng(1))
    keys = digests(off.get("X"))
    assert len(set(keys)) == 10
    assert not set(keys) & set(digests(pop.get("X")))


def test_a_mating_that_finds_too_few_hands_on_what_there_is(bits: Bits) -> None:
    pop = measured(bits, 60)
    new = bits.random(3, np.random.default_rng(5))
    choosing = Prescreened(RandomMating(lambda n, _: new[np.arange(n) % 3]))
    off = choosing.do(bits, pop, 10, random_state=np.random.default_rng(1))
    assert digests(off.get("X")) == digests(new)
    nobody = Prescreened(RandomMating(lambda n, _: pop.get("X")[np.arange(n) % 60]))
    assert len(nobody.do(bits, pop, 10, random_state=np.random.default_rng(1))) == 0


def test_a_search_ends_when_everybody_was_measured(digits: Data) -> None:
    problem = Bits(digits, n_var=4)
    algorithm = prescreen(make_algorithm("nsga2", problem, 6), warm_up=6)
    mating = Recorded(algorithm.mating.mating)
    algorithm.mating.mating = mating
    found = search(problem, algorithm, Budget(generations=30), seed=3)
    assert len(problem.asked) == len(set(problem.asked)) <= 16
    assert found.last.generation < 30
    # Nobody asks a mating again that has found what there is.
    assert len(mating.made) <= found.last.generation


# What is learnt.


def test_nobody_of_the_pool_is_measured(bits: Bits) -> None:
    found = found_by(bits, 8)
    assert found.last.evaluated == len(bits.asked) == 8 * 16
    assert len(set(bits.asked)) == 8 * 16


def test_models_learn_from_everybody_but_what_is_known(bits: Bits) -> None:
    shown: list[tuple[Values, Values]] = []
    found_by(bits, 6, model=lambda _: Perfect(bits, shown=shown), warm_up=16)
    # One model a generation, of accuracy alone, from all candidates measured before.
    assert [len(y) for _, y in shown] == [16, 32, 48, 64, 80]
    Z, y = shown[-1]
    assert digests(Z.astype(bool)) == bits.asked[:80]
    assert np.array_equal(y, bits.accuracy(Z))


def test_what_is_not_known_is_predicted(digits: Data) -> None:
    problem = BitsOfUnknownSize(digits, constraints=["macs<=30", "accuracy>=0.1"])
    shown: list[tuple[Values, Values]] = []
    found_by(problem, 2, model=lambda _: Perfect(problem, shown=shown), warm_up=16)
    Z, accuracy = shown[0]
    assert np.array_equal(accuracy, problem.accuracy(Z))
    assert [y.tolist() for _, y in shown[1:]] == [Z.sum(axis=1).tolist()] * 2


def test_where_all_is_known_there_is_no_model(digits: Data) -> None:
    problem = Bits(digits, objectives=["parameters"])
    shown: list[tuple[Values, Values]] = []
    found_by(problem, 3, engine="ga", model=lambda _: Perfect(problem, shown=shown), warm_up=16)
    assert shown == []


def test_sizes_are_taken_as_they_are(digits: Data) -> None:
    class Misled(Bits):
        """Its sizes say that the parent is the smallest."""

        def sizes(self, X: Array) -> Mapping[str, Values]:
            return {"parameters": 100.0 - X.sum(axis=1)}

    problem = Misled(digits, objectives=SUM)
    pop = measured(problem, 60)
    mating = Recorded(mating_of(problem))
    choosing = Prescreened(mating, model=lambda _: MODELS["ridge"](0), explore=0)
    off = choosing.do(problem, pop, 5, random_state=np.random.default_rng(1))
    pool = np.concatenate([made.get("X") for made in mating.made])
    assert off.get("X").sum(axis=1).mean() > pool.sum(axis=1).mean() + 3


def test_who_failed_is_not_learnt_from_and_not_asked_for_again(digits: Data) -> None:
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


def test_while_nobody_can_be_measured_children_are_the_matings_own(bits: Bits) -> None:
    pop = measured(bits, 60)
    pop.set("accuracy", np.full(60, np.nan))
    generators = np.random.default_rng(1), np.random.default_rng(1)
    plain = mating_of(bits).do(bits, pop, 10, random_state=generators[0])
    off = Prescreened(mating_of(bits)).do(bits, pop, 10, random_state=generators[1])
    assert digests(off.get("X")) == digests(plain.get("X"))


def test_what_was_never_evaluated_is_not_learnt_from(bits: Bits) -> None:
    pop = measured(bits, 60)
    choosing = Prescreened(mating_of(bits))
    new = Population.new("X", bits.random(5, np.random.default_rng(9)))
    choosing.evaluated.add(bits, Population.merge(pop, new))
    assert len(choosing.evaluated) == len(choosing.evaluated.keys) == 60


def test_until_it_is_warm_the_engine_is_as_it_was(bits: Bits) -> None:
    plain = search(bits, make_algorithm("nsga2", bits, 16), Budget(generations=5), seed=3)
    assert same(plain, found_by(bits, 5, warm_up=80))
    assert not same(plain, found_by(bits, 5, warm_up=64))


# In a search.


@pytest.mark.parametrize("model", list(MODELS))
@pytest.mark.parametrize("engine", ["ga", "nsga2", "spea2", "sms-emoa", "random"])
def test_every_engine_takes_a_surrogate(digits: Data, engine: str, model: str) -> None:
    objectives: Any = SUM if engine == "ga" else ("accuracy", "parameters")
    problem = Pixels(digits, objectives=objectives)
    found = found_by(problem, 4, engine=engine, model=model, pop_size=8, warm_up=8)
    assert found.last.evaluated == 32
    assert len(found.last.algorithm.mating.evaluated) == 24


def test_nsga3_and_one_child_at_a_time(bits: Bits) -> None:
    directions = get_reference_directions("das-dennis", 2, n_partitions=7)
    algorithm = NSGA3(directions, pop_size=8, n_offsprings=1, **bits.operators())
    search(bits, prescreen(algorithm, warm_up=8), Budget(evaluations=40), seed=1)
    assert len(set(bits.asked)) == 40


def test_the_seed_decides(bits: Bits, untouched_global_generators: None) -> None:
    first = found_by(bits, 6, model="gaussian-process")
    assert same(first, found_by(bits, 6, model="gaussian-process"))
    assert not same(first, found_by(bits, 6, model="gaussian-process", seed=4))


@pytest.mark.parametrize("model", ["rbf", "random-forest"])
def test_a_run_resumes_by_replay(digits: Data, tmp_path: Path, model: str) -> None:
    def opened(name: str) -> Store:
        return Store(tmp_path / name, tuple(problem.quantities), problem.fingerprint, {})

    problem = Bits(digits)
    whole, cut = opened("whole.sqlite"), opened("cut.sqlite")
    expected = found_by(problem, 7, store=whole, model=model)
    found_by(problem, 4, store=cut, model=model)
    fresh = cut.fresh
    resumed = found_by(problem, 7, store=cut, model=model)
    assert same(resumed, expected)
    assert cut.history() == whole.history()
    assert (fresh, cut.fresh) == (64, 112)
    whole.close()
    cut.close()


def test_fewer_evaluations_reach_as_much(digits: Data) -> None:
    problem = Bits(digits, n_var=80)

    def volume(found: Found) -> float:
        parent = problem.parent_measurements()
        return hypervolume(problem.goals.unit_costs(found.measurements, parent))

    algorithm = make_algorithm("nsga2", problem, 20)
    plain = search(problem, algorithm, Budget(evaluations=600), seed=3)
    chosen = [found_by(problem, 15, pop_size=20, model=name, seed=3) for name in MODELS]
    assert [found.last.evaluated for found in chosen] == [300] * 4
    assert min(volume(found) for found in chosen) > volume(plain)


def test_minimize_copies_the_engine_but_not_the_problem(bits: Bits) -> None:
    # A function bound to the problem, as a user may give it.
    algorithm = prescreen(NSGA2(pop_size=16, **bits.operators()), model=bits.model)
    results = [
        minimize(bits, algorithm, ("n_gen", 6), seed=3, copy_termination=True) for _ in range(2)
    ]
    assert np.array_equal(results[0].F, results[1].F)
    assert len(algorithm.mating.evaluated) == 0
    assert len(results[0].algorithm.mating.evaluated) == 80
    mating = copy.deepcopy(results[0].algorithm.mating)
    mating.evaluated.add(bits, measured(bits, 5))
    assert len(mating.evaluated) == 85
    assert len(results[0].algorithm.mating.evaluated) == 80


def test_models_run_on_one_thread(bits: Bits) -> None:
    seen: list[int] = []

    class Looks(Perfect):
        def fit(self, Z: Values, y: Values, /) -> None:
            seen.extend(library["num_threads"] for library in threadpool_info())

    with threadpool_limits(2):
        before = torch.get_num_threads(), threadpool_info()
        found_by(bits, 5, model=lambda _: Looks(bits))
        after = torch.get_num_threads(), threadpool_info()
    assert any(library["num_threads"] == 2 for library in before[1])
    assert set(seen) == {1}
    assert after == before


def test_models_get_their_seeds_from_pymoos_generator(bits: Bits) -> None:
    seeds: list[int] = []

    def model(seed: int) -> Model:
        seeds.append(seed)
        return Perfect(bits)

    for seed in (3, 3, 4):
        found_by(bits, 7, model=model, seed=seed)
    assert seeds[:3] == seeds[3:6]
    assert len(set(seeds)) == 6


# What is refused.


@pytest.mark.parametrize(
    "options", [{"factor": 1}, {"explore": 1.0}, {"explore": -0.1}, {"warm_up": 0}]
)
def test_impossible_options_are_refused(bits: Bits, options: dict[str, Any]) -> None:
    with pytest.raises(PruneError, match="factor must be at least 2, explore at least 0"):
        prescreen(make_algorithm("nsga2", bits, 8), **options)


def test_engines_whose_children_are_not_free_are_refused(bits: Bits) -> None:
    directions = get_reference_directions("das-dennis", 2, n_partitions=7)
    for algorithm in (NelderMead(), DE(), MOEAD(directions)):
        with pytest.raises(PruneError, match=f"{type(algorithm).__name__} has no mating that"):
            prescreen(algorithm)


def test_an_engine_that_chooses_parents_is_refused(bits: Bits) -> None:
    pop = measured(bits, 60)
    with pytest.raises(PruneError, match="chooses the parents of each child itself"):
        Prescreened(mating_of(bits)).do(
            bits, pop, 1, parents=[[0, 1]], random_state=np.random.default_rng(0)
        )


def test_pymoos_generator_is_needed(bits: Bits) -> None:
    with pytest.raises(PruneError, match="give random_state"):
        Prescreened(mating_of(bits)).do(bits, measured(bits, 60), 1)


def test_two_surrogates_are_refused(bits: Bits) -> None:
    algorithm = prescreen(make_algorithm("nsga2", bits, 8))
    with pytest.raises(PruneError, match="prescreened already"):
        prescreen(algorithm)


def test_measurements_that_change_with_the_generation_are_refused(digits: Data) -> None:
    with pytest.raises(PruneError, match="PixelsInBatches measures every generation on other"):
        found_by(PixelsInBatches(digits), 2)


def test_problems_of_another_kind_are_refused() -> None:
    with pytest.raises(PruneError, match=r"needs a PruningProblem.*is a ZDT1"):
        minimize(get_problem("zdt1"), prescreen(NSGA2(pop_size=8)), ("n_gen", 2), seed=1)


def test_genomes_without_features_are_refused(digits: Data) -> None:
    problem = EComp(digits, parent_widths=(8, 8), parent_images=500, encoding="weights")
    with pytest.raises(PruneError, match="EComp has no features"):
        found_by(problem, 2, pop_size=4)


def test_predictions_must_be_numbers(bits: Bits) -> None:
    class Wrong(Perfect):
        def predict(self, Z: Values, /) -> Values:
            return np.full((len(Z), 1), np.nan)

    with pytest.raises(PruneError, match=r"prediction of 'accuracy' must be 160 finite numbers"):
        found_by(bits, 5, model=lambda _: Wrong(bits))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (lambda X: {"parameter": X.sum(axis=1)}, "unknown size 'parameter'.*'parameters'"),
        (lambda X: {"parameters": X.sum()}, r"Bits.sizes, 'parameters', must be 160 finite"),
        (lambda X: {"parameters": np.full(len(X), np.inf)}, r"and 160 others"),
    ],
)
def test_sizes_must_be_numbers_of_quantities(
    bits: Bits,
    monkeypatch: pytest.MonkeyPatch,
    sizes: Callable[[Array], Mapping[str, Values]],
    message: str,
) -> None:
    monkeypatch.setattr(bits, "sizes", sizes)
    with pytest.raises(PruneError, match=message):
        found_by(bits, 5)


@pytest.mark.parametrize(
    "features", [lambda X: X[:, 0], lambda X: X[:1], lambda X: np.full(X.shape, np.nan)]
)
def test_features_must_be_numbers(
    bits: Bits, monkeypatch: pytest.MonkeyPatch, features: Callable[[Array], Array]
) -> None:
    monkeypatch.setattr(bits, "features", features)
    with pytest.raises(PruneError, match=r"Bits.features must give finite numbers, \(16, features"):
        found_by(bits, 5)
