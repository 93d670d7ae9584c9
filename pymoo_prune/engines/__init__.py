"""Engines: pymoo's algorithms by name, or a user's own, with the problem's operators.

- `names`: the names of engines, and why pymoo's other engines are not among them
- `making`: makes an engine for a problem
- `checks`: refuses engines that cannot solve a problem, with the reason
- `stepping`: one generation, within what is left of a budget
- `sparse`: SparseEA
- `walking`: the engine that walks over levels
- `variants`: pymoo's engines that need a change to serve a pruning search
"""

from typing import TYPE_CHECKING

from pymoo_prune.lazy import lazily

if TYPE_CHECKING:
    from pymoo_prune.engines.checks import (
        check_engine,
        check_goals,
        check_own_algorithm,
        one_objective,
        takes_failures,
    )
    from pymoo_prune.engines.making import make_algorithm, population_of
    from pymoo_prune.engines.names import ENGINES, check_engine_name
    from pymoo_prune.engines.sparse import SparseEA, sparse_ea
    from pymoo_prune.engines.stepping import step
    from pymoo_prune.engines.variants import EndingCTAEA, PacedRVEA, ScaledMOEAD
    from pymoo_prune.engines.walking import level_walks
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "ENGINES", "EndingCTAEA", "PacedRVEA", "ScaledMOEAD", "SparseEA", "check_engine",
    "check_engine_name", "check_goals", "check_own_algorithm", "level_walks", "make_algorithm",
    "one_objective", "population_of", "sparse_ea", "step", "takes_failures",
]  # fmt: skip
