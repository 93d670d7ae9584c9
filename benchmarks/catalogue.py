"""The benchmarks by name, as their docstrings describe them, and their results; none is imported.

A benchmark's docstring has a summary line, paragraphs on what it does, and these paragraphs:

- `Target: ...`: what its figure is to reach
- `Found at COMMIT: ...`: what its table says beside the figure, where that is worth a sentence;
  the commit is the one in its file of results
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymoo_prune.errors import PruneError

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"

MODULES: Mapping[str, str] = {
    "ecomp-faithful": "benchmarks.ecomp.faithful",
    "ecomp-generation": "benchmarks.ecomp.generation",
    "ecomp-quality": "benchmarks.ecomp.quality",
    "alphabet-bounds": "benchmarks.layer_vector.letter_bounds",
    "alphabet-inputs": "benchmarks.layer_vector.letter_inputs",
    "alphabet-quality": "benchmarks.layer_vector.alphabets",
    "alphabet-retraining": "benchmarks.layer_vector.letter_training",
    "layer-vector-evaluation": "benchmarks.layer_vector.evaluation",
    "layer-vector-quality": "benchmarks.layer_vector.quality",
    "layer-vector-ranks": "benchmarks.layer_vector.ranks",
    "layer-vector-rules": "benchmarks.layer_vector.rules",
    "layer-vector-tables": "benchmarks.layer_vector.tables",
    "dense-connectivity-fidelity": "benchmarks.dense_connectivity.fidelity",
    "dense-connectivity-surrogate": "benchmarks.dense_connectivity.surrogate",
    "dense-connectivity-tables": "benchmarks.dense_connectivity.tables",
    "dense-connectivity-training": "benchmarks.dense_connectivity.training",
    "distilled-filters-evaluation": "benchmarks.distilled_filters.evaluation",
    "distilled-filters-phases": "benchmarks.distilled_filters.phases",
    "distilled-filters-quality": "benchmarks.distilled_filters.quality",
    "distilled-filters-recovery": "benchmarks.distilled_filters.recovery",
    "distilled-filters-tables": "benchmarks.distilled_filters.tables",
    "filter-multiples": "benchmarks.distilled_filters.multiples",
    "resnet-filters": "benchmarks.distilled_filters.weights",
    "vit-filters": "benchmarks.distilled_filters.vision",
    "any-network": "benchmarks.any_network.coverage",
    "executor-faults": "benchmarks.executors.faults",
    "executor-scaling": "benchmarks.executors.scaling",
    "device-evaluation": "benchmarks.executors.device_evaluation",
    "damage": "benchmarks.runs.damage",
    "kill-everything": "benchmarks.runs.kill_everything",
    "report-scale": "benchmarks.runs.report_scale",
    "compare-suite": "benchmarks.suite.compare_suite",
    "search-share": "benchmarks.suite.share",
    "suite-discriminates": "benchmarks.suite.discriminates",
    "suite-speed": "benchmarks.suite.speed",
    "suite-truth": "benchmarks.suite.truth",
    "spine-overhead": "benchmarks.runs.overhead",
    "spine-resume": "benchmarks.runs.resume",
}
"""Names and modules. A module has `run(quick) -> Outcome`; `ROWS` and `run(quick, wanted)`, where
some rows can be made alone."""


@dataclass(frozen=True)
class Benchmark:
    """What a benchmark's docstring says.

    Attributes:
        summary: What it measures, in a line.
        method: How it does that; may be empty.
        target: What its figure is to reach.
        findings: What its table says beside the figure; may be empty.
        found_at: The commit whose results the findings describe; may be empty.
    """

    summary: str
    method: str
    target: str
    findings: str = ""
    found_at: str = ""


def described(name: str) -> Benchmark:
    """A benchmark as its docstring describes it.

    Args:
        name: One of `MODULES`.
    """
    path = ROOT / Path(*MODULES[name].split(".")).with_suffix(".py")
    return parsed(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")


def parsed(docstring: str) -> Benchmark:
    """The parts of a benchmark's docstring."""
    summary, *paragraphs = (" ".join(part.split()) for part in docstring.split("\n\n"))
    method, parts = [], {}
    for paragraph in paragraphs:
        if paragraph.startswith("Target: "):
            parts["target"] = paragraph.removeprefix("Target: ")
        elif found := re.fullmatch(r"Found at (\w+): (.*)", paragraph):
            parts["found_at"], parts["findings"] = found.groups()
        else:
            method.append(paragraph)
    if "target" not in parts:
        msg = f"a benchmark's docstring has a paragraph `Target: ...`; got {docstring!r}"
        raise ValueError(msg)
    return Benchmark(summary, " ".join(method), **parts)


def result(name: str) -> dict[str, Any] | None:
    """What the last run at full size found; None if there was none.

    Raises:
        PruneError: Its file is damaged.
    """
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        return None
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{path} is damaged: {error}; take it from git again, or remove it"
        raise PruneError(msg) from error
    return record


def commit() -> str:
    """The commit of this checkout."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        found = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=True, cwd=ROOT
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()
