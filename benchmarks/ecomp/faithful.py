"""Does the search behave as the authors' does? Seven weightings, ten runs each, Welch's test.

FashionMNIST, five parents with two runs of each weighting each, where the authors have one parent.
All twenty-eight figures are printed beside those of the authors' ten runs: averages of the last
generation on its batch, and the best network on the test images. Two more tables say how much
depends on the parent, and whether similarity in the fitness makes runs consistent (Brown-Forsythe,
for our runs and for theirs). A run takes half a minute to one and a half of one core, all of them
up to one and a half hours. Rows are runs of all weightings, at least two: `--only 1,2,3,4`. A
benchmark that was stopped goes on; `python -m benchmarks.ecomp.page` draws Figures 2 to 5 from its
results.

Target: 0
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.stats import f_oneway, levene, ttest_ind

from benchmarks.ecomp import setting as ecomp_setting
from benchmarks.ecomp.authors import Numbers, authors
from benchmarks.harness import Outcome
from benchmarks.kept import Parts, kept_parent
from benchmarks.rows import shown
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import accuracy
from pymoo_prune.networks import FeedForward, as_feed_forward
from pymoo_prune_problems import EComp
from pymoo_prune_problems.ecomp import COLUMNS, run_weighting
from pymoo_prune_problems.ecomp.reproduction import EVERY

ROWS = tuple(map(str, range(1, 11)))
"""Runs of all weightings."""
PARENTS = 5
BATCHES = 20
"""Batches on which the first populations of all parents are measured."""
SIGNIFICANT = 0.01
PAIRS = (("001", "021"), ("100", "120"), ("101", "121"))
"""Weightings without similarity, and the same with it."""
PARTS = Parts("ecomp-faithful")


def run(quick: bool, wanted: Sequence[str] = ROWS) -> Outcome:
    """Twenty-eight comparisons; the figure is how many differ at p <= .01."""
    torch.set_num_threads(1)
    if quick:
        runs = {name: [one_run(name, seed, 1, 11) for seed in range(2)] for name in ("101", "121")}
        parents = [first_generation(0, batches=2)]
    else:
        # A seed of all weightings after the other: a part of it is a smaller benchmark.
        seeds = seeds_of(wanted)
        asked = [(name, seed) for seed in seeds for name in EComp.WEIGHTINGS]
        runs = {name: [] for name in EComp.WEIGHTINGS}
        for name, seed in asked:
            make = partial(one_run, name, seed, PARENTS, EComp.GENERATIONS + 1)
            runs[name].append(PARTS.of(f"{name}-{seed}", make))
            print(f"{name}, seed {seed}: {_text(runs[name][-1]['row'])}", flush=True)
        parents = [
            PARTS.of(f"parent-{number}", partial(first_generation, number, BATCHES))
            for number in range(PARENTS)
        ]
    outcome = outcome_of(runs, parents)
    if not quick and len(seeds) == len(ROWS):
        PARTS.forget()
    return outcome


def seeds_of(wanted: Sequence[str]) -> list[int]:
    """The seeds in the tables: of runs that are made now, or are finished."""
    seeds = [int(row) - 1 for row in shown(ROWS, wanted, _is_done)]
    if len(seeds) < 2:
        msg = f"tests need two runs or more, and there would be {len(seeds)}; name more with --only"
        raise PruneError(msg)
    return seeds


def _is_done(row: str) -> bool:
    return all(PARTS.has(f"{name}-{int(row) - 1}") for name in EComp.WEIGHTINGS)


def parent(number: int) -> FeedForward:
    """One of the parents: section 3.2.1, with a seed of its own."""
    name = f"ecomp-{'x'.join(map(str, EComp.PARENT_WIDTHS))}-fashion-mnist-{number}"
    return as_feed_forward(kept_parent(name, partial(ecomp_setting.parent, number)))


def one_run(weighting: str, seed: int, parents: int, generations: int) -> dict[str, Any]:
    """One run, as JSON can hold it; its parent's number is the seed's remainder."""
    number = seed % parents
    found = run_weighting(
        ecomp_setting.data(), parent(number), weighting, seed, generations=generations
    )
    return {**asdict(found), "parent": number, "row": found.row}


def first_generation(number: int, batches: int) -> dict[str, float]:
    """A parent's test accuracy, and averages of its first population, which is not random."""
    network = parent(number)
    problem = EComp(
        ecomp_setting.data(), parent=network, objectives=EComp.fitness(1, 2, 1),
        **EComp.presets["paper"].options,
    )  # fmt: skip
    X = problem.encoding.initial(EComp.POPULATION, np.random.default_rng(0))
    each = [problem.measured(X, batch) for batch in range(1, batches + 1)]
    return {
        "test_accuracy": accuracy(network, ecomp_setting.data().test),
        **{
            name: float(np.mean([m[name] for m in each]))
            for name in ("accuracy", "similarity_loss", "width")
        },
    }


def outcome_of(
    runs: Mapping[str, Sequence[Mapping[str, Any]]], parents: Sequence[Mapping[str, float]]
) -> Outcome:
    """The tables, from all runs and the parents' first populations.

    Args:
        runs: What `one_run` gave, by weighting.
        parents: What `first_generation` gave, by number.
    """
    ours = {weighting: np.array([one["row"] for one in found]) for weighting, found in runs.items()}
    comparisons = [
        compared(weighting, place, ours[weighting], [one["parent"] for one in found])
        for weighting, found in runs.items()
        for place in range(len(COLUMNS))
    ]
    differing = sum(one["p"] <= SIGNIFICANT for one in comparisons)
    pairs = [pair for pair in PAIRS if all(name in ours for name in pair)]
    consistency = [consistent(pair, name, ours) for pair in pairs for name in CONSISTENT]
    title = "FashionMNIST; best network on test, the others on the last generation's batch"
    count = len(next(iter(ours.values())))
    return Outcome(
        differing,
        f"of {len(comparisons)} figures differ (p <= .01)",
        [
            (title, HEAD, list(map(comparison_row, comparisons))),
            ("the first population", PARENT_HEAD, parent_rows(parents)),
            ("deviations over the runs, without and with similarity", CONSISTENCY_HEAD,
             list(map(consistency_row, consistency))),
        ],
        {
            "data": "fashion-mnist",
            "runs": count,
            "generations": len(next(iter(runs.values()))[0]["means"]["accuracy"]),
            "parents": list(parents),
            "comparisons": comparisons,
            "consistency": consistency,
            "ours": {weighting: plain(found) for weighting, found in runs.items()},
        },
    )  # fmt: skip


def plain(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A weighting's runs for the file: rows, best widths, and curves over the generations."""
    curves = {}
    for name in found[0]["means"]:
        values = np.array([one["means"][name] for one in found])[:, ::EVERY]
        deviation = values.std(axis=0, ddof=1)
        curves[name] = {"mean": _text(values.mean(axis=0)), "deviation": _text(deviation)}
    return {
        "rows": [_text(one["row"]) for one in found],
        "parents": _text([one["parent"] for one in found]),
        "best_widths": _text([one["best_width"] for one in found]),
        "curves": curves,
    }


def _text(values: Sequence[float] | Numbers) -> str:
    """Numbers in one line of the file."""
    return " ".join(f"{value:.4g}" for value in values)


def compared(weighting: str, place: int, ours: Numbers, parents: Sequence[int]) -> dict[str, Any]:
    """A figure of ours beside the authors'; p of Welch's test, and of our parents' effect on it."""
    mine, theirs = ours[:, place], authors()[weighting].rows[:, place]
    groups = [mine[np.array(parents) == one] for one in sorted(set(parents))]
    several = len(groups) > 1 and len(mine) > len(groups)
    return {
        "weighting": weighting,
        "figure": COLUMNS[place],
        "ours": [float(mine.mean()), float(mine.std(ddof=1))],
        "authors": [float(theirs.mean()), float(theirs.std(ddof=1))],
        "p": float(ttest_ind(mine, theirs, equal_var=False).pvalue),
        "p_parents": float(f_oneway(*groups).pvalue) if several else None,
    }


HEAD = ("w_a w_s w_c", "figure", "ours", "authors', 10 runs", "p (Welch)", "p (parents)")


def comparison_row(one: Mapping[str, Any]) -> tuple[str, ...]:
    """A row below `HEAD`."""
    mine, theirs = ("{:.3f} ± {:.3f}".format(*one[name]) for name in ("ours", "authors"))
    p = _p(one["p"]) + (" differs" if one["p"] <= SIGNIFICANT else "")
    figure = one["figure"].replace("_", " ")
    return one["weighting"], figure, mine, theirs, p, _p(one["p_parents"])


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if value >= 0.0005 else "< 0.001"


PARENT_HEAD = ("parent", "test accuracy", "accuracy", "similarity loss", "width")


def parent_rows(parents: Sequence[Mapping[str, float]]) -> list[tuple[str, ...]]:
    """The first populations of our parents and of the authors' one, on batches of 100."""
    names = ("test_accuracy", *COLUMNS[:3])
    rows = [
        (str(number), *(f"{one[name]:.4f}" for name in names)) for number, one in enumerate(parents)
    ]
    theirs = [runs.curves for runs in authors().values()]
    first = [np.mean([curves[name][0, 0] for curves in theirs]) for name in COLUMNS[:3]]
    return [*rows, ("the authors'", "0.866", *(f"{value:.4f}" for value in first))]


CONSISTENT = ("accuracy", "best_test_accuracy")
CONSISTENCY_HEAD = (
    "weightings", "figure", "ours without / with", "p", "authors' without / with", "p (authors')",
)  # fmt: skip


def consistent(pair: tuple[str, str], name: str, ours: Mapping[str, Numbers]) -> dict[str, Any]:
    """Deviations over the runs of two weightings, and p of Brown and Forsythe's test.

    Args:
        pair: A weighting without similarity, and the same with it.
        name: One of `COLUMNS`.
        ours: Our rows, by weighting.
    """
    place = COLUMNS.index(name)
    found: dict[str, Any] = {"pair": list(pair), "figure": name}
    theirs = {weighting: runs.rows for weighting, runs in authors().items()}
    for whose, rows in (("ours", ours), ("authors", theirs)):
        both = [rows[weighting][:, place] for weighting in pair]
        found[whose] = [float(one.std(ddof=1)) for one in both]
        several = len(both[0]) > 2
        found[f"p_{whose}"] = float(levene(*both, center="median").pvalue) if several else None
    return found


def consistency_row(one: Mapping[str, Any]) -> tuple[str, ...]:
    """A row below `CONSISTENCY_HEAD`."""
    return (
        " / ".join(one["pair"]),
        one["figure"].replace("_", " "),
        "{:.3f} / {:.3f}".format(*one["ours"]),
        _p(one["p_ours"]),
        "{:.3f} / {:.3f}".format(*one["authors"]),
        _p(one["p_authors"]),
    )
