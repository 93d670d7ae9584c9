"""EComp: evolutionary compression with a similarity objective.

Stijn van den Beemt, Pascal Schröder and Thijme de Valk. "EComp: Evolutionary Compression of Neural
Networks Using a Novel Similarity Objective". Student report. Sections, equations and tables below
are the report's.

A trained feed-forward network with equal hidden layers is compressed by a genetic algorithm over
whole networks. A candidate is measured by its accuracy a on a batch, by its width c relative to the
parent, and by a similarity loss s: how differently its hidden layers arrange the batch's images.

There are two encodings. "weights" recombines weight matrices as in the paper. "masks" is not in the
paper: it has one bit a hidden neuron, and the remaining weights are refitted to the parent in
closed form. Masks allow layers of different widths (section 6 calls that an unsolved challenge).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.algorithm import Algorithm
from torch import Tensor, nn

from pymoo_prune.chromosomes import Array, WeightGenome, candidate_seed, digests
from pymoo_prune.data import Data, SearchBatches
from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.measuring import Stacks, dense_complexity, stack_size
from pymoo_prune.networks import FeedForward, FeedForwardStack
from pymoo_prune.objectives import (
    STANDARD,
    Constraint,
    Measurements,
    Objectives,
    Quantity,
    WeightedSum,
)
from pymoo_prune.operators import DigestDuplicates, Generational, SoftmaxRoulette
from pymoo_prune.problem import (
    CHUNK,
    Approximation,
    Portions,
    Preset,
    Preview,
    PruningProblem,
    Published,
    Timing,
    accuracies_of,
    drop_of,
    objectives_on,
)
from pymoo_prune.pruning import KeepMasks, WeightsAndBiases
from pymoo_prune.recovery import Recovery, plain_layers
from pymoo_prune.training import Recipe
from pymoo_prune_problems.ecomp.parents import check_feed_forward, refit_images, train_feed_forward
from pymoo_prune_problems.ecomp.recombined_weights import RecombinedWeights
from pymoo_prune_problems.ecomp.rivals import NeuronRivals
from pymoo_prune_problems.ecomp.views import View, Views, check_enough, one_by_one, together


class EComp(PruningProblem):
    """Prunes hidden neurons of a feed-forward network: by masks, or by recombining weights.

    Args:
        data: The images.
        parent: The trained network; None trains one as in section 3.2.1.
        encoding: "masks" (a bit a neuron) or "weights" (the paper's recombined weights).
        recovery: What a candidate gets before it is measured: "none", "refit", "steps:K" or
            "refit+steps:K". Default: "refit" for masks, "none" for weights.
        search_split: Where search images come from: "validation", or "train" as in the paper.
        search_images: How many of them, balanced over the classes.
        together: Candidates measured as one program; None is 1 on a processor, 128 on a GPU.
        batch_size: Images of a generation; every generation has a new batch. None measures every
            generation on all search images.
        parent_widths: Hidden layers of the parent that is trained if none is given.
        parent_images: Images that this parent is trained with, counted with repetition.
        objectives: See `PruningProblem`; the paper's fitness is `EComp.fitness(...)`.
        constraints: See `PruningProblem`.
        seed: The seed of the parent's training, the choice of search images and the batches.
        progress: Called with the share of the parent's training that is done.
    """

    POPULATION = 100  # section 3.2
    GENERATIONS = 100  # section 3.2: one epoch of 100 batches
    BATCH_SIZE = 100  # section 3.2
    SEARCH_IMAGES = 10_000  # section 3.2
    MUTATION_RATE = 0.01  # section 3.2
    MUTATION_RANGE = (0.9, 1.1)  # section 3.1.5
    COMPRESSION_RATES = (0.1, 0.8)  # evenly spaced over [0.1, 0.8), as in the authors' code
    PERPLEXITY = 30.0  # t-SNE's default, as in the authors' code
    PARENT_WIDTHS = (256, 256)  # section 3.2.1
    PARENT_IMAGES = 4 * 600 * 100  # section 3.2.1: 4 epochs of 600 batches of 100
    SIMILARITY_IMAGES = 100  # the paper's batch; where accuracy has more, similarity takes these
    REFIT_IMAGES = 10_000  # training images for the statistics of the parent's activations
    WEIGHTINGS: ClassVar[Mapping[str, tuple[float, float, float]]] = {  # Table 1: w_a, w_s, w_c
        "001": (0, 0, 1),
        "020": (0, 2, 0),
        "100": (1, 0, 0),
        "021": (0, 2, 1),
        "120": (1, 2, 0),
        "101": (1, 0, 1),
        "121": (1, 2, 1),
    }

    compares = True
    parent: FeedForward
    rivals: NeuronRivals
    timing = Timing()
    quantities: Mapping[str, Quantity] = {
        **STANDARD,
        "width": Quantity("lower", "hidden neurons kept", share=True),
        "similarity_loss": Quantity("lower", "similarity loss"),
    }

    @staticmethod
    def fitness(w_a: float, w_s: float, w_c: float) -> WeightedSum:
        """Section 3.1.2: fitness = w_a a - w_s s + w_c (1 - c), to be maximised."""
        return WeightedSum({"accuracy": w_a, "similarity_loss": w_s, "width": w_c}, constant=w_c)

    published: ClassVar[Published] = {
        "fashion-mnist": {
            # The best networks of four weightings, means of the authors' ten runs.
            "van den Beemt et al.": {
                "width": (0.872, 0.592, 0.586, 0.749),
                "test_accuracy": (0.842, 0.663, 0.761, 0.843),
            }
        }
    }
    own_goal = "--weights accuracy=1,similarity_loss=2,width=1"
    presets: ClassVar[Mapping[str, Preset]] = {
        "quick": Preset("keep-masks with refit under NSGA-II", finish_images=10_000),
        "paper": Preset(
            "the paper's GA on recombined weights, fitness a - 2 s + (1 - c)",
            {
                "encoding": "weights",
                "search_split": "train",
                "search_images": SEARCH_IMAGES,
                "batch_size": BATCH_SIZE,
            },
            algorithm="own",
            pop_size=POPULATION,
            generations=GENERATIONS + 1,  # the first population, then 100 generations
            objectives=fitness(1, 2, 1),
            finish_images=SEARCH_IMAGES,  # not the paper's: the report shows both
        ),
    }

    def __init__(
        self,
        data: Data,
        *,
        parent: nn.Module | None = None,
        encoding: Literal["masks", "weights"] = "masks",
        recovery: str | None = None,
        search_split: Literal["validation", "train"] = "validation",
        search_images: int = 5_000,
        batch_size: int | None = None,
        together: int | None = None,
        parent_widths: Sequence[int] = PARENT_WIDTHS,
        parent_images: int = PARENT_IMAGES,
        objectives: Objectives = ("accuracy", "width"),
        constraints: Sequence[Constraint | str] = (),
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        if encoding not in ("masks", "weights"):
            raise unknown_name("encoding", encoding, ["masks", "weights"])
        self.recovery = Recovery.parse(
            recovery or ("refit" if encoding == "masks" else "none"), rungs=("refit", "steps")
        )
        if encoding == "weights" and self.recovery.refit:
            msg = (
                "recovery 'refit' needs encoding 'masks': recombined neurons have no counterpart "
                "in the parent that they could be fitted to; use 'none' or 'steps:K'"
            )
            raise PruneError(msg)
        objectives = objectives_on(data, type(self), objectives, constraints)
        size = stack_size(together, data.train.images.device, 128)
        self.stacks = Stacks.on(data.train.images.device, size)
        self.portions = Portions(max(CHUNK, size), size)
        self.batches = SearchBatches(data, search_split, search_images, batch_size, seed)
        if parent is None:
            check_enough(self.batches, self.SIMILARITY_IMAGES, self.PERPLEXITY)
            parent = train_feed_forward(data, parent_widths, parent_images, seed, progress)
        self.parent = check_feed_forward(parent, data)
        images = partial(refit_images, data, self.REFIT_IMAGES, seed)
        self.encoding: KeepMasks | RecombinedWeights
        if encoding == "masks":
            self.encoding = KeepMasks(self.parent, images(), refit=self.recovery.refit)
        else:
            self.encoding = RecombinedWeights(
                self.parent,
                compression_rates=self.COMPRESSION_RATES,
                mutation_rate=self.MUTATION_RATE,
                mutation_range=self.MUTATION_RANGE,
            )
        self.views = Views(
            self.parent, self.batches, similarity=self.SIMILARITY_IMAGES, perplexity=self.PERPLEXITY
        )
        super().__init__(
            data, n_var=self.encoding.n_var, objectives=objectives, constraints=constraints,
            seed=seed, vtype=self.encoding.vtype, xl=self.encoding.xl, xu=self.encoding.xu,
        )  # fmt: skip
        self.depends_on = {
            "encoding": type(self.encoding).__name__,
            "recovery": str(self.recovery),
            "batches": self.batches.configuration(),
            "activation": self.parent.activation,
            # Rounding depends on it.
            **({"together": size} if size > 1 else {}),
            "parent": WeightGenome.from_content(*self.parent.arrays()).digest.hex(),
        }
        self.keeps_chromosomes = encoding == "masks"  # the others are weights
        if self.batches.changing:
            self.approximation = Approximation(self._measured_on, self._batch)
        self.preview = Preview(sizes=self._sizes_of)
        self.timing = Timing(architecture=self._architecture)
        self.rivals = NeuronRivals(
            self.parent, self._sizes, images, self.batches.pool, masks=encoding == "masks"
        )

    def operators(self) -> dict[str, Any]:
        """Sampling, crossover and mutation of the encoding, and duplicates by digest."""
        return {**self.encoding.operators(), "eliminate_duplicates": DigestDuplicates()}

    def algorithm(self) -> Algorithm:
        """Algorithm 1: softmax roulette, recombination, mutation, generational replacement."""
        return GA(
            pop_size=self.POPULATION,
            selection=SoftmaxRoulette(),  # section 3.1.3
            survival=Generational(),
            **{**self.operators(), "eliminate_duplicates": False},
        )

    def _batch(self, generation: int) -> int:
        """Algorithm 1: P_0 and the first offspring are measured on b_0; b_1, b_2, ... follow."""
        return max(generation - 2, 0)

    def measure(self, X: Array) -> Measurements:
        """The mean over all batches; the authors' code chooses its winner by it (section 4.2)."""
        batches = range(self.batches.count if self.batches.changing else 1)
        each = [self._measured_on(X, batch) for batch in batches]
        return {name: np.mean([m[name] for m in each], axis=0) for name in each[0]}

    def _measured_on(self, X: Array, batch: int) -> Measurements:
        """Section 3.1.2: accuracy, compression and similarity; and the counts."""
        view = self.views[batch]
        several = self.portions.together > 1

        def program(places: Sequence[int]) -> list[tuple[float, ...]]:
            passed = self._together if several else self._one_by_one
            logits, products = passed(X[places], view)
            losses = view.similarity_losses(products, self.PERPLEXITY)
            judged = [view.expected.by_name(name, logits).tolist() for name in self.judged]
            return list(zip(losses.tolist(), *judged, strict=True))

        # One by one, passes are separate, but similarities are computed for all at once.
        found = self.stacks.run(len(X), program) if several else program(range(len(X)))
        losses, *judged = np.array(found).T
        values = dict(zip(self.judged, judged, strict=True))
        drop = drop_of(view.parent_accuracy, values)
        sizes = self._sizes(self.encoding.widths(X))
        return {**values, **drop, "similarity_loss": losses, **sizes}

    def _sizes_of(self, X: Array) -> dict[str, Array]:
        """Sizes, which are known without measuring."""
        return self._sizes(self.encoding.widths(X))

    def _sizes(self, widths: Array) -> dict[str, Array]:
        inputs, full, classes = self.parent.inputs, self.parent.widths, self.parent.classes
        parameters, macs = dense_complexity(inputs, widths, classes)
        full_parameters, _ = dense_complexity(inputs, np.array([full]), classes)
        return {
            "parameters": parameters,
            "sparsity": 1 - parameters / full_parameters,
            "macs": macs,
            # The paper takes the first layer's weights, because its layers are alike. This is the
            # same for its networks, and it also describes networks with different layers.
            "width": widths.sum(axis=1) / sum(full),
        }

    def _one_by_one(self, X: Array, view: View) -> tuple[Tensor, Tensor]:
        """Outputs, (n, images, classes), and embeddings' inner products, (layers, n, few, few)."""
        keep = self.encoding.keep if isinstance(self.encoding, KeepMasks) else None
        shared = keep if self.recovery.steps == 0 else None
        candidates = ((self.layers(x), shared(x)[0] if shared else None) for x in X)
        return one_by_one(self.parent, candidates, len(X), view)

    @torch.no_grad()
    def _together(self, X: Array, view: View) -> tuple[Tensor, Tensor]:
        """The same, with one computation a layer for all candidates."""
        if isinstance(self.encoding, KeepMasks) and self.recovery.steps == 0:
            # Kept neurons of the first layer are the parent's own.
            return together(self.encoding.together(X), view.hidden, view)
        stack = FeedForwardStack.of(self.parent, [self.layers(x) for x in X])
        return together(stack, stack.first(view.images), view)

    def layers(self, x: Array) -> WeightsAndBiases:
        """A candidate's weights and biases, recovered."""
        weights, biases = self.encoding.layers(x)
        if self.recovery.steps == 0:
            return weights, biases
        with torch.enable_grad():
            linears = self.lessons.learnt(
                FeedForward.from_layers(weights, biases, self.parent.activation),
                images=self.recovery.steps * self.BATCH_SIZE,
                recipe=Recipe(schedule="linear", batch_size=self.BATCH_SIZE),
                seed=candidate_seed(self.seed, digests(x[None])[0]),
            ).linear_layers
        return [linear.weight.detach() for linear in linears], [
            linear.bias.detach() for linear in linears
        ]

    def network(self, x: Array) -> FeedForward:
        """The small network, with its recovered weights."""
        return FeedForward.from_layers(*self.layers(x), self.parent.activation)

    def _architecture(self, x: Array) -> FeedForward:
        """The small network before any recovery, which does not change its shape."""
        if isinstance(self.encoding, KeepMasks):
            weights, biases = plain_layers(self.parent, self.encoding.keep(x))
            return FeedForward.from_layers(weights, biases, self.parent.activation)
        return FeedForward.from_layers(*self.encoding.layers(x), self.parent.activation)

    def parent_measurements(self) -> Mapping[str, float]:
        """The parent on the first search batch."""
        sizes = self._sizes(np.array([self.parent.widths]))
        return {
            **accuracies_of(self.views[0].parent_accuracy, self.data_set.task.judge),
            "similarity_loss": 0.0,
            **{name: float(value[0]) for name, value in sizes.items()},
        }

    def narrowed(self, widths: Array) -> Array:
        """Keep-masks of networks in which each layer keeps the neurons that explain most.

        Args:
            widths: Neurons of each hidden layer, (n, layers).
        """
        if not isinstance(self.encoding, KeepMasks):
            msg = "widths alone say nothing of recombined weights; use encoding 'masks'"
            raise PruneError(msg)
        return self.encoding.narrowed(widths)

    def random(self, n: int, generator: np.random.Generator) -> Array:
        """Random neurons, at random widths."""
        return self.encoding.random(n, generator)
