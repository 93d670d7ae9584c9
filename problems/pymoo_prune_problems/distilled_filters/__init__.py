"""Filters and depth, with distillation inside the search (Ghorab, Meziani and Stuart).

- `problem`: the paper's encoding and fitness, for any network
- `populations`: first populations, and random networks
- `checks`: options that cannot work are refused
- `width_ladders`: widths of layers as levels
- `sizes`: sizes in closed form
- `rivals`: what a front is compared with
- `group_importance`: torch-pruning's choice of filters, an optional rival
- `experiments`: the paper's networks and figures, and the scale of a reproduction
- `tables`: Tables I and II
- `reproduction`: the paper's experiments
"""

from pymoo_prune_problems.distilled_filters.experiments import (
    NAMES,
    NETWORKS,
    PUBLISHED,
    REFITTED,
    SMALL,
    TABLE_1,
    Scale,
)
from pymoo_prune_problems.distilled_filters.problem import DistilledFilters
from pymoo_prune_problems.distilled_filters.reproduction import one_network, teacher
from pymoo_prune_problems.distilled_filters.tables import HEAD, robustness_rows, table_rows

__all__ = [
    "HEAD", "NAMES", "NETWORKS", "PUBLISHED", "REFITTED", "SMALL", "TABLE_1", "DistilledFilters",
    "Scale", "one_network", "robustness_rows", "table_rows", "teacher",
]  # fmt: skip
