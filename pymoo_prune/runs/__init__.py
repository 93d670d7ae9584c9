"""One run in its folder: settings, making it, resuming it, and its report.

- `settings`: all that a run depends on
- `defaults`: the defaults of options, which the command line shows
- `files`, `folder`, `unreadable`: the names of a run's files, writing and reading them, and one
  error for all that cannot be read
- `images`, `preparing`: from names to images, and from settings to a problem with its parent
- `execution`, `summary`: search, finish, compare, write; and how that went
- `carrying`: networks of a run's front, exported or as a ticket
- `one_call`: one call for a network of one's own
- `run`, `run_front`: the run itself, and its front
- `findings`, `share`, `words`, `pictures`: what a run found, as numbers, in sentences, drawn
- `report`, `report_page`, `report_front`: the report in Markdown, and as an interactive page with
  a front to explore. Import the last two where they are needed: they bring Bokeh, which takes its
  time
- `showing`: what a run shows in a notebook
- `reproduction`: what the reproductions of papers share
"""

from typing import TYPE_CHECKING

from pymoo_prune.lazy import lazily

if TYPE_CHECKING:
    from pymoo_prune.runs.defaults import AT_LENGTH, KEEP_NETWORKS
    from pymoo_prune.runs.files import (
        CHROMOSOMES_FILE,
        FRONT_PICTURE,
        FRONT_TABLE,
        INTERACTIVE_PAGE,
        LATENCIES_FILE,
        PARENT_FOLDER,
        REPORT_PAGE,
        SETTINGS_FILE,
        SHARED_LATENCIES,
        STORE_FILE,
        TICKET_PAGE,
        TICKET_PICTURE,
    )
    from pymoo_prune.runs.findings import measured_quantities, published_on
    from pymoo_prune.runs.folder import RunFolder, new_folder
    from pymoo_prune.runs.images import is_module, lasting
    from pymoo_prune.runs.one_call import prune
    from pymoo_prune.runs.preparing import NOTHING_GIVEN, Given, prepare_problem
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
    from pymoo_prune.runs.run import Run
    from pymoo_prune.runs.settings import Settings
    from pymoo_prune.runs.unreadable import reading
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "AT_LENGTH", "CHROMOSOMES_FILE", "FRONT_PICTURE", "FRONT_TABLE", "INTERACTIVE_PAGE",
    "KEEP_NETWORKS", "LATENCIES_FILE", "NOTHING_GIVEN", "PARENT_FOLDER", "REPORT_PAGE",
    "SETTINGS_FILE", "SHARED_LATENCIES", "STORE_FILE", "TICKET_PAGE", "TICKET_PICTURE", "Given",
    "Report", "ReproductionOptions", "Run", "RunFolder", "Settings", "is_module", "kept",
    "kept_parent", "kept_runs", "lasting", "measured_quantities", "new_folder", "prepare",
    "prepare_problem", "prune", "publish", "published_on", "reading", "reproduced",
]  # fmt: skip
