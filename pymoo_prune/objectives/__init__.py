"""From measurements, in their natural sign, to what pymoo minimises.

Only here it is known that pymoo minimises. A problem measures accuracy 0.93; the objective
"accuracy" turns it into F = -0.93.
"""

from pymoo_prune.objectives.goals import Constraint, Goals, parse_constraints
from pymoo_prune.objectives.indicators import distance, hypervolume, hypervolumes, nondominated
from pymoo_prune.objectives.measured import (
    FAILED,
    Measured,
    Part,
    check_measurements,
    failed_rows,
    failures_of,
    gathered,
    one_by_one,
)
from pymoo_prune.objectives.quantities import STANDARD, Measurements, Quantity, Values
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
    "FAILED", "SCALARISATIONS", "STANDARD", "Constraint", "Goals", "Measured", "Measurements",
    "Objectives", "Part", "PrunedWeightsPerAccuracyDrop", "Quantity", "Scalarisation", "Series",
    "Values", "WeightedSum", "check_measurements", "distance", "failed_rows", "failures_of",
    "gathered", "hypervolume", "hypervolumes", "nondominated", "objectives_text", "one_by_one",
    "parse_constraints", "parse_objectives",
]  # fmt: skip
