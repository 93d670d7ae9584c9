from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, TensorDataset

from pymoo_prune import Data, DataError, PruneError, data_from_arrays, load_data
from pymoo_prune.data import data_from_dataset, data_from_inputs
from pymoo_prune.runs.images import named_data
from tests.support.other_inputs import sentences, waves

TABLE = np.random.default_rng(0).normal(size=(60, 4))
NUMBERS = np.random.default_rng(1).normal(size=60)
CLASSES = np.arange(60) % 3


def parts(data: Data) -> torch.Tensor:
    return torch.cat([one.images for one in (data.train, data.validation, data.test)])


def test_inputs_keep_their_axes() -> None:
    table = data_from_inputs(TABLE, CLASSES)
    assert (table.shape, table.packing, table.classes) == ((4,), None, 3)
    assert len(table.test) == 12
    found = np.sort(parts(table).numpy(), axis=None)
    assert np.array_equal(found, np.sort(TABLE.astype(np.float32), axis=None))
    series, labels = waves()
    assert data_from_inputs(series, labels).shape == (2, 32)
    assert "inputs of 2×32" in repr(data_from_inputs(series, labels))


def test_whole_numbers_and_several_inputs_are_packed() -> None:
    ids, labels = sentences()
    data = data_from_inputs(ids, labels)
    assert data.packing is not None
    assert data.shape == (12,)
    (back,) = data.packing.unpacked(data.train.images)
    assert back.dtype == torch.int64
    assert {tuple(row) for row in back.tolist()} <= {tuple(row) for row in ids.tolist()}
    series, _ = waves()
    both = data_from_inputs((series, ids), labels)
    assert both.packing is not None
    assert both.shape == (2 * 32 + 12,)
    first, second = both.packing.unpacked(both.test.images)
    assert (first.shape[1:], second.shape[1:]) == ((2, 32), (12,))
    assert (first.dtype, second.dtype) == (torch.float32, torch.int64)
    # Beside each other as they were.
    places = {row.tobytes(): place for place, row in enumerate(series.reshape(len(series), -1))}
    for one, other in zip(first.numpy(), second.numpy(), strict=True):
        assert np.array_equal(ids[places[one.tobytes()]], other)


def test_ids_are_exact_up_to_the_largest_that_float32_holds() -> None:
    ids = np.full((60, 2), 2**24)
    data = data_from_inputs(ids, CLASSES)
    assert data.packing is not None
    assert (data.packing.unpacked(data.train.images)[0] == 2**24).all()
    for wrong in (ids + 1, -ids):
        with pytest.raises(DataError, match=r"ids must be between 0 and 16,777,216"):
            data_from_inputs(wrong, CLASSES)


@pytest.mark.parametrize(
    ("inputs", "labels", "message"),
    [
        ((TABLE, TABLE[:9]), CLASSES, "with the same n for all"),
        ((), CLASSES, "an array, or a tuple of one or more"),
        (TABLE[:9], CLASSES, "9 images but 60 labels"),
        (TABLE + np.inf, CLASSES, "not finite"),
        (TABLE + 1j, CLASSES, "real or whole numbers"),
        (TABLE.astype(str), CLASSES, "not an array of numbers"),
    ],
)
def test_unusable_inputs(inputs: Any, labels: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        data_from_inputs(inputs, labels)


def test_test_inputs_must_be_alike() -> None:
    with pytest.raises(DataError, match="they must be alike"):
        data_from_inputs(TABLE, CLASSES, TABLE[:, :3], CLASSES)
    with pytest.raises(DataError, match="go together"):
        data_from_inputs(TABLE, CLASSES, TABLE)
    data = data_from_inputs(TABLE, CLASSES, TABLE[:6], CLASSES[:6])
    assert len(data.test) == 6


def test_tasks_are_told_by_labels() -> None:
    def task(labels: Any, **more: Any) -> str:
        return data_from_inputs(TABLE, labels, **more).task.name

    assert task(CLASSES) == "classes"
    assert task(NUMBERS) == "regression"
    assert task(np.stack([NUMBERS, NUMBERS], axis=1)) == "regression"
    several = np.stack([CLASSES == 0, CLASSES == 1], axis=1)
    assert task(several) == task(several.astype(float)) == "labels"
    assert task(several.astype(float), task="regression") == "regression"
    assert task(several.astype(int), task="labels") == "labels"
    assert task(CLASSES.astype(float), task="regression") == "regression"
    assert task(np.repeat(CLASSES[:, None], 5, axis=1), task="classes") == "classes"
    assert data_from_arrays(np.zeros((60, 4, 4)), NUMBERS).task.name == "regression"
    with pytest.raises(PruneError, match=r"unknown task 'regresion'.*Did you mean 'regression'"):
        task(NUMBERS, task="regresion")
    with pytest.raises(DataError, match=r"all are 0 or 1: give labels.astype\(int\)"):
        task((CLASSES > 0).astype(float))
    with pytest.raises(DataError, match=r"say what they are, task='classes' \(a class at each"):
        task(several.astype(int))
    with pytest.raises(DataError, match="each label must be 0 or 1"):
        task(NUMBERS[:, None], task="labels")
    with pytest.raises(DataError, match="not finite"):
        task(NUMBERS + np.nan)


def test_digests_know_the_task_and_the_packing() -> None:
    numbers = (CLASSES[:, None] * np.ones(2)).clip(0, 1)
    one = data_from_inputs(TABLE, numbers, task="labels")
    assert one.digest == data_from_inputs(TABLE, numbers, task="labels").digest
    assert one.digest != data_from_inputs(TABLE, numbers, task="regression").digest
    ids = np.arange(240).reshape(60, 4) % 7
    digests = {data_from_inputs(x, CLASSES).digest for x in (ids, ids.astype(float))}
    assert len(digests) == 2
    images = load_data("digits")
    assert images.digest == data_from_arrays(*_digits(), name="other").digest


def _digits() -> Any:
    from sklearn.datasets import load_digits

    found = load_digits()
    return found.images / 16, found.target


class Items(Dataset):  # type: ignore[type-arg]
    def __init__(self, get: Any, n: int = 40) -> None:
        self.get, self.n = get, n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, place: int) -> Any:
        return self.get(place)


def test_a_dataset_is_its_arrays() -> None:
    X, y = torch.from_numpy(TABLE), torch.from_numpy(CLASSES)
    data = data_from_dataset(TensorDataset(X, y))
    assert data.digest == data_from_inputs(TABLE, CLASSES).digest
    data = data_from_dataset(TensorDataset(X, y), TensorDataset(X[:9], y[:9]), validation=10)
    assert data.digest == data_from_inputs(TABLE, CLASSES, X[:9], y[:9], validation=10).digest
    pairs = Items(lambda k: ((TABLE[k], k), float(NUMBERS[k])))
    data = data_from_dataset(pairs)
    assert data.packing is not None
    assert [part.shape for part in data.packing.parts] == [(4,), ()]
    assert data.task.name == "regression"


@pytest.mark.parametrize(
    ("get", "message"),
    [
        (lambda k: (torch.rand(3), k % 2), "different numbers for its first item.*random transf"),
        (lambda k: (torch.zeros(3 + (k > 5)), k % 2), r"item 6 has the shapes \[\(4,\), \(\)\]"),
        (lambda k: torch.zeros(3), r"item 0 must be \(input, label\), but it is a Tensor"),
        (lambda k: (1, 2, 3), "of 3; several inputs are a tuple"),
        (lambda k: ("text", k % 2), r"must hold arrays or numbers.*\['str', 'int'\]"),
    ],
)
def test_datasets_that_cannot_be_read(get: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        data_from_dataset(Items(get))


def test_datasets_without_items_or_a_length() -> None:
    with pytest.raises(DataError, match="has no items"):
        data_from_dataset(Items(lambda k: (k, k), 0))
    with pytest.raises(DataError, match="must have a length and items by number"):
        data_from_dataset(iter([]))


def of_a_module() -> Any:
    return TensorDataset(torch.from_numpy(TABLE), torch.from_numpy(CLASSES))


def in_two_parts() -> Any:
    return of_a_module(), of_a_module()


def test_modules_may_give_datasets() -> None:
    assert named_data(f"{__name__}:of_a_module").digest == data_from_inputs(TABLE, CLASSES).digest
    assert len(named_data(f"{__name__}:in_two_parts").test) == 60


def test_a_file_may_have_inputs(tmp_path: Any) -> None:
    path = tmp_path / "table.npz"
    np.savez(path, inputs=TABLE, labels=NUMBERS)
    data = load_data(str(path))
    assert data.digest == data_from_inputs(TABLE, NUMBERS).digest
    assert data.task.name == "regression"
    np.savez(path, inputs=TABLE, labels=NUMBERS, test_inputs=TABLE, test_labels=NUMBERS)
    assert len(load_data(str(path)).test) == 60


def test_what_needs_images_says_so() -> None:
    data = data_from_inputs(TABLE, CLASSES)
    with pytest.raises(DataError, match=r"images, .*but inputs of inputs are \(4,\)"):
        _ = data.channels
    with pytest.raises(DataError, match="only images can be resized"):
        data.train.resized(3)
