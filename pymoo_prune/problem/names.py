"""Names of quantities: those that a problem must have, and reserved ones."""

from __future__ import annotations

from collections.abc import Mapping

from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import STANDARD, Quantity

RESERVED = {
    *("f", "g", "h", "x", "cv", "feas", "rank", "crowding", "n_gen", "n_iter"),  # pymoo's
    *("failure", "digest", "images", "number", "generation", "evaluation"),  # a store's
    *("test_accuracy", "finished_accuracy", "finished_test_accuracy"),  # a front's
    *("test_divergence", "finished_divergence", "finished_test_divergence"),  # the same
}
"""Names that pymoo, a store or a front uses for other values of a candidate."""


def check_names(problem: str, quantities: Mapping[str, Quantity]) -> None:
    """Raises an error if quantities lack a standard one, or have a reserved name.

    Args:
        problem: The problem's name.
        quantities: The quantities that it measures.
    """
    clash = RESERVED & {name.lower() for name in quantities}
    missing = STANDARD.keys() - quantities.keys()
    if clash or missing:
        msg = (
            f"{problem}.quantities must have {sorted(STANDARD)} and no name "
            f"that is taken, but it lacks {sorted(missing)} and has {sorted(clash)}"
        )
        raise PruneError(msg)
