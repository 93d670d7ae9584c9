from __future__ import annotations

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import pytest

from pymoo_prune import StoreError
from pymoo_prune.files import (
    check_writable,
    filling,
    holds_something,
    locked,
    part_of,
    write_new_text,
    write_text,
    write_texts,
    writing,
)
from pymoo_prune.tables import printable
from tests.support.tiny_problem import full_disk


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_text(path, "größer ≥ 1\n")
    write_text(path, "second\n")
    assert path.read_bytes() == b"second\n"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_stays_until_the_block_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with writing(path) as part:
        part.write_text("half")
        assert path.read_text() == "old"
        assert part.suffix == ".csv"
        assert part.parent == tmp_path
    assert path.read_text() == "half"


@pytest.mark.parametrize("wrote", [True, False])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, wrote: bool) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")

    def interrupted() -> None:
        with writing(path) as part:
            if wrote:
                part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with full_disk(1_000), pytest.raises(OSError, match="File too large"):
        write_text(path, "x" * 10_000)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_no_link_can_wait_where_a_file_is_written(tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("precious")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "report.md").symlink_to(precious)
    (folder / ".part-report.md").symlink_to(precious)
    write_text(folder / "report.md", "report")
    assert precious.read_text() == "precious"
    assert (folder / "report.md").read_text() == "report"
    assert not (folder / "report.md").is_symlink()
    with pytest.raises(StoreError, match=r"\.part-report\.md is a link"), locked(folder):
        pass
    (folder / ".part-report.md").unlink()
    (folder / "lock.json").symlink_to(precious)
    with pytest.raises(StoreError, match=r"lock\.json is a link"), locked(folder):
        pass
    assert precious.read_text() == "precious"


def test_many_may_write_one_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "report.md"

    def write(number: int) -> None:
        for _ in range(50):
            write_text(path, str(number) * 1_000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert len(set(path.read_text())) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["report.md"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def test_what_a_killed_process_left_is_removed_when_it_is_old(tmp_path: Path) -> None:
    old, fresh = tmp_path / ".part-1-a.txt", tmp_path / ".part-2-a.txt"
    old.touch()
    fresh.touch()
    os.utime(old, (0, 0))
    with locked(tmp_path):
        assert not old.exists()
    assert fresh.exists()


def unfinished(path: Path, process: int) -> Path:
    """What a process leaves that is killed while it writes a file."""
    own = part_of(path)
    return own.with_name(own.name.replace(f"-{os.getpid()}-", f"-{process}-", 1))


def test_what_a_dead_process_left_is_removed_at_once(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    path = tmp_path / "front.csv"
    ours, other = unfinished(path, os.getpid()), unfinished(tmp_path / "other", process.pid)
    dead, folder = unfinished(path, process.pid), unfinished(tmp_path / "folder", process.pid)
    elsewhere = dead.with_name(dead.name.replace(dead.name.split("-")[2], "0" * 8))
    for part in (ours, other, dead, elsewhere):
        part.write_text("half")
    folder.mkdir()
    (folder / "x").touch()
    write_text(path, "whole")  # of this name alone, and of this machine
    assert {*tmp_path.iterdir()} == {path, ours, other, elsewhere, folder}
    with filling(tmp_path / "folder") as place:
        (place / "x").write_text("whole")
    with locked(tmp_path):
        pass
    assert {*tmp_path.iterdir()} == {path, ours, elsewhere, tmp_path / "folder"}


def test_unfinished_files_alone_are_nothing(tmp_path: Path) -> None:
    assert not holds_something(tmp_path)
    part_of(tmp_path / "run.json").touch()
    assert not holds_something(tmp_path)
    (tmp_path / "x").touch()
    assert holds_something(tmp_path)


def test_a_place_to_write_to_is_tried_and_left_as_it_is(tmp_path: Path) -> None:
    check_writable(tmp_path)
    check_writable(tmp_path / "new" / "deep")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="inside cannot be written to: Not a directory; give"):
        check_writable(tmp_path / "file" / "inside")


def test_several_texts_go_into_a_folder_that_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert write_texts(folder, {"x": "1", "y": "é"}) == [folder / "x", folder / "y"]
    assert write_texts(folder, {"x": "2"}) == [folder / "x"]
    assert [(folder / name).read_text("utf-8") for name in "xy"] == ["2", "é"]


# Digests, new files and new folders.


def test_one_of_many_processes_makes_a_new_file(tmp_path: Path) -> None:
    path, made = tmp_path / "new", []

    def make(text: str) -> None:
        try:
            write_new_text(path, text)
        except FileExistsError:
            return
        made.append(text)

    threads = [Thread(target=make, args=(str(k),)) for k in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert path.read_text() == made[0]
    assert [one.name for one in tmp_path.iterdir()] == ["new"]


def test_a_new_file_is_made_where_there_are_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    write_new_text(tmp_path / "new", "mine")
    with pytest.raises(FileExistsError):
        write_new_text(tmp_path / "new", "yours")
    assert (tmp_path / "new").read_text() == "mine"


def test_a_new_folder_appears_at_once_and_an_old_one_is_filled(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with filling(folder) as place:
        (place / "x").touch()
        assert not folder.exists()
    assert [one.name for one in folder.iterdir()] == ["x"]
    with filling(folder) as place:
        assert place == folder
    with pytest.raises(KeyError), filling(tmp_path / "c") as place:
        raise KeyError(place)
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_a_full_disk_leaves_no_lock(tmp_path: Path) -> None:
    with full_disk(5), pytest.raises(OSError, match="too large"), locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with (
        pytest.raises(StoreError, match=r"file system that locks no files \(No locks available\)"),
        locked(tmp_path),
    ):
        pass


def test_control_characters_are_replaced() -> None:
    found = printable({"a\x1b": ["b\x07\n", 1, None, {"c": "d\x9b\t"}]})
    assert found == {"a\ufffd": ["b\ufffd\n", 1, None, {"c": "d\ufffd\t"}]}
