"""The experiments of the layer-vector paper: pruning and retraining, Tables I to III."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from torch import nn

from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.evaluation import accuracy
from pymoo_prune.objectives import PrunedWeightsPerAccuracyDrop
from pymoo_prune.search import Budget, Step, search
from pymoo_prune.training import Recipe, trained
from pymoo_prune_problems.layer_vector import LayerVector
from pymoo_prune_problems.layer_vector_rules import RuleGuidedGA


@dataclass(frozen=True)
class Iteration:
    """One pruning and retraining: a row of Tables I and III.

    Attributes:
        number: From 1.
        network: The network after it.
        sparsity: Of the network, eq. 2.
        pruned_accuracy: On the validation images, after pruning.
        accuracy: On the validation images, after retraining.
        epochs: Of retraining so far: the search cost, eq. 3.
        search_seconds: Both runs of the GA, in this iteration.
        retrain_seconds: Retraining, in this iteration: the paper's runtime.
        compact_key: Names of the layers that were left alone.
    """

    number: int
    network: nn.Module
    sparsity: float
    pruned_accuracy: float
    accuracy: float
    epochs: float
    search_seconds: float
    retrain_seconds: float
    compact_key: tuple[str, ...]

    @property
    def pepe(self) -> float:
        """Pruning effectiveness per epoch, eq. 4: sparsity in percent over search cost."""
        return 100 * self.sparsity / self.epochs


def reduced(
    data: Data,
    network: nn.Module,
    *,
    budget: Budget,
    epochs: Sequence[float] = (2, 3, 4),
    recipe: Recipe = LayerVector.retraining,
    seed: int = 0,
    on_generation: Callable[[Step], None] | None = None,
    **options: Any,
) -> Iterator[Iteration]:
    """Section III.D: search twice, prune by the rules, retrain; again and again.

    Args:
        data: The images.
        network: The trained network; it is not changed.
        budget: Of both runs of the GA, in each iteration.
        epochs: Of retraining, one number an iteration; section III.C.2 has 1 to 4.
        recipe: Of retraining; the paper's has a fixed learning rate.
        seed: Of everything random.
        on_generation: Called after each generation.
        options: Of `LayerVector`; without any they are the paper's.

    Yields:
        What each iteration left, while the next is still to come.
    """
    if not epochs or min(epochs) <= 0:
        msg = f"every iteration needs a number of epochs above 0, but they are {list(epochs)}"
        raise PruneError(msg)
    settings = {"recovery": "none", "objectives": PrunedWeightsPerAccuracyDrop(), **options}
    for number, some in enumerate(epochs, start=1):
        # Counts are of the weights that are left, and so is every share of them: Table I's 55, 74
        # and 82 % are 55, 42 and 31 % of what the iteration before had left.
        problem = LayerVector(data, parent=network, seed=seed + number, **settings)
        algorithm = RuleGuidedGA(problem.order, problem.levels)
        began = perf_counter()
        search(problem, algorithm, budget, seed=seed + number, on_generation=on_generation)
        rules = algorithm.rules()
        searched = perf_counter()
        pruned = problem.network(rules.strategy)
        images = round(some * len(data.train))
        network = trained(
            pruned, data.train, images=images, recipe=recipe, seed=seed, keep_zeros=True
        )
        done = perf_counter()
        left, _ = problem.order.complexity(rules.strategy[None])
        yield Iteration(
            number,
            network,
            1 - int(left[0]) / problem.order.all_parameters,
            accuracy(pruned, data.validation),
            accuracy(network, data.validation),
            sum(epochs[:number]),
            searched - began,
            done - searched,
            tuple(np.array(problem.order.names)[rules.compact_key].tolist()),
        )
