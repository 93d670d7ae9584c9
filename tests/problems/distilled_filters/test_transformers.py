"""Heads, hidden units and blocks of a transformer, searched like filters."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pymoo_prune import Data
from pymoo_prune.measuring import Expected
from pymoo_prune.networks import SlimNetwork
from pymoo_prune.pruning import group_steps
from pymoo_prune.testing import check_problem
from pymoo_prune.training import train_parent
from pymoo_prune_problems import DistilledFilters


@pytest.fixture(scope="module")
def problem(digits: Data) -> DistilledFilters:
    parent = train_parent(digits, "small-vit", 6.0, recipe=DistilledFilters.TEACHER)
    return DistilledFilters(digits, parent=parent, recovery="refit", search_images=200,
                            recovery_images=300)  # fmt: skip


@pytest.mark.slow
def test_it_keeps_the_promises_of_a_problem(problem: DistilledFilters) -> None:
    check_problem(problem)


def test_genes_are_heads_hidden_units_and_branches(problem: DistilledFilters) -> None:
    genes = problem.filters.genes
    assert genes.sizes == (24, 4, 96, 4, 96, 4, 96)
    assert genes.n_pieces == 6


def test_what_is_left_is_refitted(problem: DistilledFilters) -> None:
    """Projections behind heads, and layers behind hidden units, make up for what is gone."""
    images = problem.search_images.images
    expected = Expected.of(problem.parent, problem.search_images)
    X = problem.populations.narrowed(problem.filters.counts(np.full((1, 7), 0.5)))
    for x in X:
        with torch.no_grad():
            cut, refitted = (
                float(expected.divergence(problem.filters.network(x, refit)(images)))
                for refit in (None, problem.refit)
            )
        assert refitted < 0.7 * cut


def test_heads_that_are_missed_least_go_first(problem: DistilledFilters) -> None:
    genes, orders = problem.filters.genes, problem.orders
    heads = genes.starts[1]
    for place, losses in enumerate(orders.losses):
        assert len(losses) == genes.sizes[place]
        assert (np.diff(losses) >= 0).all()
    assert sorted(orders.ranks[heads : heads + 4]) == [0, 1, 2, 3]


def test_a_network_without_a_block(problem: DistilledFilters) -> None:
    x = np.ones(problem.n_var, dtype=bool)
    genes = problem.filters.genes
    names = [piece.name for piece in problem.filters.flow.pieces]
    genes.pieces(x)[[place for place, name in enumerate(names) if name.startswith("blocks.1")]] = 0
    network = problem.network(x)
    assert isinstance(network, SlimNetwork)
    assert not [name for name, _ in network.named_modules() if "blocks.1" in name]
    assert network(torch.rand(2, 1, 8, 8)).shape == (2, 10)


def test_multiples_of_heads_are_counted_in_heads(problem: DistilledFilters) -> None:
    flow = problem.filters.flow
    assert group_steps(flow, {"attention": 2}) == (1, 2, 1, 2, 1, 2, 1)
    assert group_steps(flow, 8) == (8, 1, 8, 1, 8, 1, 8)
