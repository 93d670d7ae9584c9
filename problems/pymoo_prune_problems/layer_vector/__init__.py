"""How many weights each layer loses (Tang et al.).

- `problem`: the paper's encoding and fitness, thresholds and counts
- `rules`: the hybrid algorithm
- `rivals`: what a front is compared with
- `checks`: options that cannot work are refused
- `reproduction`: the paper's tables
"""

from pymoo_prune_problems.layer_vector.problem import LayerVector
from pymoo_prune_problems.layer_vector.reproduction import (
    HEAD,
    SMALL,
    TABLE_1,
    one_network,
    table_rows,
)
from pymoo_prune_problems.layer_vector.rules import RuleGuidedGA, Rules

__all__ = [
    "HEAD", "SMALL", "TABLE_1", "LayerVector", "RuleGuidedGA", "Rules", "one_network",
    "table_rows",
]  # fmt: skip
