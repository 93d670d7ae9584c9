"""Whether all measurements of a search can be compared with each other and with its front's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from pymoo_prune.objectives import Values


def comparable(
    history: Mapping[str, Values], columns: Mapping[str, Values], images: Iterable[str]
) -> bool:
    """Whether a search measured on one set of images, and its front has those measurements.

    Args:
        history: Every evaluation, in the order of the search, (evaluations,) each.
        columns: The front's columns; none where nothing was found.
        images: The images of each evaluation, by name.
    """
    if len(set(images)) > 1:
        return False
    if "evaluation" not in columns:  # nothing was found, or the run is older than this column
        return True
    rows = columns["evaluation"].astype(np.int64)
    measured = history.keys() & columns.keys()
    return all(np.array_equal(history[name][rows], columns[name]) for name in measured)
