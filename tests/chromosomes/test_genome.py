from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pymoo_prune.chromosomes import WeightGenome, as_column, candidate_seed, digests, hash_bytes

ROWS = st.tuples(st.integers(2, 6), st.integers(1, 20))
# Few values and short rows, so that equal rows are as common as different ones.
POPULATIONS = ROWS.flatmap(
    lambda shape: st.one_of(
        hnp.arrays(bool, shape),
        hnp.arrays(np.int64, shape, elements=st.integers(-1, 1)),
        hnp.arrays(np.int8, (shape[0], 2), elements=st.integers(0, 1)),
    )
)


def genome(*shapes: tuple[int, int], seed: int = 0) -> WeightGenome:
    generator = np.random.default_rng(seed)
    weights = [generator.standard_normal(shape).astype(np.float32) for shape in shapes]
    biases = [generator.standard_normal(shape[0]).astype(np.float32) for shape in shapes]
    return WeightGenome.from_content(weights, biases)


@given(POPULATIONS)
def test_digests_are_equal_exactly_where_chromosomes_are(X: np.ndarray[Any, Any]) -> None:
    names = digests(X)
    for i, x in enumerate(X):
        for j, y in enumerate(X):
            assert (names[i] == names[j]) == np.array_equal(x, y)


@given(POPULATIONS, st.randoms(use_true_random=False))
def test_a_digest_depends_on_its_row_alone(X: np.ndarray[Any, Any], random: Any) -> None:
    order = list(range(len(X)))
    random.shuffle(order)
    names = digests(X)
    assert digests(X[order]) == [names[row] for row in order]
    assert [digests(x[None])[0] for x in X] == names


@given(POPULATIONS)
def test_digests_do_not_depend_on_memory_layout(X: np.ndarray[Any, Any]) -> None:
    assert digests(np.asfortranarray(X)) == digests(X)
    assert digests(np.repeat(X, 2, axis=0)[::2]) == digests(X)


def test_the_type_is_part_of_a_digest() -> None:
    rows = [np.array([[1, 0]], dtype=kind) for kind in (bool, np.int8, np.int64, np.float64)]
    assert len({digests(row)[0] for row in rows}) == len(rows)


@pytest.mark.parametrize("kind", [bool, np.int8])
def test_the_length_is_part_of_a_digest(kind: type) -> None:
    # Packed, three and eight switched-off bits are the same byte.
    names = {digests(np.zeros((1, length), dtype=kind))[0] for length in range(1, 20)}
    assert len(names) == 19


def test_a_digest_is_the_same_in_every_process_and_release() -> None:
    # Stores and candidates' seeds use it as a key: a change would orphan every recorded run.
    assert digests(np.array([[True, False, True]]))[0].hex() == "66ac96637966e5c1f4c3c888c3c07bdc"
    assert (
        digests(np.array([[3, -1]], dtype=np.int64))[0].hex() == "2c5a5c4b6e40127b72e3cb7d5be017d7"
    )
    assert candidate_seed(7, bytes(16)) == 10063262545080069


def test_boundaries_between_parts_count() -> None:
    names = {hash_bytes(b"ab", b"c"), hash_bytes(b"a", b"bc"), hash_bytes(b"abc"), hash_bytes()}
    assert len(names) == 4
    assert hash_bytes(b"ab", b"") != hash_bytes(b"ab")


@given(st.integers(-(2**63), 2**63 - 1), st.binary(min_size=16, max_size=16))
def test_a_candidates_seed_is_a_function_of_run_and_chromosome(seed: int, digest: bytes) -> None:
    first = candidate_seed(seed, digest)
    candidate_seed(seed + 1 if seed < 0 else seed - 1, digest)
    assert candidate_seed(seed, digest) == first
    torch.Generator().manual_seed(first)  # torch accepts it


def test_candidate_seeds_differ_between_runs_and_between_chromosomes() -> None:
    names = digests(np.eye(50, dtype=bool))
    seeds = {candidate_seed(run, name) for run in range(-2, 2) for name in names}
    assert len(seeds) == 4 * 50


def test_a_genome_is_named_by_its_content() -> None:
    one, same, other = genome((3, 4), (2, 3)), genome((3, 4), (2, 3)), genome((3, 4), seed=1)
    assert one.digest == same.digest
    assert one.digest != other.digest
    for place in range(4):
        arrays = [a.copy() for a in (*one.weights, *one.biases)]
        arrays[place].flat[-1] += 1
        changed = WeightGenome.from_content(arrays[:2], arrays[2:])
        assert changed.digest != one.digest, f"array {place} does not count"


def test_a_genomes_shapes_are_part_of_its_name() -> None:
    names = {
        WeightGenome.from_content(
            [np.zeros((width, 12 // width), np.float32)], [np.zeros(2, np.float32)]
        ).digest
        for width in (1, 2, 3, 4, 6, 12)
    }
    assert len(names) == 6


def test_digests_of_genomes_in_a_column() -> None:
    genomes = [genome((3, 4), seed=seed) for seed in (0, 1, 0)]
    X = as_column(genomes)
    assert X.shape == (3, 1)
    assert X.dtype == object
    assert [row[0] for row in X] == genomes  # eq=False: these very objects
    names = digests(X)
    assert names[0] == names[2] != names[1]
    assert all(len(name) == 16 for name in names)


def test_a_column_of_one_genome_is_not_unpacked() -> None:
    assert as_column([genome((2, 2))]).shape == (1, 1)
    assert as_column([]).shape == (0, 1)


def test_from_content_converts_to_contiguous_float32_and_leaves_the_argument() -> None:
    wide = np.arange(12, dtype=np.float64).reshape(3, 4)
    before = wide.copy()
    result = WeightGenome.from_content([wide.T], [np.arange(4)])
    assert result.weights[0].dtype == result.biases[0].dtype == np.float32
    assert result.weights[0].flags.c_contiguous
    np.testing.assert_array_equal(result.weights[0], before.T)
    np.testing.assert_array_equal(wide, before)
    # The order in memory is not part of the content.
    assert result.digest == WeightGenome.from_content([wide.T.copy()], [np.arange(4.0)]).digest


def test_from_content_keeps_float32_arrays_without_a_copy() -> None:
    # On purpose, as a genome has a megabyte: the caller must not write to the array again.
    weight = np.zeros((2, 3), np.float32)
    assert np.shares_memory(
        WeightGenome.from_content([weight], [np.zeros(2, np.float32)]).weights[0], weight
    )


def test_widths_are_those_of_the_hidden_layers() -> None:
    assert genome((5, 64), (7, 5), (10, 7)).widths == (5, 7)


def test_deep_copying_a_population_copies_no_weights() -> None:
    X = as_column([genome((3, 4)), genome((3, 4), seed=1)])
    assert all(a is b for a, b in zip(copy.deepcopy(X)[:, 0], X[:, 0], strict=True))
