"""The costs of all runs on an instance in one file, by the digests of the runs' files."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from pymoo_prune.files import write_text, writing
from pymoo_prune.studies.files import COURSES_FILE, COURSES_TIMES
from pymoo_prune.studies.instances import RunCosts, Scale

COURSES_FORMAT = 3
UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)
"""Errors of a file that is missing or damaged."""
State: TypeAlias = tuple[int, int]
"""A file's size and the time when it was written."""
UNKNOWN: State = (-1, -1)


@dataclass(frozen=True)
class Kept:
    """A run that is kept.

    Attributes:
        state: The state of the run's file when it was read.
        digest: The digest of the run's file.
        run: The run.
    """

    state: State
    digest: str
    run: RunCosts


def cached_runs(
    folder: Path, paths: Mapping[str, Path], scale: Scale, read: Callable[[str, Path], RunCosts]
) -> dict[str, RunCosts]:
    """Runs from their files, or from the last time that they were read.

    A file is taken to be the same if its size and its time are, or else its digest.

    Args:
        folder: The problem's folder, which keeps them. It need not be writable.
        paths: The runs' files, by name.
        scale: From measurements to costs; of another one nothing is taken.
        read: Reads a run that is not kept, by name and file.
    """
    key = _key(scale)
    before = _load(folder / COURSES_FILE, key)
    found = {name: _run(path, name, before.get(name), read) for name, path in paths.items()}
    if {name: (one.state, one.digest) for name, one in found.items()} != {
        name: (one.state, one.digest) for name, one in before.items()
    }:
        with suppress(OSError):  # a folder that is only read
            _save(folder / COURSES_FILE, key, found)
    return {name: one.run for name, one in found.items()}


def digest_of(path: Path) -> str:
    """The digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _run(path: Path, name: str, before: Kept | None, read: Callable[[str, Path], RunCosts]) -> Kept:
    about = path.stat()
    state = about.st_size, about.st_mtime_ns
    if before is not None and before.state == state:
        return before
    digest = digest_of(path)
    if before is not None and before.digest == digest and before.state != UNKNOWN:
        return Kept(state, digest, before.run)
    return Kept(state, digest, read(name, path))


def _key(scale: Scale) -> str:
    """All that costs depend on besides the runs."""
    instance, known = scale.instance, scale.instance.known
    front = hashlib.sha256(np.ascontiguousarray(known.F).tobytes()).hexdigest()
    about = [COURSES_FORMAT, instance.name(), instance.version, instance.reference.tolist(), front]
    return json.dumps([*about, sorted(scale.parent.items())])


def _load(path: Path, key: str) -> dict[str, Kept]:
    """What was kept; nothing where the file is missing, damaged, or of other costs."""
    with suppress(*UNREADABLE):
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            if about["key"] != key:
                return {}
            after, costs, ends = arrays["after"], arrays["costs"], arrays["ends"]
        times = _load_times(path.with_name(COURSES_TIMES))
        parts = zip(np.split(after, ends[:-1]), np.split(costs, ends[:-1]), strict=True)
        return {
            one["name"]: Kept(
                state,
                one["digest"],
                RunCosts(*part, one["value"], one["evaluations"], seconds, one["made_by"]),
            )
            for one, part in zip(about["runs"], parts, strict=True)
            for state, seconds in [times.get(one["name"], (UNKNOWN, float("nan")))]
        }
    return {}


def _load_times(path: Path) -> dict[str, tuple[State, float]]:
    """When files were written, and seconds, by run; without them, files are read again."""
    with suppress(*UNREADABLE):
        values = json.loads(path.read_text(encoding="utf-8")).items()
        return {name: ((size, time), seconds) for name, (size, time, seconds) in values}
    return {}


def _save(path: Path, key: str, found: Mapping[str, Kept]) -> None:
    runs = [
        {
            "name": name,
            "digest": one.digest,
            "value": one.run.value,
            "evaluations": one.run.evaluations,
            "made_by": one.run.made_by,
        }
        for name, one in found.items()
    ]
    if not runs:
        return
    every = [one.run for one in found.values()]
    times = {name: [*one.state, one.run.seconds] for name, one in found.items()}
    with writing(path) as part:
        np.savez(
            part,
            about=np.array(json.dumps({"key": key, "runs": runs})),
            after=np.concatenate([run.after for run in every]),
            costs=np.concatenate([run.costs for run in every]),
            ends=np.cumsum([len(run.after) for run in every]),
        )
    write_text(path.with_name(COURSES_TIMES), json.dumps(times) + "\n")
