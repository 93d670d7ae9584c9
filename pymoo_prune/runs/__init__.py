"""One run in its folder: settings, making it, resuming it, and its report.

- `settings`: all that a run depends on
- `defaults`: the defaults of options, which the command line shows
- `files`, `folder`, `unreadable`: the names of a run's files, writing and reading them, and one
  error for all that cannot be read
- `images`, `preparing`: from names to images, and from settings to a problem with its parent
- `execution`, `summary`: search, finish, compare, write; and how that went
- `carrying`: networks of a run's front, exported or as a ticket
- `one_call`: one call for a network of one's own
- `places`: errors of folders that change meanwhile
- `run`, `run_front`: the run itself, and its front
- `shapes`: the shapes of a run's files of JSON
- `checks`: what must fit together in a run's folder
- `recorded`, `evaluations`: what a run's folder says, and all that it asked for
- `findings`, `share`, `words`, `pictures`: what a run found, as numbers, in sentences, drawn
- `report`, `latex`: the report in Markdown, and its tables in LaTeX
- `report_page`, `report_front`: an interactive page with a front to explore. Import them where they
  are needed: they bring Bokeh, which takes its time
- `showing`: what a run shows in a notebook
- `bibtex`, `citations`: what a run cites, from `references.bib` and from its problem
- `reproduction`: what the reproductions of papers share
"""

from typing import TYPE_CHECKING

from pymoo_prune.lazy import lazily

if TYPE_CHECKING:
    from pymoo_prune.runs.citations import Citations
    from pymoo_prune.runs.defaults import AT_LENGTH, KEEP_NETWORKS
    from pymoo_prune.runs.evaluations import evaluations_of, recorded_evaluations
    from pymoo_prune.runs.files import (
        CHROMOSOMES_FILE,
        FRONT_PICTURE,
        FRONT_TABLE,
        INTERACTIVE_PAGE,
        PARENT_FOLDER,
        PLAN_FILE,
        REPORT_PAGE,
        SETTINGS_FILE,
        SHARED_LATENCIES,
        STORE_FILE,
        TICKET_PAGE,
        TICKET_PICTURE,
    )
    from pymoo_prune.runs.findings import published_on
    from pymoo_prune.runs.folder import RunFolder, new_folder
    from pymoo_prune.runs.images import is_module, lasting
    from pymoo_prune.runs.one_call import prune
    from pymoo_prune.runs.places import at_work, holds_results
    from pymoo_prune.runs.preparing import NOTHING_GIVEN, Given, prepare_problem
    from pymoo_prune.runs.report import Report
    from pymoo_prune.runs.reproduction import (
        ReproductionOptions,
        chosen,
        kept,
        kept_parent,
        kept_runs,
        limit_of,
        prepare,
        publish,
        reproduced,
        without_workers,
    )
    from pymoo_prune.runs.run import Run
    from pymoo_prune.runs.settings import Settings, measured_quantities
    from pymoo_prune.runs.unreadable import reading
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "AT_LENGTH", "CHROMOSOMES_FILE", "FRONT_PICTURE", "FRONT_TABLE", "INTERACTIVE_PAGE",
    "KEEP_NETWORKS", "NOTHING_GIVEN", "PARENT_FOLDER", "PLAN_FILE", "REPORT_PAGE", "SETTINGS_FILE",
    "SHARED_LATENCIES", "STORE_FILE", "TICKET_PAGE", "TICKET_PICTURE", "Citations", "Given",
    "Report", "ReproductionOptions", "Run", "RunFolder", "Settings", "at_work", "chosen",
    "evaluations_of", "holds_results", "is_module", "kept", "kept_parent", "kept_runs", "lasting",
    "limit_of", "measured_quantities", "new_folder", "prepare", "prepare_problem", "prune",
    "publish", "published_on", "reading", "recorded_evaluations", "reproduced", "without_workers",
]  # fmt: skip
