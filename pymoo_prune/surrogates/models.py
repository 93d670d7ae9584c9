"""Models of one quantity: they predict its measurement from a candidate's features.

scikit-learn and scipy are imported where they are used, so that other searches start faster.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.objectives import Values


class Model(Protocol):
    """A model that predicts one quantity, such as any regressor of scikit-learn."""

    def fit(self, Z: Values, y: Values, /) -> Any:
        """Learns from features, (n, features), and the quantity's values, (n,)."""

    def predict(self, Z: Values, /) -> Values:
        """Predicts values, (m,), from features, (m, features)."""


class Standardised:
    """A model that sees features and targets with mean 0 and variance 1.

    Features that do not vary are left out. Where no feature varies, or the target does not, the
    mean is predicted without the model.

    Args:
        model: The model.
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    def fit(self, Z: Values, y: Values, /) -> Standardised:
        """Learns from features, (n, features), and targets, (n,)."""
        self._used = _varies(Z)
        Z = Z[:, self._used]
        self._means, self._scales = Z.mean(axis=0), Z.std(axis=0)
        self._mean, self._scale = y.mean(), y.std()
        self._learns = self._used.any() and bool(_varies(y))
        if self._learns:
            self.model.fit(self._standard(Z), (y - self._mean) / self._scale)
        return self

    def predict(self, Z: Values, /) -> Values:
        """Predicts values, (m,), from features, (m, features)."""
        if not self._learns:
            return np.full(len(Z), self._mean)
        predicted = self.model.predict(self._standard(Z[:, self._used]))
        return np.asarray(self._mean + self._scale * predicted)

    def _standard(self, Z: Values) -> Values:
        return np.asarray((Z - self._means) / self._scales)


def _varies(values: Values) -> Array:
    """Which columns vary by more than rounding."""
    return np.asarray(np.ptp(values, axis=0) > 1e-12 * np.abs(values).max(axis=0))


class _RadialBasis:
    """A smoothed interpolation between the known points.

    The kernel is minus the distance. It needs no length scale, and fewer points than features
    are enough.
    """

    SMOOTHING = 0.1  # where two random points lie √2 apart

    def fit(self, Z: Values, y: Values, /) -> None:
        from scipy.interpolate import RBFInterpolator

        self._unit = Z.shape[1] ** 0.5
        self._interpolator = RBFInterpolator(
            Z / self._unit, y, kernel="linear", smoothing=self.SMOOTHING
        )

    def predict(self, Z: Values, /) -> Values:
        return np.asarray(self._interpolator(Z / self._unit))


class _GaussianProcess:
    """A Gaussian process with one length scale for all features, and noise.

    Its three hyperparameters are fitted to at most `POINTS` points, since each of dozens of steps
    solves a system with an equation for each point. It then learns from all points.

    Args:
        seed: Decides which points the hyperparameters are fitted to.
    """

    POINTS = 300

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def fit(self, Z: Values, y: Values, /) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        unit = Z.shape[1] ** 0.5
        length = Matern(unit, (0.05 * unit, 50 * unit), nu=2.5)
        kernel = ConstantKernel(1.0, (0.01, 1_000)) * length + WhiteKernel(0.1, (1e-6, 2))
        rows = np.random.default_rng(self.seed).permutation(len(Z))[: self.POINTS]
        with warnings.catch_warnings():
            # A hyperparameter that the data do not determine ends at its bound.
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = GaussianProcessRegressor(kernel).fit(Z[rows], y[rows])
        self._process = GaussianProcessRegressor(fitted.kernel_, optimizer=None).fit(Z, y)

    def predict(self, Z: Values, /) -> Values:
        return np.asarray(self._process.predict(Z))


def _ridge(seed: int) -> Model:  # noqa: ARG001 - nothing is random
    from sklearn.linear_model import RidgeCV

    return Standardised(RidgeCV(np.logspace(-3, 5, 17)))


def _trees(seed: int) -> Model:
    """Extremely randomised trees.

    Each split considers few features. Otherwise every tree would split by the same few genes,
    although each of many genes matters a little.
    """
    from sklearn.ensemble import ExtraTreesRegressor

    return Standardised(ExtraTreesRegressor(100, max_features="sqrt", random_state=seed, n_jobs=1))


MODELS: Mapping[str, Callable[[int], Model]] = MappingProxyType(
    {
        "ridge": _ridge,
        "gaussian-process": lambda seed: Standardised(_GaussianProcess(seed)),
        "random-forest": _trees,
        "rbf": lambda _: Standardised(_RadialBasis()),
    }
)
"""Models by name: each function makes an unfitted model from a seed."""

DEFAULT_MODEL = "rbf"


def model_factory(model: str | Model | Callable[[int], Model]) -> Callable[[int], Model]:
    """Returns a function that makes unfitted models from seeds.

    Args:
        model: One of `MODELS`; or a regressor of scikit-learn, which is copied each time, seeded
            and `Standardised`; or another object with `fit` and `predict`, which is copied; or a
            function from a seed to such an object. The last two kinds see features and values as
            the problem gives them.
    """
    if isinstance(model, str):
        if model not in MODELS:
            raise unknown_name("surrogate model", model, MODELS)
        return MODELS[model]
    is_class, is_sklearn = inspect.isclass(model), hasattr(model, "get_params")
    if is_sklearn and not is_class:
        from sklearn.base import clone

        return lambda seed: Standardised(_seeded(clone(model), seed))
    if hasattr(model, "fit") and hasattr(model, "predict") and not is_class:
        return lambda _: copy.deepcopy(model)
    if callable(model) and not is_sklearn:
        return model
    msg = (
        f"a surrogate's model must be one of {sorted(MODELS)}, an object with fit and predict (a "
        f"regressor, not its class), or a function from a seed to one, but it is {model!r}"
    )
    raise PruneError(msg)


def _seeded(estimator: Any, seed: int) -> Any:
    """Seeds an estimator wherever it would draw from numpy's global generator."""
    free = {
        name: seed
        for name, value in estimator.get_params().items()
        if name.split("__")[-1] == "random_state" and value is None
    }
    return estimator.set_params(**free)
