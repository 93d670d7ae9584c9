"""Problems: what one writes, and what a search does with it.

`contract` is what to read before writing a problem. A problem of one's own extends
`PruningProblem`, which brings everything else.
"""

from pymoo_prune.problem.contract import CHUNK, Contract
from pymoo_prune.problem.presets import Preset
from pymoo_prune.problem.pruning_problem import PruningProblem
from pymoo_prune.problem.rivals import Baseline, Published

__all__ = ["CHUNK", "Baseline", "Contract", "Preset", "PruningProblem", "Published"]
