"""Stores in files: of other problems and formats, and read while others write."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from pymoo_prune import Store, StoreError
from pymoo_prune.chromosomes import digests
from pymoo_prune.search import settle
from pymoo_prune.search import store as store_module
from tests.support.running import disk_events
from tests.support.stores import NAMES, VERSIONS, Counting, filled, measured, rows

# Files of other problems and formats.


@pytest.mark.parametrize(
    ("names", "fingerprint", "message"),
    [
        (NAMES, "f2", "its fingerprint is f1, but this problem's is f2"),
        (("accuracy",), "f1", "its quantities is"),
        (("macs", "accuracy"), "f1", "its quantities is"),
    ],
)
def test_another_configurations_file_is_refused_and_left_alone(
    path: Path, names: Sequence[str], fingerprint: str, message: str
) -> None:
    filled(path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=message) as caught:
        Store(path, names, fingerprint, VERSIONS)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("other", ["1", "3"])
def test_a_file_of_another_format_is_refused(path: Path, other: str) -> None:
    filled(path)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE about SET value = ? WHERE key = 'format'", other)
    db.close()
    before = path.read_bytes()
    message = f"has format {other}, but this version of pymoo-prune reads format 2; use the version"
    for attempt in (lambda: Store(path, NAMES, "f1", VERSIONS), lambda: Store.existing(path)):
        with pytest.raises(StoreError, match=message) as caught:
            attempt()
        assert str(path) in str(caught.value)
    assert path.read_bytes() == before


def test_a_file_of_the_first_version_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as db:  # that version has no column for failures
        db.executescript("""
            CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT);
            INSERT INTO about VALUES ('format', '1'), ('fingerprint', 'f1'),
                ('quantities', '["accuracy", "macs"]'), ('versions', '{}');
            CREATE TABLE measurements (images TEXT, digest BLOB, "accuracy" REAL NOT NULL,
                "macs" REAL NOT NULL, PRIMARY KEY (images, digest)) WITHOUT ROWID;
            CREATE TABLE history (number INTEGER PRIMARY KEY, generation INTEGER NOT NULL,
                images TEXT NOT NULL, digest BLOB NOT NULL);
            CREATE TABLE generations (generation INTEGER PRIMARY KEY, elapsed REAL NOT NULL);
        """)
    db.close()
    for attempt in (lambda: Store(path, NAMES, "f1", VERSIONS), lambda: Store.existing(path)):
        with pytest.raises(StoreError, match=r"has format 1.*or start a new run"):
            attempt()


def test_an_existing_store_tells_what_it_holds(path: Path) -> None:
    filled(path)
    store = Store.existing(path)
    assert store.quantities == NAMES
    assert store.recorded_versions == VERSIONS
    assert len(store.history()) == 400
    store.close()


def test_a_store_that_is_not_there_is_not_made_by_reading(path: Path) -> None:
    with pytest.raises(StoreError, match="missing"):
        Store.existing(path)
    assert not path.exists()
    with pytest.raises(StoreError, match="check that the folder exists"):
        Store(path.parent / "no" / "folder.sqlite", NAMES, "f1", VERSIONS)


# Reading.


def names(path: Path) -> set[str]:
    return {file.name for file in path.parent.iterdir()}


@pytest.fixture
def readable_by_all() -> Iterator[Path]:
    """The path of a store in a folder that every user can read, unlike pytest's."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder / "evaluations.sqlite"
    shutil.rmtree(folder)


@contextmanager
def not_to_be_written(folder: Path) -> Iterator[None]:
    """A folder of another user; the test runs as `nobody`, as root could write to it."""
    root = os.geteuid() == 0
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    if root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for path in (folder, *folder.iterdir()):
            path.chmod(0o755 if path.is_dir() else 0o644)


def test_reading_writes_nothing_and_leaves_nothing(path: Path) -> None:
    filled(path)
    before = path.read_bytes(), path.stat().st_mtime_ns, path.parent.stat().st_mtime_ns
    store = Store.existing(path)
    assert names(path) == {path.name}
    assert len(store.history()) == len(store.evaluations()["macs"]) == 400
    assert store.generation_means()["generation"].tolist() == [1]
    X = rows(1_000)
    for write in (
        lambda: measured(store, X, digests(X), "batch 0", Counting()),
        lambda: store.follow(400, 2, "batch 0", digests(X)),
        lambda: store.finish_generation(2, 2.0),
    ):
        with pytest.raises(StoreError, match=r"readonly database; it was opened for reading"):
            write()
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store._db.execute("INSERT INTO generations VALUES (7, 7.0)")
    store.close()
    assert names(path) == {path.name}
    now = path.read_bytes(), path.stat().st_mtime_ns, path.parent.stat().st_mtime_ns
    assert now == before


def test_a_store_is_read_while_another_process_writes(path: Path, store: Store) -> None:
    X = rows(*range(40))
    store.follow(0, 1, "batch 0", digests(X[:20]))
    measured(store, X, digests(X), "batch 0", Counting())
    assert f"{path.name}-wal" in names(path)
    reader = Store.existing(path)
    assert len(reader.history()) == 20
    store.follow(20, 2, "batch 0", digests(X[20:]))
    assert reader.evaluations()["macs"].tolist() == (10.0 * X[:, 0]).tolist()
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._db.execute("INSERT INTO generations VALUES (7, 7.0)")
    reader.close()
    store.finish_generation(2, 1.0)
    store.close()
    assert names(path) == {path.name}


def test_a_commit_waits_for_the_disk_every_ten_seconds(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(store_module.time, "monotonic", lambda: now[0])
    store = Store(path, NAMES, "f1", VERSIONS)
    said: list[str] = []
    waits: list[bool] = []
    store._db.set_trace_callback(said.append)
    for generation in range(1, 26):
        now[0] += 1.0
        said.clear()
        store.finish_generation(generation, float(generation))
        begin, commit = said.index("BEGIN IMMEDIATE"), said.index("COMMIT")
        (level,) = [one for one in said[:begin] if "synchronous" in one]
        assert commit > begin
        waits.append(level == "PRAGMA synchronous = FULL")
    assert [place + 1 for place, waited in enumerate(waits) if waited] == [10, 20]
    # FULL waits for the log, and the log has all commits before.
    store._db.execute("PRAGMA synchronous = FULL")
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_a_settled_store_reaches_the_disk_before_it_takes_its_place(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(path, 40)
    events = disk_events(monkeypatch)
    store = Store(path, NAMES, "f1", VERSIONS)
    store.close()
    settle(path)
    times = path.with_name("evaluations-times.csv")
    assert events == [("sync", times), ("move", times), ("sync", path), ("move", path)]


def killed(path: Path) -> None:
    """A store as a killed process leaves it: with a log."""
    original = path.with_name("original")
    store = Store(original, NAMES, "f1", VERSIONS)
    X = rows(*range(40))
    store.follow(0, 1, "batch 0", digests(X))
    measured(store, X, digests(X), "batch 0", Counting())
    for ending in ("", "-wal"):
        shutil.copy(f"{original}{ending}", f"{path}{ending}")
    store.close()
    original.unlink()


def test_commits_of_a_killed_process_are_read_too(path: Path) -> None:
    killed(path)
    size = path.stat().st_size
    store = Store.existing(path)
    assert len(store.history()) == 40
    store.close()
    assert path.stat().st_size == size  # what is in the log stays there


@pytest.mark.parametrize("name", ["a b", "100%", "what?", "a#b", "größe"])
def test_names_of_folders_are_no_options(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    path = tmp_path / name / "evaluations.sqlite"
    filled(path, 40)
    store = Store.existing(path)
    assert len(store.history()) == 40
    store.close()


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="there is one user")
def test_a_store_is_read_in_a_folder_that_cannot_be_written_to(readable_by_all: Path) -> None:
    filled(readable_by_all)
    with not_to_be_written(readable_by_all.parent):
        with pytest.raises(OSError, match="Permission denied"):
            (readable_by_all.parent / "other").touch()
        store = Store.existing(readable_by_all)
        assert len(store.history()) == 400
        store.close()
        with pytest.raises(StoreError, match="is not yours to write; work on a copy"):
            Store(readable_by_all, NAMES, "f1", VERSIONS)
    assert names(readable_by_all) == {readable_by_all.name}


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="there is one user")
def test_a_killed_processs_store_in_such_a_folder_has_to_be_copied(readable_by_all: Path) -> None:
    killed(readable_by_all)
    told = pytest.raises(StoreError, match=r"unable to open database file; .*: read a copy")
    with not_to_be_written(readable_by_all.parent), told:
        Store.existing(readable_by_all)
    store = Store.existing(readable_by_all)
    assert len(store.history()) == 40
    store.close()
