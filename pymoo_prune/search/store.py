"""Every evaluation of a run, in one SQLite file.

Four tables: what was measured (once for each candidate and each set of images), the candidates'
chromosomes, the order in which the search asked, and when each generation was done. What is
measured is committed after each chunk of candidates, or a few cheap ones: a crash loses no more.
A run is resumed by replaying it: the search starts again and finds its past evaluations here.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import ReplayError, StoreError, check_path
from pymoo_prune.objectives import Measured, Part, Values
from pymoo_prune.search import chromosomes, schema, settled
from pymoo_prune.search.database import connected, explained, reading
from pymoo_prune.search.record import Record

FORMAT = "2"
COMMIT_SECONDS = 0.2
"""A commit costs a fraction of a millisecond; cheap chunks share one."""
SYNC_SECONDS = 10.0
"""A commit that waits for the disk takes some milliseconds: one is made after so long."""


class Keep(Protocol):
    """Keeps a part of a population."""

    def __call__(self, keys: Sequence[bytes], part: Part, X: Array | None = None) -> None:
        """Keeps measurements, and chromosomes where they are given.

        Args:
            keys: The digests of the part's rows.
            part: Their measurements.
            X: Their chromosomes, (rows, n_var).
        """


class Store:
    """The evaluations of one run.

    Args:
        path: The database file; made if it is not there.
        quantities: Names of what is measured, in the order of the columns.
        fingerprint: The problem's fingerprint; a file of another problem is refused.
        versions: Versions of the libraries that a replay depends on.
        read_only: Whether to write nothing, to the file or beside it; the file must be there.

    Attributes:
        record: What it knows of the search.
    """

    def __init__(
        self,
        path: Path | str,
        quantities: Sequence[str],
        fingerprint: str,
        versions: Mapping[str, str] | None = None,
        *,
        read_only: bool = False,
    ) -> None:
        self.path = check_path("path", path)
        self.quantities, self.fingerprint = schema.names_of(quantities), fingerprint
        self.versions = dict(versions or {})
        self.fresh = self.hits = 0
        self._synced = time.monotonic()
        with explained(self.path):
            self._db = (reading if read_only else connected)(self.path)
        self.record = Record(self._db, self.path, self.quantities)
        try:
            self._open(fingerprint, read_only=read_only)
        except BaseException:
            self._db.close()
            raise
        columns = schema.columns_of(self.quantities)
        places = ", ".join("?" * (3 + len(self.quantities) + self._checksums))
        self._checksum = schema.measurement_checksum(len(self.quantities))
        self._select = f"SELECT digest, {columns}, failure FROM measurements WHERE images = ?"  # noqa: S608
        self._insert = f"INSERT OR REPLACE INTO measurements VALUES ({places})"  # noqa: S608

    @classmethod
    def existing(cls, path: Path | str) -> Self:
        """An existing store of any problem, for reading only.

        Its folder need not be writable.
        """
        path = check_path("path", path)
        if not path.is_file():
            msg = f"there are no evaluations: {path} is missing"
            raise StoreError(msg)
        try:
            with closing(reading(path)) as db:
                schema.check_objects(db)
                about = dict(db.execute("SELECT key, value FROM about"))
            quantities = schema.texts_in(about["quantities"], list)
            versions = schema.texts_in(about["versions"], dict)
            return cls(path, quantities, about["fingerprint"], versions, read_only=True)
        except (sqlite3.Error, KeyError, ValueError, RecursionError) as error:
            if isinstance(error, StoreError):
                raise
            advice = "the file is damaged, or is not a store"
            if "unable to open" in str(error):
                advice = (
                    "check that it can be read; after a process was killed while it wrote, reading "
                    "needs a folder that can be written to: read a copy"
                )
            msg = f"{path}: {error}; {advice}"
            raise StoreError(msg) from error

    def _open(self, fingerprint: str, *, read_only: bool) -> None:
        with explained(self.path):
            if not read_only:
                # WAL: a commit is one append, and outlives a process that is killed.
                self._db.execute("PRAGMA journal_mode = WAL")
            damage = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if damage != "ok":
                raise sqlite3.DatabaseError(damage)
            schema.check_objects(self._db)
            if not read_only:
                self._create(fingerprint)
        self._check(fingerprint)
        with explained(self.path):
            self._checksums = schema.check_columns(self._db, self.quantities)
            if self._checksums:
                schema.check_rows(self._db, self.quantities)

    def _create(self, fingerprint: str) -> None:
        with self._transaction():
            self._db.execute("CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT)")
            about = {
                "format": FORMAT,
                "fingerprint": fingerprint,
                "quantities": json.dumps(self.quantities),
                "versions": json.dumps(self.versions),
            }
            self._db.executemany("INSERT OR IGNORE INTO about VALUES (?, ?)", about.items())
            schema.create_tables(self._db, self.quantities)

    def _check(self, fingerprint: str) -> None:
        about = dict(self._db.execute("SELECT key, value FROM about"))
        if about.get("format") != FORMAT:
            msg = (
                f"{self.path} has format {about.get('format')}, but this version of pymoo-prune "
                f"reads format {FORMAT}; use the version it was made with, or start a new run"
            )
            raise StoreError(msg)
        expected = {"fingerprint": fingerprint, "quantities": json.dumps(self.quantities)}
        for key, value in expected.items():
            if about.get(key) != value:
                msg = (
                    f"{self.path} belongs to another configuration: its {key} is {about.get(key)}, "
                    f"but this problem's is {value}; use the settings it was made with, or "
                    "another folder"
                )
                raise StoreError(msg)
        try:
            self.recorded_versions: dict[str, str] = schema.texts_in(about["versions"], dict)
        except (KeyError, ValueError) as error:
            msg = f"{self.path}: {error}; the file is damaged; restore it from a copy"
            raise StoreError(msg) from error

    def missing(self, images: str, keys: Sequence[bytes]) -> list[int]:
        """The rows of candidates that are not known yet, each candidate once.

        Args:
            images: Names the images that candidates are measured on.
            keys: The candidates' digests.
        """
        known = self._known(images, set(keys))
        self.hits += sum(key in known for key in keys)
        first = {key: row for row, key in reversed(list(enumerate(keys)))}
        return sorted(row for key, row in first.items() if key not in known)

    @contextmanager
    def writing(self, images: str) -> Iterator[Keep]:
        """Yields a function that keeps parts of a population, by the digests of their rows.

        Cheap parts share a commit. At the end all is committed, also after an error or Ctrl-C.

        Args:
            images: Names the images that candidates are measured on.
        """
        pending: list[tuple[Any, ...]] = []
        genes: list[chromosomes.Row] = []
        seconds = 0.0

        def keep(keys: Sequence[bytes], part: Part, X: Array | None = None) -> None:
            nonlocal seconds
            if X is not None:  # first: after Ctrl-C no measurement lacks its chromosome
                genes.extend(chromosomes.packed(keys, X))
            values = part.measured
            # SQLite drops the sign of zero; + 0.0 drops it from new values too.
            table = (np.column_stack([values[name] for name in self.quantities]) + 0.0).tolist()
            for place, (key, row) in enumerate(zip(keys, table, strict=True)):
                failure = values.failures.get(place)
                sums = [self._checksum(images, key, row, failure)] if self._checksums else []
                pending.append((images, key, *row, failure, *sums))
            seconds += part.seconds
            if seconds >= COMMIT_SECONDS:
                self._commit(pending, genes)
                seconds = 0.0

        try:
            yield keep
        finally:
            self._commit(pending, genes)

    def measured(self, images: str, keys: Sequence[bytes]) -> Measured:
        """The measurements of candidates, (n,) each, with the reasons of failed ones.

        Args:
            images: Names the images that candidates were measured on.
            keys: The candidates' digests; all must be known.
        """
        rows = self._known(images, set(keys))
        # NaN is kept as NULL, and NULL is read as NaN.
        table = np.array([rows[key][:-1] for key in keys], dtype=np.float64)
        reasons = {row: rows[key][-1] for row, key in enumerate(keys)}
        return Measured(
            dict(zip(self.quantities, table.T.copy(), strict=True)),
            {row: reason for row, reason in reasons.items() if reason is not None},
        )

    def _commit(self, pending: list[tuple[Any, ...]], genes: list[chromosomes.Row]) -> None:
        if pending:
            with self._transaction():
                self._db.executemany(self._insert, pending)
                self._db.executemany(chromosomes.INSERT, genes)
            self.fresh += len(pending)
            pending.clear()
            genes.clear()

    def _known(self, images: str, keys: set[bytes]) -> dict[bytes, tuple[Any, ...]]:
        wanted = list(keys)
        found: dict[bytes, tuple[Any, ...]] = {}
        with explained(self.path):
            # Some builds of SQLite take at most 999 parameters.
            for start in range(0, len(wanted), 500):
                part = wanted[start : start + 500]
                query = f"{self._select} AND digest IN ({', '.join('?' * len(part))})"
                found |= {row[0]: row[1:] for row in self._db.execute(query, (images, *part))}
        return found

    def follow(self, number: int, generation: int, images: str, keys: Sequence[bytes]) -> None:
        """Records what the search asks for, or checks it against the record.

        Args:
            number: Evaluations that the search asked for before.
            generation: The generation that asks.
            images: Names the images that candidates are measured on.
            keys: Digests, in the order in which they were asked for.
        """
        query = "SELECT number, images, digest FROM history WHERE number BETWEEN ? AND ?"
        with explained(self.path):
            recorded = {
                row[0]: row[1:] for row in self._db.execute(query, (number, number + len(keys) - 1))
            }
        asked = {number + place: (images, key) for place, key in enumerate(keys)}
        for place, row in recorded.items():
            if row != asked[place]:
                raise ReplayError(self._departed(place, generation))
        rows = [(k, generation, *asked[k]) for k in asked if k not in recorded]
        new = [(*row, schema.history_checksum(*row)) if self._checksums else row for row in rows]
        if new:
            with self._transaction():
                places = "?, ?, ?, ?" + ", ?" * self._checksums
                self._db.executemany(f"INSERT INTO history VALUES ({places})", new)  # noqa: S608

    def _departed(self, number: int, generation: int) -> str:
        names = sorted(self.recorded_versions.keys() | self.versions.keys())
        versions = ", ".join(
            f"{name} {self.recorded_versions.get(name)} then, {self.versions.get(name)} now"
            for name in names
        )
        return (
            f"the resumed search departs from the recorded one at evaluation {number} (generation "
            f"{generation}), so it cannot go on ({versions}); resume it with the versions it was "
            "made with, or start a new run"
        )

    def elapsed(self, generation: int) -> float | None:
        """Seconds of search up to the end of a generation, or None if it is not recorded."""
        with explained(self.path):
            return settled.elapsed(self._db, self.path, generation)

    def finish_generation(self, generation: int, elapsed: float) -> None:
        """Records that a generation is done."""
        with self._transaction():
            self._db.execute(
                "INSERT OR IGNORE INTO generations VALUES (?, ?)", (generation, elapsed)
            )

    # What it knows of the search; `record` has all of it.

    def generation_means(self) -> dict[str, Values]:
        """The mean of every measurement over what each generation asked for, (generations,).

        Missing values of failed candidates do not count; where all are missing, the mean is NaN.
        """
        return self.record.generation_means()

    def evaluations(self) -> dict[str, Values]:
        """Everything that was asked for, in order, (evaluations,): generation and measurements.

        Missing values of failed candidates are NaN.
        """
        return self.record.evaluations()

    def failures(self) -> list[tuple[bytes, str]]:
        """Failed candidates: digest and reason, once for each set of images."""
        return self.record.failures()

    def history(self) -> list[tuple[int, int, str, bytes]]:
        """Everything the search asked for: number, generation, images and digest, in order."""
        return self.record.history()

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with explained(self.path):
            due = time.monotonic() - self._synced >= SYNC_SECONDS
            # FULL waits for the disk, with all that was committed before.
            self._db.execute(f"PRAGMA synchronous = {'FULL' if due else 'NORMAL'}")
            self._synced = time.monotonic() if due else self._synced
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
