"""Formats by name, and writing one: whole or not at all, and over nothing that is there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pymoo_prune.errors import PruneError, StoreError, unknown_name
from pymoo_prune.exchange.evaluations import Evaluations
from pymoo_prune.exchange.ioh import write_ioh
from pymoo_prune.exchange.optuna_storage import write_optuna
from pymoo_prune.exchange.sets import write_sets
from pymoo_prune.exchange.tables import write_csv, write_parquet
from pymoo_prune.files import part_of, writing

Writer = Callable[[Sequence[Evaluations], Path, Callable[[int], None]], Sequence[str] | None]
"""Writes runs to a path, says how many evaluations are done; returns sentences for the reader."""


@dataclass(frozen=True)
class Format:
    """A format that evaluations are written in.

    Attributes:
        write: Writes it.
        output: The name of its file or folder.
        is_folder: Whether it is a folder.
        about: What it is, in a few words.
    """

    write: Writer
    output: str
    is_folder: bool
    about: str


FORMATS: Mapping[str, Format] = {
    "csv": Format(write_csv, "evaluations.csv", False, "one table, as text"),
    "parquet": Format(write_parquet, "evaluations.parquet", False, "the same table, typed"),
    "ioh": Format(write_ioh, "ioh", True, "IOHprofiler's folder, for IOHinspector"),
    "moocore": Format(write_sets, "moocore", True, "what each run found, for moocore"),
    "optuna": Format(write_optuna, "optuna.db", False, "a storage of Optuna, for its dashboard"),
}
"""By name."""


def write_evaluations(
    runs: Sequence[Evaluations],
    kind: str,
    output: Path | str,
    *,
    progress: Callable[[float, str], None] | None = None,
) -> list[str]:
    """Writes runs in a format of the field.

    Args:
        runs: What is written: runs of one problem or of several.
        kind: The format, a name in `FORMATS`.
        output: The file or folder; it must not be there yet.
        progress: Called with the share done and a text.

    Returns:
        What a reader must know, as sentences.
    """
    if kind not in FORMATS:
        raise unknown_name("format", kind, FORMATS)
    form, path, total = FORMATS[kind], Path(output), sum(map(len, runs))
    if total == 0:
        msg = "there are no evaluations to write"
        raise PruneError(msg)
    check_output(path)
    done = 0

    def count(evaluations: int) -> None:
        nonlocal done
        done += evaluations
        if progress is not None:
            progress(done / total, f"{done:,} evaluations")

    path.parent.mkdir(parents=True, exist_ok=True)
    with (_writing_folder if form.is_folder else writing)(path) as part:
        notes = form.write(runs, part, count) or ()
    return [*dict.fromkeys(note for run in runs for note in run.notes), *notes]


def check_output(path: Path) -> None:
    """Refuses a path that is taken."""
    if path.exists() or path.is_symlink():
        msg = f"{path} is there already; remove it, or give another output"
        raise StoreError(msg)


@contextmanager
def _writing_folder(path: Path) -> Iterator[Path]:
    """Gives a folder beside the wanted one, and moves it there when the block succeeds."""
    part = part_of(path)
    part.mkdir()
    try:
        yield part
        part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
