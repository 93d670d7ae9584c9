"""Table II and Figure 5: what the paper's search finds, beside networks drawn at random.

DenseNet-BC of depth 100, k = 12, on FashionMNIST at 14×14 pixels, p = 50 to 90. At each p the
paper's GA: a first population of 20 and ten rounds of children, each trained for an epoch of 10,000
images from scratch. Its winner, two random networks of the same p, the narrower DenseNet of the
nearest size and the DenseNet with all connections are then trained alike from random weights, on
100,000 images. The figure is the mean over p of the winner's test accuracy less that of the two
random networks. Candidates are measured in as many processes as there are cores. A p takes three
to five hours of a core, and all rows about a day. Rows are p in percent, or `all` for the DenseNet:
`--only 50,all`. A benchmark that was stopped goes on, candidate by candidate.

Target: above 0

Found at 5188db9: at depth 28 and k = 8, on 28×28 pixels, with 10,000 training images in the end.
The GA's winners are .9 points ahead of a network drawn at random, which is within noise.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.harness import Outcome
from benchmarks.kept import Parts
from benchmarks.quick import images
from benchmarks.rows import said
from pymoo_prune.executors import Processes
from pymoo_prune.machine import cores
from pymoo_prune_problems.dense_connectivity import (
    FULL,
    GENETIC,
    HEAD,
    METHODS,
    NARROWER,
    RANDOM,
    RANDOM_AGAIN,
    RATES,
    Experiment,
    Row,
    Scale,
    gains,
    rivals,
    table_rows,
)

SIZE, SEED = 14, 0
SCALE = Scale(train_images=10_000, search_images=2_000, finish_images=100_000)
QUICK = Scale(
    depth=16,
    growth=4,
    train_images=100,
    search_images=100,
    population=4,
    generations=2,
    finish_images=640,
)
QUICK_RATES = RATES[::4]
ALL = "all"
ROWS = (*map(str, RATES), ALL)
AT_EACH = {GENETIC, RANDOM, RANDOM_AGAIN, NARROWER}


def run(quick: bool, wanted: Sequence[str] = ROWS) -> Outcome:
    """The figure is the paper's gain over random networks in points, the mean over p."""
    torch.set_num_threads(1)
    if quick:
        names = [*map(str, QUICK_RATES), ALL]
        with TemporaryDirectory() as place:
            return outcome(made(Experiment(images(), QUICK, Path(place), SEED), names), names)
    folder = kept_folder()
    with Processes(cores()) as executor:
        here = Experiment(images(SIZE), SCALE, folder, SEED, executor=executor)
        rows = made(here, wanted)
    found = outcome(rows, ROWS)
    if set(found.details["rows_there"]) == set(ROWS):
        shutil.rmtree(folder)  # complete: the next one measures anew
    return found


def kept_folder() -> Path:
    """Keeps what is finished, for this scale."""
    setting = json.dumps([asdict(SCALE), SIZE, SEED], sort_keys=True)
    folder = Parts(f"dense-connectivity-tables-{sha256(setting.encode()).hexdigest()[:8]}").folder
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def made(here: Experiment, wanted: Sequence[str]) -> list[Row]:
    """Makes the rows that are wanted; gives them and those that were there.

    Args:
        here: The experiment; its folder keeps what is finished.
        wanted: p in percent, or `ALL`.
    """
    for name in wanted:
        if name == ALL:
            here.full()
            continue
        rate = int(name)
        here.searched(GENETIC, rate)
        for method in (RANDOM, RANDOM_AGAIN):
            here.random_network(rate, method)
        here.narrower(rate)
        print(f"p = {rate} % is done", flush=True)
    return list(here.there())


def outcome(rows: Sequence[Row], names: Sequence[str]) -> Outcome:
    """The tables and the record.

    Args:
        rows: The rows that are finished.
        names: The names of all rows.
    """
    there = [name for name in names if _is_there(rows, name)]
    rows = [row for row in rows if (ALL if row.rate is None else str(row.rate)) in there]
    points = {method: gains(rows, method) for method in rivals(rows)}
    random = [*points.get(RANDOM, []), *points.get(RANDOM_AGAIN, [])]
    per_rate = [name for name in there if name != ALL]
    table = [
        (METHODS[method], *(f"{value:+.2f}" for value in values), f"{np.mean(values):+.2f}")
        for method, values in points.items()
    ]
    missing = said(there, names)
    return Outcome(
        float(np.mean(random)) if random else float("nan"),
        "points of test accuracy by which the paper's GA is ahead of random networks of the same "
        f"p, mean over p{missing}",
        [
            (f"Table II{missing}", HEAD, table_rows(rows)),
            (
                "Points of test accuracy by which the GA's winners are ahead",
                ("of", *(f"p = {rate} %" for rate in per_rate), "mean"),
                table,
            ),
        ],
        {
            "rows": [asdict(row) for row in rows],
            "rows_there": there,
            "points_ahead": {METHODS[method]: values for method, values in points.items()},
            "scale": asdict(SCALE),
            "image_size": SIZE,
            "processes": cores(),
            "threads": "one in each process",
        },
    )


def _is_there(rows: Sequence[Row], name: str) -> bool:
    """Whether all networks of a row are finished."""
    if name == ALL:
        return any(row.method == FULL for row in rows)
    return {row.method for row in rows if row.rate == int(name)} >= AT_EACH
