"""moocore's sets of points: what each run found in the end, read by `moocore.read_datasets`.

A method has a file for each problem. A set is a run: the costs of all its evaluations that no other
feasible one dominates. A point is a line, sets are separated by an empty line, and comments say
which run each set is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pymoo_prune.exchange.evaluations import Evaluations
from pymoo_prune.exchange.grouping import (
    by_problem_and_method,
    compared,
    cost_words,
    file_names,
    left_out,
)
from pymoo_prune.objectives import nondominated


def write_sets(
    runs: Sequence[Evaluations], folder: Path, progress: Callable[[int], None]
) -> list[str]:
    """Writes a file for each method on each problem, PROBLEM--METHOD.dat.

    Args:
        runs: What is written.
        folder: An existing, empty folder.
        progress: Called with the number of evaluations that were written.

    Returns:
        Sentences that a reader should know.
    """
    groups, notes = by_problem_and_method(runs), left_out(runs)
    problems = file_names(problem for problem, _ in groups)
    methods = file_names(method for _, method in groups)
    for (problem, method), group in groups.items():
        head = [f"{problem}, {method}", *cost_words(group[0])]
        sets: list[str] = []
        for run in group:
            _, F = compared(run)
            best = F[nondominated(F)].tolist()
            if best:
                head.append(f"set {len(sets) + 1}: seed {run.seed}")
                sets.append("\n".join(" ".join(map(repr, point)) for point in best))
            else:
                notes.append(f"{run.name} found nothing feasible, and has no set.")
            progress(len(run))
        if sets:
            comments = "".join(f"# {' '.join(line.split())}\n" for line in head)
            path = folder / f"{problems[problem]}--{methods[method]}.dat"
            path.write_text(comments + "\n\n".join(sets) + "\n", encoding="utf-8")
    return notes
