"""Errors that inputs cause: each names the input, the requirement, and what to do."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable


class PruneError(ValueError):
    """An input cannot be used; the message names it, the requirement, and what to do."""


class DataError(PruneError):
    """A data set is missing, damaged or inconsistent."""


class UntrustedCode(PruneError):  # noqa: N818 - reads as the message does
    """A folder names a module that is not imported without the user's word."""


class NoSuchNetwork(PruneError, IndexError):  # noqa: N818 - reads as the message does
    """A front has no network with this number."""


class StoreError(PruneError):
    """A run folder or database is damaged, in use, or belongs to something else."""


class ReplayError(StoreError):
    """A resumed run does not repeat what was recorded."""


class CandidateFailed(PruneError):  # noqa: N818 - named for what happened
    """A single candidate cannot be measured; the message is the reason."""


class TrainingDiverged(CandidateFailed):
    """A training ended with values that are not finite."""


class NothingFoundError(PruneError):
    """A search has no result: all candidates failed, or none keeps the constraints."""


def all_failed(what: str, reasons: Iterable[str]) -> NothingFoundError:
    """An error for a search in which no candidate could be measured.

    Args:
        what: A plural for what failed, for example "candidates".
        reasons: Why they failed, a reason each.

    Returns:
        The error, to be raised by the caller.
    """
    counts = Counter(reasons)
    reason = counts.most_common(1)[0][0]
    return NothingFoundError(
        f"all {counts.total():,} {what} failed, for example: {reason}; nothing can be reported"
    )


def unknown_name(kind: str, name: str, known: Iterable[str]) -> PruneError:
    """An error for an unknown name; it lists the names that exist, and the nearest one.

    Args:
        kind: What the name should have been, for example "objective".
        name: The name that was given.
        known: The names that exist.

    Returns:
        The error, to be raised by the caller.
    """
    names = sorted(known)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return PruneError(f"unknown {kind} {name!r}; there are: {', '.join(names) or 'none'}.{hint}")
