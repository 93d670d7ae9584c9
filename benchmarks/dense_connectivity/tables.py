"""Table II and Figure 5: what the paper's search finds, beside networks drawn at random.

DenseNet-BC of depth 100, k = 12, on FashionMNIST at 14×14 pixels, p = 50 to 90. At each p the
paper's GA: a first population of 20 and ten rounds of children, each trained for an epoch of 10,000
images from scratch. Its winner is then trained from random weights on 100,000 images; so are the
fittest of its first population, two random networks of the same p, a random one as large as the
winner, the narrower DenseNet of the nearest size, and the DenseNet with all connections. The figure
is the winner's test accuracy less that of the best of the networks that need no search, mean over
p. Candidates are measured in as many processes as there are cores. A p takes three to five hours of
a core, and all rows about a day. Rows are p in percent, or `all` for the DenseNet: `--only 50,all`.
A benchmark that was stopped goes on, candidate by candidate.

Target: above 0

Found at 21bb90f: p = 50 %, one seed. 37.5 % of the parameters go for .38 points. Random networks
end .2 to .8 points behind the GA's winner. Mean sizes grow from .447 to .469 million parameters in
the search, and mean fitness from 78.0 to 78.6 %.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Outcome
from benchmarks.kept import Parts
from benchmarks.quick import images
from benchmarks.rows import joined, said
from pymoo_prune.executors import Processes
from pymoo_prune.machine import cores
from pymoo_prune_problems.dense_connectivity import (
    AS_LARGE,
    FIRST,
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
SETTINGS = {"scale": asdict(SCALE), "image_size": SIZE, "seed": SEED}
ALL = "all"
ROWS = (*map(str, RATES), ALL)
WITHOUT_SEARCH = (AS_LARGE, RANDOM, RANDOM_AGAIN, NARROWER)
AT_EACH = {GENETIC, FIRST, *WITHOUT_SEARCH}


def run(quick: bool, wanted: Sequence[str] = ROWS) -> Outcome:
    """The figure is what the paper's GA gains over networks that need no search, mean over p."""
    torch.set_num_threads(1)
    if quick:
        names = [*map(str, QUICK_RATES), ALL]
        with TemporaryDirectory() as place:
            networks = made(Experiment(images(), QUICK, Path(place), SEED), names)
            return outcome(by_name(networks, names), names)
    folder = kept_folder()
    with Processes(cores()) as executor:
        here = Experiment(images(SIZE), SCALE, folder, SEED, executor=executor)
        finished = by_name(made(here, wanted), ROWS)
    rows, commits = joined("dense-connectivity-tables", SETTINGS, finished)
    found = outcome(rows, ROWS)
    found.details["commits"] = commits
    if set(finished) == set(ROWS):
        shutil.rmtree(folder)  # complete: the next one measures anew
    return found


def kept_folder() -> Path:
    """Keeps what is finished, for these settings."""
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
        here.first(rate)
        here.as_large(rate)
        for method in (RANDOM, RANDOM_AGAIN):
            here.random_network(rate, method)
        here.narrower(rate)
        print(f"p = {rate} % is done", flush=True)
    return list(here.there())


def by_name(rows: Sequence[Row], names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The networks of each row whose networks are all finished.

    Args:
        rows: Networks that are finished.
        names: The names of all rows.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(ALL if row.rate is None else str(row.rate), []).append(asdict(row))
    return {name: found[name] for name in names if name in found and _is_there(found[name], name)}


def outcome(finished: Mapping[str, Sequence[Mapping[str, Any]]], names: Sequence[str]) -> Outcome:
    """The tables and the record.

    Args:
        finished: The networks of each row that is finished.
        names: The names of all rows.
    """
    there = [name for name in names if name in finished]
    rows = [Row(**network) for name in there for network in finished[name]]
    points = {method: gains(rows, method) for method in rivals(rows)}
    means = {method: float(np.mean(values)) for method, values in points.items()}
    best = min(WITHOUT_SEARCH, key=lambda method: means.get(method, np.inf))
    per_rate = [name for name in there if name != ALL]
    table = [
        (METHODS[method], *(f"{value:+.2f}" for value in values), f"{means[method]:+.2f}")
        for method, values in points.items()
    ]
    missing = said(there, names)
    return Outcome(
        means.get(best, float("nan")),
        "points of test accuracy by which the paper's GA is ahead of the best without a search "
        f"({METHODS[best]}), mean over p; {means.get(FIRST, float('nan')):.2f} ahead of the "
        f"fittest of its first population{missing}",
        [
            (f"Table II{missing}", HEAD, table_rows(rows)),
            (
                "Points of test accuracy by which the GA's winners are ahead",
                ("of", *(f"p = {rate} %" for rate in per_rate), "mean"),
                table,
            ),
        ],
        {
            "rows": dict(finished),
            "rows_there": there,
            "points_ahead": {METHODS[method]: values for method, values in points.items()},
            **SETTINGS,
            "processes": cores(),
            "threads": "one in each process",
        },
        sum((row.search_seconds or 0) + row.training_seconds for row in rows),
    )


def _is_there(networks: Sequence[Mapping[str, Any]], name: str) -> bool:
    """Whether all networks of a row are finished."""
    return {one["method"] for one in networks} >= ({FULL} if name == ALL else AT_EACH)
