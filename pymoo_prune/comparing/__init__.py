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
from pymoo_prune.comparing.comparison import Comparison
from pymoo_prune.comparing.files import FRONTS_PICTURE
from pymoo_prune.comparing.folders import report_of_campaign, report_of_runs
from pymoo_prune.comparing.methods import Method
from pymoo_prune.comparing.pictures import draw
from pymoo_prune.comparing.plan import Plan
from pymoo_prune.comparing.report import ComparisonReport
from pymoo_prune.comparing.trials import Trial, union_front
from pymoo_prune.comparing.volumes import HypervolumeOptions, front_volumes
from pymoo_prune.comparing.words import meaning, verdict

__all__ = [
    "FRONTS_PICTURE", "Campaign", "Comparison", "ComparisonReport", "HypervolumeOptions", "Method",
    "Plan", "Trial", "compare", "draw", "front_volumes", "meaning", "report_of_campaign",
    "report_of_runs", "size_bounds", "union_front", "verdict",
]  # fmt: skip
