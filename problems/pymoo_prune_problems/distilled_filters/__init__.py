"""Filters and depth, with distillation inside the search (Ghorab, Meziani and Stuart).

- `problem`: the paper's encoding and fitness, for any network
- `populations`: first populations, and random networks
- `checks`: options that cannot work are refused
- `width_ladders`: widths of layers as levels
- `sizes`: sizes in closed form
- `rivals`: what a front is compared with
- `group_importance`: torch-pruning's choice of filters, an optional rival
- `reproduction`: the paper's tables
"""

from pymoo_prune_problems.distilled_filters.problem import DistilledFilters
from pymoo_prune_problems.distilled_filters.reproduction import (
    HEAD,
    NETWORKS,
    SMALL,
    Scale,
    one_network,
    robustness_rows,
    table_rows,
)

__all__ = [
    "HEAD", "NETWORKS", "SMALL", "DistilledFilters", "Scale", "one_network", "robustness_rows",
    "table_rows",
]  # fmt: skip
