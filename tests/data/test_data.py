from __future__ import annotations

import gzip
import hashlib
import http.server
import pickle
import shutil
import struct
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torchvision import datasets

from pymoo_prune.data import Data, Split, data_from_arrays, data_from_folder, load_data
from pymoo_prune.data.files import (
    DEBIAN_FASHION_MNIST,
    FIRST_LABELS,
    IDX_FILES,
    has_array,
    read_npz,
)
from pymoo_prune.errors import DataError, PruneError


def numbered(sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Float images (n, 1, 2, 2) whose pixels are their index, with these numbers per class."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    pixels = np.arange(len(labels), dtype=np.float32)[:, None, None, None]
    return np.tile(pixels, (1, 1, 2, 2)), labels


def indices(split: Split) -> list[int]:
    return split.images[:, 0, 0, 0].int().tolist()


def per_class(split: Split) -> list[int]:
    return torch.bincount(split.labels).tolist()


def parts(data: Data) -> tuple[Split, Split, Split]:
    return data.train, data.validation, data.test


def idx_bytes(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def idx_arrays(train: int = 20, test: int = 10) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    arrays = []
    for n in (train, test):
        arrays += [rng.integers(0, 256, (n, 5, 4), dtype=np.uint8), np.arange(n) % 10]
    return arrays


def write_idx(folder: Path, arrays: list[np.ndarray], *, packed: bool) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, array in zip(IDX_FILES, arrays, strict=True):
        raw = idx_bytes(array)
        paths.append(folder / (f"{name}.gz" if packed else name))
        paths[-1].write_bytes(gzip.compress(raw) if packed else raw)
    return paths


@pytest.fixture
def no_debian(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("pymoo_prune.data.files.DEBIAN_FASHION_MNIST", tmp_path / "debian")


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


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("fashion-mnist", "FashionMNIST/raw"),
        ("fashion-mnist", "."),
        ("mnist", "MNIST/raw"),
        ("mnist", "."),
    ],
)
def test_idx_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, place: str, packed: bool
) -> None:
    arrays = idx_arrays()
    write_idx(tmp_path / place, arrays, packed=packed)
    monkeypatch.setenv("PYMOO_PRUNE_DATA", str(tmp_path))
    data = load_data(name, validation=5)
    assert (len(data.train), len(data.validation), data.shape) == (15, 5, (1, 5, 4))
    assert np.array_equal((data.test.images * 255).round().numpy()[:, 0], arrays[2])
    assert data.test.labels.tolist() == list(range(10))
    assert data.digest == load_data(name, root=tmp_path, validation=5).digest


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("which", range(4))
def test_a_truncated_idx_file_is_named(tmp_path: Path, packed: bool, which: int) -> None:
    path = write_idx(tmp_path, idx_arrays(), packed=packed)[which]
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match=f"{path.name} is damaged: expected .*fetch it again"):
        load_data("mnist", root=tmp_path)


def test_damaged_idx_contents_are_named(tmp_path: Path) -> None:
    path = write_idx(tmp_path, idx_arrays(), packed=True)[0]
    raw = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(raw[:-1]))
    with pytest.raises(DataError, match=r"expected 416 bytes for \(20, 5, 4\) values, found 415"):
        load_data("mnist", root=tmp_path)
    path.write_bytes(gzip.compress(raw[4:]))
    with pytest.raises(DataError, match=f"{path.name} is damaged: expected an idx header of 3"):
        load_data("mnist", root=tmp_path)
    packed = bytearray(gzip.compress(raw))
    packed[len(packed) // 2] ^= 255
    path.write_bytes(packed)
    with pytest.raises(DataError, match=f"{path.name} is damaged"):
        load_data("mnist", root=tmp_path)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=f"{path.name} is damaged"):
        load_data("mnist", root=tmp_path)


def test_idx_counts_that_differ_name_both_files(tmp_path: Path) -> None:
    arrays = idx_arrays()
    arrays[3] = arrays[3][:9]
    write_idx(tmp_path, arrays, packed=False)
    with pytest.raises(DataError, match=r"t10k-images.* has 10 images but .*t10k-labels.* has 9"):
        load_data("mnist", root=tmp_path)


@pytest.mark.usefixtures("no_debian")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "fashion-mnist",
            ["FashionMNIST/raw", "debian", "apt-get install dataset-fashion-mnist", *IDX_FILES],
        ),
        ("mnist", ["MNIST/raw", *IDX_FILES]),
        ("cifar10", ["cifar-10-batches-py", "data_batch_5", "test_batch", "batches.meta"]),
        ("cifar100", ["cifar-100-python", "train", "test", "meta"]),
    ],
)
def test_missing_files_say_where_and_how(tmp_path: Path, name: str, words: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        load_data(name, root=tmp_path)
    for word in [f"{name} was not found", str(tmp_path), "--download", "download=True", *words]:
        assert word in str(caught.value)
    assert ("apt-get" in str(caught.value)) == (name == "fashion-mnist")
    assert not any(tmp_path.iterdir())


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server for tmp_path, reached past any proxy."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = partial(QuietHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("no_debian")
def test_download_fetches_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirror: str
) -> None:
    served, root = tmp_path / "served", tmp_path / "root"
    paths = write_idx(served, idx_arrays(), packed=True)
    sums = [hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() for path in paths]
    resources = [(path.name, md5) for path, md5 in zip(paths, sums, strict=True)]
    monkeypatch.setattr(datasets.FashionMNIST, "resources", resources)
    # A file, not the server: urllib leaves the socket of a 404 open, and warnings are errors here.
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [f"{tmp_path.as_uri()}/nowhere/"])
    with pytest.raises(DataError, match=f"FashionMNIST could not be downloaded into {root}"):
        load_data("fashion-mnist", root=root, download=True)
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [f"{mirror}/served/"])
    fetched = load_data("fashion-mnist", root=root, download=True, validation=5)
    assert fetched.digest == load_data("fashion-mnist", root=served, validation=5).digest
    assert fetched.digest == load_data("fashion-mnist", root=root, validation=5).digest


@pytest.mark.slow
@pytest.mark.skipif(
    not DEBIAN_FASHION_MNIST.is_dir(), reason="Debian's dataset-fashion-mnist is not installed"
)
def test_debians_fashion_mnist(tmp_path: Path) -> None:
    data = load_data("fashion-mnist", root=tmp_path)
    assert [len(split) for split in parts(data)] == [50_000, 10_000, 10_000]
    assert per_class(data.train) == [5000] * 10
    assert per_class(data.validation) == per_class(data.test) == [1000] * 10
    assert data.shape == (1, 28, 28)
    assert all(split.images.max() == 1 and split.images.min() == 0 for split in parts(data))
    assert not any(tmp_path.iterdir())


def write_cifar(root: Path, kind: Any, key: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Writes batches of 20 red images, and makes torchvision expect their MD5 sums."""
    folder = root / kind.base_folder
    folder.mkdir()

    def write(file: str, entry: dict[str, Any]) -> str:
        (folder / file).write_bytes(pickle.dumps(entry, protocol=2))
        return hashlib.md5((folder / file).read_bytes(), usedforsecurity=False).hexdigest()

    pixels = np.zeros((20, 3, 32, 32), dtype=np.uint8)
    pixels[:, 0, 4] = 255
    entry = {"data": pixels.reshape(20, -1), key: [label % 10 for label in range(20)]}
    for attribute in ("train_list", "test_list"):
        sums = [[file, write(file, entry)] for file, _ in getattr(kind, attribute)]
        monkeypatch.setattr(kind, attribute, sums)
    md5 = write(kind.meta["filename"], {kind.meta["key"]: [str(i) for i in range(10)]})
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": md5})
    return folder


@pytest.mark.parametrize(
    ("name", "kind", "key", "train", "classes", "file"),
    [
        ("cifar10", datasets.CIFAR10, "labels", 100, 10, "data_batch_3"),
        ("cifar100", datasets.CIFAR100, "fine_labels", 20, 100, "train"),
    ],
)
def test_cifar(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    kind: Any,
    key: str,
    train: int,
    classes: int,
    file: str,
) -> None:
    folder = write_cifar(tmp_path, kind, key, monkeypatch)
    data = load_data(name, root=tmp_path, validation=10)
    assert [len(split) for split in parts(data)] == [train - 10, 10, 20]
    assert (data.shape, data.classes) == ((3, 32, 32), classes)
    assert (data.test.images[:, 0, 4] == 1).all()
    assert data.test.images.sum() == 20 * 32
    assert data.test.labels.tolist() == [label % 10 for label in range(20)]
    path = folder / file
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"{path} is damaged: expected the MD5 sum"):
        load_data(name, root=tmp_path)


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


@pytest.mark.usefixtures("no_debian")
@pytest.mark.parametrize(
    ("name", "other"), [("mnist", "fashion-mnist"), ("fashion-mnist", "mnist")]
)
def test_one_data_set_is_not_taken_for_the_other(name: str, other: str, tmp_path: Path) -> None:
    """Their files have the same names."""
    arrays = idx_arrays()
    arrays[1][:10] = FIRST_LABELS[other]
    write_idx(tmp_path, arrays, packed=False)
    with pytest.raises(DataError, match=f"{tmp_path} has {other}, not {name}: say {other}"):
        load_data(name, root=tmp_path)
    assert load_data(other, root=tmp_path).name == other


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.is_dir(), reason="FashionMNIST is not installed")
def test_debians_files_are_not_mnist() -> None:
    with pytest.raises(DataError, match="has fashion-mnist, not mnist: say fashion-mnist"):
        load_data("mnist", root=DEBIAN_FASHION_MNIST)


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


def test_unknown_name_proposes_the_nearest() -> None:
    with pytest.raises(PruneError, match=r"unknown data set 'fashion_mnist'.*'fashion-mnist'"):
        load_data("fashion_mnist")


@pytest.mark.slow
def test_importing_the_module_does_not_import_torchvision() -> None:
    code = (
        "import sys, pymoo_prune.data.loading\n"
        "sys.exit(any(name in sys.modules for name in ('torchvision', 'sklearn')))"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)  # noqa: S603


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
