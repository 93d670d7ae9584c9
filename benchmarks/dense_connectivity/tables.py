"""Table II in small: what the paper's search finds, and what it is worth.

At each p: the winner of the genetic algorithm, that of random search, one random network and the
narrower DenseNet of the nearest size, all trained alike from random weights in the end.

Target: above 0

Found at 5188db9: one seed, 10,000 training images in the end. The GA's winners are .9 points ahead
of a network drawn at random, which is within noise.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Outcome
from pymoo_prune import Data, load_data
from pymoo_prune_problems.dense_connectivity import (
    GENETIC,
    HEAD,
    METHODS,
    RANDOM_SEARCH,
    RATES,
    SMALL,
    Experiment,
    Scale,
    gains,
    table_rows,
)

QUICK = Scale(
    depth=16,
    growth=4,
    weights="inherited",
    recovery="batch-norm",
    parent_epochs=1,
    train_images=500,
    search_images=100,
    population=4,
    generations=2,
    finish_images=640,
)
SEARCHES = (GENETIC, RANDOM_SEARCH)


@cache
def data(name: str) -> Data:
    return load_data(name)


def run(quick: bool) -> Outcome:
    """The figure is the paper's gain over random search in points, the mean over p."""
    name, scale, rates = ("digits", QUICK, RATES[::4]) if quick else ("fashion-mnist", SMALL, RATES)
    with (
        TemporaryDirectory() as folder,
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool,
    ):
        setting = name, scale, Path(folder)
        here = experiment(*setting)
        assert here.parent  # trained with both cores, and kept in the folder
        # The longest come first.
        jobs: list[tuple[Any, ...]] = [
            ("searched", method, rate) for rate in rates[::-1] for method in SEARCHES
        ]
        jobs += [("full",), *(("random_network", rate) for rate in rates)]
        for job in [pool.submit(work, setting, *job) for job in jobs]:
            job.result()
        # Where several p have the same narrower network, it is trained once.
        nearest = {here.nearest_growth(here.searched(GENETIC, p).parameters): p for p in rates}
        for job in [pool.submit(work, setting, "narrower", p) for p in nearest.values()]:
            job.result()
        # All are in the folder.
        rows = [here.full(), *(row for rate in rates for row in here.one_rate(rate))]
    points = {METHODS[rival]: gains(rows, rival) for rival in METHODS if rival != GENETIC}
    return Outcome(
        float(np.mean(points[METHODS[RANDOM_SEARCH]])),
        "points of test accuracy by which the paper's GA is ahead of random search, mean over p",
        [
            (f"Table II on {name}", HEAD, table_rows(rows)),
            (
                "Points of test accuracy by which the GA's winners are ahead",
                ("of", *(f"p = {rate} %" for rate in rates), "mean"),
                [
                    [rival, *(f"{value:+.2f}" for value in values), f"{np.mean(values):+.2f}"]
                    for rival, values in points.items()
                ],
            ),
        ],
        {
            "rows": [asdict(row) for row in rows],
            "points_ahead": points,
            "scale": asdict(scale),
            "threads": "two processes of one; two for the parent",
        },
    )


def experiment(name: str, scale: Scale, folder: Path) -> Experiment:
    return Experiment(data(name), scale, folder)


def work(setting: tuple[str, Scale, Path], job: str, *arguments: Any) -> None:
    """Runs one of an experiment's methods; its rows are kept in the folder."""
    torch.set_num_threads(1)
    getattr(experiment(*setting), job)(*arguments)
