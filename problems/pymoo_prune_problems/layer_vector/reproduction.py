"""The experiments of the layer-vector paper: pruning and retraining, Tables I to III."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Unpack

import numpy as np
from torch import nn

from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.inference import supports_int8
from pymoo_prune.measuring import accuracy
from pymoo_prune.objectives import PrunedWeightsPerAccuracyDrop
from pymoo_prune.pruning import CLOSED_FORMS
from pymoo_prune.runs import ReproductionOptions, chosen, kept_runs, reproduced
from pymoo_prune.search import Budget, Display, Step, search
from pymoo_prune.tables import listed, markdown_table
from pymoo_prune.training import Recipe, train_parent, trained
from pymoo_prune_problems.layer_vector.problem import LayerVector
from pymoo_prune_problems.layer_vector.rivals import LEAST_LOSS
from pymoo_prune_problems.layer_vector.rules import RuleGuidedGA

RIVALS = (*CLOSED_FORMS, LEAST_LOSS)
"""Methods without a search, which are retrained alike."""
FIXED_RATE = Recipe("sgd", 0.01, "constant", 128, bfloat16=True)
"""Section III.C.2: fine-tuning with a fixed learning rate."""


@dataclass(frozen=True)
class Iteration:
    """One pruning and retraining: a row of Tables I and III.

    Attributes:
        number: Its number, from 1.
        sparsity: The network's sparsity, eq. 2.
        epochs: Epochs of retraining so far: the search cost, eq. 3.
        pruned_accuracy: Accuracy on the test images after pruning.
        accuracy: Accuracy on the test images after retraining.
        rivals: The same after pruning without a search to the same sparsities and the same
            retraining, by method.
        search_seconds: Duration of both runs of the GA, in this iteration.
        retrain_seconds: Duration of all retraining so far: the paper's runtime.
        generations: Generations of both runs.
        compact_key: Layers that were not pruned.
        network: The network after it.
    """

    number: int
    sparsity: float
    epochs: float
    pruned_accuracy: float
    accuracy: float
    rivals: Mapping[str, float]
    search_seconds: float
    retrain_seconds: float
    generations: int
    compact_key: tuple[str, ...]
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
        options: Options of `LayerVector`; by default the paper's.

    Yields:
        Each iteration as soon as it is done.
    """
    if not epochs or min(epochs) <= 0:
        msg = f"every iteration needs a number of epochs above 0, but they are {list(epochs)}"
        raise PruneError(msg)
    settings = {"recovery": "none", "objectives": PrunedWeightsPerAccuracyDrop(), **options}
    rivals, retraining = dict.fromkeys(RIVALS, network), 0.0
    for number, some in enumerate(epochs, start=1):

        def retrained(pruned: nn.Module, some: float = some) -> nn.Module:
            images = round(some * len(data.train))
            return trained(
                pruned, data.train, images=images, recipe=recipe, seed=seed, keep_zeros=True
            )

        # Counts are of the weights that are left, and so is every share of them: Table I's 55, 74
        # and 82 % are 55, 42 and 31 % of what the iteration before had left.
        problem = LayerVector(data, parent=network, seed=seed + number, **settings)
        algorithm = RuleGuidedGA(problem.order, problem.levels)
        began = perf_counter()
        found = search(problem, algorithm, budget, seed=seed + number, on_generation=on_generation)
        rules = algorithm.rules()
        searched = perf_counter()
        pruned = problem.network(rules.strategy)
        network = retrained(pruned)
        retraining += perf_counter() - searched
        left, _ = problem.order.complexity(rules.strategy[None])
        sparsity = 1 - int(left[0]) / problem.order.all_parameters
        for kind, rival in rivals.items():
            others = LayerVector(data, parent=rival, seed=seed + number, **settings)
            rivals[kind] = retrained(others.rivals.pruned(kind, np.array([sparsity])).networks[0])
        yield Iteration(
            number,
            sparsity,
            sum(epochs[:number]),
            accuracy(pruned, data.test),
            accuracy(network, data.test),
            {kind: accuracy(rival, data.test) for kind, rival in rivals.items()},
            searched - began,
            retraining,
            found.last.generation,
            tuple(np.array(problem.order.names)[rules.compact_key].tolist()),
            network,
        )


@dataclass(frozen=True)
class Scale:
    """The scale of a reproduction.

    Attributes:
        parent_epochs: Epochs of the parent's training, by network.
        budget: The budget of both runs of the GA, in each iteration.
        epochs: Epochs of retraining, by network, one number an iteration.
        search_images: Validation images of the search, by network.
    """

    parent_epochs: Mapping[str, float]
    budget: Budget
    epochs: Mapping[str, Sequence[float]]
    search_images: Mapping[str, int]


RESNETS = ("resnet-20", "resnet-56", "resnet-110")
VIDEO = "r2plus1d-18"
SMALL = Scale(
    {"resnet-20": 2, "resnet-56": 0.6, "resnet-110": 0.3, VIDEO: 0.03},
    Budget(generations=4),
    {**dict.fromkeys(RESNETS, (0.1, 0.1, 0.1)), VIDEO: (0.01, 0.01, 0.01)},
    {**dict.fromkeys(RESNETS, 1_000), VIDEO: 128},
)
"""It takes tens of minutes on two cores."""
PAPER = Scale(
    dict.fromkeys((*RESNETS, VIDEO), 182),
    Budget(seconds=RuleGuidedGA.RUNS * RuleGuidedGA.RUN_SECONDS),
    {**dict.fromkeys(RESNETS, (2, 3, 4)), VIDEO: (1, 2, 3)},
    dict.fromkeys((*RESNETS, VIDEO), 5_000),
)
"""The paper's. It takes a week on a GPU."""

TABLE_1 = {  # CIFAR-10: sparsity %, search cost, accuracy %, runtime s, PEPE; iterations 0 to 3
    "resnet-20": ((0, 0, 92.23, 0), (55.01, 2, 90.93, 80), (74.06, 5, 90.36, 144),
                  (81.98, 9, 90.44, 371)),
    "resnet-56": ((0, 0, 93.51, 0), (55.96, 2, 93.16, 208), (75.08, 5, 92.20, 303),
                  (82.94, 9, 91.59, 914)),
    "resnet-110": ((0, 0, 93.42, 0), (56.18, 2, 93.27, 330), (75.32, 5, 92.23, 501),
                   (83.17, 9, 91.82, 1442)),
    VIDEO: ((0, 0, 96.85, 0), (74.61, 1, 96.68, 179), (93.07, 3, 97.01, 521),
            (97.92, 6, 95.52, 1054)),
}  # fmt: skip
"""Tables I and III: the last is on EgoGesture. Table II has the same rows, chosen by accuracy."""
TABLE_2 = {  # CIFAR-100, after the last iteration
    "resnet-56": ((0, 0, 69.66, 0), None, None, (74.06, 8, 67.72, 366)),
    "resnet-110": ((0, 0, 71.48, 0), None, None, (74.18, 8, 69.60, 571)),
}
"""Rows of Table II that no other table has."""
HEAD = (
    "iteration",
    "sparsity %",
    "epochs",
    "accuracy %",
    "drop",
    "before retraining",
    "global magnitude",
    "best without search",
    "PEPE",
    "search s",
    "retraining s",
)


def one_network(
    data: Data,
    name: str,
    scale: Scale,
    *,
    seed: int = 0,
    progress: Callable[[float, str], None] = lambda *_: None,
) -> list[dict[str, Any]]:
    """Tables I to III for one network: a row for the parent, and one for each iteration."""
    parent = train_parent(
        data,
        name,
        scale.parent_epochs[name],
        recipe=LayerVector.PARENT,
        seed=seed,
        progress=lambda done: progress(done, f"parent {name}"),
    )
    whole = {"number": 0, "sparsity": 0.0, "epochs": 0.0, "accuracy": accuracy(parent, data.test)}
    rows: list[dict[str, Any]] = [whole]
    # Three-dimensional convolutions have no int8 kernel, and GPUs none at all.
    quickly = name != VIDEO and data.train.images.device.type == "cpu" and supports_int8()
    iterations = reduced(
        data,
        parent,
        budget=scale.budget,
        epochs=scale.epochs[name],
        seed=seed,
        on_generation=lambda step: progress(step.done, f"{name}, iteration {len(rows)}"),
        search_images=scale.search_images[name],
        racing=scale.search_images[name] > 500,
        precision="int8" if quickly else "bfloat16",
    )
    rows += [one.row for one in iterations]
    return rows


def reproduce(output: Path, **options: Unpack[ReproductionOptions]) -> None:
    """Tables I to III at a budget for two cores; goes on where it stopped."""
    _reproduce(SMALL, output, options)


def reproduce_fully(output: Path, **options: Unpack[ReproductionOptions]) -> None:
    """The same at the paper's budget: two hours of search for each iteration of each network."""
    _reproduce(PAPER, output, options)


def _reproduce(scale: Scale, output: Path, options: ReproductionOptions) -> None:
    display = Display(options["console"])
    names = chosen(scale.parent_epochs, options)
    scale = replace(scale, budget=options.get("budget") or scale.budget)

    def page(images: Data) -> str:
        def rows(name: str, seed: int) -> list[dict[str, Any]]:
            with display.phase("search") as update:
                return one_network(images, name, scale, seed=seed, progress=update)

        done = kept_runs(output, names, options["runs"], rows)
        return tables(done, images.name)

    reproduced(page, output, asdict(scale), **options)


def tables(done: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]], data: str) -> str:
    """Tables I and III in Markdown, the paper's figures in brackets.

    Args:
        done: The rows of each seed, by network.
        data: The data set's name.
    """
    lines = [
        f"# Layer vector on {data}",
        "",
        "In brackets the paper's figures, where it has some: of CIFAR-100, else of CIFAR-10, and",
        "of EgoGesture for R(2+1)D-18; all after hours of search. Methods without a search go to",
        f"the same sparsities, with the same retraining: {listed(RIVALS)}.",
    ]
    for name, seeds in done.items():
        lines += ["", f"## {name}", "", markdown_table(HEAD, table_rows(name, seeds, data))]
    return "\n".join(lines) + "\n"


def table_rows(
    name: str, seeds: Sequence[Sequence[Mapping[str, Any]]], data: str
) -> list[list[str]]:
    """The table below `HEAD`, averaged over seeds."""
    parents = [rows[0]["accuracy"] for rows in seeds]
    published = TABLE_2.get(name, (None,) * 4) if data == "cifar100" else TABLE_1[name]
    return [
        _cells(number, [rows[number] for rows in seeds], parents, theirs)
        for number, theirs in enumerate(published)
    ]


def _rival_cells(seeds: Sequence[Mapping[str, float]]) -> tuple[str, str]:
    """Global magnitude pruning, and the best method without a search, by the mean over seeds."""
    if not seeds:
        return "", ""
    means = {kind: 100 * float(np.mean([one[kind] for one in seeds])) for kind in seeds[0]}
    best = max(means, key=lambda kind: means[kind])
    return f"{means['global']:.2f}", f"{best} {means[best]:.2f}"


def _cells(
    number: int,
    rows: Sequence[Mapping[str, Any]],
    parents: Sequence[float],
    theirs: Sequence[float] | None,
) -> list[str]:
    def average(key: str, scale: float = 1.0) -> str:
        found = [row[key] for row in rows if key in row]
        return f"{scale * float(np.mean(found)):.2f}" if found else ""

    def beside(text: str, value: float | None) -> str:
        return text if value is None else f"{text} ({value})"

    drop = 100 * float(np.mean([p - row["accuracy"] for p, row in zip(parents, rows, strict=True)]))
    sparsity, epochs, right, seconds = theirs or (None,) * 4
    pepe = round(sparsity / epochs, 2) if sparsity and epochs else None
    return [
        str(number),
        beside(average("sparsity", 100), sparsity),
        beside(average("epochs"), epochs),
        beside(average("accuracy", 100), right),
        f"{drop:.2f}",
        average("pruned_accuracy", 100),
        *_rival_cells([row["rivals"] for row in rows if "rivals" in row]),
        beside(average("pepe"), pepe),
        average("search_seconds"),
        beside(average("retrain_seconds"), seconds or None),
    ]
