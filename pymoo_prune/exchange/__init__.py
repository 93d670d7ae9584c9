"""Results in the formats of the field: written for others, and read from them.

- `evaluations`: all that a run asked for, as a table
"""

from pymoo_prune.exchange.evaluations import Evaluations

__all__ = ["Evaluations"]
