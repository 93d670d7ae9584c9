from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymoo_prune import Measurements, PruneError, ReplayError, Store, StoreError
from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.objectives import STANDARD, Measured, Part, check_measurements, failures_of
from pymoo_prune.problem import CHUNK
from pymoo_prune.search import settle
from pymoo_prune.search import store as store_module
from tests.support.running import disk_events
from tests.support.tiny_problem import full_disk

NAMES = ("accuracy", "macs")
VERSIONS = {"pymoo": "0.6.2", "numpy": "2.0"}


class Counting:
    """Measures, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __call__(self, X: Array) -> Measurements:
        self.asked.append(X[:, 0].tolist())
        return {"accuracy": 1 / (X[:, 0] + 3), "macs": X[:, 0] * 10.0}


def measured(
    store: Store,
    X: Array,
    keys: Sequence[bytes],
    images: str,
    measure: Callable[[Array], Measurements],
) -> Measured:
    """Looks candidates up, measures the others in chunks and keeps them, as a search does."""
    missing = store.missing(images, keys)
    with store.writing(images) as keep:
        for start in range(0, len(missing), CHUNK):
            chunk = missing[start : start + CHUNK]
            began = time.perf_counter()
            values = measure(X[chunk])
            found = Measured(values, failures_of(values))
            part = Part(range(len(chunk)), found, time.perf_counter() - began)
            keep([keys[row] for row in chunk], part)
    return store.measured(images, keys)


def rows(*values: int) -> Array:
    return np.array(values)[:, None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "evaluations.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store(path, NAMES, "f1", VERSIONS)
    yield store
    store.close()


def count(path: Path) -> int:
    with sqlite3.connect(path) as db:
        number: int = db.execute("SELECT COUNT(*) FROM measurements").fetchone()[0]
    db.close()
    return number


def filled(path: Path, n: int = 400) -> None:
    """A closed store with many rows, all in the main file."""
    store = Store(path, NAMES, "f1", VERSIONS)
    X = rows(*range(n))
    store.follow(0, 1, "batch 0", digests(X))
    measured(store, X, digests(X), "batch 0", Counting())
    store.finish_generation(1, 1.0)
    store.close()
    assert path.stat().st_size > 20_000


def test_known_candidates_are_not_measured_again(store: Store) -> None:
    measure, X = Counting(), rows(4, 7)
    first = measured(store, X, digests(X), "batch 0", measure)
    more = rows(7, 9, 4)
    second = measured(store, more, digests(more), "batch 0", measure)
    assert measure.asked == [[4, 7], [9]]
    assert (store.fresh, store.hits) == (3, 2)
    assert first["macs"].tolist() == [40, 70]
    assert second["macs"].tolist() == [70, 90, 40]
    assert second["accuracy"].tolist() == [1 / 10, 1 / 12, 1 / 7]


def test_a_candidate_twice_in_a_population_is_measured_once(store: Store) -> None:
    measure, X = Counting(), rows(4, 7, 4, 4)
    values = measured(store, X, digests(X), "batch 0", measure)
    assert measure.asked == [[4, 7]]
    assert values["macs"].tolist() == [40, 70, 40, 40]


def test_other_images_are_another_measurement(store: Store) -> None:
    measure, X = Counting(), rows(4)
    measured(store, X, digests(X), "batch 0", measure)
    measured(store, X, digests(X), "batch 1", measure)
    assert measure.asked == [[4], [4]]


def test_everything_is_there_after_opening_again(path: Path) -> None:
    filled(path, 40)
    measure, X = Counting(), rows(*range(40))
    store = Store(path, NAMES, "f1", VERSIONS)
    measured(store, X, digests(X), "batch 0", measure)
    assert measure.asked == []
    assert store.elapsed(1) == 1.0
    assert store.elapsed(2) is None
    assert [row[3] for row in store.history()] == digests(X)
    store.close()


def test_large_populations_are_looked_up_in_parts(store: Store) -> None:
    X = rows(*range(1_201))
    measured(store, X, digests(X), "batch 0", Counting())
    measure = Counting()
    values = measured(store, X[::-1], digests(X[::-1]), "batch 0", measure)
    assert measure.asked == []
    assert np.array_equal(values["macs"], X[::-1, 0] * 10.0)


def test_chunks_are_committed_one_by_one(store: Store, path: Path) -> None:
    class Failing(Counting):
        def __call__(self, X: Array) -> Measurements:
            if self.asked:
                raise RuntimeError("power cut")
            return super().__call__(X)

    X = rows(*range(CHUNK + 5))
    with pytest.raises(RuntimeError, match="power cut"):
        measured(store, X, digests(X), "batch 0", Failing())
    assert count(path) == CHUNK  # for another process too, while this one still has it open
    measure = Counting()
    measured(store, X, digests(X), "batch 0", measure)
    assert measure.asked == [list(range(CHUNK, CHUNK + 5))]


def test_a_wrong_measurement_is_refused_before_it_is_kept(store: Store, path: Path) -> None:
    def measure(X: Array) -> Measurements:
        values = {"accuracy": np.where(X[:, 0] == 5, np.nan, 0.5), "macs": X[:, 0] * 1.0}
        quantities = {name: STANDARD[name] for name in NAMES}
        return check_measurements(values, quantities, len(X))

    X = rows(4, 5)
    with pytest.raises(PruneError, match="candidate 1 is nan"):
        measured(store, X, digests(X), "batch 0", measure)
    assert count(path) == 0
    nothing = dict.fromkeys(NAMES, np.full(2, np.nan))
    with pytest.raises(StoreError, match="CHECK"):  # the table itself refuses it too
        measured(store, X, digests(X), "batch 0", lambda X: nothing)
    assert count(path) == 0


class Failing(Counting):
    """Every third candidate fails: its accuracy, or all of its measurements."""

    def __call__(self, X: Array) -> Measurements:
        values = dict(super().__call__(X))
        fails = X[:, 0] % 3 == 0
        values["accuracy"] = np.where(fails, np.nan, values["accuracy"])
        values["macs"] = np.where(X[:, 0] % 6 == 0, np.nan, values["macs"])
        rows = np.flatnonzero(fails).tolist()
        return Measured(values, {row: f"{X[row, 0]} diverged" for row in rows})


@pytest.mark.parametrize("n", [7, 2 * CHUNK + 3])
def test_failures_come_back_with_their_reasons(path: Path, n: int) -> None:
    X = rows(*range(1, n + 1))
    fails = {row: f"{row + 1} diverged" for row in range(n) if (row + 1) % 3 == 0}
    store = Store(path, NAMES, "f1", VERSIONS)
    first = measured(store, X, digests(X), "batch 0", Failing())
    again = measured(store, X, digests(X), "batch 0", Counting())
    store.close()
    store = Store(path, NAMES, "f1", VERSIONS)
    measure = Counting()
    twice = np.concatenate([X, X[::-1]])
    opened = measured(store, twice, digests(twice), "batch 0", measure)
    assert measure.asked == []
    for found in (first, again):
        assert found.failures == fails
        assert np.flatnonzero(np.isnan(found["accuracy"])).tolist() == list(fails)
        assert np.flatnonzero(np.isnan(found["macs"])).tolist() == list(range(5, n, 6))
        for name in NAMES:
            assert np.array_equal(found[name], opened[name][:n], equal_nan=True)
    assert opened.failures == fails | {2 * n - 1 - row: fails[row] for row in fails}
    assert sorted(store.failures()) == sorted((digests(X)[row], fails[row]) for row in fails)
    store.close()


def test_candidates_that_failed_on_some_images_are_measured_on_others(store: Store) -> None:
    X = rows(3, 4)
    assert measured(store, X, digests(X), "batch 0", Failing()).failures == {0: "3 diverged"}
    assert measured(store, X, digests(X), "batch 1", Counting()).failures == {}
    assert store.failures() == [(digests(X)[0], "3 diverged")]


def test_an_interruption_keeps_failures_with_their_measurements(store: Store) -> None:
    class Interrupted(Failing):
        def __call__(self, X: Array) -> Measurements:
            if self.asked:
                raise KeyboardInterrupt
            return super().__call__(X)

    X = rows(*range(1, CHUNK + 5))
    with pytest.raises(KeyboardInterrupt):
        measured(store, X, digests(X), "batch 0", Interrupted())
    first = [row for row in range(CHUNK) if (row + 1) % 3 == 0]
    assert sorted(store.failures()) == sorted(
        (digests(X)[row], f"{row + 1} diverged") for row in first
    )
    found = measured(store, X, digests(X), "batch 0", Failing())
    assert list(found.failures) == [row for row in range(len(X)) if (row + 1) % 3 == 0]


@given(
    st.lists(
        st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 2), min_size=1, max_size=40
    )
)
def test_numbers_come_back_to_the_last_bit(table: list[tuple[float, float]]) -> None:
    values = np.array(table)
    X = rows(*range(len(values)))
    store = Store(":memory:", NAMES, "f1", VERSIONS)
    kept = measured(
        store, X, digests(X), "b", lambda X: dict(zip(NAMES, values[X[:, 0]].T, strict=True))
    )
    found = measured(store, X, digests(X), "b", Counting())
    store.close()
    for place, name in enumerate(NAMES):
        assert found[name].tobytes() == kept[name].tobytes()  # as read, and as just measured
        assert np.array_equal(found[name], values[:, place])


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


# Damage.


def garbage(content: bytes) -> bytes:
    return np.random.default_rng(0).bytes(len(content))


def cut_short(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    """Every page but the first has its header inverted."""
    changed = bytearray(content)
    for page in range(4096, len(content), 4096):
        for place in range(page, page + 64):
            changed[place] ^= 0xFF
    return bytes(changed)


def another_database(content: bytes) -> bytes:
    return b"SQLite format 3\0" + bytes(len(content) - 16)


@pytest.mark.parametrize("damage", [garbage, cut_short, flipped, another_database])
def test_damage_is_found_when_the_file_is_opened(
    path: Path, damage: Callable[[bytes], bytes]
) -> None:
    filled(path)
    path.write_bytes(damage(path.read_bytes()))
    before = path.read_bytes()
    for attempt in (lambda: Store(path, NAMES, "f1", VERSIONS), lambda: Store.existing(path)):
        with pytest.raises(StoreError, match="damaged") as caught:
            attempt()
        assert str(path) in str(caught.value)
    assert path.read_bytes() == before


def test_a_database_of_something_else_is_no_store(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE people (name TEXT)")
    db.close()
    with pytest.raises(StoreError, match="or is not a store"):
        Store.existing(path)


# A full disk.


def test_a_full_database_says_so_and_stays_usable(store: Store, path: Path) -> None:
    X = rows(*range(4))
    measured(store, X, digests(X), "batch 0", Counting())
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    many = rows(*range(2_000))
    with pytest.raises(StoreError, match="free some space"):
        measured(store, many, digests(many), "batch 0", Counting())
    kept = count(path)
    assert kept >= 4
    store._db.execute("PRAGMA max_page_count = 1000000")
    measure = Counting()
    values = measured(store, many, digests(many), "batch 0", measure)
    assert sum(map(len, measure.asked)) == 2_000 - kept
    assert np.array_equal(values["macs"], many[:, 0] * 10.0)


def test_a_full_disk_says_so_and_loses_nothing(store: Store, path: Path) -> None:
    X = rows(*range(4))
    measured(store, X, digests(X), "batch 0", Counting())
    size = sum(file.stat().st_size for file in path.parent.iterdir())
    many = rows(*range(2_000))
    with full_disk(size + 8_192), pytest.raises(StoreError, match="free some space"):
        measured(store, many, digests(many), "batch 0", Counting())
    kept = count(path)
    assert 4 <= kept < 2_000
    measure = Counting()  # the same store, once there is space again
    values = measured(store, many, digests(many), "batch 0", measure)
    assert sum(map(len, measure.asked)) == 2_000 - kept
    assert np.array_equal(values["macs"], many[:, 0] * 10.0)


# Replay.


def test_a_replay_that_follows_adds_nothing_twice(store: Store) -> None:
    first, second = digests(rows(1, 2, 3)), digests(rows(4, 5))
    store.follow(0, 1, "batch 0", first)
    store.follow(3, 2, "batch 1", second)
    recorded = store.history()
    assert recorded == [
        *((number, 1, "batch 0", key) for number, key in enumerate(first)),
        *((number, 2, "batch 1", key) for number, key in enumerate(second, 3)),
    ]
    store.follow(0, 1, "batch 0", first)
    store.follow(3, 2, "batch 1", second)
    assert store.history() == recorded
    store.follow(5, 3, "batch 2", first)
    assert len(store.history()) == 8


@pytest.mark.parametrize(
    ("images", "values", "place"),
    [("batch 0", (1, 9, 3), 1), ("batch 0", (2, 1, 3), 0), ("batch 1", (1, 2, 3), 0)],
)
def test_a_replay_that_departs_is_refused(
    path: Path, images: str, values: tuple[int, ...], place: int
) -> None:
    store = Store(path, NAMES, "f1", VERSIONS)
    store.follow(0, 1, "batch 0", digests(rows(1, 2, 3)))
    store.close()
    store = Store(path, NAMES, "f1", {**VERSIONS, "numpy": "3.0"})
    recorded = store.history()
    with pytest.raises(ReplayError, match=r"numpy 2.0 then, 3.0 now") as caught:
        store.follow(0, 1, images, digests(rows(*values)))
    assert f"evaluation {place} (generation 1)" in str(caught.value)
    assert "pymoo 0.6.2 then, 0.6.2 now" in str(caught.value)
    assert store.history() == recorded
    store.close()


def test_two_processes_on_one_run_are_told_so(path: Path, store: Store) -> None:
    other = Store(path, NAMES, "f1", VERSIONS)
    keys = digests(rows(1, 2))

    def overtake(sql: str) -> None:
        if sql.startswith("BEGIN"):  # between its look at the record and its entry
            store.follow(0, 1, "batch 0", keys)

    other._db.set_trace_callback(overtake)
    with pytest.raises(StoreError, match="another process works on the same run"):
        other.follow(0, 1, "batch 0", keys)
    other._db.set_trace_callback(None)
    assert len(other.history()) == 2
    store._db.execute("BEGIN IMMEDIATE")
    other._db.execute("PRAGMA busy_timeout = 50")
    with pytest.raises(StoreError, match="another process writes to it"):
        other.finish_generation(2, 1.0)
    store._db.execute("ROLLBACK")
    other.finish_generation(2, 1.0)
    other.close()


def test_generation_means_are_over_all_that_was_asked_for(store: Store) -> None:
    asked = [(1, "batch 0", (3, 5, 5)), (2, "batch 1", (8, 3)), (2, "batch 0", (40,))]
    number = 0
    for generation, images, values in asked:
        X = rows(*values)
        store.follow(number, generation, images, digests(X))
        measured(store, X, digests(X), images, Counting())
        number += len(values)
    means = store.generation_means()
    assert means["generation"].tolist() == [1, 2]
    assert np.allclose(means["macs"], [10 * np.mean([3, 5, 5]), 10 * np.mean([8, 3, 40])])
    expected = [np.mean([1 / 6, 1 / 8, 1 / 8]), np.mean([1 / 11, 1 / 6, 1 / 43])]
    assert np.allclose(means["accuracy"], expected, rtol=1e-15)


def test_evaluations_are_all_that_was_asked_for_in_order(store: Store) -> None:
    asked = [(1, "batch 0", (9, 5, 5)), (2, "batch 1", (8, 9)), (2, "batch 0", (5,))]
    number = 0
    for generation, images, values in asked:
        X = rows(*values)
        store.follow(number, generation, images, digests(X))
        measured(store, X, digests(X), images, Counting())
        number += len(values)
    X = rows(40)
    measured(store, X, digests(X), "batch 0", Counting())  # by a search that is not recorded
    found = store.evaluations()
    assert list(found) == ["generation", *NAMES]
    assert found["generation"].tolist() == [1, 1, 1, 2, 2, 2]
    assert found["macs"].tolist() == [90, 50, 50, 80, 90, 50]
    assert found["accuracy"].tolist() == [1 / 12, 1 / 8, 1 / 8, 1 / 11, 1 / 12, 1 / 8]
    assert len(store.history()) == len(found["generation"])


def test_evaluations_have_nan_for_what_could_not_be_measured(store: Store) -> None:
    X = rows(3, 4, 6)
    store.follow(0, 1, "batch 0", digests(X))
    measured(store, X, digests(X), "batch 0", Failing())
    found = store.evaluations()
    np.testing.assert_array_equal(np.isnan(found["accuracy"]), [True, False, True])
    np.testing.assert_array_equal(found["macs"], [30, 40, np.nan])  # known measurements stay


def test_an_empty_store_has_no_evaluations(store: Store) -> None:
    for name, column in store.evaluations().items():
        assert column.shape == (0,), name


def test_means_leave_out_failed_candidates(store: Store) -> None:
    for generation, values in enumerate([(3, 4, 5), (6, 9), (7,)], 1):
        X = rows(*values)
        store.follow(10 * generation, generation, "batch 0", digests(X))
        measured(store, X, digests(X), "batch 0", Failing())
    means = store.generation_means()
    expected = [np.mean([1 / 7, 1 / 8]), np.nan, 1 / 10]
    np.testing.assert_allclose(means["accuracy"], expected, rtol=1e-15)
    np.testing.assert_allclose(means["macs"], [40, 90, 70])


# Rows that changed, and what is no store.


CHANGES = (
    "UPDATE measurements SET macs = macs + 1 WHERE digest = (SELECT digest FROM history LIMIT 1)",
    "UPDATE measurements SET accuracy = 'abc' WHERE digest = (SELECT digest FROM history LIMIT 1)",
    "UPDATE measurements SET failure = 'no' WHERE digest = (SELECT digest FROM history LIMIT 1)",
    "UPDATE measurements SET images = 'batch 1'",
    "UPDATE measurements SET checksum = NULL",
    "UPDATE history SET generation = 2 WHERE number = 3",
    "UPDATE history SET digest = x'00' WHERE number = 3",
    "ALTER TABLE measurements RENAME COLUMN macs TO macz",
    "UPDATE about SET value = '[\"accuracy\", \"macz\"]' WHERE key = 'quantities'",
    "UPDATE about SET value = '[1, 2]' WHERE key = 'quantities'",
    "UPDATE about SET value = '[]' WHERE key = 'versions'",
    "UPDATE about SET value = '{' WHERE key = 'versions'",
    "CREATE TRIGGER mine AFTER INSERT ON about BEGIN DELETE FROM history; END",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE TABLE mine (a)",
)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_row_or_table_is_a_named_error(path: Path, change: str) -> None:
    filled(path)
    with sqlite3.connect(path) as db:
        db.execute(change)
    db.close()
    with pytest.raises(StoreError, match=r"damaged") as caught:
        Store.existing(path)
    assert str(path) in str(caught.value)
    with pytest.raises(StoreError):
        Store(path, NAMES, "f1", VERSIONS)


def test_every_flipped_byte_is_an_error_or_changes_nothing(path: Path) -> None:
    filled(path, 60)
    whole = path.read_bytes()
    store = Store.existing(path)
    expected = {name: column.tobytes() for name, column in store.evaluations().items()}
    store.close()
    for place in np.random.default_rng(0).integers(0, len(whole), 300).tolist():
        changed = bytearray(whole)
        changed[place] ^= 0x15
        path.write_bytes(changed)
        try:
            store = Store.existing(path)
            found = {name: column.tobytes() for name, column in store.evaluations().items()}
            store.generation_means()
            store.close()
        except StoreError:
            continue
        assert found == expected, place


def test_stores_without_checksums_go_on_without(path: Path) -> None:
    filled(path)
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE history DROP COLUMN checksum")
        db.executescript("""
            ALTER TABLE measurements RENAME TO newer;
            CREATE TABLE measurements (images TEXT, digest BLOB, "accuracy" REAL, "macs" REAL,
                failure TEXT, PRIMARY KEY (images, digest)) WITHOUT ROWID;
            INSERT INTO measurements SELECT images, digest, accuracy, macs, failure FROM newer;
            DROP TABLE newer;
        """)
    db.close()
    store = Store(path, NAMES, "f1", VERSIONS)
    X = rows(*range(390, 410))
    store.follow(400, 2, "batch 0", digests(X))
    measured(store, X, digests(X), "batch 0", Counting())
    store.close()
    store = Store.existing(path)
    assert len(store.evaluations()["macs"]) == 420
    store.close()


def test_a_store_without_evaluations_has_no_means(store: Store) -> None:
    assert {name: len(column) for name, column in store.generation_means().items()} == {
        "generation": 0, "accuracy": 0, "macs": 0,
    }  # fmt: skip
