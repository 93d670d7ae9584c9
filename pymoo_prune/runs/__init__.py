"""One run in its folder: settings, making it, resuming it, and its report.

- `settings`: all that a run depends on
- `run`: the run itself
- `report`, `report_page`: what it found, in Markdown and as an interactive page. Import
  `report_page` where it is needed: it brings Bokeh, which takes its time
- `reproduction`: what the reproductions of papers share
"""

from pymoo_prune.runs.report import Report
from pymoo_prune.runs.reproduction import (
    ReproductionOptions,
    kept,
    kept_parent,
    kept_runs,
    prepare,
    publish,
    reproduced,
)
from pymoo_prune.runs.run import (
    AT_LENGTH,
    CHROMOSOMES,
    FRONT,
    LATENCIES,
    PARENT,
    SETTINGS,
    STORE,
    TICKET_PAGE,
    TICKET_PICTURE,
    Run,
)
from pymoo_prune.runs.settings import Settings

__all__ = [
    "AT_LENGTH", "CHROMOSOMES", "FRONT", "LATENCIES", "PARENT", "SETTINGS", "STORE",
    "TICKET_PAGE", "TICKET_PICTURE", "Report", "ReproductionOptions", "Run", "Settings", "kept",
    "kept_parent", "kept_runs", "prepare", "publish", "reproduced",
]  # fmt: skip
