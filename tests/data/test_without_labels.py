from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pymoo_prune import Data, DataError, PruneError, Split, data_from_arrays, load_data
from pymoo_prune.data import SearchBatches, balanced
from pymoo_prune.runs.images import named_data
from tests.support.unlabelled import images_of, unlabelled, unlabelled_file


def test_images_alone_are_a_data_set(digits: Data) -> None:
    images = images_of(digits)
    data = data_from_arrays(images)
    assert not data.labelled
    parts = data.train, data.validation, data.test
    assert all(part.labels is None for part in parts)
    assert sum(len(part) for part in parts) == len(images)
    assert len(data.test) == round(0.2 * len(images))
    assert "no labels" in repr(data)
    assert data.digest == data_from_arrays(images).digest
    assert data.digest != data_from_arrays(images, validation=0.2).digest
    assert data.digest != data_from_arrays(images, np.zeros(len(images), dtype=int)).digest
    every = torch.cat([part.images for part in parts]).flatten(1).numpy()
    assert len(np.unique(every, axis=0)) == len(np.unique(images.flatten(1).numpy(), axis=0))


def test_test_images_may_have_labels(digits: Data) -> None:
    data = unlabelled(digits, tested=True)
    assert not data.labelled
    assert data.test.labels is not None
    assert torch.equal(data.test.labels, digits.test.labels)
    assert data.digest != unlabelled(digits).digest
    assert data.takes(10)
    assert not data.takes(9)
    assert unlabelled(digits).takes(3)
    with pytest.raises(DataError, match="test images and test labels go together"):
        data_from_arrays(images_of(digits), None, None, digits.test.labels)


def test_labelled_data_need_labels_for_their_test_images(digits: Data) -> None:
    images, labels = digits.train.images, digits.train.labels
    with pytest.raises(DataError, match="test images and test labels go together"):
        data_from_arrays(images, labels, digits.test.images)
    with pytest.raises(DataError, match="must both have labels, or neither"):
        replace(digits, train=Split(digits.train.images))


def test_a_split_without_labels_is_cut_and_moved(digits: Data) -> None:
    split = Split(digits.train.images)
    assert len(split) == len(digits.train)
    assert split.subset([3, 1]).labels is None
    assert torch.equal(split.subset([3, 1]).images, digits.train.images[[3, 1]])
    assert split.resized(4).images.shape == (len(split), 1, 4, 4)
    assert split.to("cpu").labels is None
    with pytest.raises(DataError, match="no labels"):
        _ = split.known_labels
    assert len(balanced(split.groups, 100, 0)) == 100


def test_batches_of_a_search_need_no_labels(digits: Data) -> None:
    batches = SearchBatches(unlabelled(digits), "validation", 200, 50, 0)
    assert len(batches[0]) == 50
    assert batches[5].labels is None


def test_a_file_of_arrays_may_lack_labels(digits: Data, tmp_path: Path) -> None:
    path = unlabelled_file(digits, tmp_path)
    assert load_data(str(path)).digest == unlabelled(digits).digest
    # Another array may be the labels, under another name.
    np.savez(path, images=images_of(digits).numpy(), targets=np.zeros(3))
    with pytest.raises(PruneError, match=r"has no 'labels': it has images, targets"):
        load_data(str(path))


def given() -> tuple[torch.Tensor, None, torch.Tensor, None]:
    digits = load_data("digits")
    return images_of(digits), None, digits.test.images, None


def alone() -> torch.Tensor:
    return images_of(load_data("digits"))


def test_a_module_may_give_images_alone(digits: Data) -> None:
    found = named_data("tests.data.test_without_labels:given")
    assert found.digest == unlabelled(digits).digest
    found = named_data("tests.data.test_without_labels:alone")
    assert found.digest == data_from_arrays(images_of(digits)).digest
