"""Every key of every file of a finished study, missing or of another type."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pymoo_prune.errors import StoreError
from pymoo_prune.studies import Study
from tests.support.changed_json import told_and_silent
from tests.support.older_folders import without_digests
from tests.support.studies import BOUNDED, NEURONS, created, done

TIMES = f"problems/{NEURONS}/courses-times.json"
FILES = (
    "study.json", f"problems/{NEURONS}/instance.json", f"problems/{BOUNDED}/instance.json", TIMES
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    one = created(tmp_path_factory.mktemp("studies") / "made", [NEURONS, BOUNDED])
    done(one)
    return one.folder


def report(folder: Path) -> object:
    found = Study.open(folder).results().report()
    return found.page([]), [table.title for table in found.tables()]


def test_every_file_of_json_is_tried(made: Path) -> None:
    there = {path.relative_to(made).as_posix() for path in made.rglob("*.json")}
    more = {f"problems/{name}/digests.json" for name in (NEURONS, BOUNDED)}
    assert there == {*FILES, TIMES.replace(NEURONS, BOUNDED), *more}


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_every_key(made: Path, tmp_path: Path, file: str) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "copy"))
    for name in (NEURONS, BOUNDED):
        without_digests(folder / "problems" / name)
    told, silent = told_and_silent(folder, file, report)
    assert not silent
    assert told or file == TIMES  # which only saves reading the runs again


def test_a_changed_measurement_of_the_parent_is_told(made: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "copy"))
    path = folder / FILES[1]
    path.write_text(path.read_text().replace('"width": 1.0', '"width": 2.0'))
    with pytest.raises(StoreError, match="is not the file that was written") as caught:
        report(folder)
    assert f"remove {path}: the next 'pymoo-prune resume' writes it again" in str(caught.value)
    path.unlink()
    done(Study.open(folder))
    assert report(folder) == report(made)
