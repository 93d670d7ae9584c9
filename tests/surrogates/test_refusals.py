"""Engines, problems and data that a surrogate refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from pymoo.algorithms.moo.moead import MOEAD
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.soo.nonconvex.de import DE
from pymoo.algorithms.soo.nonconvex.nelder import NelderMead
from pymoo.optimize import minimize
from pymoo.problems import get_problem
from pymoo.util.ref_dirs import get_reference_directions

from pymoo_prune import Data, PruneError
from pymoo_prune.chromosomes import Array
from pymoo_prune.engines import make_algorithm
from pymoo_prune.objectives import Values
from pymoo_prune.problem import Preview
from pymoo_prune.surrogates import DEFAULT_MODEL, Prescreened, prescreen
from pymoo_prune_problems import EComp
from tests.support.surrogates import Bits, Perfect, found_by, mating_of, measured
from tests.support.tiny_problem import PixelsInBatches


@pytest.mark.parametrize(
    "options", [{"factor": 1}, {"explore": 1.0}, {"explore": -0.1}, {"warm_up": 0}]
)
def test_impossible_options_are_refused(bits: Bits, options: dict[str, Any]) -> None:
    with pytest.raises(PruneError, match="factor must be at least 2, explore at least 0"):
        prescreen(make_algorithm("nsga2", bits, 8), **options)


def test_engines_without_a_free_mating_are_refused(bits: Bits) -> None:
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
    # The engine is refused as soon as it is made: its search has not begun.
    with pytest.raises(PruneError, match="PixelsInBatches measures every generation on other"):
        make_algorithm("nsga2", PixelsInBatches(digits), 8, surrogate=DEFAULT_MODEL)


def test_problems_of_another_kind_are_refused() -> None:
    with pytest.raises(PruneError, match=r"needs a PruningProblem.*is a ZDT1"):
        minimize(get_problem("zdt1"), prescreen(NSGA2(pop_size=8)), ("n_gen", 2), seed=1)


def test_genomes_without_features_are_refused(digits: Data) -> None:
    problem = EComp(digits, parent_widths=(8, 8), parent_images=500, encoding="weights")
    with pytest.raises(PruneError, match=r"has no features.*chromosomes are objects"):
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
        (
            lambda X: {"parameters": X.sum()},
            r"Bits: preview.sizes, 'parameters', must be 160 finite",
        ),
        (lambda X: {"parameters": np.full(len(X), np.inf)}, r"and 160 others"),
    ],
)
def test_sizes_must_be_numbers_of_quantities(
    bits: Bits,
    monkeypatch: pytest.MonkeyPatch,
    sizes: Callable[[Array], Mapping[str, Values]],
    message: str,
) -> None:
    monkeypatch.setattr(bits, "preview", Preview(sizes=sizes))
    with pytest.raises(PruneError, match=message):
        found_by(bits, 5)


@pytest.mark.parametrize(
    "features", [lambda X: X[:, 0], lambda X: X[:1], lambda X: np.full(X.shape, np.nan)]
)
def test_features_must_be_numbers(
    bits: Bits, monkeypatch: pytest.MonkeyPatch, features: Callable[[Array], Array]
) -> None:
    monkeypatch.setattr(bits, "preview", Preview(features=features))
    with pytest.raises(
        PruneError, match=r"Bits: preview.features must give finite numbers, \(16, features"
    ):
        found_by(bits, 5)
