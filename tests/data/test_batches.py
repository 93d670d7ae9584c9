from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pymoo_prune.data import Data, SearchBatches, Split, balanced, in_batches
from pymoo_prune.errors import PruneError


def numbered(labels: list[int]) -> Split:
    """Images of one pixel, which is their index."""
    pixels = torch.arange(len(labels), dtype=torch.float32)
    return Split(pixels.reshape(-1, 1, 1, 1), torch.tensor(labels))


def identities(split: Split) -> list[int]:
    return split.images.flatten().int().tolist()


@pytest.fixture
def data() -> Data:
    train = numbered([i % 4 for i in range(120)])
    validation = numbered([0] * 30 + [1] * 30 + [2] * 20 + [3] * 4)
    return Data("numbered", train, validation, numbered([0, 1, 2, 3]), classes=4)


def test_one_pass_shows_every_image_once(data: Data) -> None:
    batches = SearchBatches(data, "train", 120, 30, seed=0)
    assert batches.count == 4
    for epoch in range(3):
        seen = [i for b in range(4) for i in identities(batches[4 * epoch + b])]
        assert sorted(seen) == list(range(120))


def test_passes_are_in_different_orders(data: Data) -> None:
    batches = SearchBatches(data, "train", 120, 120, seed=0)
    orders = {tuple(identities(batches[epoch])) for epoch in range(10)}
    assert len(orders) == 10


def test_a_pass_shows_no_image_twice_where_batches_do_not_divide(data: Data) -> None:
    batches = SearchBatches(data, "train", 100, 30, seed=0)
    seen = [i for b in range(batches.count) for i in identities(batches[b])]
    assert len(seen) == 90
    assert len(set(seen)) == 90


def test_images_and_labels_stay_together(data: Data) -> None:
    for batch in range(5):
        split = SearchBatches(data, "validation", 60, 16, seed=3)[batch]
        assert torch.equal(split.labels, data.validation.labels[identities(split)])


def test_a_batch_depends_on_seed_and_number_alone(data: Data) -> None:
    batches = SearchBatches(data, "train", 100, 30, seed=5)
    forward = [identities(batches[b]) for b in range(12)]
    again = SearchBatches(data, "train", 100, 30, seed=5)
    assert [identities(again[b]) for b in reversed(range(12))] == forward[::-1]


def test_another_seed_chooses_other_images_in_another_order(data: Data) -> None:
    one, other = (SearchBatches(data, "train", 60, 30, seed=seed) for seed in (0, 1))
    assert set(identities(one.pool)) != set(identities(other.pool))
    everything = [SearchBatches(data, "train", 120, 120, seed=seed)[0] for seed in (0, 1)]
    assert identities(everything[0]) != identities(everything[1])


@pytest.mark.usefixtures("untouched_global_generators")
def test_global_generators_are_left_alone(data: Data) -> None:
    batches = SearchBatches(data, "train", 100, 30, seed=0)
    assert len(batches[0]) == len(batches[7]) == 30


def test_without_a_batch_size_every_generation_sees_the_whole_pool(data: Data) -> None:
    batches = SearchBatches(data, "validation", 50, None, seed=0)
    assert batches.count == 1
    assert not batches.changing
    assert len(batches[0]) == 50
    assert identities(batches[0]) == identities(batches[17])


def test_more_images_than_there_are_means_all_of_them(data: Data) -> None:
    batches = SearchBatches(data, "validation", 5_000, 100, seed=0)
    assert sorted(identities(batches.pool)) == list(range(84))
    assert len(batches[0]) == 84
    assert batches.configuration() == {
        "split": "validation", "images": 84, "batch_size": 84, "changing": True,
    }  # fmt: skip


def test_the_split_that_was_asked_for_is_used_and_never_the_test_split(data: Data) -> None:
    shifted = replace(data, validation=Split(data.validation.images + 500, data.validation.labels))
    assert min(identities(SearchBatches(shifted, "validation", 10, None, 0).pool)) >= 500
    assert max(identities(SearchBatches(shifted, "train", 10, None, 0).pool)) < 120
    with pytest.raises(PruneError, match="unknown search split 'test'"):
        SearchBatches(data, "test", 10, None, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize(("images", "size"), [(0, None), (-1, None), (10, 0), (10, 11), (10, -3)])
def test_sizes_that_cannot_be_are_refused(data: Data, images: int, size: int | None) -> None:
    with pytest.raises(PruneError, match=rf"{images} and {size}"):
        SearchBatches(data, "train", images, size, seed=0)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.floats(0, 1.2), st.integers(0, 9))
def test_classes_are_as_even_as_they_can_be(labels: list[int], share: float, seed: int) -> None:
    count = max(int(share * len(labels)), 1)
    chosen = balanced(torch.tensor(labels), count, seed)
    assert len(chosen) == min(count, len(labels))
    assert torch.equal(chosen, chosen.unique())  # sorted and distinct
    there = np.bincount(labels, minlength=5)
    got = np.bincount(np.array(labels)[chosen.numpy()], minlength=5)
    short = got < there  # classes with images left over
    if short.any():
        assert got[short].max() - got[short].min() <= 1
        assert got.max() <= got[short].min() + 1


def test_the_choice_within_a_class_is_random() -> None:
    labels = torch.zeros(100, dtype=torch.int64)
    choices = [set(balanced(labels, 50, seed).tolist()) for seed in range(4)]
    assert all(choice != set(range(50)) for choice in choices)
    assert len({frozenset(choice) for choice in choices}) == 4
    assert torch.equal(balanced(labels, 50, 0), balanced(labels, 50, 0))


@pytest.mark.parametrize(
    ("n", "size", "sizes"),
    [
        (0, 4, [0]),
        (1, 4, [1]),
        (4, 4, [4]),
        (5, 4, [5]),
        (6, 4, [4, 2]),
        (9, 4, [4, 5]),
        (3, 2, [3]),
        (3, 1, [1, 1, 1]),
    ],
)
def test_no_image_is_alone_beside_other_batches(n: int, size: int, sizes: list[int]) -> None:
    batches = in_batches(torch.arange(n), size)
    assert [len(batch) for batch in batches] == sizes
    assert torch.equal(torch.cat(batches), torch.arange(n))
