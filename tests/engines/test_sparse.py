"""SparseEA: scores of genes, masks by tournaments of scores, and flips."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
import pytest

from pymoo_prune import Budget, Data, PruneError
from pymoo_prune.chromosomes import digests
from pymoo_prune.engines import make_algorithm
from pymoo_prune.operators import ScoredFlips, Scores
from pymoo_prune.search import search
from tests.support.engines import Rows
from tests.support.tiny_problem import Pixels


def scored(*values: float) -> Scores:
    scores = Scores(len(values))
    scores.values = np.array(values)
    return scores


def test_the_more_needed_gene_wins_and_any_may_take_part() -> None:
    scores, generator = scored(0, 2, 1), np.random.default_rng(0)
    won = [scores.tournament(np.arange(3), generator, needed=True) for _ in range(900)]
    lost = [scores.tournament(np.arange(3), generator, needed=False) for _ in range(900)]
    # Of nine pairs the best is in five, the middle is the better one in three.
    assert np.bincount(won, minlength=3) / 900 == pytest.approx([1 / 9, 5 / 9, 3 / 9], abs=0.05)
    assert np.bincount(lost, minlength=3) / 900 == pytest.approx([5 / 9, 1 / 9, 3 / 9], abs=0.05)


def test_first_masks_have_any_number_of_genes_and_mostly_needed_ones() -> None:
    scores = scored(*np.arange(40))
    masks = scores.sampled(300, np.random.default_rng(0))
    counts = masks.sum(axis=1)
    assert counts.min() == 1
    assert counts.max() > 20
    assert masks[:, 20:].sum() > 2 * masks[:, :20].sum()


def test_a_child_differs_in_two_genes_at_most() -> None:
    scores, generator = scored(*np.arange(12)), np.random.default_rng(0)
    flips = ScoredFlips(scores, selection=lambda *_, **__: None)  # type: ignore[arg-type]
    one, other = generator.random((2, 12)) < 0.5
    for _ in range(200):
        child = flips._child(one, other, generator)
        assert (child != one).sum() <= 2


class Drawn(np.random.Generator):
    """Gives these shares in turn."""

    def __init__(self, *shares: float) -> None:
        super().__init__(np.random.PCG64(0))
        self.shares = cycle(shares)

    def random(self) -> float:  # type: ignore[override]
        return next(self.shares)


def test_the_second_change_is_one_of_the_child_after_the_first() -> None:
    scores = scored(*np.zeros(3))
    flips = ScoredFlips(scores, selection=lambda *_, **__: None)  # type: ignore[arg-type]
    nothing, everything = np.zeros(3, dtype=bool), np.ones(3, dtype=bool)
    sets, one = Drawn(0.9), np.arange(3) == 0
    assert {int(flips._child(nothing, everything, sets).sum()) for _ in range(40)} == {2}
    # What was cleared may come back.
    clears_and_sets = Drawn(0.1, 0.9)
    children = {tuple(flips._child(one, nothing, clears_and_sets)) for _ in range(40)}
    assert tuple(one) in children
    assert len(children) == 3


def test_the_first_generation_scores_each_gene_by_the_network_without_it(digits: Data) -> None:
    problem = Pixels(digits)
    algorithm: Any = make_algorithm("sparse-ea", problem, 10)
    sizes: list[int] = []
    asked: list[Any] = []

    def note(step: Any) -> None:
        sizes.append(step.evaluated)
        asked.append(step.algorithm.off)

    found = search(problem, algorithm, Budget(generations=4), seed=0, on_generation=note)
    assert sizes == [64, 74, 84, 94]
    X = ~np.eye(64, dtype=bool)
    F = problem.goals.F(problem.measure(X))
    scores = algorithm.scores.values
    for gene in range(64):
        # A gene whose network another one dominates is needed more than that other's.
        better = ((F[gene] >= F).all(axis=1) & (F[gene] > F).any(axis=1)).nonzero()[0]
        assert (scores[better] < scores[gene]).all()
    again = search(problem, make_algorithm("sparse-ea", problem, 10), Budget(generations=4), seed=0)
    assert digests(found.X) == digests(again.X)


def test_numbers_are_refused(digits: Data) -> None:
    with pytest.raises(PruneError, match="'sparse-ea' is for chromosomes of bits"):
        make_algorithm("sparse-ea", Rows(digits), 10)
