from __future__ import annotations

import gzip
import hashlib
import http.server
import pickle
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torchvision import datasets

from pymoo_prune.data import load_data
from pymoo_prune.data.files import (
    DEBIAN_FASHION_MNIST,
    FIRST_LABELS,
    IDX_FILES,
)
from pymoo_prune.errors import DataError, PruneError
from tests.support.splits import parts, per_class


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
