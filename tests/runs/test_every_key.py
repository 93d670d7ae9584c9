"""Every key of every file of a finished run, missing or of another type.

A reader ends in a named error, or with the same result as before; nothing is believed because it
can be read. Digests, which would tell first, are taken away.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pymoo_prune import PruneError, Run, load_network
from pymoo_prune.cli import main
from pymoo_prune.runs import Report
from pymoo_prune.runs.folder import RunFolder
from tests.support.changed_json import told_and_silent
from tests.support.older_folders import without_digests
from tests.support.tiny_problem import ecomp_run

OLDER = {
    "run.json": (
        "options", "data", "data_root", "validation", "constraints", "seed", "device", "threads",
        "finish_images", "parent", "surrogate", "network", "problem_seed", "quantities", "front",
        "latencies", "baselines", "keep_networks",
    ),
    "summary.json": (
        "population", "known_evaluations", "parent_test_accuracy", "data", "quantities", "noise",
        "notes", "first_population", "search_share",
    ),
    "layers.json": (),
    "data.json": ("digest",),
    "parent/network.json": ("attention", "memory_format"),
}  # fmt: skip
"""Keys that folders of older versions lack, or that may be null; a report may then say less."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "finished"
    assert main(ecomp_run(folder)) == 0
    without_digests(folder)
    path = folder / "parent" / "network.json"
    spec = json.loads(path.read_text())
    del spec["digests"]
    path.write_text(json.dumps(spec))
    return folder


def report(folder: Path) -> object:
    found = Report(Run.open(folder))
    return found.page(), [table.title for table in found.tables()]


def settings(folder: Path) -> object:
    """What resuming begins with; other settings are another run, so results are not compared."""
    Run.open(folder).settings.check()
    return None


def digest(folder: Path) -> object:
    return RunFolder(folder).data_digest()


def parent(folder: Path) -> object:
    network = load_network(folder / "parent")
    with torch.no_grad():
        return network(torch.linspace(0, 1, 64).reshape(1, 1, 8, 8)).tolist()


OPEN = {"without versions.", "without noise."}
"""Keys of objects that may have any."""
READERS: dict[str, tuple[Callable[[Path], object], ...]] = {
    "run.json": (settings, report),
    "summary.json": (report, digest),
    "layers.json": (report,),
    "data.json": (digest,),
    "parent/network.json": (parent,),
}


def test_every_file_of_json_is_tried(finished: Path) -> None:
    there = {path.relative_to(finished).as_posix() for path in finished.rglob("*.json")}
    assert there == READERS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("file", READERS)
def test_every_key(finished: Path, tmp_path: Path, file: str) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "copy"))
    free = {f"without {key}" for key in OLDER[file]} | {f"{key} is null" for key in OLDER[file]}
    found = [told_and_silent(folder, file, read, free | OPEN) for read in READERS[file]]
    told, silent = sum(one for one, _ in found), [line for _, lines in found for line in lines]
    assert not silent
    assert told or file == "data.json"


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "null", '"x"', "[" * 5_000, "9" * 5_000])
@pytest.mark.parametrize("file", READERS)
def test_other_contents(finished: Path, tmp_path: Path, file: str, content: str) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "copy"))
    (folder / file).write_text(content)
    for read in READERS[file]:
        if read is digest:  # an older folder has no file, and the evaluations know their images
            assert read(folder) in (None, read(finished))
            continue
        with pytest.raises(PruneError) as caught:
            read(folder)
        name = folder / "parent" if "parent" in file else folder / file
        assert str(name) in str(caught.value)
