from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from pymoo_prune.data import Data, Split, data_from_arrays, load_data
from pymoo_prune.errors import DataError, PruneError
from tests.support.splits import parts, per_class


def numbered(sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Float images (n, 1, 2, 2) whose pixels are their index, with these numbers per class."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    pixels = np.arange(len(labels), dtype=np.float32)[:, None, None, None]
    return np.tile(pixels, (1, 1, 2, 2)), labels


def indices(split: Split) -> list[int]:
    return split.images[:, 0, 0, 0].int().tolist()


def test_digits_are_partitioned_into_fixed_sizes() -> None:
    data = load_data("digits")
    assert (len(data.train), len(data.validation), len(data.test)) == (959, 479, 359)
    assert (data.shape, data.channels, data.size, data.classes) == ((1, 8, 8), 1, (8, 8), 10)
    pixels, labels = load_digits(return_X_y=True)
    wanted = Counter(zip(map(bytes, pixels.astype(np.uint8)), labels.tolist(), strict=True))
    found: Counter[tuple[bytes, int]] = Counter()
    for split in parts(data):
        whole = (split.images * 16).flatten(1).to(torch.uint8).numpy()
        found.update(zip(map(bytes, whole), split.labels.tolist(), strict=True))
    assert found == wanted
    assert data.train.images.max() == 1


def test_the_seed_moves_the_validation_part_only() -> None:
    first, again, other = (load_data("digits", seed=seed) for seed in (0, 0, 1))
    assert first.digest == again.digest != other.digest
    assert torch.equal(first.test.images, other.test.images)
    assert torch.equal(first.test.labels, other.test.labels)
    assert not torch.equal(first.validation.images, other.validation.images)


def test_the_validation_size_does_not_move_the_test_part() -> None:
    images, labels = numbered([30, 30])
    small, large = (data_from_arrays(images, labels, validation=n) for n in (2, 20))
    assert indices(small.test) == indices(large.test)


@pytest.mark.parametrize(("validation", "count"), [(None, 32), (0.25, 24), (7, 7), (94, 94)])
def test_validation_is_a_share_or_a_number(validation: float | None, count: int) -> None:
    images, labels = numbered([48, 48])
    tests = numbered([1, 1])
    data = data_from_arrays(images, labels, *tests, validation=validation)
    assert len(data.validation) == count
    assert sorted(indices(data.train) + indices(data.validation)) == list(range(96))
    assert indices(data.test) == [0, 1]


def test_parts_are_disjoint_and_stratified() -> None:
    images, labels = numbered([50, 100, 350])
    data = data_from_arrays(images, labels, validation=40)
    assert [per_class(split) for split in parts(data)] == [
        [36, 72, 252],
        [4, 8, 28],
        [10, 20, 70],
    ]
    assert sorted(i for split in parts(data) for i in indices(split)) == list(range(500))
    for split in parts(data):
        assert split.labels.tolist() == labels[indices(split)].tolist()


def test_every_class_keeps_a_training_image() -> None:
    images, labels = numbered([1, 2, 40])
    data = data_from_arrays(images, labels, *numbered([1, 1, 1]), validation=40)
    assert per_class(data.train) == [1, 1, 1]
    with pytest.raises(DataError, match=r"validation part cannot have 41 of 43 .* 40 is the most"):
        data_from_arrays(images, labels, *numbered([1, 1, 1]), validation=41)
    with pytest.raises(DataError, match="test part cannot have 1 of 3"):
        data_from_arrays(*numbered([1, 1, 1]))


@pytest.mark.parametrize("validation", [0, -1, 80, 0.0, 1.0, 1.5, -0.1, 0.001, float("nan")])
def test_impossible_validation(validation: float) -> None:
    with pytest.raises(PruneError, match=f"validation={validation} of 80 training images"):
        data_from_arrays(*numbered([50, 50]), validation=validation)


def test_global_random_state_is_untouched() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    load_data("digits")
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_uint8_is_scaled_and_grey_images_get_a_channel() -> None:
    images = np.array([0, 51, 255, 102], dtype=np.uint8)[:, None, None].repeat(3, 1).repeat(2, 2)
    labels = np.zeros(4, dtype=np.uint8)
    images.setflags(write=False)
    data = data_from_arrays(images, labels, images, labels, validation=1)
    assert data.shape == (1, 3, 2)
    assert data.test.images[:, 0, 0, 0].tolist() == pytest.approx([0, 0.2, 1, 0.4])
    assert (data.test.images.dtype, data.test.labels.dtype) == (torch.float32, torch.int64)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_arguments_are_copied(kind: Any) -> None:
    images, labels = (kind(array) for array in numbered([10, 10]))
    original = images + 0
    data = data_from_arrays(images, labels, images, labels)
    digest = data.to("cpu").digest
    assert (images == original).all()
    images[:] = 7
    assert data.to("cpu").digest == digest
    assert data.test.images.max() == 19


def test_memory_layout_does_not_matter() -> None:
    images, labels = numbered([10, 10])
    strided = np.asfortranarray(images)
    one, other = data_from_arrays(images, labels), data_from_arrays(strided, labels)
    assert one.digest == other.digest
    assert other.train.images.is_contiguous()


def test_digest_sees_one_pixel_and_one_label_in_any_part() -> None:
    data = data_from_arrays(*numbered([10, 10]))
    digests = {data.digest}
    for name in ("train", "validation", "test"):
        split = getattr(data, name)
        images, labels = split.images.clone(), split.labels.clone()
        images[0, 0, 1, 1] += 1
        labels[0] = 1 - labels[0]
        for changed in (Split(images, split.labels), Split(split.images, labels)):
            changes = {part: getattr(data, part) for part in ("train", "validation", "test")}
            digests.add(Data(data.name, **(changes | {name: changed}), classes=2).digest)
    assert len(digests) == 7
    assert all(len(digest) == 32 for digest in digests)


def test_digest_sees_the_shape() -> None:
    labels = np.zeros(10, dtype=np.int64)
    wide, high = (data_from_arrays(np.ones((10, *size)), labels) for size in ((2, 3), (3, 2)))
    assert wide.digest != high.digest


GOOD = np.zeros((10, 2, 2), dtype=np.float32)


ZEROS = np.zeros(10, dtype=np.int64)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (GOOD, ZEROS[:9], "10 images but 9 labels"),
        (GOOD[0], ZEROS, r"these are \(2, 2\)"),
        (GOOD[None, None], ZEROS, r"\(1, 1, 10, 2, 2\)"),
        (GOOD + np.nan, ZEROS, "not finite"),
        (GOOD + np.inf, ZEROS, "not finite"),
        (GOOD.astype(np.int32), ZEROS, "uint8 or floating-point, these are torch.int32"),
        (GOOD.astype(str), ZEROS, "not an array of numbers"),
        (GOOD, ZEROS.astype(np.float32), "labels must be integers.*torch.float32"),
        (GOOD, ZEROS.astype(bool), "labels must be integers .* torch.bool"),
        (GOOD, ZEROS[:, None], r"labels must be integers .* \(10, 1\)"),
        (GOOD, ZEROS - 1, "one is -1"),
        (GOOD[:0], ZEROS[:0], "no images"),
    ],
)
def test_unusable_arrays(images: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        data_from_arrays(images, labels)


def test_parts_that_do_not_fit_together() -> None:
    with pytest.raises(DataError, match="only one of them"):
        data_from_arrays(GOOD, ZEROS, GOOD)
    with pytest.raises(DataError, match=r"test images are \(1, 3, 2\), train images \(1, 2, 2\)"):
        data_from_arrays(GOOD, ZEROS, np.zeros((10, 3, 2)), ZEROS)
    with pytest.raises(DataError, match="a test label is 3, but with 3 classes the largest is 2"):
        data_from_arrays(GOOD, ZEROS, GOOD, ZEROS + 3, classes=3)
    with pytest.raises(DataError, match="no image has label 1, 2"):
        data_from_arrays(GOOD, ZEROS, GOOD, ZEROS + 3)
    assert data_from_arrays(GOOD, ZEROS, GOOD, ZEROS + 3, classes=4).classes == 4


def test_subset_takes_positions_or_booleans() -> None:
    split = data_from_arrays(*numbered([10, 10]), *numbered([2, 2])).test
    assert indices(split.subset([3, 1])) == [3, 1]
    assert split.subset(torch.tensor([3, 1])).labels.tolist() == [1, 0]
    assert indices(split.subset(np.array([True, False, False, True]))) == [0, 3]
    with pytest.raises(DataError, match="no images"):
        split.subset([])


def resized_plainly(images: torch.Tensor, size: int) -> torch.Tensor:
    """The plain loop: a new pixel is the mean over the old pixels that its area touches."""
    found = torch.empty(*images.shape[:2], size, size)
    for row in range(size):
        for column in range(size):
            (top, bottom), (left, right) = (
                (place * old // size, -((place + 1) * old // -size))
                for place, old in zip((row, column), images.shape[2:], strict=True)
            )
            found[:, :, row, column] = images[:, :, top:bottom, left:right].mean(dim=(2, 3))
    return found


@pytest.mark.parametrize("size", [1, 3, 4, 8, 16, 11])
def test_smaller_images_are_means_over_areas(size: int) -> None:
    images = torch.rand(3, 2, 8, 12, generator=torch.Generator().manual_seed(0))
    split = Split(images, torch.tensor([1, 0, 2]))
    before = images.clone()
    found = split.resized(size)
    torch.testing.assert_close(found.images, resized_plainly(images, size))
    assert found.labels.tolist() == [1, 0, 2]
    found.images.zero_()
    assert torch.equal(split.images, before)


def test_whole_blocks_of_pixels_become_one() -> None:
    split = load_data("digits").test
    blocks = split.images.reshape(len(split), 1, 4, 2, 4, 2).mean(dim=(3, 5))
    torch.testing.assert_close(split.resized(4).images, blocks)
    assert torch.equal(split.resized(8).images, split.images)
    larger = split.resized(16).images
    torch.testing.assert_close(
        larger, split.images.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    )


@pytest.mark.parametrize("size", [0, -4])
def test_images_without_pixels_are_refused(size: int) -> None:
    split = load_data("digits").test
    with pytest.raises(DataError, match=f"images cannot have {size}×{size} pixels"):
        split.resized(size)


@pytest.mark.parametrize("shape", [(32, 30, 3), (8, 9, 4), (28, 28, 1)])
def test_images_with_channels_last_are_refused(shape: tuple[int, ...]) -> None:
    images = np.zeros((60, *shape), np.uint8)
    with pytest.raises(DataError, match=r"looks like \(n, height.*give images\.transpose"):
        data_from_arrays(images, np.arange(60) % 3)
    first = data_from_arrays(images.transpose(0, 3, 1, 2), np.arange(60) % 3)
    assert first.shape == (shape[2], *shape[:2])


def test_series_with_many_channels_are_not_taken_for_images() -> None:
    """And images of few pixels are left alone."""
    for shape in ((6, 100, 1), (3, 4, 4), (8, 4, 3)):
        series = np.zeros((60, *shape), np.float32)
        assert data_from_arrays(series, np.arange(60) % 3).shape == shape


def test_numbers_in_the_other_byte_order_are_taken() -> None:
    """As files of other machines and fields have them."""
    images = np.random.default_rng(0).random((30, 4, 4))
    labels = np.arange(30) % 3
    other = data_from_arrays(images.astype(">f4"), labels.astype(">i8"))
    assert other.digest == data_from_arrays(images.astype(np.float32), labels).digest


def test_labels_with_gaps_are_refused_unless_they_are_meant() -> None:
    images, labels = np.zeros((40, 4, 4)), np.repeat([1, 2], 20)
    with pytest.raises(DataError, match=r"labels are 1 to 2, but no image has label 0.*classes=3"):
        data_from_arrays(images, labels)
    assert data_from_arrays(images, labels - 1).classes == 2
    assert data_from_arrays(images, labels, classes=3).classes == 3


def test_regression_and_tables_are_told_what_to_do() -> None:
    images = np.random.default_rng(0).random((40, 4, 4))
    with pytest.raises(DataError, match=r"but they are real numbers.*task='regression'"):
        data_from_arrays(images, images[:, 0, 0], task="classes")
    assert data_from_arrays(images, images[:, 0, 0]).task.name == "regression"
    with pytest.raises(DataError, match=r"these are \(40, 16\); tables.*data_from_inputs"):
        data_from_arrays(images.reshape(40, 16), np.arange(40) % 2)
    table = images.reshape(40, 16)[:, None, :]
    assert data_from_arrays(table, np.arange(40) % 2).shape == (1, 1, 16)
