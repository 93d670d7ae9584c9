"""Errors that inputs cause: each names the input, the requirement, and what to do."""

from __future__ import annotations

import difflib
import math
import os
import re
import shlex
import sys
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from pathlib import Path
from typing import Any

MOST = 2**63 - 1
"""The largest whole number: databases and generators know no larger ones."""
MOST_IMAGES = 10**10
"""More images than any training shows: a training of more would only hang."""
SHOWN = 80
"""Letters of a wrong value that messages show."""
LIBRARIES = {"site-packages", "dist-packages", "importlib", "pymoo_prune"}
"""Folders whose code is not the user's."""


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
    nearest = difflib.get_close_matches(
        name if isinstance(name, str) else "", names, n=1, cutoff=0.5
    )
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return PruneError(
        f"unknown {kind} {shown(name)}; there are: {', '.join(names) or 'none'}.{hint}"
    )


def shown(value: Any) -> str:
    """A value as messages show it: not longer than a line."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python writes no numbers of thousands of digits
        text = f"a very large {type(value).__name__}"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def check_whole(
    name: str, value: Any, *, least: int = 0, most: int = MOST, why: str = "", none: bool = False
) -> None:
    """Refuses what is no whole number, or too small or too large.

    Args:
        name: The value's name.
        value: The value; no truth value, and no real number that happens to be whole.
        least: The least that it may be.
        most: The most that it may be.
        why: Why it may be no more, for the message.
        none: Whether it may be None.
    """
    if none and value is None:
        return
    whole: bool = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole:
        msg = f"{name} must be a whole number, but it is {shown(value)}"
        raise PruneError(msg)
    if not least <= value <= most:
        bound = f"at least {least:,}" if value < least else f"at most {most:,}"
        msg = f"{name} must be {bound}, but it is {shown(value)}"
        raise PruneError(f"{msg}: {why}" if why and value > most else msg)


def check_images(images: int) -> None:
    """Refuses a number of training images that is negative, or that would only hang."""
    if not 0 <= images <= MOST_IMAGES:
        bound = "at least 0" if images < 0 else f"at most {MOST_IMAGES:,}"
        msg = f"images must be {bound}, but they are {images}"
        raise PruneError(msg)


def check_real(name: str, value: Any, *, above: float | None = None) -> None:
    """Refuses what is no finite number, or too small.

    Args:
        name: The value's name.
        value: The value.
        above: What it must be larger than; None for no such bound.
    """
    real = isinstance(value, Real) and not isinstance(value, bool)
    finite = real and abs(_float(value)) <= sys.float_info.max
    if not finite or (above is not None and _float(value) <= above):
        bound = "" if above is None else f" above {above:g}"
        msg = f"{name} must be a finite number{bound}, but it is {shown(value)}"
        raise PruneError(msg)


def _float(value: Any) -> float:
    """A number as a float; infinite where a float cannot hold it."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def check_kind(name: str, value: Any, kind: type | tuple[type, ...], must: str) -> None:
    """Refuses a value of another kind.

    Args:
        name: The value's name.
        value: The value.
        kind: A class, or some.
        must: What it must be, in words.
    """
    if not isinstance(value, kind):
        msg = f"{name} must be {must}, but it is {shown(value)}"
        raise PruneError(msg)


def check_path(name: str, value: Any) -> Path:
    """A path, from text or as it is; all else is refused.

    Args:
        name: The value's name.
        value: The value.
    """
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or not value or "\0" in value:
        msg = f"{name} must be the path of a file or folder, but it is {shown(value)}"
        raise PruneError(msg)
    return Path(value)


@contextmanager
def in_users_code(what: str) -> Iterator[None]:
    """Says where, if code of the user's raises an error, or ends the program.

    Args:
        what: What cannot be done then, such as "'my_module:data' cannot be imported".
    """
    try:
        yield
    except PruneError:
        raise
    except (Exception, SystemExit) as error:
        raise PruneError(f"{what}: {failure_of(error)}") from error


def failure_of(error: BaseException) -> str:
    """An error of the user's code in one line, with the place that raised it."""
    name, text = type(error).__name__, " ".join(str(error).split())
    if isinstance(error, SystemExit):
        name = "sys.exit"
        text += "; what a script does belongs behind if __name__ == '__main__'"
    place = ""
    if isinstance(error, SyntaxError):
        text, place = str(error.msg), f" ({error.filename}, line {error.lineno})"
    else:
        # Not within a library: the line of the user's that called it.
        own = [
            one
            for one in traceback.extract_tb(error.__traceback__)
            if not one.filename.startswith("<") and not set(Path(one.filename).parts) & LIBRARIES
        ]
        if own:
            place = f" ({own[-1].filename}, line {own[-1].lineno})"
    return f"{name}: {text}{place}"


def command(verb: str, *words: Path | str) -> str:
    """A command of the command line for a message, which puts it between single quotes.

    Args:
        verb: What it does, such as "resume".
        words: Mostly folders.
    """
    return " ".join(["pymoo-prune", verb, *map(quoted, words)])


def quoted(word: Path | str) -> str:
    """A word as a shell takes it; in double quotes, if it needs some and these will do."""
    dashed = isinstance(word, Path) and str(word).startswith("-")  # no option, but a folder
    text = shlex.quote(f"./{word}" if dashed else str(word))
    if text[0] != "'" or re.search(r"[\\\"'$`!]", text[1:-1]):
        return text
    return f'"{text[1:-1]}"'
