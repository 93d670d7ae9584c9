"""Several methods on the same problem: made, measured against each other, reported.

- `trials`, `bounds`, `volumes`, `statistics`, `comparison`: the numbers of each run and of all side
  by side
- `methods`, `compare`: makes them in Python
- `plan`, `files`, `runs`, `jobs`, `processes`, `shared`, `campaign`: makes them in a folder
- `words`, `tables`, `pictures`, `report`: shows them
- `folders`: reports of what lies in folders
- `page`: an interactive page. Import it where it is needed: it brings Bokeh, which takes its time
"""

from pymoo_prune.comparing.bounds import size_bounds
from pymoo_prune.comparing.campaign import Campaign
from pymoo_prune.comparing.compare import compare
from pymoo_prune.comparing.comparison import SEARCHED, Comparison
from pymoo_prune.comparing.files import FRONTS_PICTURE
from pymoo_prune.comparing.folders import report_of_campaign, report_of_runs
from pymoo_prune.comparing.jobs import first_line, is_of_method
from pymoo_prune.comparing.methods import Method, check_against, check_design, file_name
from pymoo_prune.comparing.pictures import draw
from pymoo_prune.comparing.plan import Plan
from pymoo_prune.comparing.processes import interrupts_blocked, process_pool
from pymoo_prune.comparing.report import ComparisonReport
from pymoo_prune.comparing.statistics import enough_seeds, least_p
from pymoo_prune.comparing.trials import Trial, union_front
from pymoo_prune.comparing.volumes import HypervolumeOptions, front_volumes
from pymoo_prune.comparing.words import meaning, verdict

__all__ = [
    "FRONTS_PICTURE", "SEARCHED", "Campaign", "Comparison", "ComparisonReport",
    "HypervolumeOptions", "Method", "Plan", "Trial", "check_against", "check_design", "compare",
    "draw", "enough_seeds", "file_name", "first_line", "front_volumes", "interrupts_blocked",
    "is_of_method", "least_p", "meaning", "process_pool", "report_of_campaign", "report_of_runs",
    "size_bounds", "union_front", "verdict",
]  # fmt: skip
