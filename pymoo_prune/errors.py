"""What goes wrong because of an input, said so that a person can mend it."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable


class PruneError(ValueError):
    """An input that cannot be used: the message names it, the requirement, and what to do."""


class DataError(PruneError):
    """A data set that is unknown, missing, damaged or inconsistent."""


class StoreError(PruneError):
    """A run folder or database that is damaged, or that belongs to something else."""


class ReplayError(StoreError):
    """A resumed run that does not follow the recorded one."""


class CandidateFailed(PruneError):  # noqa: N818 - what happened, as TrainingDiverged
    """One candidate that cannot be measured, while others can: the message is the reason."""


class TrainingDiverged(CandidateFailed):
    """A training that ended with numbers that are not finite."""


class NothingFoundError(PruneError):
    """A search without a result: everybody failed, or nobody keeps the constraints."""


def all_failed(who: str, reasons: Iterable[str]) -> NothingFoundError:
    """An error for a search in which nobody could be measured.

    Args:
        who: What the candidates are called, for example "candidates".
        reasons: Why they failed, one for each.

    Returns:
        The error, to be raised by the caller.
    """
    counts = Counter(reasons)
    reason = counts.most_common(1)[0][0]
    return NothingFoundError(
        f"all {counts.total():,} {who} failed, for example: {reason}; nothing can be reported"
    )


def unknown_name(kind: str, name: str, known: Iterable[str]) -> PruneError:
    """An error for a name that nothing has, with the names that exist and the nearest one.

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
