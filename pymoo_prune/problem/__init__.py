"""Problems: what one writes, and what a search does with it.

`contract` is what to read before writing a problem. A problem of one's own extends
`PruningProblem`, which brings everything else.
"""

from pymoo_prune.problem.contract import CHUNK, Contract
from pymoo_prune.problem.presets import Preset
from pymoo_prune.problem.pruning_problem import PruningProblem
from pymoo_prune.problem.racing import Racing
from pymoo_prune.problem.registry import (
    REPRODUCTIONS,
    USERS_CHOICE,
    build_problem,
    check_options,
    default_objectives,
    find_problem,
    find_reproduction,
    load_named,
    registered,
)
from pymoo_prune.problem.rivals import Baseline, Published

__all__ = [
    "CHUNK", "REPRODUCTIONS", "USERS_CHOICE", "Baseline", "Contract", "Preset",
    "PruningProblem", "Published", "Racing", "build_problem", "check_options",
    "default_objectives", "find_problem", "find_reproduction", "load_named", "registered",
]  # fmt: skip
