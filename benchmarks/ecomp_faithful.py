"""Does the search behave as the authors' does? Four weightings, ten runs each, Welch's test.

The authors' figures are means and standard deviations over their own ten runs, as published with
their code: the last generation's average accuracy, similarity loss and relative width on its batch
of 100 images, and the accuracy of the best network on the 10,000 test images.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import ttest_ind_from_stats

from benchmarks import ecomp_setting
from benchmarks.harness import Outcome
from pymoo_prune.evaluation import accuracy
from pymoo_prune.search import Budget, make_algorithm, search
from pymoo_prune_problems import EComp

COLUMNS = ("accuracy", "similarity_loss", "width", "best_test_accuracy")
AUTHORS = {  # mean and standard deviation of each column over ten runs
    "100": ((0.826, 0.028), (0.120, 0.039), (0.872, 0.027), (0.842, 0.017)),
    "021": ((0.641, 0.180), (0.130, 0.050), (0.592, 0.127), (0.663, 0.146)),
    "101": ((0.734, 0.128), (0.184, 0.094), (0.586, 0.151), (0.761, 0.127)),
    "121": ((0.851, 0.027), (0.083, 0.029), (0.749, 0.071), (0.843, 0.012)),
}
RUNS = 10


def run(quick: bool) -> Outcome:
    """Sixteen comparisons; the figure is how many differ at p <= .01."""
    torch.set_num_threads(2)
    runs, generations = (2, 11) if quick else (RUNS, EComp.GENERATIONS + 1)
    rows, details, differing = [], {}, 0
    for weighting, theirs in AUTHORS.items():
        ours = np.array([one_run(weighting, seed, generations) for seed in range(runs)])
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
    title = f"parent: {ecomp_setting.parent_accuracy():.4f} on test (the paper: .866)"
    return Outcome(
        differing,
        "of 16 figures differ (p <= .01)",
        "0",
        [(title, head, rows)],
        {"runs": runs, "generations": generations, "ours": details, "rows": rows},
    )


def one_run(weighting: str, seed: int, generations: int) -> tuple[float, ...]:
    """The four figures of one run; the seed is that of the search and of its batches."""
    problem = ecomp_setting.problem(weighting, seed)
    algorithm = make_algorithm("own", problem, EComp.POPULATION)
    found = search(problem, algorithm, Budget(generations=generations), seed=seed)
    population = found.last.algorithm.pop
    means = [float(population.get(name).mean()) for name in COLUMNS[:3]]
    # Section 4.2: the best network by average fitness over all batches, on the test images.
    fitness = -problem.goals.F(found.measurements)[:, 0]
    best = problem.network(found.X[int(fitness.argmax())])
    return (*means, accuracy(best, ecomp_setting.data().test))
