"""Damaged folders: a file that changed is named, with what makes it again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pymoo_prune import Run, StoreError
from pymoo_prune.chromosomes import pack
from pymoo_prune.cli import main
from pymoo_prune.problem import Illustration
from pymoo_prune.runs import Report, RunFolder
from tests.support.older_folders import without_digests
from tests.support.running import assert_same_run, disk_events
from tests.support.tiny_problem import Pixels, ecomp_run, pixels_run

CHECKED = (
    "summary.json", "front.csv", "front.npz", "layers.json", "run.json", "parent/network.pt",
    "parent/network.json", "finished.npz",
)  # fmt: skip


def test_a_finished_run_knows_its_files(finished: Path) -> None:
    known = json.loads((finished / "digests.json").read_text())["files"]
    assert set(known) == set(CHECKED)


@pytest.mark.parametrize("file", ["summary.json", "front.csv", "layers.json"])
def test_another_number_is_named(copy: Path, failed: Callable[..., str], file: str) -> None:
    text = (copy / file).read_text()
    place = next(k for k in range(len(text) - 1, 0, -1) if text[k - 1 : k + 1].isdigit())
    digit = str((int(text[place]) + 1) % 10)
    (copy / file).write_text(text[:place] + digit + text[place + 1 :])
    error = failed("report", str(copy))
    assert f"{copy / file} is not the file that was written" in error
    assert f"'pymoo-prune resume {copy}' makes it again" in error


@pytest.mark.parametrize("file", ["front.npz", "layers.json"])
def test_another_file_is_named_and_made_again(
    finished: Path, copy: Path, failed: Callable[..., str], file: str
) -> None:
    (copy / file).unlink()
    command = "export" if file == "front.npz" else "report"
    error = failed(command, str(copy))
    assert str(copy / file) in error
    assert f"'pymoo-prune resume {copy}' makes it again" in error
    assert main(["resume", str(copy)]) == 0
    assert_same_run(finished, copy)
    assert (copy / file).read_bytes() == (finished / file).read_bytes()


def test_matrices_that_are_lost_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = Illustration(matrices=lambda X: (X.reshape(-1, 1, 8, 8), np.ones((8, 8), dtype=bool)))
    monkeypatch.setattr(Pixels, "illustration", drawn)
    assert main(pixels_run(tmp_path / "run")) == 0
    matrices = tmp_path / "run" / "matrices.npz"
    whole = matrices.read_bytes()
    matrices.unlink()
    assert not Run.open(tmp_path / "run").complete
    assert main(["resume", str(tmp_path / "run")]) == 0
    assert matrices.read_bytes() == whole
    assert Run.open(tmp_path / "run").complete


def test_reversed_rows_of_a_front_are_not_exported(
    finished: Path, copy: Path, failed: Callable[..., str]
) -> None:
    X = Run.open(finished)._files.chromosomes()
    np.savez_compressed(copy / "front.npz", **pack(X[::-1]))
    assert "front.npz is not the file that was written" in failed("export", str(copy))


def test_results_of_other_settings_are_named(copy: Path, failed: Callable[..., str]) -> None:
    values = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**values, "seed": 1}))
    error = failed("report", str(copy))
    assert f"{copy / 'run.json'} is not the file that was written" in error
    assert "makes results with what it says now" in error


def test_another_parent_is_refused(copy: Path, failed: Callable[..., str]) -> None:
    spec = json.loads((copy / "parent" / "network.json").read_text())
    del spec["digests"]
    (copy / "parent" / "network.json").write_text(json.dumps(spec))
    error = failed("ticket", str(copy))
    assert f"{copy / 'parent/network.json'} is not the file that was written" in error


def test_folders_without_digests_are_read(copy: Path) -> None:
    (copy / "digests.json").unlink()
    (copy / "layers.json").unlink()
    assert Report(Run.open(copy)).findings.layers is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"format": 1, "files": []}', "cannot be read"),
        ('{"format": 9, "files": {}}', "has format 9"),
        ('{"format": 1, "files": {}}', "was not there when the results were written"),
    ],
)
def test_damaged_digests_are_named_and_written_again(
    copy: Path, failed: Callable[..., str], content: str, reason: str
) -> None:
    (copy / "digests.json").write_text(content)
    error = failed("report", str(copy))
    assert "digests.json" in error
    assert reason in error
    with pytest.raises(StoreError):
        Run.open(copy).results()
    assert not Run.open(copy).complete
    assert main(["resume", str(copy)]) == 0
    assert Run.open(copy).complete


# Shapes.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generations": None}, "generations must be int, but it is None"),
        ({"generations": ...}, "it has no 'generations'"),
        ({"seconds": "1"}, "seconds must be float, but it is '1'"),  # older versions wrote it
        ({"machine": {"processor": "x", "threads": 1}}, "it has no 'machine.device'"),
        ({"versions": "1"}, "versions must be object of str, but it is '1'"),
        ({"quantities": {"accuracy": {}}}, "it has no 'quantities.accuracy.better'"),
        ({"knee": 99}, "says that knee is network 99, but there are 10"),
        ({"parent": {}}, "has no parent.parameters"),
        ({"notes": [3]}, "notes[0] must be str, but it is 3"),
    ],
)
def test_a_summary_of_another_shape_is_named_and_made_again(
    copy: Path, failed: Callable[..., str], change: dict[str, object], message: str
) -> None:
    without_digests(copy)
    summary = {**json.loads((copy / "summary.json").read_text()), **change}
    kept = {name: value for name, value in summary.items() if value is not ...}
    (copy / "summary.json").write_text(json.dumps(kept))
    error = failed("report", str(copy))
    assert message in error
    assert "summary.json" in error
    assert f"'pymoo-prune resume {copy}' makes the results again" in error
    assert not Run.open(copy).complete


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": "1"}, "seed must be int, but it is '1'"),
        ({"seed": 10**20}, "seed must be at most 9,223,372,036,854,775,807"),
        ({"constraints": "macs<=1"}, "constraints must be list of str"),
        ({"budget": {"generations": "3"}}, "budget.generations must be int, but it is '3'"),
        ({"options": []}, "options must be object of Any"),
        ({"objectives": 3}, "objectives must be"),
        ({"format": "1"}, "format must be int, but it is '1'"),
    ],
)
def test_settings_of_another_shape_are_named(
    copy: Path, failed: Callable[..., str], change: dict[str, object], message: str
) -> None:
    values = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**values, **change}))
    for command in ("report", "resume"):
        error = failed(command, str(copy))
        assert f"{copy / 'run.json'} cannot be read: {message}" in error


def test_no_bit_of_an_archive_ends_in_a_traceback(copy: Path) -> None:
    path = copy / "front.npz"
    whole, files = path.read_bytes(), RunFolder(copy)
    named = 0
    for place in range(len(whole)):
        for bit in (1, 8, 32, 64):
            damaged = bytearray(whole)
            damaged[place] ^= bit
            path.write_bytes(damaged)
            with pytest.raises(StoreError, match=re.escape(str(path))):
                files.chromosomes()
            named += 1
    assert named == 4 * len(whole)


# The disk.


def test_settings_and_parent_reach_the_disk_before_they_appear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = disk_events(monkeypatch)
    folder = tmp_path / "run"
    assert main(ecomp_run(folder, "--generations", "1", "--finish", "0")) == 0
    appeared = events.index(("move", folder / "parent"))
    synced = [(kind, path.name) for kind, path in events[:appeared] if kind == "sync"]
    assert synced[0] == ("sync", "run.json")
    assert {("sync", "network.pt"), ("sync", "network.json")} <= set(synced)
    assert events[0] == ("sync", folder / "run.json")
