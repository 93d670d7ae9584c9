"""EComp (van den Beemt, Schröder and de Valk).

- `problem`: the paper's fitness, encoding and algorithm, and keep-masks
- `reproduction`: the paper's figures
"""

from pymoo_prune_problems.ecomp.problem import EComp, train_parent
from pymoo_prune_problems.ecomp.reproduction import AUTHORS, COLUMNS, run_weighting

__all__ = ["AUTHORS", "COLUMNS", "EComp", "run_weighting", "train_parent"]
