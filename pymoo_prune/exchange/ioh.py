"""IOHprofiler's folders: a line for each evaluation, read by IOHinspector.

A method has a folder, with a JSON file for each problem: what was run, and where its lines are. A
line has the number of the evaluation, from 1 on as this format wants it, and the costs: `raw_y`,
`F2`, `F3` and so on. A run begins where the number is 1. Infeasible and failed candidates are left
out; where the first is one of them, its line has dashes, which readers skip.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pymoo_prune.exchange.evaluations import Evaluations
from pymoo_prune.exchange.grouping import (
    by_problem_and_method,
    compared,
    cost_words,
    file_names,
    left_out,
)

VERSION = "0.3.18"
"""The version of IOHexperimenter whose files these are like."""
SUITE = "pymoo-prune"
MOST = 65_535
"""The largest dimension and number of a function that readers take."""


def write_ioh(
    runs: Sequence[Evaluations], folder: Path, progress: Callable[[int], None]
) -> list[str]:
    """Writes a folder as IOHprofiler does.

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
    numbers = {problem: number for number, problem in enumerate(problems, 1)}
    for (problem, method), group in groups.items():
        number = numbers[problem]
        place = folder / methods[method]
        data = f"data_f{number}_{problems[problem]}"
        (place / data).mkdir(parents=True, exist_ok=True)
        scenarios = []
        for dimension in dict.fromkeys(_dimension(run) for run in group):
            alike = [run for run in group if _dimension(run) == dimension]
            path = f"{data}/IOHprofiler_f{number}_DIM{dimension}.dat"
            scenarios.append(
                {
                    "dimension": dimension,
                    "path": path,
                    "runs": _write_lines(alike, place / path, progress),
                }
            )
        about = _about(group[0], number, scenarios)
        text = json.dumps(about, indent=2) + "\n"
        file = place / f"IOHprofiler_f{number}_{problems[problem]}.json"
        file.write_text(text, encoding="utf-8")
    return notes


def _dimension(run: Evaluations) -> int:
    """Genes of a chromosome; 0 where they are not known, or too many for the format."""
    genes = 0 if run.X is None else int(np.prod(run.X.shape[1:]))
    return genes if genes <= MOST else 0


def _attributes(run: Evaluations) -> list[str]:
    return ["evaluations", "raw_y", *(f"F{n}" for n in range(2, len(run.objectives) + 1))]


def _about(run: Evaluations, number: int, scenarios: Sequence[dict[str, Any]]) -> dict[str, Any]:
    costs = zip(_attributes(run)[1:], cost_words(run), strict=True)
    return {
        "version": VERSION,
        "suite": SUITE,
        "function_id": number,
        "function_name": run.problem,
        "maximization": False,
        "algorithm": {"name": run.method, "info": SUITE},
        "experiment_attributes": [{f"meaning_of_{name}": words} for name, words in costs],
        "attributes": _attributes(run),
        "scenarios": list(scenarios),
    }


def _write_lines(
    runs: Sequence[Evaluations], path: Path, progress: Callable[[int], None]
) -> list[dict[str, Any]]:
    """Writes the lines of some runs; returns what the JSON file says of each run."""
    about = []
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for run in runs:
            head = _attributes(run)
            places, F = compared(run)
            lines = [" ".join(head)]
            if places[:1] != [0]:
                lines.append(" ".join(["1", *("-" for _ in head[1:])]))
            lines += [
                f"{place + 1} {' '.join(map(repr, costs))}"
                for place, costs in zip(places, F.tolist(), strict=True)
            ]
            file.write("\n".join(lines) + "\n")
            about.append({"instance": 1, "evals": len(run), "best": _best(run), "seed": run.seed})
            progress(len(run))
    return about


def _best(run: Evaluations) -> dict[str, Any]:
    """The evaluation with the least first cost."""
    places, F = compared(run)
    if not places:
        return {"evals": 0, "y": None, "x": []}
    least = int(F[:, 0].argmin())
    return {"evals": places[least] + 1, "y": float(F[least, 0]), "x": []}
