"""Entropy coding: frequent words of a layer take less than a bit, rare ones more.

An asymmetric numeral system (Duda's rANS) with one table a layer: how often each word comes, in
parts of 4,096. The state has 32 bits; words of 16 bits leave it whenever it would grow beyond them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]
Shares = NDArray[np.int64]
PARTS_BITS = 12
PARTS = 2**PARTS_BITS
"""The shares of a table add up to this."""
STATE_BYTES, LOW = 4, 2**16
"""The state never falls below `LOW`."""


def shares_of(words: Words, bits: int) -> Shares:
    """The share of each word in parts of `PARTS`, at least one for words that occur.

    Args:
        words: At least one, below 2^bits each.
        bits: Bits of a word; at most 8.
    """
    counts = np.bincount(words, minlength=2**bits).astype(np.int64)
    found: Shares = np.where(counts > 0, np.maximum(1, counts * PARTS // len(words)), 0)
    while (left := PARTS - int(found.sum())) != 0:
        # What rounding leaves goes to the words that gain most by it, or comes from the largest.
        if left > 0:
            found[int(np.argmax(counts / np.maximum(found, 1)))] += 1
        else:
            found[int(np.argmax(found))] -= 1
    return found


def table_bytes(shares: Shares) -> int:
    """The bytes of a table: a bit for each word, and `PARTS_BITS` for each that occurs."""
    return -(-len(shares) // 8) + -(-PARTS_BITS * int((shares > 0).sum()) // 8)


def least_bytes(words: Words, shares: Shares) -> int:
    """Bytes that the coded words take at least, with their table; nothing is coded."""
    counts = np.bincount(words, minlength=len(shares))
    there = shares > 0
    needed = float((counts[there] * (PARTS_BITS - np.log2(shares[there]))).sum())
    return table_bytes(shares) + STATE_BYTES + max(0, math.floor((needed - 16) / 8) - 1)


def entropy_coded(words: Words, shares: Shares) -> bytes:
    """Words after one another; the table is not in it.

    Args:
        words: Words that occur in the table.
        shares: The table.
    """
    starts = np.concatenate([[0], np.cumsum(shares)[:-1]]).tolist()
    sizes, state, out = shares.tolist(), LOW, []
    for word in reversed(words.tolist()):
        size = sizes[word]
        if state >= size << (32 - PARTS_BITS):
            out.append(state & 0xFFFF)
            state >>= 16
        state = (state // size << PARTS_BITS) + state % size + starts[word]
    return state.to_bytes(STATE_BYTES, "little") + np.array(out[::-1], "<u2").tobytes()


def entropy_decoded(content: memoryview, number: int, shares: Shares) -> tuple[Words, int] | None:
    """The words, and the bytes that they took; None where the content cannot be right.

    Args:
        content: Begins with what `entropy_coded` gave.
        number: How many words there are.
        shares: The table.
    """
    if len(content) < STATE_BYTES:
        return None
    starts = np.concatenate([[0], np.cumsum(shares)[:-1]]).tolist()
    sizes, word_of = shares.tolist(), np.repeat(np.arange(len(shares)), shares).tolist()
    state, place, end = int.from_bytes(content[:STATE_BYTES], "little"), STATE_BYTES, len(content)
    found = []
    for _ in range(number):
        part = state & (PARTS - 1)
        word = word_of[part]
        found.append(word)
        state = sizes[word] * (state >> PARTS_BITS) + part - starts[word]
        if state < LOW:
            if place + 2 > end:
                return None
            state = state << 16 | content[place] | content[place + 1] << 8
            place += 2
    if state != LOW:
        return None
    return np.array(found, np.uint32), place
