"""Tables I and II of the distilled-filters paper, redrawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pymoo_prune.tables import markdown_table
from pymoo_prune_problems.distilled_filters.experiments import NAMES, PUBLISHED, TABLE_1, TABLE_2

RECIPES = (
    "As published: a candidate learns from its teacher with early stopping, and nothing is solved",
    "for. Refitted: its weights are solved for and its batch norms taken again, then it learns.",
)
HEAD = (
    "model",
    "teacher %",
    "accuracy %",
    "compression %",
    "parameters (M)",
    "FLOPs reduction %",
    "L1 norm %",
    "branches dropped",
    "faster, batch of 1 / 64",
)


def table_rows(done: Mapping[str, Sequence[Mapping[str, Any]]], data: str) -> list[tuple[str, ...]]:
    """The table below `HEAD`, averaged over seeds; in brackets the paper's figures.

    Args:
        done: The rows of each network, or of each network and recipe, one a seed.
        data: The data set's name.
    """
    published = TABLE_2 if data == "cifar10" else TABLE_1
    rows: list[tuple[str, ...]] = []
    for seeds in done.values():
        mean = {key: float(np.mean([row[key] for row in seeds])) for key in _AVERAGED}
        compression, right, parameters, flops = published[seeds[0]["network"]]
        faster = np.mean([row["speedups"] for row in seeds], axis=0)
        dropped = ", ".join(f"{row['branches_dropped']} of {row['branches']}" for row in seeds)
        rows.append(
            (
                _model(seeds[0]),
                f"{100 * mean['teacher_accuracy']:.2f}",
                f"{100 * mean['accuracy']:.2f} ({right})",
                f"{100 * mean['compression']:.2f} ({compression})",
                f"{mean['parameters'] / 1e6:.3f} ({parameters})",
                f"{100 * mean['macs_removed']:.2f} ({flops})",
                f"{100 * mean['uniform_accuracy']:.2f}",
                dropped if seeds[0]["branches"] else "–",
                " / ".join(f"{value:.1f}×" for value in faster),
            )
        )
    return rows


_AVERAGED = (
    "teacher_accuracy",
    "accuracy",
    "compression",
    "parameters",
    "macs_removed",
    "uniform_accuracy",
)


def robustness_rows(done: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[tuple[str, ...]]:
    """Points that tickets lose more than their teachers, by perturbation, averaged over seeds."""
    return [
        (
            _model(seeds[0]),
            *(
                f"{100 * float(np.mean([row['extra_losses'][kind] for row in seeds])):+.2f}"
                for kind in seeds[0]["extra_losses"]
            ),
        )
        for seeds in done.values()
    ]


def _model(row: Mapping[str, Any]) -> str:
    recipe = row.get("recipe")
    return NAMES[row["network"]] + (f", {recipe}" if recipe else "")


def report(done: Mapping[str, Sequence[Mapping[str, Any]]], data: str) -> str:
    """Tables I and II in Markdown, and what the tickets lose under perturbations.

    Args:
        done: The rows of each network, one a seed.
        data: The data set's name.
    """
    kinds = list(next(iter(done.values()))[0]["extra_losses"])
    recipes = {seeds[0].get("recipe") for seeds in done.values()}
    return "\n".join(
        [
            f"# Distilled filters on {data}",
            "",
            f"In brackets the paper's figures, of {'CIFAR-10' if data == 'cifar10' else 'MNIST'}.",
            "Accuracies are on the test images. L1 norm: the filters with the largest weights, as",
            "many of each layer, at the same number of parameters and with the same distillation.",
            *(["", *RECIPES] if PUBLISHED in recipes else []),
            *(
                [
                    "",
                    "For ResNet-18 the paper's table has 92.45 %, and its text 79.45 %.",
                ]
                if data == "cifar10"
                else []
            ),
            "",
            markdown_table(HEAD, table_rows(done, data)),
            "",
            "Points of accuracy that the ticket loses more than its teacher on perturbed images,",
            "on average over five strengths (below 0: it loses less):",
            "",
            markdown_table(("model", *kinds), robustness_rows(done)),
            "",
        ]
    )
