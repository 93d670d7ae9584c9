"""Options that cannot work are refused before anything is trained."""

from __future__ import annotations

from pymoo_prune.errors import PruneError


def check_numbers(
    search_images: int,
    recovery_images: int,
    train_images: int | None,
    patience: int,
    smallest: float,
) -> None:
    """Refuses too few images, and impossible patience and sizes; see `DistilledFilters`."""
    counts = search_images, recovery_images, train_images or 1
    if min(counts) < 1 or train_images == 0 or patience < 0 or not 0 < smallest <= 1:
        msg = (
            "search_images, recovery_images and train_images must be at least 1, patience at "
            "least 0, and smallest above 0 and at most 1, but they are "
            f"{search_images}, {recovery_images}, {train_images}, {patience} and {smallest}"
        )
        raise PruneError(msg)
