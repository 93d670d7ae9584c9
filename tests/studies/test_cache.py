from __future__ import annotations

import os
from pathlib import Path

import pytest

from pymoo_prune.studies import Study, reading
from tests.support.older_folders import without_digests
from tests.support.studies import created, done, run_files, values


@pytest.fixture
def made(tmp_path: Path) -> Study:
    one = created(tmp_path / "s")
    done(one)
    return one


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files of runs that are read."""
    names: list[str] = []
    original = reading.read_run

    def noting(path: Path, *rest: object) -> object:
        names.append(path.name)
        return original(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "read_run", noting)
    return names


def cache_of(study: Study) -> Path:
    (path,) = study.folder.glob("problems/*/courses.npz")
    return path


def test_runs_are_read_once(made: Study, read: list[str]) -> None:
    before, state = values(made.results()), cache_of(made).stat().st_mtime_ns
    assert values(made.results()) == before
    assert read == []
    assert cache_of(made).stat().st_mtime_ns == state
    cache_of(made).unlink()
    assert values(made.results()) == before
    assert len(read) == 4


def test_a_new_time_is_no_new_run_but_a_new_content_is(made: Study, read: list[str]) -> None:
    first, second, *_ = run_files(made.folder)
    os.utime(first, ns=(1, 1))
    before = values(made.results())
    assert read == []
    first.write_bytes(second.read_bytes())
    after = values(made.results())
    assert read == [first.name]
    assert before != after


@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x03\x04"])
def test_a_damaged_cache_is_made_again(made: Study, read: list[str], content: bytes) -> None:
    before = values(made.results())
    cache_of(made).write_bytes(content)
    assert values(made.results()) == before
    assert len(read) == 4
    assert cache_of(made).stat().st_size > 1_000


def test_a_cache_that_claims_another_packing_is_made_again(made: Study, read: list[str]) -> None:
    before = values(made.results())
    content = bytearray(cache_of(made).read_bytes())
    content[content.rindex(b"PK\x01\x02") + 10] ^= 1  # the method of the last member
    cache_of(made).write_bytes(content)
    assert values(made.results()) == before


def test_costs_of_another_parent_are_read_again(made: Study, read: list[str]) -> None:
    (path,) = made.folder.glob("problems/*/instance.json")
    before = values(made.results())
    without_digests(path.parent)
    path.write_text(path.read_text().replace('"width": 1.0', '"width": 2.0'))
    assert values(made.results()) != before
    assert len(read) == 4
