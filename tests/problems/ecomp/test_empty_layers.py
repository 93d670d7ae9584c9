from __future__ import annotations

import numpy as np
import pytest

from pymoo_prune import Budget, Data
from pymoo_prune.search import search
from pymoo_prune_problems import EComp
from tests.support.own_operators import emptying


@pytest.mark.parametrize("together", [None, 4])
def test_a_layer_that_an_operator_empties_keeps_its_best_neuron(
    digits: Data, together: int | None
) -> None:
    problem = EComp(digits, parent_widths=(8, 6), parent_images=500, together=together)
    X = np.zeros((2, 14), dtype=bool)
    X[1, :8] = True
    repaired = problem.encoding.repaired(X)
    best = [order[0] for order in problem.encoding.explaining_orders]
    assert np.flatnonzero(repaired[0]).tolist() == [best[0], 8 + best[1]]
    assert np.flatnonzero(repaired[1]).tolist() == [*range(8), 8 + best[1]]
    assert not X[0].any()  # the given masks are left alone
    found, same = problem.measured(X), problem.measured(repaired)
    for name in problem.quantities:
        assert np.array_equal(found[name], same[name]), name
    assert problem.network(X[0]).widths == (1, 1)
    assert found["parameters"][0] == sum(p.numel() for p in problem.network(X[0]).parameters())


def test_a_search_survives_an_operator_that_empties_layers(digits: Data) -> None:
    problem = EComp(digits, parent_widths=(8, 6), parent_images=500)
    found = search(problem, emptying(problem, 6), Budget(generations=3), seed=1)
    assert len(found.X) > 0
