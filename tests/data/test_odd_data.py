"""Odd arrays and arguments of data sets end in a named error or a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pymoo_prune import (
    Data,
    DataError,
    PruneError,
    Split,
    data_from_arrays,
    data_from_dataset,
    data_from_folder,
    data_from_inputs,
    load_data,
)
from pymoo_prune.data import data_from_npz
from tests.support.odd_values import ODD, ends_in_a_named_error, name_of

IMAGES = np.random.default_rng(0).random((60, 1, 8, 8), dtype=np.float32)
LABELS = np.arange(60) % 3
NOT_IN_MEMORY = {
    "sparse": torch.zeros(60, 8, 8).to_sparse(),
    "meta": torch.zeros(60, 8, 8, device="meta"),
    "8 bits": torch.zeros(60, 8, 8, dtype=torch.float8_e4m3fn),
}
ARRAYS: list[Any] = [
    *ODD, *NOT_IN_MEMORY.values(), torch.zeros(60, dtype=torch.int64, device="meta"),
    torch.zeros(60, 8, 8, dtype=torch.complex64),
    torch.zeros(1, device="meta").expand(10**9, 3, 3), np.array(["a"] * 60), np.array([None] * 60),
    np.zeros((60, 0, 8)), np.zeros((0, 8, 8)), np.zeros(()), np.zeros((60, 8, 8), dtype="M8[s]"),
    np.zeros((60, 8, 8), dtype=[("a", "f4")]), np.full((60, 8, 8), 1e300), np.full(60, 2**62),
    np.full(60, -1), np.full(60, 10**9), torch.zeros(60, 8, 8, requires_grad=True),
]  # fmt: skip


@pytest.mark.parametrize("what", NOT_IN_MEMORY)
def test_tensors_without_plain_numbers_are_refused(what: str) -> None:
    with pytest.raises(DataError, match="must be a plain tensor with all its numbers in memory"):
        data_from_arrays(NOT_IN_MEMORY[what], LABELS)


def test_labels_as_large_as_they_can_be_name_what_is_missing_at_once() -> None:
    match = r"no image has label 1, 2, 3, 4, 5 and 4611686018427387898 more"
    with pytest.raises(DataError, match=match):
        data_from_arrays(IMAGES, np.where(LABELS == 0, 0, 2**62))


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("classes", 2.5, "classes must be a whole number, but it is 2.5"),
        ("classes", 10**9, "classes must be at most 1,000,000, .* an output for each class"),
        ("seed", -1, "seed must be at least 0, but it is -1"),
        ("seed", "1", "seed must be a whole number, but it is '1'"),
        ("seed", 0.5, "seed must be a whole number"),
        ("validation", "a third", "validation must be a share or a number"),
        ("validation", True, "validation must be a share or a number"),
        ("name", None, "name must be a text, but it is None"),
        ("metric", "mae", "metric must be a Metric, or None, but it is 'mae'"),
    ],
)
def test_odd_arguments_are_named(name: str, value: Any, match: str) -> None:
    with pytest.raises(PruneError, match=match):
        data_from_arrays(IMAGES, LABELS, **{name: value})


def test_data_that_have_no_name_are_refused() -> None:
    with pytest.raises(PruneError, match=r"data must be the path of a file or folder, .* None"):
        load_data(None)  # type: ignore[arg-type]


def test_images_that_memory_cannot_hold_are_refused() -> None:
    split = Split(torch.zeros(10, 1, 8, 8), torch.arange(10))
    match = "10 images of 1,000,000×1,000,000 pixels would take 40,000.0 GB of memory, but this"
    with pytest.raises(PruneError, match=match):
        split.resized(1_000_000)


def test_numbers_of_numpy_are_numbers() -> None:
    data = data_from_arrays(
        IMAGES, LABELS, validation=np.float32(0.25), seed=np.int64(3), classes=np.int64(4)
    )
    assert (len(data.validation), data.classes) == (12, 4)


@pytest.mark.parametrize("value", ARRAYS, ids=name_of)
def test_arrays_of_anything(value: Any) -> None:
    real = LABELS + 0.5
    for make in (
        lambda: data_from_arrays(value, LABELS),
        lambda: data_from_arrays(IMAGES, value),
        lambda: data_from_arrays(IMAGES, LABELS, value, LABELS),
        lambda: data_from_arrays(IMAGES, LABELS, IMAGES, value),
        lambda: data_from_arrays(IMAGES, real, IMAGES, value),
        lambda: data_from_inputs(value, LABELS),
        lambda: data_from_inputs((IMAGES, value), LABELS),
        lambda: data_from_inputs(IMAGES, value),
        lambda: data_from_inputs(IMAGES, LABELS, value, LABELS),
        lambda: Split(value, torch.as_tensor(LABELS)),
        lambda: Split(torch.as_tensor(IMAGES), value),
        lambda: Split(torch.as_tensor(IMAGES), torch.as_tensor(LABELS), value),
        lambda: data_from_dataset(value),
        lambda: data_from_dataset([value] * 10),
        lambda: data_from_dataset([(value, 1)] * 10),
        lambda: data_from_dataset([(torch.zeros(3), value)] * 10),
    ):
        ends_in_a_named_error(make)


@pytest.mark.parametrize("value", ODD, ids=name_of)
def test_arguments_of_anything(value: Any, tmp_path: Path) -> None:
    for name in ("validation", "name", "seed", "classes", "task", "metric"):
        ends_in_a_named_error(lambda name=name: data_from_arrays(IMAGES, LABELS, **{name: value}))
        ends_in_a_named_error(lambda name=name: data_from_inputs(IMAGES, LABELS, **{name: value}))
    ends_in_a_named_error(lambda: load_data(value))
    for name in ("root", "validation", "seed"):
        ends_in_a_named_error(lambda name=name: load_data("mnist", **{name: value}))
    ends_in_a_named_error(lambda: data_from_npz(value))
    for name in ("size", "channels", "validation", "seed"):
        given: dict[str, Any] = {"size": None, name: value}
        assert ends_in_a_named_error(lambda given=given: data_from_folder(tmp_path, **given))


@pytest.mark.parametrize("value", ODD, ids=name_of)
def test_data_of_anything(value: Any) -> None:
    split = Split(torch.as_tensor(IMAGES), torch.as_tensor(LABELS))
    given = {"name": "x", "train": split, "validation": split, "test": split, "classes": 3}
    for name in (*given, "packing"):
        ends_in_a_named_error(lambda name=name: Data(**{**given, name: value}))
    ends_in_a_named_error(lambda: split.resized(value))


@given(
    images=hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(max_dims=5, max_side=6)),
    labels=hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(max_dims=3, max_side=6)),
    task=st.sampled_from([None, "classes", "labels", "regression"]),
)
def test_random_arrays(images: Any, labels: Any, task: str | None) -> None:
    ends_in_a_named_error(lambda: data_from_arrays(images, labels, task=task))
    ends_in_a_named_error(lambda: data_from_inputs(images, labels, task=task))


def test_values_whose_squares_overflow_are_refused() -> None:
    images = np.full((60, 1, 4, 4), 0.5, dtype=np.float32)
    images[0, 0, 0, 0] = -1e20
    with pytest.raises(DataError, match=r"has validation images with values as large as 1e\+20"):
        data_from_arrays(images, np.arange(60) % 3)
