"""The experiments of the dense-connectivity paper: Table II and Figure 5, and what beats them."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Unpack

from pymoo_prune.data import Data
from pymoo_prune.files import writing
from pymoo_prune.runs import ReproductionOptions, chosen, limit_of, reproduced
from pymoo_prune.search import Display
from pymoo_prune_problems.dense_connectivity.comparison import Experiment
from pymoo_prune_problems.dense_connectivity.experiments import PAPER, SCRATCH, SMALL, Scale
from pymoo_prune_problems.dense_connectivity.figure import draw_accuracies
from pymoo_prune_problems.dense_connectivity.images import with_all_training_images
from pymoo_prune_problems.dense_connectivity.tables import table


def reproduce(output: Path, **options: Unpack[ReproductionOptions]) -> None:
    """Table II and Figure 5 at a budget for two cores; goes on where it stopped."""
    _reproduce(SMALL, output, options)


def reproduce_scratch(output: Path, **options: Unpack[ReproductionOptions]) -> None:
    """The same, smaller: each candidate is trained for an epoch from scratch, as in the paper."""
    _reproduce(SCRATCH, output, options)


def reproduce_fully(output: Path, **options: Unpack[ReproductionOptions]) -> None:
    """The same at the paper's budget: each candidate is trained, each winner for 300 epochs."""
    _reproduce(PAPER, output, options)


def _reproduce(scale: Scale, output: Path, options: ReproductionOptions) -> None:
    display = Display(options["console"])
    chosen((), options)
    if (generations := limit_of(options, "generations")) is not None:
        scale = replace(scale, generations=generations)

    def page(images: Data) -> str:
        if scale.fitness_split == "test":
            images = with_all_training_images(images)
        rows = []
        for seed in range(options["runs"]):
            with display.phase("networks") as update:
                here = Experiment(images, scale, output, seed, update, options.get("executor"))
                rows += list(here.rows())
        with writing(output / "figure-5.png") as path:
            draw_accuracies(path, rows, scale, images.name)
        return table(rows, scale, images.name)

    reproduced(page, output, asdict(scale), **options)
