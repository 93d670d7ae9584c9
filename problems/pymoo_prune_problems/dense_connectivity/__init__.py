"""Which dense connections of a DenseNet live (Kim, Kim and Yoon).

- `problem`: the paper's encoding, operators and algorithm, and inherited weights
- `training`: DenseNets are made, and trained alone or several at once
- `inheritance`: weights that candidates inherit from the parent
- `images`: what candidates are trained on and measured on
- `populations`: the strongest connections, and first populations with some of them
- `sizes`: parameters and MACs in closed form
- `rivals`: what a front is compared with
- `checks`: options and parents that cannot work are refused
- `experiments`: what the paper compares, its figures, and the scale of a reproduction
- `comparison`: how these networks are chosen and trained
- `tables`, `figure`: Table II and Figure 5
- `reproduction`: the paper's experiments
"""

from pymoo_prune_problems.dense_connectivity.comparison import Experiment
from pymoo_prune_problems.dense_connectivity.experiments import (
    AS_LARGE,
    FIRST,
    FULL,
    GENETIC,
    METHODS,
    NARROWER,
    RANDOM,
    RANDOM_AGAIN,
    RANDOM_SEARCH,
    RATES,
    SCRATCH,
    SMALL,
    Row,
    Scale,
)
from pymoo_prune_problems.dense_connectivity.problem import DenseConnectivity
from pymoo_prune_problems.dense_connectivity.tables import HEAD, gains, rivals, table_rows

__all__ = [
    "AS_LARGE", "FIRST", "FULL", "GENETIC", "HEAD", "METHODS", "NARROWER", "RANDOM",
    "RANDOM_AGAIN", "RANDOM_SEARCH", "RATES", "SCRATCH", "SMALL", "DenseConnectivity",
    "Experiment", "Row", "Scale", "gains", "rivals", "table_rows",
]  # fmt: skip
