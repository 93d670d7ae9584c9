"""The paper's operators, for other engines."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.optimize import minimize
from torch import nn

from pymoo_prune import Data, PruneError
from pymoo_prune.operators import CountMutation
from pymoo_prune_problems.layer_vector import RuleGuidedGA
from tests.support.layer_vector import PWAD, small


@pytest.mark.parametrize("engine", [GA, NSGA2])
@pytest.mark.parametrize("levels", [None, 8])
def test_any_engine_takes_the_papers_sampling_and_mutation(
    digits: Data, resnet: nn.Module, engine: type[GA], levels: int | None
) -> None:
    goal: Any = PWAD if engine is GA else ("accuracy", "sparsity")
    problem = small(
        digits, resnet, recovery="none", variation="paper", objectives=goal, levels=levels,
        search_images=20,
    )  # fmt: skip
    operators = pickle.loads(pickle.dumps(problem.operators()))  # noqa: S301
    counts = problem.order.counts
    first = operators["sampling"].do(problem, 30, random_state=np.random.default_rng(0)).get("X")
    assert (first >= np.floor(0.5 * counts)).all()
    assert (first <= np.ceil(0.8 * counts)).all()
    assert len(np.unique(first[:, -1])) > 10  # random in every layer, not spread by rank
    mutation = operators["mutation"]
    assert isinstance(mutation, CountMutation)
    assert mutation.rate == RuleGuidedGA.MUTATION_RATE
    np.testing.assert_array_equal(mutation.last, np.floor(0.9 * counts))
    assert operators["crossover"].n_offsprings == 1
    result = minimize(problem, engine(pop_size=6, **problem.operators()), ("n_gen", 2), seed=0)
    if problem.levels is not None:
        X = np.atleast_2d(result.X)
        np.testing.assert_array_equal(problem.levels.nearest(X), X)
    assert small(digits, resnet, recovery="none").operators().keys() <= operators.keys()


def test_variations_that_do_not_exist_are_refused(digits: Data, resnet: nn.Module) -> None:
    with pytest.raises(PruneError, match=r"unknown variation 'papers'.*Did you mean 'paper'"):
        small(digits, resnet, variation="papers")
    with pytest.raises(PruneError, match="variation 'paper' needs encoding 'counts'"):
        small(digits, resnet, variation="paper", encoding="thresholds")
