"""Groups that keep multiples of a number of filters, through whole searches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from pymoo_prune import Budget, Data, PruneError
from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.cli import main
from pymoo_prune.engines import make_algorithm
from pymoo_prune.networks import SimpleCNN
from pymoo_prune.problem import assignments, check_options
from pymoo_prune.results import save_network
from pymoo_prune.search import search
from pymoo_prune.studies.problems import split_text
from pymoo_prune.testing import check_problem
from pymoo_prune_problems import DistilledFilters
from tests.support.distilled_filters import assert_networks_are_what_was_measured, small

BOTH = {"convolution": 4, "linear": 5}
WIDTHS = [[4, 6], [4, 8], [5, 10, 12]]
"""The numbers that the teacher's groups of 6, 8 and 12 filters may keep."""


@pytest.fixture(scope="module")
def problem(digits: Data, teacher: nn.Module) -> DistilledFilters:
    return small(digits, teacher, recovery="refit", multiple_of=BOTH)


def assert_keeps_multiples(problem: DistilledFilters, X: Array) -> None:
    for own, widths in zip(problem.filters.genes.counts(X).T, WIDTHS, strict=True):
        assert set(own.tolist()) <= set(widths)


def test_the_contract(digits: Data, teacher: nn.Module, problem: DistilledFilters) -> None:
    check_problem(problem)
    X = problem.random(5, np.random.default_rng(0))
    assert_networks_are_what_was_measured(problem, X)
    for x in X:
        for width, widths in zip(problem.filters.widths(x).values(), WIDTHS, strict=False):
            assert width in widths


def test_every_population_keeps_multiples(problem: DistilledFilters) -> None:
    generator = np.random.default_rng(0)
    families = {
        "first": problem.populations.first(40, generator),
        "random": problem.random(100, generator),
        "priced": problem.populations.priced(np.logspace(-5, 2, 100), 0.5),
        "narrowed": problem.narrowed(generator.integers(1, (7, 9, 13), (50, 3))),
        **problem.rivals._plain,
        **problem.rivals._ranked[0],
    }
    assert len(families) == 9
    for name, X in families.items():
        assert_keeps_multiples(problem, X)
        assert len(set(digests(X))) >= 4, name
    found = problem.rivals.candidates({"parameters": np.array([100.0, 300.0, 600.0])})
    assert found is not None
    assert_keeps_multiples(problem, found)


def test_ladders_have_the_multiples_as_levels(problem: DistilledFilters) -> None:
    ladders = problem.ladders
    assert ladders is not None
    assert [one.tolist() for one in ladders.values] == [one[::-1] for one in WIDTHS]
    X = ladders.chromosomes(np.array([[0, 1, 2], [1, 1, 1]]))
    assert problem.filters.genes.counts(X).tolist() == [[6, 4, 5], [4, 4, 10]]
    assert ladders.places(X[0]).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "engine", ["nsga2", "levels", "random", "moead", "rvea", "ctaea", "spea2", "ga"]
)
def test_engines_ask_for_multiples_alone_and_none_twice_in_a_generation(
    digits: Data, teacher: nn.Module, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    objectives: Any = ["accuracy"] if engine == "ga" else ["accuracy", "macs"]
    generations = 1 if engine == "levels" else 3  # there are few levels: walks soon know them all
    problem = small(
        digits, teacher, recovery="none", multiple_of=BOTH, objectives=objectives,
        search_images=20,
    )  # fmt: skip
    asked: list[Array] = []
    measure = DistilledFilters.measure

    def noted(self: DistilledFilters, X: Array) -> Any:
        asked.append(X)
        return measure(self, X)

    monkeypatch.setattr(DistilledFilters, "measure", noted)
    search(problem, make_algorithm(engine, problem, 8), Budget(generations=generations), seed=0)
    X = np.vstack(asked)
    assert len(X) >= 5 * generations
    assert_keeps_multiples(problem, X)
    if engine != "moead":  # it looks for no duplicates
        assert all(len(set(digests(one))) == len(one) for one in asked)


def test_an_engine_that_flips_single_genes_is_refused(problem: DistilledFilters) -> None:
    with pytest.raises(PruneError, match="'sparse-ea' flips single genes, which DistilledFilters"):
        make_algorithm("sparse-ea", problem, 8)


def test_other_chromosomes_are_measured_as_the_nearest(problem: DistilledFilters) -> None:
    X = np.random.default_rng(0).random((6, problem.n_var)) < 0.6
    repair = problem.operators()["repair"]
    fixed = repair._do(problem, X)
    assert (fixed != X).any(axis=1).all()
    assert_keeps_multiples(problem, fixed)
    found, expected = problem.measure(X), problem.measure(fixed)
    for name, column in expected.items():
        assert np.array_equal(found[name], column), name
    # By the order of removal: a group that loses filters keeps those that go last.
    ranks = problem.orders.ranks[:6]
    x = np.ones(problem.n_var, dtype=bool)
    x[int(np.flatnonzero(ranks == 3)[0])] = False
    assert repair._do(problem, x[None])[0, :6].all()
    x[int(np.flatnonzero(ranks == 5)[0])] = x[int(np.flatnonzero(ranks == 4)[0])] = False
    kept = repair._do(problem, x[None])[0, :6]
    assert kept.tolist() == (x[:6] | (ranks == 5)).tolist()


def test_the_rule_is_part_of_the_fingerprint_where_there_is_one(
    digits: Data, teacher: nn.Module, plain: DistilledFilters
) -> None:
    def fingerprint(multiple_of: Any) -> str:
        return small(digits, teacher, recovery="none", multiple_of=multiple_of).fingerprint

    assert fingerprint(1) == fingerprint({"linear": 1}) == plain.fingerprint
    assert "repair" not in plain.operators()
    four = fingerprint(4)
    assert four != plain.fingerprint
    assert four == fingerprint({"convolution": 4, "linear": 4})
    assert four != fingerprint({"convolution": 4})


@pytest.mark.parametrize(
    ("multiple_of", "message"),
    [
        (0, "multiple_of must be a whole number of at least 1.*but it is 0"),
        (-8, "but it is -8"),
        (1.5, "but it is 1.5"),
        ({"lstm": 8}, "unknown kind of filters in multiple_of 'lstm'; there are: attention"),
        (128, "multiple_of must be smaller than the largest group .* largest has 128 .*is 128"),
        ({"linear": 256}, "of kind 'linear' must be smaller .* largest has 128 .*it is 256"),
    ],
)
def test_impossible_multiples_are_refused_before_anything_is_trained(
    digits: Data, monkeypatch: pytest.MonkeyPatch, multiple_of: Any, message: str
) -> None:
    monkeypatch.delattr("pymoo_prune.training.parents.trained")
    with pytest.raises(PruneError, match=message):
        DistilledFilters(digits, multiple_of=multiple_of)


def test_multiples_for_a_given_parent_are_checked_on_it(digits: Data, teacher: nn.Module) -> None:
    with pytest.raises(PruneError, match=r"largest group .* has 12 .*hidden.*but it is 16"):
        small(digits, teacher, recovery="none", multiple_of=16)


def test_multiples_can_be_had_on_the_command_line(
    digits: Data,
    tmp_path: Path,
    teacher: SimpleCNN,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = assignments([f"multiple_of={json.dumps(BOTH)}"])
    check_options(DistilledFilters, options)
    problem = small(digits, teacher, recovery="none", **options)
    assert problem.filters.genes.steps == (4, 4, 5)
    assert split_text("distilled-filters@multiple_of=8")[1] == {"multiple_of": 8}
    given = f"distilled-filters@multiple_of={json.dumps(BOTH)},smallest=0.1"
    assert split_text(given)[1] == {"multiple_of": BOTH, "smallest": 0.1}
    parent = save_network(teacher, tmp_path / "teacher", about={})
    run = ("run", "distilled-filters", "--parent", str(parent), "--output", str(tmp_path / "run"))
    assert main([*run, "--set", "multiple_of=2.5"]) == 2
    assert "option multiple_of must be like 1 (int or object of int)" in capsys.readouterr().err
