from __future__ import annotations

from pathlib import Path

import pytest

from pymoo_prune.files import write_text, writing
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
