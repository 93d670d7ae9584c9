"""Pruning and retraining in turns: the layer-vector paper's whole procedure (section III.D)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from time import perf_counter
from typing import Any

import numpy as np
from torch import nn

from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.executors import Executor
from pymoo_prune.measuring import accuracy
from pymoo_prune.objectives import Measurements, PrunedWeightsPerAccuracyDrop
from pymoo_prune.pruning import CLOSED_FORMS
from pymoo_prune.search import Budget, Step, search
from pymoo_prune.training import Recipe, trained
from pymoo_prune_problems.layer_vector.checks import check_has_learnt
from pymoo_prune_problems.layer_vector.keeping import Keeper, Nothing
from pymoo_prune_problems.layer_vector.problem import LayerVector
from pymoo_prune_problems.layer_vector.rivals import LEAST_LOSS
from pymoo_prune_problems.layer_vector.rules import RuleGuidedGA

RIVALS = (*CLOSED_FORMS, LEAST_LOSS)
"""Methods without a search, which are retrained alike."""
SEARCHED = "search"
FIXED_RATE = Recipe("sgd", 0.01, "constant", 128, bfloat16=True)
"""Section III.C.2: fine-tuning with a fixed learning rate."""
VIDEO_RATE = Recipe("adam", 2.45e-5, "constant", 128, bfloat16=True)
"""Section IV: the rate of the video network; the paper names no optimizer."""


@dataclass(frozen=True)
class Iteration:
    """One pruning and retraining: a row of Tables I and III.

    Attributes:
        number: Its number, from 1.
        sparsity: The network's sparsity, eq. 2.
        parameters: The parameters that are left.
        epochs: Epochs of retraining so far: the search cost, eq. 3.
        pruned_accuracy: Accuracy on the test images after pruning.
        accuracy: Accuracy on the test images after retraining.
        rivals: The same after pruning without a search to the same sparsities and the same
            retraining, by method.
        rivals_pruned: Their accuracies on the test images before retraining, by method.
        search_seconds: Duration of both runs of the GA, in this iteration.
        retrain_seconds: Duration of all retraining so far: the paper's runtime.
        generations: Generations of both runs.
        compact_key: Layers that were not pruned.
        fittest: The fittest candidate of the GA's first population, and of all that it asked for:
            the share of the weights that it prunes, and the accuracy that it loses of the search's
            images, before retraining. Empty in parts that an older version kept.
        network: The network after it.
    """

    number: int
    sparsity: float
    parameters: int
    epochs: float
    pruned_accuracy: float
    accuracy: float
    rivals: Mapping[str, float]
    rivals_pruned: Mapping[str, float]
    search_seconds: float
    retrain_seconds: float
    generations: int
    compact_key: tuple[str, ...]
    fittest: tuple[Mapping[str, float], ...]
    network: nn.Module = field(repr=False)

    @property
    def pepe(self) -> float:
        """Pruning effectiveness per epoch, eq. 4: sparsity in percent over search cost."""
        return 100 * self.sparsity / self.epochs

    @property
    def row(self) -> dict[str, Any]:
        """Its numbers."""
        values = asdict(replace(self, network=nn.Identity()))
        del values["network"]
        return {**values, "pepe": self.pepe}


def reduced(
    data: Data,
    network: nn.Module,
    *,
    budget: Budget,
    epochs: Sequence[float] = (2, 3, 4),
    recipe: Recipe = FIXED_RATE,
    seed: int = 0,
    on_generation: Callable[[Step], None] | None = None,
    keeper: Keeper | None = None,
    executor: Executor | None = None,
    **options: Any,
) -> Iterator[Iteration]:
    """Section III.D: search twice, prune by the rules, retrain; again and again.

    Args:
        data: The images.
        network: The trained network; it is not changed.
        budget: The budget of both runs of the GA together, in each iteration.
        epochs: Epochs of retraining, one number an iteration; section III.C.2 has 1 to 4.
        recipe: The training recipe of retraining.
        seed: The seed of everything random.
        on_generation: Called after each generation.
        keeper: Has the parts of an earlier call with the same arguments, and keeps those of this
            one; see `KeptIn`.
        executor: Measures candidates; None measures them in this process.
        options: Options of `LayerVector`; by default the paper's.

    Yields:
        Each iteration as soon as it is done.

    Raises:
        PruneError: An iteration has no epochs, or the network is hardly better than guessing.
    """
    if not epochs or min(epochs) <= 0:
        msg = f"every iteration needs a number of epochs above 0, but they are {list(epochs)}"
        raise PruneError(msg)
    check_has_learnt(network, data)
    keep = keeper or Nothing()
    settings = {"recovery": "none", "objectives": PrunedWeightsPerAccuracyDrop(), **options}
    networks, retraining = dict.fromkeys((SEARCHED, *RIVALS), network), 0.0
    for number, some in enumerate(epochs, start=1):
        turn = _Turn(data, number, some, recipe, seed, settings, networks)
        found = keep.values(
            f"{number}-rules", partial(turn.searched, budget, on_generation, keep, executor)
        )
        after, rows = {}, {}
        for method in networks:
            name = f"{number}-{method.replace(' ', '-')}"
            after[method], rows[method] = keep.network(name, partial(turn.retrained, method, found))
        networks = {method: one.to(data.train.images.device) for method, one in after.items()}
        retraining += rows[SEARCHED]["seconds"]
        yield Iteration(
            number,
            found["sparsity"],
            found["parameters"],
            sum(epochs[:number]),
            rows[SEARCHED]["pruned_accuracy"],
            rows[SEARCHED]["accuracy"],
            {method: rows[method]["accuracy"] for method in RIVALS},
            {method: rows[method]["pruned_accuracy"] for method in RIVALS},
            found["seconds"],
            retraining,
            found["generations"],
            tuple(found["compact_key"]),
            tuple(found.get("fittest", ())),
            networks[SEARCHED],
        )


@dataclass
class _Turn:
    """One iteration of all methods, from the networks that enter it."""

    data: Data
    number: int
    epochs: float
    recipe: Recipe
    seed: int
    settings: Mapping[str, Any]
    networks: Mapping[str, nn.Module]

    @cached_property
    def problem(self) -> LayerVector:
        # Counts are of the weights that are left, and so is every share of them: Table I's 55, 74
        # and 82 % are 55, 42 and 31 % of what the iteration before had left.
        return self._problem(SEARCHED)

    def _problem(self, method: str) -> LayerVector:
        seed = self.seed + self.number
        return LayerVector(self.data, parent=self.networks[method], seed=seed, **self.settings)

    def searched(
        self,
        budget: Budget,
        on_generation: Callable[[Step], None] | None,
        keeper: Keeper,
        executor: Executor | None,
    ) -> dict[str, Any]:
        """Both runs of the GA, and the rules of the second."""
        problem, order, seed = self.problem, self.problem.order, self.seed + self.number
        algorithm = RuleGuidedGA(order, problem.levels)
        with keeper.store(f"{self.number}-search", problem) as store:
            found = search(
                problem,
                algorithm,
                budget,
                seed=seed,
                store=store,
                executor=executor,
                on_generation=on_generation,
            )
        # The first population is measured as all candidates are in the end: exactly.
        first = problem.score(found.first.measurements)["F"][:, 0].argmin()
        first_values = problem.measured(found.first.X[[first]])
        rules = algorithm.rules()
        left, _ = order.complexity(rules.strategy[None])
        return {
            "counts": rules.strategy.tolist(),
            "compact_key": np.array(order.names)[rules.compact_key].tolist(),
            "parameters": int(left[0]),
            "sparsity": 1 - int(left[0]) / order.all_parameters,
            "generations": found.last.generation,
            "fittest": [_fittest(problem, some) for some in (first_values, found.measurements)],
            "seconds": found.last.seconds,
        }

    def retrained(
        self, method: str, found: Mapping[str, Any]
    ) -> tuple[nn.Module, dict[str, float]]:
        """A method's network, pruned to the sparsity that the search found, and retrained."""
        began = perf_counter()
        if method == SEARCHED:
            pruned = self.problem.network(np.array(found["counts"]))
        else:
            sparsities = np.array([found["sparsity"]])
            pruned = self._problem(method).rivals.pruned(method, sparsities).networks[0]
        network = trained(
            pruned, self.data.train, images=round(self.epochs * len(self.data.train)),
            recipe=self.recipe, seed=self.seed, keep_zeros=True,
        )  # fmt: skip
        seconds = perf_counter() - began
        return network, {
            "pruned_accuracy": accuracy(pruned, self.data.test),
            "accuracy": accuracy(network, self.data.test),
            "seconds": seconds,
        }


def _fittest(problem: LayerVector, measurements: Measurements) -> dict[str, float]:
    """What the fittest of some candidates prunes and loses."""
    best = problem.score(measurements)["F"][:, 0].argmin()
    return {name: float(measurements[name][best]) for name in ("pruned", "accuracy_drop")}
