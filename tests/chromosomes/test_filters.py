"""Genes of filters and pieces: their meaning, and the repair of empty groups and alternatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pymoo_prune.chromosomes import FilterGenes, check_strengths
from pymoo_prune.errors import PruneError

Array = NDArray[Any]
# Three groups in two blocks; a piece in each block, and two more in the second.
SMALL = FilterGenes((2, 3, 1), (7, -1, 7), (7, -1, -1, -1), ((1, 2), (3, 2)))


@st.composite
def codecs(draw: st.DrawFn) -> FilterGenes:
    """Any groups, blocks, pieces and alternatives."""
    blocks = st.integers(-1, 2)
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    pieces = draw(st.lists(blocks, max_size=4))
    chosen = st.lists(st.integers(0, len(pieces) - 1), min_size=1, max_size=3).map(tuple)
    return FilterGenes(
        tuple(sizes),
        tuple(draw(blocks) for _ in sizes),
        tuple(pieces),
        tuple(draw(st.lists(chosen, max_size=3))) if pieces else (),
    )


@st.composite
def chromosomes(draw: st.DrawFn) -> tuple[FilterGenes, Array, Array]:
    """A codec, its chromosomes in an array of any shape, which may be empty, and strengths."""
    codec = draw(codecs())
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    # Few different strengths, so that there are ties.
    strengths = hnp.arrays(float, codec.n_var, elements=st.sampled_from([-1.5, -0.0, 0.0, 2.0]))
    return codec, draw(hnp.arrays(bool, (*shape, codec.n_var))), draw(strengths)


def bits(text: str) -> Array:
    """Genes from zeros and ones."""
    return np.array([letter == "1" for letter in text.replace(" ", "")])


# Which gene is which.


def test_filters_come_group_after_group_and_then_the_pieces() -> None:
    assert (SMALL.n_filters, SMALL.n_pieces, SMALL.n_var) == (6, 4, 10)
    assert SMALL.starts.tolist() == [0, 2, 5]
    assert SMALL.filter_groups.tolist() == [0, 0, 1, 1, 1, 2]
    assert SMALL.gene_blocks.tolist() == [7, 7, -1, -1, -1, 7, 7, -1, -1, -1]
    X = bits("10 011 0 1101")
    assert SMALL.filters(X).tolist() == bits("100110").tolist()
    assert SMALL.pieces(X).tolist() == bits("1101").tolist()
    assert SMALL.counts(X).tolist() == [1, 2, 0]


def test_without_pieces_all_genes_are_filters() -> None:
    codec = FilterGenes((4,), (0,))
    assert (codec.n_filters, codec.n_pieces, codec.n_var) == (4, 0, 4)
    assert codec.starts.tolist() == [0]
    X = np.ones((3, 4), dtype=bool)
    assert codec.pieces(X).shape == (3, 0)
    assert codec.counts(X).tolist() == [[4], [4], [4]]
    np.testing.assert_array_equal(codec.repaired(~X, [0, 3, 3, 1]), [[0, 1, 0, 0]] * 3)


@given(chromosomes())
def test_parts_are_views_and_counts_count_them(given_: tuple[FilterGenes, Array, Array]) -> None:
    codec, X, _ = given_
    filters, pieces = codec.filters(X), codec.pieces(X)
    np.testing.assert_array_equal(np.concatenate([filters, pieces], axis=-1), X)
    assert codec.gene_blocks.shape == (codec.n_var,)
    counts = codec.counts(X)
    assert counts.dtype == np.int64
    assert counts.shape == (*X.shape[:-1], len(codec.sizes))
    for group, (start, size) in enumerate(zip(codec.starts, codec.sizes, strict=True)):
        inside = X[..., start : start + size]
        np.testing.assert_array_equal(counts[..., group], inside.sum(axis=-1))
        assert (codec.filter_groups[start : start + size] == group).all()
    filters[...] = True
    pieces[...] = False
    assert X[..., : codec.n_filters].all()
    assert not X[..., codec.n_filters :].any()


def test_counts_of_a_group_of_more_than_255_filters_are_right() -> None:
    codec = FilterGenes((300, 1000), (0, 0))
    assert codec.counts(np.ones((2, 1300), dtype=bool)).tolist() == [[300, 1000]] * 2


# Ranks.


@given(codecs(), st.integers(0, 3), st.integers(0, 1000))
def test_ranks_are_those_inside_each_group(codec: FilterGenes, n: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    minor = generator.integers(0, 3, (n, codec.n_filters))
    major = generator.integers(0, 2, codec.n_filters)  # one row for all
    found = codec.ranks(minor, major)
    assert found.shape == (n, codec.n_filters)
    for row in range(n):
        for start, size in zip(codec.starts, codec.sizes, strict=True):
            inside = range(start, start + size)
            order = sorted(inside, key=lambda i: (major[i], minor[row, i], i))
            assert [found[row, i] for i in order] == list(range(size))


# Repair.


def test_empty_groups_and_alternatives_get_their_strongest_back() -> None:
    strengths = [1, 2, 5, 3, 5, -4, 9, 1, 1, 0]
    X = np.stack([bits("00 000 0 0000"), bits("10 000 1 0010"), bits("01 010 1 0001")])
    fixed = SMALL.repaired(X, strengths)
    # Piece 0 is in no set. Pieces 1 and 2 are equally strong, so 1 comes back; 2 is above 3.
    expected = [bits("01 100 1 0110"), bits("10 100 1 0010"), bits("01 010 1 0101")]
    np.testing.assert_array_equal(fixed, expected)
    np.testing.assert_array_equal(SMALL.repaired(X[0], strengths), expected[0])


def test_the_lower_index_wins_however_a_set_is_written() -> None:
    for pieces in ((0, 2), (2, 0)):
        codec = FilterGenes((1,), (0,), (0, 0, 0), (pieces,))
        assert codec.repaired(bits("1 000"), np.zeros(4)).tolist() == bits("1 100").tolist()


@given(chromosomes())
def test_repair_adds_as_little_as_possible_and_changes_no_argument(
    given_: tuple[FilterGenes, Array, Array],
) -> None:
    codec, X, strengths = given_
    before, before_strengths = X.copy(), strengths.copy()
    fixed = codec.repaired(X, strengths)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(strengths, before_strengths)
    assert fixed.shape == X.shape
    assert fixed.dtype == bool
    for old, new in zip(X.reshape(-1, codec.n_var), fixed.reshape(-1, codec.n_var), strict=True):
        expected = old.copy()
        for start, size in zip(codec.starts, codec.sizes, strict=True):
            places = range(start, start + size)
            if not old[places].any():
                expected[max(places, key=lambda i: (strengths[i], -i))] = True
        for pieces in codec.alternatives:
            places = [codec.n_filters + piece for piece in pieces]
            if not expected[places].any():
                expected[max(places, key=lambda i: (strengths[i], -i))] = True
        np.testing.assert_array_equal(new, expected)
    np.testing.assert_array_equal(codec.repaired(fixed, strengths), fixed)
    assert not np.shares_memory(fixed, X)


@given(chromosomes(), st.integers(0, 1000))
def test_dead_alternatives_are_copied_from_the_sources(
    given_: tuple[FilterGenes, Array, Array], seed: int
) -> None:
    codec, X, _ = given_
    sources = np.random.default_rng(seed).random(X.shape) < 0.5
    before, before_sources = X.copy(), sources.copy()
    filled = codec.fill_alternatives(X, sources)
    assert filled is X
    np.testing.assert_array_equal(sources, before_sources)
    np.testing.assert_array_equal(codec.filters(filled), codec.filters(before))
    old, new, other = codec.pieces(before), codec.pieces(filled), codec.pieces(sources)
    assert (new >= old).all()
    assert (new <= (old | other)).all()
    for pieces in codec.alternatives:
        lives = [part[..., list(pieces)].any(axis=-1) for part in (old, new, other)]
        np.testing.assert_array_equal(lives[1], lives[0] | lives[2])
    if not codec.alternatives:
        np.testing.assert_array_equal(new, old)


# Wrong arguments.


@pytest.mark.parametrize(
    ("make", "fragment"),
    [
        (lambda: FilterGenes((), ()), r"sizes must be .* at least one group, but they are \(\)"),
        (lambda: FilterGenes((2, 0), (0, 0)), r"sizes must be .* at least 1, .*\(2, 0\)"),
        (lambda: FilterGenes((2.5,), (0,)), r"sizes must be whole numbers .*\(2.5,\)"),  # type: ignore[arg-type]
        (lambda: FilterGenes((2, 3), (0,)), r"blocks must be 2 whole numbers, .*\(0,\)"),
        (lambda: FilterGenes((2,), (0.5,)), r"blocks must be 1 whole numbers, .*\(0.5,\)"),  # type: ignore[arg-type]
        (lambda: FilterGenes((2,), (0,), ("a",)), r"piece_blocks must be whole .*\('a',\)"),  # type: ignore[arg-type]
        (lambda: FilterGenes((2,), (0,), (0,), ((),)), r"alternatives must .* one is \(\)"),
        (lambda: FilterGenes((2,), (0,), (0,), ((0, 1),)), r"below 1, but one is \(0, 1\)"),
        (lambda: FilterGenes((2,), (0,), (0,), ((-1,),)), r"below 1, but one is \(-1,\)"),
        (lambda: FilterGenes((2,), (0,), (), ((0,),)), r"below 0, but one is \(0,\)"),
        (lambda: SMALL.counts(np.zeros((4, 9), bool)), r"10 booleans each \(6 filters and 4 pie"),
        (lambda: SMALL.filters(np.zeros(10)), r"be 10 booleans .* are float64 of shape \(10,\)"),
        (lambda: SMALL.pieces(True), r"be 10 booleans .* are bool of shape \(\)"),
        (lambda: SMALL.repaired(np.zeros((4, 10), int), np.zeros(10)), "they are int64"),
        (lambda: SMALL.repaired(np.zeros(10, bool), np.zeros(6)), r"be 10 numbers.*shape \(6,\)"),
        (lambda: SMALL.repaired(np.zeros(10, bool), 1.0), r"be 10 numbers.*shape \(\)"),
        (lambda: check_strengths(np.ones(3), 4, 2, 4), r"be 2 or 4 numbers, .*shape \(3,\)"),
        (lambda: check_strengths([0, np.nan, np.inf], 3), "must be finite, but number 1 is not"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused(make: Callable[[], Any], fragment: str) -> None:
    with pytest.raises(PruneError, match=fragment):
        make()


def test_strengths_are_copied() -> None:
    given_ = np.arange(3.0)
    check_strengths(given_, 3)[0] = 5
    assert given_[0] == 0
