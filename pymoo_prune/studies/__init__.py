"""Methods over many problems, in one folder: made, resumed, extended and read.

- `files`: names of files in a study's folder
- `problems`: the problems of a study, by name
- `plan`: which runs a study has, and its file
- `searches`: engines on instances of the suite
- `instances`: runs on instances, one file each
- `making`: makes these runs, several at once
- `own`: problems with a comparison of their own
- `failures`: methods without results on a problem
- `cache`: costs of all runs on an instance in one file
- `sheets`, `outside`: results that were made elsewhere
- `reading`: from files to tasks
- `provenance`: what runs were made by, and where they differ
- `results`: all that a study found so far
- `evaluations`, `citations`: all that was evaluated, and what to cite
- `folder`: a study in its folder
- `study`: a study in Python, in one call
"""

from pymoo_prune.studies.citations import cited_by_study
from pymoo_prune.studies.evaluations import evaluations_of_study
from pymoo_prune.studies.folder import Study
from pymoo_prune.studies.problems import (
    OnInstance,
    OwnProblem,
    StudyProblem,
    check_name,
    chosen_problems,
    instance_names,
    is_problem,
    split_text,
)
from pymoo_prune.studies.results import Results
from pymoo_prune.studies.searches import POPULATION, Asked, asked, best, recorded
from pymoo_prune.studies.study import study

__all__ = [
    "POPULATION",
    "Asked",
    "OnInstance",
    "OwnProblem",
    "Results",
    "Study",
    "StudyProblem",
    "asked",
    "best",
    "check_name",
    "chosen_problems",
    "cited_by_study",
    "evaluations_of_study",
    "instance_names",
    "is_problem",
    "recorded",
    "split_text",
    "study",
]  # fmt: skip
