"""Several methods on the same problem: made, measured against each other, reported.

- `trials`, `bounds`, `volumes`, `statistics`, `comparison`: the numbers of each run and of all side
  by side
- `methods`, `compare`: makes them in Python
- `plan`, `files`, `runs`, `jobs`, `processes`, `shared`, `campaign`: makes them in a folder
- `words`, `tables`, `pictures`, `report`, `latex`: shows them, in LaTeX too
- `showing`: what a comparison shows in a notebook
- `folders`, `evaluations`: reports of what lies in folders, and all that was evaluated there
- `citations`: what folders cite
- `page`, `page_fronts`: an interactive page, with fronts to explore. Import them where they are
  needed: they bring Bokeh, which takes its time
"""

from pymoo_prune.comparing.bounds import size_bounds
from pymoo_prune.comparing.campaign import Campaign
from pymoo_prune.comparing.citations import citations, cited_by_campaign
from pymoo_prune.comparing.compare import compare
from pymoo_prune.comparing.comparison import SEARCHED, Comparison
from pymoo_prune.comparing.evaluations import evaluations_in
from pymoo_prune.comparing.files import FRONTS_PICTURE
from pymoo_prune.comparing.folders import report_of_campaign, report_of_runs
from pymoo_prune.comparing.jobs import first_line, is_of_method
from pymoo_prune.comparing.methods import Method, check_against, check_design, file_name, seeds_of
from pymoo_prune.comparing.pictures import draw
from pymoo_prune.comparing.plan import Plan
from pymoo_prune.comparing.processes import process_pool
from pymoo_prune.comparing.report import ComparisonReport
from pymoo_prune.comparing.statistics import (
    LEVEL,
    enough_seeds,
    holm,
    least_p,
    mann_whitney,
    named_test,
    superiority,
)
from pymoo_prune.comparing.trials import Trial, union_front
from pymoo_prune.comparing.volumes import HypervolumeOptions, front_volumes
from pymoo_prune.comparing.words import meaning, probability, spread, verdict

__all__ = [
    "FRONTS_PICTURE", "LEVEL", "SEARCHED", "Campaign", "Comparison", "ComparisonReport",
    "HypervolumeOptions", "Method", "Plan", "Trial", "check_against", "check_design", "citations",
    "cited_by_campaign", "compare", "draw", "enough_seeds", "evaluations_in", "file_name",
    "first_line", "front_volumes", "holm", "is_of_method", "least_p", "mann_whitney", "meaning",
    "named_test", "probability", "process_pool", "report_of_campaign", "report_of_runs",
    "seeds_of", "size_bounds", "spread", "superiority", "union_front", "verdict",
]  # fmt: skip
