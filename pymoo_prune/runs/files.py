"""The names of the files in a run's folder."""

from __future__ import annotations

SETTINGS_FILE = "run.json"
"""All that the run depends on; a folder with this file is a run folder."""
PARENT_FOLDER = "parent"
STORE_FILE = "evaluations.sqlite"
LATENCIES_FILE = "latency.sqlite"
SHARED_LATENCIES = f"../../{LATENCIES_FILE}"
"""The file of the comparison that a run belongs to."""
PLAN_FILE = "comparison.json"
"""Which runs there are; a folder with this file is a comparison."""
REPRODUCED_FILE = "settings.json"
"""The settings that a reproduction's results depend on; a folder with this file is one."""

FRONT_TABLE = "front.csv"
CHROMOSOMES_FILE = "front.npz"
FINISHED_FILE = "finished.npz"
"""The finished networks of the front, unless they are too large."""
DATA_FILE = "data.json"
"""Which images the run was made with."""
MATRICES_FILE = "matrices.npz"
LAYERS_FILE = "layers.json"
SUMMARY_FILE = "summary.json"
"""Written last: a run that has it is finished."""

PARENT_FILES = (f"{PARENT_FOLDER}/network.pt", f"{PARENT_FOLDER}/network.json")
"""The files of a kept parent, which `save_network` writes."""
RESULT_FILES = (
    SETTINGS_FILE, *PARENT_FILES, FINISHED_FILE, CHROMOSOMES_FILE, MATRICES_FILE, FRONT_TABLE,
    LAYERS_FILE,
)  # fmt: skip
"""All that results depend on, besides the summary and the evaluations."""

REPORT_PAGE = "report.md"
INTERACTIVE_PAGE = "report.html"
FRONT_PICTURE = "front.png"
GENERATIONS_PICTURE = "generations.png"
LAYERS_PICTURE = "layers.png"
PARALLEL_PICTURE = "parallel.png"
MATRICES_PICTURE = "matrices.png"

TICKET_FOLDER = "ticket"
TICKET_PAGE = "ticket.md"
TIMES_PAGE = "times.md"
"""In a ticket's folder: its latencies, which are never the same twice."""
TICKET_PICTURE = "robustness.png"
