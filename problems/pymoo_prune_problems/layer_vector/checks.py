"""Options that cannot work are refused before anything is trained."""

from __future__ import annotations

from typing import get_args

from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.inference import Precision
from pymoo_prune.pruning import check_levels


def check_options(
    encoding: str,
    precision: str,
    search_images: int,
    recovery_images: int,
    levels: int | None,
    racing: bool,
    data: Data,
) -> None:
    """Refuses unknown names, too few images or levels, and useless races; see `LayerVector`."""
    if racing and data.labelled and data.task.metric is not None:
        msg = (
            f"racing takes means over slices of the images, which says little of "
            f"{data.task.judge}; search without racing"
        )
        raise PruneError(msg)
    if encoding not in ("counts", "thresholds"):
        raise unknown_name("encoding", encoding, ["counts", "thresholds"])
    if precision not in get_args(Precision):
        raise unknown_name("precision", precision, get_args(Precision))
    if levels is not None and levels >= 2:
        check_levels(levels)
    if search_images < 1 or recovery_images < 2 or (levels is not None and levels < 2):
        msg = (
            "search_images must be at least 1, recovery_images and levels at least 2, but they "
            f"are {search_images}, {recovery_images} and {levels}"
        )
        raise PruneError(msg)
