"""Which dense connections of a DenseNet live (Kim, Kim and Yoon).

- `problem`: the paper's encoding, operators and algorithm, and inherited weights
- `tables`: Table II
- `reproduction`: the paper's experiments
"""

from pymoo_prune_problems.dense_connectivity.problem import DenseConnectivity
from pymoo_prune_problems.dense_connectivity.reproduction import Experiment
from pymoo_prune_problems.dense_connectivity.tables import (
    GENETIC,
    HEAD,
    METHODS,
    RANDOM_SEARCH,
    RATES,
    SMALL,
    Scale,
    gains,
    table_rows,
)

__all__ = [
    "GENETIC", "HEAD", "METHODS", "RANDOM_SEARCH", "RATES", "SMALL", "DenseConnectivity",
    "Experiment", "Scale", "gains", "table_rows",
]  # fmt: skip
