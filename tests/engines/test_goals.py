"""Checks before a problem is built give the same messages as checks afterwards."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

from pymoo_prune import Budget, Data, PruneError
from pymoo_prune.engines import ENGINES, check_goals, make_algorithm
from pymoo_prune.search import search
from pymoo_prune_problems import DenseConnectivity, DistilledFilters, LayerVector
from tests.support.tiny_problem import Pixels

GOALS = (
    {"objectives": ["accuracy"]},
    {"objectives": ["accuracy", "pixels"]},
    {"objectives": ["accuracy", "pixels"], "constraints": ["macs<=50%"]},
    {"objectives": ["accuracy", "pixels", "macs"]},
)


@pytest.mark.slow
@pytest.mark.parametrize("given", GOALS)
@pytest.mark.parametrize("name", [name for name in ENGINES if not name.startswith("age-moea")])
def test_the_same_engines_are_refused_with_the_same_words(
    name: str, given: dict[str, Any], digits: Data
) -> None:
    problem = Pixels(digits, **given)
    try:
        make_algorithm(name, problem, 12)
    except PruneError as error:
        expected: Any = pytest.raises(PruneError)
        message = str(error)
    else:
        expected, message = nullcontext(), ""
    with expected as caught:
        check_goals(name, Pixels, problem.goals)
    assert message == (str(caught.value) if caught else "")


@pytest.mark.slow
def test_the_refusals_are_these(digits: Data) -> None:
    refused = set()
    for number, given in enumerate(GOALS):
        for name in ENGINES:
            try:
                check_goals(name, Pixels, Pixels(digits, **given).goals)
            except PruneError:
                refused.add((name, number))
    several = {"sms-emoa", "ctaea", "moead", "rvea"}
    assert refused == {
        *(("own", number) for number in range(4)),
        *(("ga", number) for number in range(1, 4)),
        *((name, 0) for name in several),
        ("moead", 2),
        *(("levels", number) for number in (0, 3)),
    }


def test_engines_of_ones_own_are_imported(digits: Data) -> None:
    goals = Pixels(digits).goals
    check_goals("tests.support.compared_problems:small_nsga2", Pixels, goals)
    missing = "tests.support.compared_problems:nsga3"
    with pytest.raises(PruneError, match=f"'{missing}' cannot be imported"):
        check_goals(missing, Pixels, goals)


def test_moead_is_refused_early_only_where_candidates_can_fail() -> None:
    goals = DistilledFilters.goals_for(["accuracy", "macs"])
    check_goals("moead", DistilledFilters, goals, {"recovery": "refit"})
    for options in ({}, {"recovery": "refit+steps:2"}):
        with pytest.raises(PruneError, match=r"handles no constraints.*candidates that can"):
            check_goals("moead", DistilledFilters, goals, options)
    check_goals("moead", LayerVector, goals)
    with pytest.raises(PruneError, match="candidates that can fail"):
        check_goals("moead", DenseConnectivity, goals, {"weights": "scratch"})


def test_moead_searches_where_nothing_can_fail(digits: Data) -> None:
    problem = DistilledFilters(digits, parent_epochs=0.1, recovery="refit")
    assert not problem.can_fail
    found = search(problem, make_algorithm("moead", problem, 6), Budget(evaluations=8), seed=1)
    assert found.last.evaluated == 8


def test_sizes_and_surrogates_are_refused_before_anything_is_built(digits: Data) -> None:
    goals = Pixels(digits, objectives=["accuracy", "pixels", "macs"]).goals
    for name in ("nsga3", "unsga3", "ctaea", "moead", "rvea"):
        check_goals(name, Pixels, goals, pop_size=3)
        with pytest.raises(PruneError, match="population must be 3 at least, but it is 2"):
            check_goals(name, Pixels, goals, pop_size=2)
    check_goals("nsga2", Pixels, goals, pop_size=2, surrogate="rbf")
    with pytest.raises(PruneError, match=r"algorithm 'moead' has no mating .* a surrogate cannot"):
        check_goals("moead", Pixels, goals, surrogate="rbf")
