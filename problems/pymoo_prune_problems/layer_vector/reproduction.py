"""The experiments of the layer-vector paper: Tables I to III, at two scales."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Unpack

from torch import nn

from pymoo_prune.data import Data
from pymoo_prune.executors import Executor
from pymoo_prune.inference import Precision, supports_int8
from pymoo_prune.measuring import accuracy, count_parameters
from pymoo_prune.runs import ReproductionOptions, chosen, kept_runs, reproduced
from pymoo_prune.search import Budget, Display
from pymoo_prune.training import train_parent
from pymoo_prune_problems.layer_vector.checks import at_chance
from pymoo_prune_problems.layer_vector.iterations import FIXED_RATE, VIDEO_RATE, reduced
from pymoo_prune_problems.layer_vector.keeping import KeptIn
from pymoo_prune_problems.layer_vector.problem import LayerVector
from pymoo_prune_problems.layer_vector.published import RESNETS, VIDEO
from pymoo_prune_problems.layer_vector.rules import RuleGuidedGA
from pymoo_prune_problems.layer_vector.tables import tables


@dataclass(frozen=True)
class Scale:
    """The scale of a reproduction.

    Attributes:
        parent_epochs: Epochs of the parent's training, by network.
        budget: The budget of both runs of the GA, in each iteration.
        epochs: Epochs of retraining, by network, one number an iteration.
        search_images: Validation images of the search, by network.
        quickly: Whether the search takes fewer bits, and races where it has more than 500 images.
    """

    parent_epochs: Mapping[str, float]
    budget: Budget
    epochs: Mapping[str, Sequence[float]]
    search_images: Mapping[str, int]
    quickly: bool = True

    def retraining(self, network: str, data: str) -> Sequence[float]:
        """Epochs of retraining, one number an iteration.

        Args:
            network: The network's name.
            data: The data set's name.
        """
        epochs = self.epochs[network]
        if data == "cifar100" and tuple(epochs) == PAPER_EPOCHS:
            return CIFAR100_EPOCHS
        return epochs


PAPER_EPOCHS = (2, 3, 4)
CIFAR100_EPOCHS = (4, 4)
"""Table II: 8 epochs in all, and the sparsities of the other networks' second iteration."""
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
    {**dict.fromkeys(RESNETS, PAPER_EPOCHS), VIDEO: (1, 2, 3)},
    dict.fromkeys((*RESNETS, VIDEO), 5_000),
    quickly=False,
)
"""The paper's. It takes a week on a GPU."""


def first_row(network: nn.Module, data: Data) -> dict[str, Any]:
    """The row of a parent, iteration 0.

    Args:
        network: The parent.
        data: The images; it is tested on the test images.
    """
    found = accuracy(network, data.test)
    row = {
        "number": 0,
        "sparsity": 0.0,
        "parameters": count_parameters(network),
        "epochs": 0.0,
        "accuracy": found,
    }
    return {**row, "at_chance": True} if at_chance(found, data.test) else row


def one_network(
    data: Data,
    name: str,
    scale: Scale,
    *,
    seed: int = 0,
    folder: Path | None = None,
    progress: Callable[[float, str], None] = lambda *_: None,
    executor: Executor | None = None,
) -> list[dict[str, Any]]:
    """Tables I to III for one network: a row for the parent, and one for each iteration.

    A parent that is hardly better than guessing is not pruned: its row says `at_chance`.

    Args:
        data: The images.
        name: The network's name.
        scale: The scale.
        seed: The seed of everything random.
        folder: Parts of it are kept there, and taken from there; None keeps none.
        progress: Called with the share that is done, and a text.
        executor: Measures candidates; None measures them in this process.
    """
    keeper = None if folder is None else KeptIn(folder)

    def trained() -> tuple[nn.Module, dict[str, Any]]:
        network = train_parent(
            data,
            name,
            scale.parent_epochs[name],
            recipe=LayerVector.PARENT,
            seed=seed,
            progress=lambda done: progress(done, f"parent {name}"),
        )
        return network, first_row(network, data)

    parent, whole = trained() if keeper is None else keeper.network("parent", trained)
    rows = [whole]
    if whole.get("at_chance"):
        return rows
    iterations = reduced(
        data,
        parent.to(data.train.images.device),
        budget=scale.budget,
        epochs=scale.retraining(name, data.name),
        recipe=VIDEO_RATE if name == VIDEO else FIXED_RATE,
        seed=seed,
        on_generation=lambda step: progress(step.done, f"{name}, iteration {len(rows)}"),
        keeper=keeper,
        executor=executor,
        search_images=scale.search_images[name],
        racing=scale.quickly and scale.search_images[name] > 500,
        precision=fewest_bits(name, data) if scale.quickly else "float32",
    )
    for iteration in iterations:
        rows.append(iteration.row)  # noqa: PERF401 - progress counts them
    return rows


def fewest_bits(network: str, data: Data) -> Precision:
    """The fastest precision of a search.

    Args:
        network: The network's name.
        data: The images, on the device of the search.
    """
    # Three-dimensional convolutions have no int8 kernel, and GPUs none at all.
    quickly = network != VIDEO and data.train.images.device.type == "cpu" and supports_int8()
    return "int8" if quickly else "bfloat16"


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
                return one_network(
                    images,
                    name,
                    scale,
                    seed=seed,
                    folder=output / f"{name}-{seed}",
                    progress=update,
                    executor=options.get("executor"),
                )

        done = kept_runs(output, names, options["runs"], rows)
        return tables(done, images.name)

    reproduced(page, output, asdict(scale), **options)
