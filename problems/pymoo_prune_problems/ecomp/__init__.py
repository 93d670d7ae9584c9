"""EComp (van den Beemt, Schröder and de Valk).

- `problem`: the paper's fitness and algorithm, for its encoding and for keep-masks
- `recombined_weights`: the paper's encoding
- `views`: search batches as the parent sees them, and candidates' forward passes
- `rivals`: neurons pruned without a search
- `parents`: the network that is compressed
- `reproduction`: the paper's figures
- `weightings`: weights of the fitness, found by a search
"""

from pymoo_prune_problems.ecomp.parents import train_feed_forward
from pymoo_prune_problems.ecomp.problem import EComp
from pymoo_prune_problems.ecomp.reproduction import AUTHORS, COLUMNS, run_weighting
from pymoo_prune_problems.ecomp.rivals import REFITTED

__all__ = ["AUTHORS", "COLUMNS", "REFITTED", "EComp", "run_weighting", "train_feed_forward"]
