"""What a store knows of a search: reading alone."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.objectives import Values
from pymoo_prune.search.chromosomes import recorded_chromosomes
from pymoo_prune.search.database import explained
from pymoo_prune.search.schema import columns_of

WEIGHTS = "Its chromosomes are weights or other objects, which are not kept."
OLDER = "It was begun with an older version, which did not keep chromosomes."


class Record:
    """The evaluations of a store, in the order in which the search asked.

    Args:
        db: A connection to the store.
        path: The store's file, for messages.
        quantities: Names of what is measured.
    """

    def __init__(self, db: sqlite3.Connection, path: Path, quantities: Sequence[str]) -> None:
        self._db, self.path, self.quantities = db, path, tuple(quantities)

    def history(self) -> list[tuple[int, int, str, bytes]]:
        """Number, generation, images and digest of every evaluation."""
        with explained(self.path):
            return self._db.execute(
                "SELECT number, generation, images, digest FROM history ORDER BY number"
            ).fetchall()

    def evaluations(self) -> dict[str, Values]:
        """Generation and measurements of every evaluation, (evaluations,) each.

        Missing values of failed candidates are NaN.
        """
        columns = columns_of(self.quantities)
        query = (
            f"SELECT generation, {columns} FROM history "  # noqa: S608 - names are the problem's
            "JOIN measurements USING (images, digest) ORDER BY number"
        )
        with explained(self.path):
            rows = self._db.execute(query).fetchall()
        table = np.array(rows, dtype=np.float64).reshape(len(rows), 1 + len(self.quantities))
        return dict(zip(("generation", *self.quantities), table.T, strict=True))

    def reasons(self) -> list[str]:
        """Why each evaluation failed; empty where it did not."""
        query = (
            "SELECT failure FROM history JOIN measurements USING (images, digest) ORDER BY number"
        )
        with explained(self.path):
            return [reason or "" for (reason,) in self._db.execute(query)]

    def measured(self, generations: int | None = None) -> int:
        """How many evaluations are measured, up to the first that is not.

        A search asks for a whole generation at once, and may be stopped within it.

        Args:
            generations: How many generations count; None counts all.
        """
        last = float("inf") if generations is None else generations
        query = (
            "SELECT COALESCE(MIN(number), (SELECT COUNT(*) FROM history)) FROM history "
            "WHERE generation > ? OR NOT EXISTS (SELECT 1 FROM measurements WHERE "
            "measurements.images = history.images AND measurements.digest = history.digest)"
        )
        with explained(self.path):
            return int(self._db.execute(query, (last,)).fetchone()[0])

    def chromosomes(self, first: int | None = None) -> Array | None:
        """The chromosomes of evaluations, (evaluations, n_var); None where they are not kept.

        `without_chromosomes` says why.

        Args:
            first: How many evaluations, from the first on; None takes all.
        """
        if not self._has_chromosomes:
            return None
        with explained(self.path):
            try:
                return recorded_chromosomes(self._db, first)
            except (ValueError, TypeError, zlib.error) as error:
                raise sqlite3.DatabaseError(str(error)) from error

    @property
    def without_chromosomes(self) -> str:
        """Why `chromosomes` is None, as a sentence."""
        if not self._has_chromosomes:
            return OLDER
        with explained(self.path), closing(self._db.cursor()) as cursor:
            some = cursor.execute("SELECT 1 FROM chromosomes LIMIT 1").fetchone()
        return WEIGHTS if some is None else OLDER

    @property
    def _has_chromosomes(self) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE name = 'chromosomes'"
        with explained(self.path):
            return self._db.execute(query).fetchone() is not None

    def generation_means(self) -> dict[str, Values]:
        """The mean of every measurement over what each generation asked for, (generations,).

        Missing values of failed candidates do not count; where all are missing, the mean is NaN.
        """
        columns = ", ".join(f"AVG({columns_of([name])})" for name in self.quantities)
        query = (
            f"SELECT generation, {columns} FROM history "  # noqa: S608 - names are the problem's
            "JOIN measurements USING (images, digest) GROUP BY generation ORDER BY generation"
        )
        with explained(self.path):
            rows = self._db.execute(query).fetchall()
        table = np.array(rows, dtype=np.float64).reshape(len(rows), 1 + len(self.quantities))
        return dict(zip(("generation", *self.quantities), table.T, strict=True))

    def failures(self) -> list[tuple[bytes, str]]:
        """Failed candidates: digest and reason, once for each set of images."""
        with explained(self.path):
            return self._db.execute(
                "SELECT digest, failure FROM measurements WHERE failure IS NOT NULL "
                "ORDER BY images, digest"
            ).fetchall()
