"""Connection matrices and their genes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pymoo_prune.chromosomes import (
    Connections,
    check_matrices,
    check_share,
    fully_connected,
    nodes_of,
)
from pymoo_prune.errors import PruneError

Array = NDArray[Any]
PAPERS = Connections(16)

equal = st.builds(Connections, st.integers(1, 6), st.integers(1, 4))
several = st.lists(st.integers(1, 6), min_size=1, max_size=4)
codecs = equal | st.builds(Connections, several)


@st.composite
def chromosomes(draw: st.DrawFn) -> tuple[Connections, Array]:
    """A codec and its chromosomes, in an array of any shape, which may be empty."""
    codec = draw(codecs)
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    return codec, draw(hnp.arrays(bool, (*shape, codec.n_var)))


def entry(codec: Connections, block: int, row: int, column: int, value: float) -> Array:
    """Everything connected, except for one entry."""
    matrices = fully_connected(codec.layers, codec.blocks).astype(float)
    matrices[block, row, column] = value
    return matrices


# Sizes.


def test_the_papers_network_has_153_pairs_and_136_free_ones_in_each_block() -> None:
    assert (PAPERS.blocks, PAPERS.nodes, PAPERS.n_var) == (3, 18, 408)
    assert PAPERS.block_genes == (136, 136, 136)
    assert PAPERS.free.sum(axis=(1, 2)).tolist() == [136] * 3
    assert PAPERS.chain.sum(axis=(1, 2)).tolist() == [17] * 3
    matrices = fully_connected(16)
    assert matrices.shape == (3, 18, 18)
    assert matrices.dtype == bool
    assert matrices.sum(axis=(1, 2)).tolist() == [153, 153, 153]


@given(codecs)
def test_free_connections_and_the_chain_are_all_forward_connections(codec: Connections) -> None:
    assert not (codec.free & codec.chain).any()
    forward = [
        [[i < j < layers + 2 for j in range(codec.nodes)] for i in range(codec.nodes)]
        for layers in codec.sizes
    ]
    np.testing.assert_array_equal(codec.everything, forward)
    assert tuple(codec.free.sum(axis=(1, 2))) == codec.block_genes
    assert sum(codec.block_genes) == codec.n_var
    assert Connections.of(codec.everything) == codec
    np.testing.assert_array_equal(
        codec.matrices(np.ones(codec.n_var, bool)), fully_connected(codec.layers, codec.blocks)
    )


def test_blocks_may_have_different_numbers_of_layers() -> None:
    codec = Connections([1, 3])
    assert (codec.sizes, codec.nodes, codec.block_genes, codec.n_var) == ((1, 3), 5, (1, 6), 7)
    assert Connections([2, 2]) == Connections(2, 2)
    matrices = codec.everything
    assert nodes_of(matrices[0]) == 3
    assert not matrices[0, :, 3:].any()
    with pytest.raises(
        PruneError, match="block 0 must have 1 layers, but the connection of node 3"
    ):
        codec.genes(fully_connected(3, 2))
    matrices[1, 3, 4] = matrices[1, 2, 4] = False  # node 4 reads other nodes still
    with pytest.raises(PruneError, match="chain of block 1 is dead: node 4 does not read node 3"):
        codec.genes(matrices)
    matrices[1, :, 4] = False  # now it is a block of two layers
    with pytest.raises(PruneError, match="block 1 must have 3 layers"):
        codec.genes(matrices)
    with pytest.raises(PruneError, match="at least 1, but they are \\(\\), 0"):
        Connections([])


# Matrices to genes and back.


@given(chromosomes())
def test_chromosomes_come_back_from_their_matrices(given_: tuple[Connections, Array]) -> None:
    codec, X = given_
    before = X.copy()
    matrices = codec.matrices(X)
    assert matrices.shape == (*X.shape[:-1], codec.blocks, codec.nodes, codec.nodes)
    assert matrices.dtype == bool
    assert matrices[..., codec.chain].all()
    assert not matrices[..., ~(codec.chain | codec.free)].any()
    genes = codec.genes(matrices)
    assert genes.dtype == bool
    np.testing.assert_array_equal(genes, X)
    genes[...] = matrices[...] = False
    np.testing.assert_array_equal(X, before)


@given(chromosomes(), st.sampled_from([bool, np.uint8, np.int64, np.float32, object]))
def test_matrices_come_back_from_their_chromosomes_whatever_their_type(
    given_: tuple[Connections, Array], dtype: Any
) -> None:
    codec, X = given_
    matrices = codec.matrices(X)
    typed = matrices.astype(dtype)
    found = codec.matrices(codec.genes(typed))
    np.testing.assert_array_equal(found, matrices)
    checked = check_matrices(typed)
    np.testing.assert_array_equal(checked, matrices)
    checked[...] = False
    np.testing.assert_array_equal(typed, matrices)


def test_genes_are_ordered_by_block_and_then_by_row() -> None:
    codec = Connections(2, 2)
    places = [(b, i, j) for b in range(2) for i in range(4) for j in range(i + 2, 4)]
    assert len(places) == codec.n_var == 6
    for gene, place in enumerate(places):
        matrices = codec.matrices(np.arange(6) == gene)
        alone = np.argwhere(matrices & codec.free)
        assert alone.tolist() == [list(place)]
    np.testing.assert_array_equal(
        codec.matrices([False, True, False, True, True, True]),
        [
            [[0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]],
            [[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]],
        ],
    )


def test_lists_of_numbers_are_matrices_too() -> None:
    matrices = [[[0, 1, 1], [0, 0, 1], [0, 0, 0]], [[0, 1, 0], [0, 0, 1], [0, 0, 0]]]
    assert Connections(1, 2).genes(matrices).tolist() == [True, False]


def test_full_matrices_are_new_arrays() -> None:
    fully_connected(2)[...] = False
    assert fully_connected(2).any()
    one, other, _ = fully_connected(2)
    one[...] = False
    assert other.any()


# Random chromosomes.


@given(codecs, st.integers(0, 8), st.floats(0.01, 1), st.integers(0, 1000))
def test_random_chromosomes_fit_the_codec(
    codec: Connections, n: int, kept: float, seed: int
) -> None:
    X = codec.random(n, np.random.default_rng(seed), kept)
    assert X.shape == (n, codec.n_var)
    assert X.dtype == bool
    np.testing.assert_array_equal(X, codec.random(n, np.random.default_rng(seed), kept))
    each = codec.random(n, np.random.default_rng(seed), np.full(n, kept))
    np.testing.assert_array_equal(X, each)


def test_every_connection_lives_with_the_chance_of_its_row() -> None:
    kept = np.repeat([0.1, 0.5, 0.9, 1.0], 1_000)
    X = PAPERS.random(4_000, np.random.default_rng(0), kept)
    for share, rows in zip([0.1, 0.5, 0.9, 1.0], np.split(X, 4), strict=True):
        error = 5 * np.sqrt(share * (1 - share) / 1_000)
        np.testing.assert_allclose(rows.mean(axis=0), share, atol=error)
    assert check_share(0.5) == 0.5


# Errors.


def ragged() -> list[Any]:
    return [fully_connected(1, 1)[0].tolist(), fully_connected(2, 1)[0].tolist()]


X = np.ones((2, 12), dtype=bool)
CODEC = Connections(3, 2)  # 5 nodes, 6 genes a block


@pytest.mark.parametrize(
    ("make", "fragment"),
    [
        (lambda: Connections(0), r"must be at least 1, but they are 0, 3"),
        (lambda: Connections(4, 0), r"must be at least 1, but they are 4, 0"),
        (lambda: fully_connected(0), r"must be at least 1, but they are 0, 3"),
        (lambda: CODEC.matrices(X[:, :-1]),
         r"12 booleans each \(2 blocks of 3 layers\), but they are bool of shape \(2, 11\)"),
        (lambda: CODEC.matrices(X.astype(int)), r"12 booleans.*are int64 of shape \(2, 12\)"),
        (lambda: CODEC.matrices(True), r"12 booleans.*bool of shape \(\)"),
        (lambda: CODEC.matrices(X.T), r"12 booleans.*bool of shape \(12, 2\)"),
        (lambda: CODEC.genes(fully_connected(3, 3)), r"\(2, 5, 5\), but they have \(3, 5, 5\)"),
        (lambda: CODEC.genes(fully_connected(2, 2)), r"\(2, 5, 5\), but they have \(2, 4, 4\)"),
        (lambda: CODEC.genes(fully_connected(3, 2)[0]), r"\(blocks, nodes, nodes\).*is \(5, 5\)"),
        (lambda: CODEC.genes(fully_connected(3, 2)[..., 1:]), r"square.*shape is \(2, 5, 4\)"),
        (lambda: CODEC.genes(1), r"square.*shape is \(\)"),
        (lambda: CODEC.genes(np.ones((2, 2, 2))), r"at least 3 nodes.*shape is \(2, 2, 2\)"),
        (lambda: CODEC.genes(ragged()), "one matrix a block, all of one shape: "),
        (lambda: CODEC.genes(entry(CODEC, 1, 2, 3, 0)),
         "chain of block 1 is dead: node 3 does not read node 2; connections i → i"),
        (lambda: CODEC.genes(entry(CODEC, 0, 0, 1, 0)),
         "chain of block 0 is dead: node 1 does not read node 0"),
        (lambda: CODEC.genes(np.stack([fully_connected(3, 2), entry(CODEC, 1, 3, 4, 0)])),
         "chain of block 1 is dead: node 4 does not read node 3"),
        (lambda: CODEC.genes(entry(CODEC, 1, 3, 1, 1)), "only entries above the diagonal"),
        (lambda: CODEC.genes(entry(CODEC, 0, 2, 2, 1)), "only entries above the diagonal"),
        (lambda: CODEC.genes(entry(CODEC, 0, 0, 3, 2)), "must be 0 or 1, but there are other"),
        (lambda: CODEC.genes(entry(CODEC, 0, 0, 3, -1)), "must be 0 or 1"),
        (lambda: CODEC.genes(entry(CODEC, 0, 0, 3, 0.5)), "must be 0 or 1"),
        (lambda: CODEC.genes(entry(CODEC, 0, 0, 3, np.nan)), "must be 0 or 1"),
        (lambda: CODEC.genes(fully_connected(3, 2).astype(str)), "must be 0 or 1"),
        (lambda: PAPERS.random(3, np.random.default_rng(0), 0), "at most 1, but it is 0"),
        (lambda: PAPERS.random(3, np.random.default_rng(0), 1.01), "above 0.*but it is 1.01"),
        (lambda: PAPERS.random(3, np.random.default_rng(0), -0.5), "above 0.*but it is -0.5"),
        (lambda: PAPERS.random(3, np.random.default_rng(0), np.nan), "above 0.*but it is nan"),
        (lambda: PAPERS.random(2, np.random.default_rng(0), [0.5, 0]), r"but it is \[0.5 0. \]"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused(make: Callable[[], Any], fragment: str) -> None:
    with pytest.raises(PruneError, match=fragment):
        make()
