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

Found at 0de6276: p = 50 %, one seed. 37.5 % of the parameters go for .38 points. Random networks
end .2 to .8 points behind the GA's winner, the narrower DenseNet .02. In the search the mean
fitness grows from 78.0 to 78.6 %, and the mean size from .447 to .469 million parameters.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau

from benchmarks.harness import Outcome
from benchmarks.kept import Parts
from benchmarks.quick import images
from benchmarks.rows import joined, last_alike, said
from pymoo_prune.executors import Processes
from pymoo_prune.machine import cores
from pymoo_prune.objectives import Values
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
NAME = "dense-connectivity-tables"
SIZES = HEAD[1:4]
COSTS = HEAD[4:]
"""The columns in two tables, since terminals are narrow."""


def run(quick: bool, wanted: Sequence[str] = ROWS) -> Outcome:
    """The figure is what the paper's GA gains over networks that need no search, mean over p."""
    torch.set_num_threads(1)
    if quick:
        names = [*map(str, QUICK_RATES), ALL]
        with TemporaryDirectory() as place:
            quickly = Experiment(images(), QUICK, Path(place), SEED)
            finished = by_name(made(quickly, names), names)
            return outcome(finished, names, courses(quickly, finished))
    folder = kept_folder()
    with Processes(cores()) as executor:
        here = Experiment(images(SIZE), SCALE, folder, SEED, executor=executor)
        finished = by_name(made(here, wanted), ROWS)
    before = last_alike(NAME, SETTINGS).get("searches", {})
    rows, commits = joined(NAME, SETTINGS, finished)
    found = outcome(rows, ROWS, {**before, **courses(here, finished)})
    found.details["commits"] = commits
    if set(finished) == set(ROWS):
        shutil.rmtree(folder)  # complete: the next one measures anew
    return found


def kept_folder() -> Path:
    """Keeps what is finished, for these settings."""
    setting = json.dumps([asdict(SCALE), SIZE, SEED], sort_keys=True)
    folder = Parts(f"{NAME}-{sha256(setting.encode()).hexdigest()[:8]}").folder
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


def courses(here: Experiment, finished: Iterable[str]) -> dict[str, dict[str, Any]]:
    """How the paper's search went at each p: its first population beside its last children.

    Args:
        here: The experiment; its folder has the evaluations.
        finished: The rows that are finished.
    """
    return {name: course(here.evaluations(int(name))) for name in finished if name != ALL}


def course(evaluations: Mapping[str, Values]) -> dict[str, Any]:
    """How a search went.

    Args:
        evaluations: Generations, accuracies and parameters of all its candidates, in order.
    """
    fitness, parameters = evaluations["accuracy"], evaluations["parameters"]
    ends = [evaluations["generation"] == evaluations["generation"][place] for place in (0, -1)]
    measured = ~np.isnan(fitness)
    return {
        "candidates": len(fitness),
        "mean_fitness": [float(np.nanmean(fitness[end])) for end in ends],
        "best_fitness": [float(np.nanmax(fitness[end])) for end in ends],
        "mean_parameters": [float(np.nanmean(parameters[end])) for end in ends],
        "tau": float(kendalltau(fitness[measured], parameters[measured])[0]),
    }


def outcome(
    finished: Mapping[str, Sequence[Mapping[str, Any]]],
    names: Sequence[str],
    searches: Mapping[str, Mapping[str, Any]],
) -> Outcome:
    """The tables and the record.

    Args:
        finished: The networks of each row that is finished.
        names: The names of all rows.
        searches: How the searches went, by row.
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
    cells = table_rows(rows)
    halves = []
    for kind, columns in (("sizes", SIZES), ("accuracies and costs", COSTS)):
        head = (HEAD[0], *columns)
        places = [HEAD.index(column) for column in head]
        part = [[row[place] for place in places] for row in cells]
        halves.append((f"Table II, {kind}{missing}", head, part))
    return Outcome(
        means.get(best, float("nan")),
        "points of test accuracy by which the paper's GA is ahead of the best without a search "
        f"({METHODS[best]}), mean over p; {means.get(FIRST, float('nan')):.2f} ahead of the "
        f"fittest of its first population{missing}",
        [
            *halves,
            (
                "Points of test accuracy by which the GA's winners are ahead",
                ("of", *(f"p = {rate} %" for rate in per_rate), "mean"),
                table,
            ),
            (
                "The paper's searches, from the first population to the last children",
                (
                    "p",
                    "candidates",
                    "mean fitness %",
                    "best fitness %",
                    "mean parameters (M)",
                    "τ of fitness and parameters",
                ),
                [course_row(name, found) for name, found in searches.items()],
            ),
        ],
        {
            "rows": dict(finished),
            "searches": dict(searches),
            "rows_there": there,
            "points_ahead": {METHODS[method]: values for method, values in points.items()},
            **SETTINGS,
            "processes": cores(),
            "threads": "one in each process",
        },
        sum((row.search_seconds or 0) + row.training_seconds for row in rows),
    )


def course_row(name: str, found: Mapping[str, Any]) -> tuple[str, ...]:
    """How a search went, as the table has it.

    Args:
        name: The row.
        found: What `course` gave.
    """
    fitness, best, millions = (
        " to ".join(f"{scale * value:.{digits}f}" for value in found[key])
        for key, scale, digits in (
            ("mean_fitness", 100, 2),
            ("best_fitness", 100, 2),
            ("mean_parameters", 1e-6, 3),
        )
    )
    return f"{name} %", str(found["candidates"]), fitness, best, millions, f"{found['tau']:.2f}"


def _is_there(networks: Sequence[Mapping[str, Any]], name: str) -> bool:
    """Whether all networks of a row are finished."""
    return {one["method"] for one in networks} >= ({FULL} if name == ALL else AT_EACH)
