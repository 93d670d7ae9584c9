"""Several methods on the same problem: made, measured against each other, reported.

The modules, in the order in which they build on each other: `trials` and `comparison` are the
numbers, `methods` and `compare` make them in Python, `plan`, `runs`, `jobs` and `campaign` in a
folder, and `words`, `pictures`, `report`, `folders` and `page` show them.
"""

from pymoo_prune.comparing.campaign import Campaign
from pymoo_prune.comparing.compare import compare
from pymoo_prune.comparing.comparison import Comparison, size_bounds
from pymoo_prune.comparing.folders import report_of_campaign, report_of_runs
from pymoo_prune.comparing.methods import Method
from pymoo_prune.comparing.pictures import FRONTS, draw
from pymoo_prune.comparing.plan import Plan
from pymoo_prune.comparing.report import ComparisonReport
from pymoo_prune.comparing.trials import Trial, union_front
from pymoo_prune.comparing.words import meaning, verdict

__all__ = [
    "FRONTS", "Campaign", "Comparison", "ComparisonReport", "Method", "Plan", "Trial",
    "compare", "draw", "meaning", "report_of_campaign", "report_of_runs", "size_bounds",
    "union_front", "verdict",
]  # fmt: skip
