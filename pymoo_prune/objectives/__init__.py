"""Turns measurements, in their natural sign, into the values that pymoo minimises.

Only this room knows that pymoo minimises. A problem measures an accuracy of 0.93; the objective
"accuracy" turns it into F = -0.93.

- `quantities`: what is measured, and whether higher or lower is better
- `measured`: the measurements of a population, with the reasons of candidates that failed
- `scalarisations`: one objective made of several quantities
- `goals`: the objectives and constraints of a search
- `indicators`: hypervolume, IGD+ and which networks are nondominated
- `series`: the networks of one method, as tables and plots take them
"""

from pymoo_prune.objectives.goals import Constraint, Goals, mentioned_in, parse_constraints
from pymoo_prune.objectives.indicators import distance, hypervolume, hypervolumes, nondominated
from pymoo_prune.objectives.measured import (
    FAILED,
    Measured,
    Part,
    check_measurements,
    failed_rows,
    failures_of,
    feasible,
    gathered,
    one_by_one,
)
from pymoo_prune.objectives.quantities import (
    DIVERGENCE,
    FLOPS,
    NATS,
    STANDARD,
    TWICE_MACS,
    Measurements,
    Quantity,
    Values,
    completed,
    from_measurements,
    judge_of,
    judges,
    without_judgements,
)
from pymoo_prune.objectives.scalarisations import (
    SCALARISATIONS,
    Objectives,
    PrunedWeightsPerAccuracyDrop,
    Scalarisation,
    WeightedSum,
    objectives_text,
    parse_objectives,
)
from pymoo_prune.objectives.series import Series

__all__ = [
    "DIVERGENCE", "FAILED", "FLOPS", "NATS", "SCALARISATIONS", "STANDARD", "TWICE_MACS",
    "Constraint", "Goals", "Measured", "Measurements", "Objectives", "Part",
    "PrunedWeightsPerAccuracyDrop", "Quantity", "Scalarisation", "Series", "Values", "WeightedSum",
    "check_measurements", "completed", "distance", "failed_rows", "failures_of", "feasible",
    "from_measurements", "gathered", "hypervolume", "hypervolumes", "judge_of", "judges",
    "mentioned_in", "nondominated", "objectives_text", "one_by_one", "parse_constraints",
    "parse_objectives", "without_judgements",
]  # fmt: skip
