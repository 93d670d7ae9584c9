"""How many weights each layer loses (Tang et al.).

- `problem`: the paper's encoding and fitness, thresholds and counts
- `rules`: the hybrid algorithm
- `rivals`: what a front is compared with
- `checks`: options and networks that cannot work are refused
- `iterations`: pruning and retraining in turns
- `keeping`: parts of a reproduction that was stopped
- `reproduction`: the paper's experiments
- `tables`: the paper's tables
- `published`: the paper's figures
- `presets`: settings under one name
"""

from pymoo_prune_problems.layer_vector.iterations import (
    FIXED_RATE,
    RIVALS,
    VIDEO_RATE,
    Iteration,
    reduced,
)
from pymoo_prune_problems.layer_vector.keeping import KeptIn
from pymoo_prune_problems.layer_vector.problem import LayerVector
from pymoo_prune_problems.layer_vector.published import (
    ACCEPTABLE_DROP,
    RESNETS,
    TABLE_1,
    VIDEO,
)
from pymoo_prune_problems.layer_vector.reproduction import (
    SMALL,
    fewest_bits,
    first_row,
    one_network,
)
from pymoo_prune_problems.layer_vector.rules import RuleGuidedGA, Rules, paper_operators
from pymoo_prune_problems.layer_vector.tables import BEST_BEFORE, FITTEST, HEAD, table_rows

__all__ = [
    "ACCEPTABLE_DROP", "BEST_BEFORE", "FITTEST", "FIXED_RATE", "HEAD", "RESNETS", "RIVALS",
    "SMALL", "TABLE_1", "VIDEO", "VIDEO_RATE", "Iteration", "KeptIn", "LayerVector",
    "RuleGuidedGA", "Rules", "fewest_bits", "first_row", "one_network", "paper_operators",
    "reduced", "table_rows",
]  # fmt: skip
