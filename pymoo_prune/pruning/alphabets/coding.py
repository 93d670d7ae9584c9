"""Weights of a layer as bits, in the cheapest of several codings, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pymoo_prune.errors import PruneError
from pymoo_prune.pruning.alphabets.entropy import (
    PARTS,
    PARTS_BITS,
    Shares,
    Words,
    entropy_coded,
    entropy_decoded,
    least_bytes,
    shares_of,
    table_bytes,
)
from pymoo_prune.pruning.alphabets.letters import FLOAT_BITS

Flags = NDArray[np.bool_]
MOST_GAP_BITS = 8
COUNT_BYTES = 5
"""Bytes in front of coded places: their number, and the bits of a gap."""


@dataclass(frozen=True)
class Coding:
    """How the weights of a layer are written.

    Attributes:
        kind: "dense" writes all weights, "bitmap" a bit for each block that has weights, "index"
            the gaps between such blocks, and "entropy" fewer bits for frequent weights.
        block: Weights in a block.
    """

    kind: str
    block: int = 1


CODINGS = (
    Coding("dense"),
    *(Coding(kind, block) for kind in ("bitmap", "index") for block in (1, 4, 8)),
    Coding("entropy"),
)
"""All codings; files have their places in this list."""


def coded_bytes(words: Words, flags: Flags, bits: int, *, entropy: bool = True) -> tuple[int, int]:
    """The cheapest coding of a layer: its place in `CODINGS`, and its bytes.

    Args:
        words: As `coded` takes them.
        flags: Which weights are not 0, as rows of blocks, (weights,).
        bits: Bits of a weight.
        entropy: Whether it may be entropy coding.
    """
    sizes = [_bytes_of(coding, flags, bits) for coding in CODINGS[:-1]]
    best = int(np.argmin(sizes))
    if entropy and bits != FLOAT_BITS:
        shares = shares_of(words, bits)
        if least_bytes(words, shares) < sizes[best]:
            size = table_bytes(shares) + len(entropy_coded(words, shares))
            if size < sizes[best]:
                return len(CODINGS) - 1, size
    return best, sizes[best]


def _bytes_of(coding: Coding, flags: Flags, bits: int) -> int:
    if coding.kind == "dense":
        return _whole(len(flags) * bits)
    if len(flags) % coding.block:
        return 2**62
    live: Flags = np.any(flags.reshape(-1, coding.block), axis=1)
    values = int(live.sum()) * coding.block * _value_bits(bits, coding.block)
    if coding.kind == "bitmap":
        return _whole(len(live) + values)
    _, most, entries = _gap_bits(live)
    return COUNT_BYTES + _whole(entries * most + values)


def _whole(bits: int) -> int:
    return -(-bits // 8)


def _value_bits(bits: int, block: int) -> int:
    """Bits of a weight in a block that lives: the sign is enough where it is 1 or -1."""
    return 1 if bits == 2 and block == 1 else bits


def _gap_bits(live: Flags) -> tuple[Words, int, int]:
    """The gaps before live blocks, and the bits of a gap that take least, with the entries.

    An entry of ones alone says that so many blocks are empty, and nothing of a live one.
    """
    places = np.flatnonzero(live)
    gaps = np.diff(places, prepend=-1) - 1
    best, least = 1, -1
    for bits in range(1, MOST_GAP_BITS + 1):
        entries = len(gaps) + int((gaps // (2**bits - 1)).sum())
        if least < 0 or entries * bits < best * least:
            best, least = bits, entries
    return gaps.astype(np.uint32), best, least


def coded(words: Words, flags: Flags, bits: int, *, entropy: bool = True) -> bytes:
    """A layer's weights: the place of the coding in `CODINGS`, and the weights.

    Args:
        words: Whole numbers of `bits` bits, as `to_words` gives them, (weights,).
        flags: Which weights are not 0, (weights,).
        bits: Bits of a weight.
        entropy: Whether it may be entropy coding.
    """
    place, size = coded_bytes(words, flags, bits, entropy=entropy)
    coding = CODINGS[place]
    if coding.kind == "dense":
        body = _packed([(words, bits)])
    elif coding.kind == "entropy":
        shares = shares_of(words, bits)
        body = _table(shares) + entropy_coded(words, shares)
    else:
        live: Flags = np.any(flags.reshape(-1, coding.block), axis=1)
        inside: Words = words.reshape(-1, coding.block)[live].ravel()
        width = _value_bits(bits, coding.block)
        if width < bits:
            inside = (inside == _sign_words(bits)[1]).astype(np.uint32)
        if coding.kind == "bitmap":
            body = _packed([(live.astype(np.uint32), 1), (inside, width)])
        else:
            gaps, most, entries = _gap_bits(live)
            head = np.array([entries], "<u4").tobytes() + bytes([most])
            body = head + _packed([(_escaped(gaps, most), most), (inside, width)])
    if len(body) != size:  # sizes are measured without writing
        msg = f"a coding of {size} bytes has {len(body)}"
        raise AssertionError(msg)
    return bytes([place]) + body


def decoded(content: memoryview, weights: int, bits: int) -> tuple[Words, int]:
    """The words of a layer, (weights,), and the bytes that they took.

    Args:
        content: Begins with what `coded` gave.
        weights: Their number.
        bits: Bits of a weight.
    """
    place = content[0] if len(content) else len(CODINGS)
    if place >= len(CODINGS) or weights % CODINGS[place].block:
        raise broken("it has a layer in no known coding")
    coding, start = CODINGS[place], 1
    if coding.kind == "dense":
        words, used = _unpacked(content[start:], [(weights, bits)])
        return words[0], start + used
    if coding.kind == "entropy":
        return _from_entropy(content, weights, bits)
    blocks, width = weights // coding.block, _value_bits(bits, coding.block)
    if coding.kind == "bitmap":
        (seen,), _ = _unpacked(content[start:], [(blocks, 1)])
        live = seen.astype(bool)
        parts = [(blocks, 1), (int(live.sum()) * coding.block, width)]
    else:
        entries, most = int.from_bytes(content[1:5], "little"), _byte(content, COUNT_BYTES)
        start += COUNT_BYTES
        if not 1 <= most <= MOST_GAP_BITS or entries > blocks:
            raise broken("it has a layer with gaps that cannot be")
        (gaps,), _ = _unpacked(content[start:], [(entries, most)])
        live = _live(gaps, most, blocks)
        parts = [(entries, most), (int(live.sum()) * coding.block, width)]
    (_, inside), used = _unpacked(content[start:], parts)
    if width < bits:
        inside = _sign_words(bits)[inside]
    found = np.full((blocks, coding.block), zero_word(bits), np.uint32)
    found[live] = inside.reshape(-1, coding.block)
    return found.ravel(), start + used


def _table(shares: Shares) -> bytes:
    there = shares > 0
    return _packed([(there.astype(np.uint32), 1)]) + _packed(
        [((shares[there] - 1).astype(np.uint32), PARTS_BITS)]
    )


def _from_entropy(content: memoryview, weights: int, bits: int) -> tuple[Words, int]:
    start, known = 1, bits != FLOAT_BITS
    if known:
        (there,), used = _unpacked(content[start:], [(2**bits, 1)])
        start += used
        (parts,), used = _unpacked(content[start:], [(int(there.sum()), PARTS_BITS)])
        start += used
        shares = np.zeros(2**bits, np.int64)
        shares[there.astype(bool)] = parts.astype(np.int64) + 1
        known = int(shares.sum()) == PARTS
    found = entropy_decoded(content[start:], weights, shares) if known else None
    if found is None:
        raise broken("it has a layer in an entropy coding that cannot be")
    words, used = found
    return words, start + used


def _byte(content: memoryview, place: int) -> int:
    return content[place] if place < len(content) else 0


def _escaped(gaps: Words, bits: int) -> Words:
    full = 2**bits - 1
    skips, rest = gaps // full, gaps % full
    found = np.full(len(gaps) + int(skips.sum()), full, np.uint32)
    found[np.cumsum(skips + 1) - 1] = rest
    return found


def _live(entries: Words, bits: int, blocks: int) -> Flags:
    full = 2**bits - 1
    steps = np.where(entries == full, full, entries + 1).astype(np.int64)
    places = (np.cumsum(steps) - 1)[entries != full]
    if len(places) and places[-1] >= blocks:
        raise broken("it has a layer with gaps that cannot be")
    found = np.zeros(blocks, dtype=bool)
    found[places] = True
    return found


def _sign_words(bits: int) -> Words:
    """The words of -1 and 1."""
    return np.array([zero_word(bits) - 1, zero_word(bits) + 1], np.uint32)


def zero_word(bits: int) -> int:
    """The word of a weight that is 0: codes are shifted to be positive, and floats are as is."""
    return 0 if bits == FLOAT_BITS else 2 ** (bits - 1)


def to_words(codes: NDArray[np.int8], bits: int) -> Words:
    """Codes as words of so many bits."""
    return (codes.astype(np.int64) + zero_word(bits)).astype(np.uint32)


def from_words(words: Words, bits: int) -> NDArray[np.int8]:
    """The inverse of `to_words`."""
    return (words.astype(np.int64) - zero_word(bits)).astype(np.int8)


Parts = list[tuple[Words, int]]


def _packed(parts: Parts) -> bytes:
    """Words of so many bits each, one after the other, the last byte filled up with zeros."""
    if all(width in (8, 16, 32) for _, width in parts):
        return b"".join(words.astype(f"<u{width // 8}").tobytes() for words, width in parts)
    found = [
        ((words[:, None] >> np.arange(width, dtype=np.uint32)) & 1).astype(np.uint8).ravel()
        for words, width in parts
    ]
    return np.packbits(np.concatenate(found), bitorder="little").tobytes()


def _unpacked(content: memoryview, parts: list[tuple[int, int]]) -> tuple[list[Words], int]:
    """The words of each part, given their numbers and widths, and the bytes that they took."""
    total = sum(number * width for number, width in parts)
    used = _whole(total)
    if used > len(content):
        raise broken("it ends within a layer")
    bits = np.unpackbits(np.frombuffer(content[:used], np.uint8), bitorder="little")
    found, start = [], 0
    for number, width in parts:
        some = bits[start : start + number * width].reshape(number, width).astype(np.uint32)
        found.append((some << np.arange(width, dtype=np.uint32)).sum(axis=1, dtype=np.uint32))
        start += number * width
    return found, used


def broken(reason: str) -> PruneError:
    """An error for a file that was cut, or changed by as little as a bit."""
    return PruneError(f"the compressed network is damaged: {reason}; write it again")


Sizes = Mapping[str, int]
"""Bytes by the path of a layer."""
