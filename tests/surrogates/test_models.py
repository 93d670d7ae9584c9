"""Models of the package, and a user's own models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge, SGDRegressor
from sklearn.pipeline import make_pipeline

from pymoo_prune import PruneError
from pymoo_prune.objectives import Values
from pymoo_prune.surrogates import DEFAULT_MODEL, MODELS, Standardised, model_factory
from tests.support.surrogates import Bits

# Models.


def linear(n: int, seed: int, features: int = 30) -> tuple[Values, Values]:
    Z = (np.random.default_rng(seed).random((n, features)) < 0.5).astype(float)
    return Z, 0.9 - Z @ np.linspace(0, 0.02, features)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MODELS))
def test_models_learn_what_every_gene_does(name: str) -> None:
    model = MODELS[name](0)
    model.fit(*linear(200, seed=1))
    Z, y = linear(200, seed=2)
    predicted = model.predict(Z)
    assert predicted.shape == (200,)
    assert kendalltau(predicted, y).statistic > 0.5
    assert np.square(predicted - y).mean() < 0.5 * y.var()


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MODELS))
def test_models_learn_how_genes_act_together(name: str) -> None:
    generator = np.random.default_rng(0)
    Z = (generator.random((400, 12)) < 0.5).astype(float)
    y = Z[:, 0] + Z[:, 1] + Z[:, 2] * Z[:, 3] - np.square(Z[:, 4:].mean(axis=1))
    model = MODELS[name](0)
    model.fit(Z[:300], y[:300])
    assert kendalltau(model.predict(Z[300:]), y[300:]).statistic > 0.7


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("value", [0.1, 0.5, 0.0])  # by rounding, 0.1 deviates from its mean
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


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MODELS))
def test_duplicates_do_no_harm(name: str) -> None:
    Z, y = linear(60, seed=1)
    Z, y = np.repeat(Z, 3, axis=0), np.repeat(y, 3)
    y[::3] += 0.01  # duplicates with different values
    model = MODELS[name](0)
    model.fit(np.column_stack([Z, Z]), y)
    held_out, truth = linear(100, seed=2)
    predicted = model.predict(np.column_stack([held_out, held_out]))
    assert kendalltau(predicted, truth).statistic > 0.4


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MODELS))
def test_features_that_never_varied_are_ignored(name: str) -> None:
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


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MODELS))
def test_units_do_not_matter(name: str) -> None:
    Z, y = linear(60, seed=1)
    held_out, _ = linear(20, seed=2)
    plain, scaled = MODELS[name](0), MODELS[name](0)
    plain.fit(Z, y)
    scaled.fit(1024 * Z + 3, 4096 * y)
    assert np.allclose(scaled.predict(1024 * held_out + 3), 4096 * plain.predict(held_out), 1e-4)


@pytest.mark.slow
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
def test_objects_that_are_no_models_are_refused(model: Any) -> None:
    with pytest.raises(PruneError, match=r"a regressor, not its class"):
        model_factory(model)


def test_unknown_models_are_refused_with_the_nearest() -> None:
    with pytest.raises(PruneError, match=r"unknown surrogate model 'rigde'.*Did you mean 'ridge'"):
        model_factory("rigde")
