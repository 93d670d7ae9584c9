from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from pymoo_prune.data import data_from_arrays, data_from_folder, load_data
from pymoo_prune.data.files import has_array, read_npz
from pymoo_prune.errors import DataError, PruneError
from tests.support.splits import parts, per_class


def write_images(folder: Path, classes: dict[str, int], *, size: tuple[int, int] = (6, 4)) -> None:
    for shade, (name, count) in enumerate(classes.items()):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", size, (255, 0, 51 * shade)).save(folder / name / f"{i:02}.png")


def test_folder_of_classes(tmp_path: Path) -> None:
    write_images(tmp_path, {"cat": 10, "dog": 20})
    data = data_from_folder(tmp_path, size=None, validation=6)
    assert data.shape == (3, 4, 6)
    assert [per_class(split) for split in parts(data)] == [[6, 12], [2, 4], [2, 4]]
    for split in parts(data):
        assert (split.images[:, 0] == 1).all()
        assert (split.images[:, 1] == 0).all()
        assert torch.allclose(split.images[:, 2, 0, 0], split.labels * 0.2)
    assert load_data(str(tmp_path), validation=6).digest == data.digest
    assert data_from_folder(tmp_path, size=5, channels=1).shape == (1, 5, 5)


def test_folder_with_train_and_test(tmp_path: Path) -> None:
    write_images(tmp_path / "train", {"cat": 5, "dog": 5})
    with pytest.raises(DataError, match=r"one folder of images per class, .*test/CLASS"):
        data_from_folder(tmp_path, size=None)
    write_images(tmp_path / "test", {"cat": 2, "dog": 1})
    data = data_from_folder(tmp_path, size=None, validation=2)
    assert [per_class(split) for split in parts(data)] == [[4, 4], [1, 1], [2, 1]]
    (tmp_path / "test" / "cat").rename(tmp_path / "test" / "eel")
    with pytest.raises(DataError, match=r"classes \['cat', 'dog'\], .* has \['dog', 'eel'\]"):
        data_from_folder(tmp_path, size=None)


def test_folders_that_are_no_data_sets(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected one folder of images per class"):
        data_from_folder(tmp_path, size=None)
    with pytest.raises(DataError, match="nowhere/CLASS"):
        data_from_folder(tmp_path / "nowhere", size=None)
    write_images(tmp_path, {"cat": 5, "dog": 0})
    with pytest.raises(DataError, match="no valid file for the classes dog"):
        data_from_folder(tmp_path, size=None)
    with pytest.raises(DataError, match="channels=2"):
        data_from_folder(tmp_path, size=None, channels=2)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (("Train", "Test"), "Test, Train, and in each of them are cat, dog: .*name the folders tr"),
        (("pets",), "has one folder, pets, and its images lie in cat, dog: .*give .*pets"),
    ],
)
def test_classes_one_level_deeper_are_refused(
    parts: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    """Torchvision would take Train and Test for the classes."""
    for part in parts:
        write_images(tmp_path / part, {"cat": 5, "dog": 5})
    with pytest.raises(DataError, match=message):
        data_from_folder(tmp_path, size=None)


def test_images_of_a_class_may_lie_in_folders(tmp_path: Path) -> None:
    write_images(tmp_path / "cat", {"siamese": 5, "persian": 5})
    write_images(tmp_path / "dog", {"poodle": 5})
    data = data_from_folder(tmp_path, size=None, validation=2)
    assert data.classes == 2
    assert sum(map(len, parts(data))) == 15


def test_a_folder_beside_train_and_test_is_refused(tmp_path: Path) -> None:
    for part in ("train", "test", ".git", "valid"):
        write_images(tmp_path / part, {"cat": 5, "dog": 5})
    with pytest.raises(DataError, match=r"has the folder valid beside train and test; .*move"):
        data_from_folder(tmp_path, size=None)
    shutil.rmtree(tmp_path / "valid")
    assert len(data_from_folder(tmp_path, size=None).test) == 10


@pytest.mark.parametrize(
    ("dtype", "suffix"), [("uint16", ".png"), ("int32", ".tiff"), ("float32", ".tiff")]
)
def test_images_with_more_than_eight_bits_are_refused(
    dtype: str, suffix: str, tmp_path: Path
) -> None:
    write_images(tmp_path, {"cat": 5, "dog": 5})
    deep = tmp_path / "dog" / f"deep{suffix}"
    Image.fromarray(np.full((3, 3), 300, dtype)).save(deep)
    for channels in (1, 3):
        with pytest.raises(DataError, match=f"{deep} has more than eight bits.*convert it"):
            data_from_folder(tmp_path, size=3, channels=channels)


def test_images_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    write_images(tmp_path, {"cat": 5, "dog": 5})
    odd = tmp_path / "dog" / "03.png"
    Image.new("RGB", (4, 6)).save(odd)
    with pytest.raises(DataError, match=f"{odd} is .6, 4. pixels, .*00.png .4, 6.; give a size"):
        data_from_folder(tmp_path, size=None)
    assert data_from_folder(tmp_path, size=3).size == (3, 3)
    for damage in (odd.read_bytes()[:-30], b"not an image", b""):
        odd.write_bytes(damage)
        with pytest.raises(DataError, match=f"{odd} cannot be read as an image"):
            data_from_folder(tmp_path, size=3)


def test_a_file_of_arrays_is_the_arrays(tmp_path: Path) -> None:
    digits = load_digits()
    images, labels = digits.images[:300] / 16, digits.target[:300]
    more = {"test_images": digits.images[300:400] / 16, "test_labels": digits.target[300:400]}
    path = tmp_path / "arrays.npz"
    np.savez(path, images=images, labels=labels, notes=np.zeros(3))
    found = load_data(str(path), validation=0.2)
    assert found.digest == data_from_arrays(images, labels, validation=0.2).digest
    np.savez_compressed(path, images=images, labels=labels, **more)
    found = load_data(str(path))
    assert len(found.test) == 100
    expected = data_from_arrays(images, labels, more["test_images"], more["test_labels"])
    assert found.digest == expected.digest
    np.savez(path, images=images, labels=labels, test_images=more["test_images"])
    with pytest.raises(DataError, match=r"arrays\.npz: test images and test labels go together"):
        load_data(str(path))


@pytest.mark.parametrize("name", ["testimages", "Images", "inputs", "val_labels", "x_train"])
def test_an_array_that_is_meant_to_count_is_not_left_out(name: str, tmp_path: Path) -> None:
    arrays = {"images": np.zeros((9, 4, 4)), "labels": np.arange(9) % 3, name: np.zeros((9, 4, 4))}
    np.savez(tmp_path / "arrays.npz", **arrays)
    with pytest.raises(
        PruneError, match=r"which does not count: it has images, labels, .*may have"
    ):
        load_data(tmp_path / "arrays.npz")


def test_one_array_without_a_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros((4, 4)))
    with pytest.raises(DataError, match=r"arrays\.npz has one array .*images, labels with .*savez"):
        load_data(str(path))


def test_no_flipped_bit_of_a_file_of_arrays_ends_in_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    np.savez_compressed(path, images=np.zeros((4, 4), np.uint8))
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bit in (1, 8, 32, 64):
            damaged = bytearray(whole)
            damaged[place] ^= bit
            path.write_bytes(damaged)
            has_array(path, "images")
            with suppress(PruneError):
                read_npz(path, needed=["images"], more=[])
