"""Does the search behave as the authors' does? Four weightings, ten runs each, Welch's test.

All sixteen figures are printed beside those of the authors' ten runs.

Target: 0
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import ttest_ind_from_stats

from benchmarks.ecomp import setting as ecomp_setting
from benchmarks.harness import Outcome
from pymoo_prune_problems import EComp
from pymoo_prune_problems.ecomp import AUTHORS, COLUMNS, run_weighting

RUNS = 10


def run(quick: bool) -> Outcome:
    """Sixteen comparisons; the figure is how many differ at p <= .01."""
    torch.set_num_threads(2)
    runs, generations = (2, 11) if quick else (RUNS, EComp.GENERATIONS + 1)
    data, parent = ecomp_setting.data(), ecomp_setting.parent()
    rows, details, differing = [], {}, 0
    for weighting, theirs in AUTHORS.items():
        ours = np.array(
            [
                run_weighting(data, parent, weighting, seed, generations=generations).row
                for seed in range(runs)
            ]
        )
        details[weighting] = dict(zip(COLUMNS, ours.T.tolist(), strict=True))
        for place, name in enumerate(COLUMNS):
            mean, spread = ours[:, place].mean(), ours[:, place].std(ddof=1)
            p = ttest_ind_from_stats(
                mean, spread, runs, *theirs[place], RUNS, equal_var=False
            ).pvalue
            differing += bool(p <= 0.01)
            rows.append(
                (
                    weighting,
                    name,
                    f"{mean:.3f} ± {spread:.3f}",
                    f"{theirs[place][0]:.3f} ± {theirs[place][1]:.3f}",
                    f"{p:.3f}" + (" differs" if p <= 0.01 else ""),
                )
            )
    head = ("w_a w_s w_c", "figure", f"ours, {runs} runs", "authors', 10 runs", "p (Welch)")
    accuracy = ecomp_setting.parent_accuracy()
    title = f"parent: {accuracy:.4f} on test (the paper: .866)"
    return Outcome(
        differing,
        "of 16 figures differ (p <= .01)",
        [(title, head, rows)],
        {
            "runs": runs,
            "generations": generations,
            "parent_test_accuracy": accuracy,
            "ours": details,
            "rows": rows,
        },
    )
