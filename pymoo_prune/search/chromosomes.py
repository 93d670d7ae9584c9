"""Chromosomes in a store: once for each digest, in few bytes, and back exactly.

Booleans are packed to bits. Whole numbers take the smallest type that holds a chromosome's genes.
Reals stay as they are. zlib follows where it saves bytes. Every row says by itself how it is
packed, so that a row depends on its chromosome alone.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from pymoo_prune.chromosomes import Array, digests

TABLE = (
    "CREATE TABLE IF NOT EXISTS chromosomes (digest BLOB PRIMARY KEY, genes INTEGER NOT NULL, "
    "dtype TEXT NOT NULL, packing TEXT NOT NULL, data BLOB NOT NULL) WITHOUT ROWID"
)
INSERT = "INSERT OR IGNORE INTO chromosomes VALUES (?, ?, ?, ?, ?)"
SELECT = (
    "SELECT genes, dtype, packing, data, digest FROM history LEFT JOIN chromosomes USING (digest) "
    "ORDER BY number LIMIT ?"
)
SMALLER = ("|u1", "|i1", "<u2", "<i2", "<u4", "<i4")
"""Types that whole numbers may be kept as, the smallest first."""
ZLIB = "zlib"
WORTH_ZLIB = 128
"""Bytes below which zlib saves nothing that counts."""

Row = tuple[bytes, int, str, str, bytes]
"""A row of the table."""


def packed(keys: Sequence[bytes], X: Array) -> Iterator[Row]:
    """Rows of the table; none where the chromosomes are objects.

    Args:
        keys: The chromosomes' digests.
        X: Chromosomes, (n, n_var).
    """
    if X.dtype.kind not in "biuf":
        return
    genes, dtype = X.shape[1], X.dtype.str
    rows = np.packbits(X, axis=1) if X.dtype == bool else X
    for key, row in zip(keys, rows, strict=True):
        smallest = row.astype(_smallest(row)) if X.dtype.kind in "iu" else row
        packing = smallest.dtype.str if X.dtype.kind in "iu" else ""
        data = smallest.tobytes()
        if len(data) >= WORTH_ZLIB and len(deflated := zlib.compress(data)) < len(data):
            packing, data = f"{packing} {ZLIB}".strip(), deflated
        yield key, genes, dtype, packing, data


def _smallest(row: Array) -> np.dtype[np.generic]:
    """The smallest type of whole numbers that holds all genes of a chromosome."""
    least, most = int(row.min(initial=0)), int(row.max(initial=0))
    for dtype in SMALLER:
        limits = np.iinfo(dtype)
        if limits.min <= least and most <= limits.max and limits.bits < 8 * row.dtype.itemsize:
            return np.dtype(dtype)
    return row.dtype


def recorded_chromosomes(db: sqlite3.Connection, first: int | None = None) -> Array | None:
    """The chromosomes of a store's evaluations, (n, n_var), in order.

    None where they are not all there, or differ in length.

    Args:
        db: A connection to the store.
        first: How many evaluations, from the first on; None takes all.
    """
    rows = db.execute(SELECT, (-1 if first is None else first,)).fetchall()
    kinds: dict[tuple[int, str, str], list[int]] = {}
    for place, row in enumerate(rows):
        kinds.setdefault(row[:3], []).append(place)
    if not kinds or any(genes is None for genes, _, _ in kinds) or len({k[0] for k in kinds}) > 1:
        return None
    genes = next(iter(kinds))[0]
    X = np.empty((len(rows), genes), dtype=np.result_type(*(np.dtype(k[1]) for k in kinds)))
    for (_, dtype, packing), places in kinds.items():
        part = _unpacked([rows[place][3] for place in places], genes, dtype, packing)
        if digests(part) != [rows[place][4] for place in places]:
            msg = "some chromosomes are not those that were measured"
            raise sqlite3.DatabaseError(msg)
        X[places] = part
    return X


def _unpacked(blobs: Sequence[bytes], genes: int, dtype: str, packing: str) -> Array:
    """Chromosomes of one kind, (n, genes)."""
    if packing.endswith(ZLIB):
        blobs = [zlib.decompress(blob) for blob in blobs]
        packing = packing.removesuffix(ZLIB).strip()
    is_bits = np.dtype(dtype) == bool
    kept_as = np.uint8 if is_bits else np.dtype(packing or dtype)
    table = np.frombuffer(b"".join(blobs), dtype=kept_as).reshape(len(blobs), -1)
    return (np.unpackbits(table, axis=1, count=genes) if is_bits else table).astype(dtype)
