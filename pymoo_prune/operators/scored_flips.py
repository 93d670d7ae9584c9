"""Masks by the scores of their genes: the sampling and the variation of SparseEA.

Tian, Zhang, Wang and Jin, "An evolutionary algorithm for large-scale sparse multiobjective
optimization problems", IEEE Transactions on Evolutionary Computation 24(2), 2020.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pymoo.core.infill import InfillCriterion
from pymoo.core.population import Population
from pymoo.core.selection import Selection

from pymoo_prune.chromosomes import Array, Booleans, Floats


class Scores:
    """How much each gene is needed; a tournament of two genes decides which one is set or cleared.

    Args:
        n_var: The number of genes.

    Attributes:
        values: (n_var,), the larger the more needed; all alike before they are known.
    """

    def __init__(self, n_var: int) -> None:
        self.values: Floats = np.zeros(n_var)

    def tournament(self, genes: Array, generator: np.random.Generator, *, needed: bool) -> int:
        """One of two random genes: the more needed, or the less needed.

        Args:
            genes: Places of genes, at least one.
            generator: Draws the two.
            needed: Whether the more needed one wins.
        """
        one, other = generator.choice(genes, 2)
        better = self.values[one] >= self.values[other]
        return int(one if better == needed else other)

    def sampled(self, n: int, generator: np.random.Generator) -> Booleans:
        """Masks with any number of live genes, which tournaments choose, (n, n_var)."""
        genes = np.arange(len(self.values))
        masks = np.zeros((n, len(genes)), dtype=bool)
        for mask in masks:
            for _ in range(max(1, round(generator.random() * len(genes)))):
                mask[self.tournament(genes, generator, needed=True)] = True
        return masks


class ScoredFlips(InfillCriterion):
    """Children differ from their first parent in one gene of the second, and in one more.

    With even chances, a gene that only the first parent has is cleared, the less needed of two; or
    a gene that only the second one has is set, the more needed of two. Then, with even chances, one
    of all live genes is cleared, or one of all others is set, by the same tournament.

    Args:
        scores: The scores of genes.
        selection: Chooses parents.
        eliminate_duplicates: The engine's duplicate elimination.
    """

    def __init__(
        self, scores: Scores, selection: Selection, *, eliminate_duplicates: Any = None
    ) -> None:
        super().__init__(eliminate_duplicates=eliminate_duplicates)
        self.scores, self.selection = scores, selection

    def _do(
        self,
        problem: Any,
        pop: Population,
        n_offsprings: int,
        *,
        random_state: np.random.Generator,
        **kwargs: Any,
    ) -> Population:
        parents = self.selection(
            problem, pop, n_offsprings, 2, to_pop=False, random_state=random_state, **kwargs
        )
        X = pop.get("X").astype(bool)
        children = [self._child(X[p], X[q], random_state) for p, q in parents]
        return Population.new(X=np.stack(children))

    def _child(self, one: Booleans, other: Booleans, generator: np.random.Generator) -> Booleans:
        child = one.copy()
        self._flip(child, one & ~other, other & ~one, generator)
        self._flip(child, child, ~child, generator)
        return child

    def _flip(
        self, child: Booleans, live: Booleans, dead: Booleans, generator: np.random.Generator
    ) -> None:
        """Clears one of the live genes of a child, or sets one of the dead ones."""
        clears = generator.random() < 0.5
        genes = np.flatnonzero(live if clears else dead)
        if len(genes):
            child[self.scores.tournament(genes, generator, needed=not clears)] = not clears
