from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image

from pymoo_prune.cli import main
from pymoo_prune.errors import DataError
from pymoo_prune.results import read_csv
from tests.support.tiny_problem import ecomp_run, full_disk, pixels_run


@pytest.mark.slow
def test_a_run_leaves_a_table_a_picture_and_a_report(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {path.name for path in finished.iterdir()}
    assert files >= {
        *("run.json", "evaluations.sqlite", "parent", "front.csv", "front.npz", "summary.json"),
        *("report.md", "front.png", "generations.png"),
    }
    assert not any(name.startswith(".part") for name in files)
    assert (finished / "front.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert image.imread(finished / "front.png")[..., :3].std() > 0.05
    assert main(["report", str(finished)]) == 0
    out = capsys.readouterr().out
    assert "networks of the front" in out
    assert "L1 pruning" in out
    assert f"report: {finished / 'report.md'}, picture: {finished / 'front.png'}" in out


@pytest.mark.slow
def test_the_default_preset_is_the_first(tmp_path: Path) -> None:
    assert main(pixels_run(tmp_path / "run")) == 0
    settings = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (settings["pop_size"], settings["budget"]["generations"]) == (8, 3)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["evaluations"] == 24


@pytest.mark.slow
def test_options_arrive_in_the_settings(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    arguments = [
        *("--algorithm", "sms-emoa", "--objectives", "accuracy", "macs", "pixels"),
        *("--constraint", "accuracy>=0.1", "--constraint", "macs<=95%", "--seed", "5"),
        *("--evaluations", "20", "--time", "2h", "--pop-size", "6", "--validation", "0.5"),
        *("--set", "pause=0.0", "--finish", "100", "--no-baselines"),
    ]
    assert main(pixels_run(folder, *arguments)) == 0
    settings = json.loads((folder / "run.json").read_text())
    assert settings["budget"] == {"generations": None, "evaluations": 20, "seconds": 7200.0}
    expected = {
        "algorithm": "sms-emoa",
        "objectives": ["accuracy", "macs", "pixels"],
        "constraints": ["accuracy>=0.1", "macs<=95%"],
        "seed": 5,
        "pop_size": 6,
        "validation": 0.5,
        "options": {"pause": 0.0},
        "finish_images": 100,
        "baselines": False,
        "threads": 1,
    }
    assert {name: settings[name] for name in expected} == expected
    front, first = read_csv(folder / "front.csv")
    assert first.name == "first population"
    summary = json.loads((folder / "summary.json").read_text())
    assert (front.columns["macs"] <= 0.95 * summary["parent"]["macs"]).all()


def test_the_message_about_missing_data_names_folders_and_a_command(
    tmp_path: Path, failed: Callable[..., str]
) -> None:
    arguments = ["--data", "cifar10", "--data-root", str(tmp_path / "data")]
    error = failed(*pixels_run(tmp_path / "run", *arguments))
    assert str(tmp_path / "data") in error
    assert "--download" in error
    # The folder stays resumable: with the data there, it would go on.
    error = failed("resume", str(tmp_path / "run"))
    assert str(tmp_path / "data") in error


def test_a_run_that_waits_for_its_data_can_fetch_it(
    tmp_path: Path, failed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(name: str, *, download: bool, **given: object) -> None:
        msg = f"{name}, {download=}"
        raise DataError(msg)

    monkeypatch.setattr("pymoo_prune.runs.images.load_data", loaded)
    run, comparison = tmp_path / "run", tmp_path / "comparison"
    named = ["tests.support.tiny_problem:Pixels", "--data", "mnist", "--output"]
    for command, folder in (("run", run), ("compare", comparison)):
        assert failed(command, *named, str(folder)) == "error: mnist, download=False\n"
        assert failed("resume", str(folder)) == "error: mnist, download=False\n"
        assert failed("resume", str(folder), "--download") == "error: mnist, download=True\n"


def test_data_cut_short_names_the_file(tmp_path: Path, failed: Callable[..., str]) -> None:
    root = tmp_path / "data" / "MNIST" / "raw"
    root.mkdir(parents=True)
    (root / "train-images-idx3-ubyte").write_bytes(
        b"\0\0\x08\x03\0\0\xea\x60\0\0\0\x1c\0\0\0\x1cabc"
    )
    arguments = ["--data", "mnist", "--data-root", str(tmp_path / "data")]
    error = failed(*pixels_run(tmp_path / "run", *arguments))
    assert "train-" in error
    assert str(tmp_path / "data") in error


def test_a_folder_that_is_there_is_not_overwritten(
    finished: Path, tmp_path: Path, failed: Callable[..., str]
) -> None:
    before = (finished / "front.csv").read_bytes()
    error = failed(*ecomp_run(finished))
    assert f"{finished} is there already; 'pymoo-prune resume {finished}' goes on with it" in error
    assert (finished / "front.csv").read_bytes() == before
    (tmp_path / "notes.txt").write_text("mine")
    error = failed(*ecomp_run(tmp_path))
    assert "is there already; give another --output" in error
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.slow
def test_a_full_disk_is_reported_and_the_run_goes_on_afterwards(
    tmp_path: Path, failed: Callable[..., str]
) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "run"
    more = ["--generations", "12"]
    assert main(pixels_run(whole, *more)) == 0
    with full_disk(60_000):
        error = failed(*pixels_run(folder, *more))
    assert "free some space on the disk and resume the run" in error
    assert not (folder / "summary.json").exists()
    assert main(["resume", str(folder)]) == 0
    assert (folder / "front.csv").read_bytes() == (whole / "front.csv").read_bytes()


@pytest.mark.slow
def test_threads_of_a_comparison_depend_neither_on_jobs_nor_on_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pymoo_prune.cli.comparisons.cores", lambda: 64)
    problem = ["compare", "tests.support.tiny_problem:Pixels", "--algorithms", "nsga2"]
    output = ["--seeds", "1", "--jobs", "1", "--output", str(tmp_path / "one")]
    assert main([*problem, "--generations", "2", *output]) == 0
    (settings,) = (tmp_path / "one" / "runs").glob("nsga2-0/run.json")
    assert json.loads(settings.read_text())["threads"] == 1


def test_a_single_run_has_no_jobs(tmp_path: Path, failed: Callable[..., str]) -> None:
    folder = tmp_path / "run"
    assert main(pixels_run(folder)) == 0
    error = failed("resume", str(folder), "--jobs", "2")
    assert error == "error: --jobs is for a comparison or a study; a single run takes --workers\n"


@pytest.mark.slow
def test_a_full_disk_while_the_parent_is_kept(
    tmp_path: Path, finished: Path, failed: Callable[..., str]
) -> None:
    folder = tmp_path / "run"
    go_on = f"pymoo-prune resume {folder}"
    with full_disk(3_000):
        error = failed(*ecomp_run(folder))
    assert "too large" in error.lower()
    assert error.endswith(f"; what was measured is kept; once that is fixed: {go_on}\n")
    assert not (folder / "parent").exists()
    assert main(["resume", str(folder)]) == 0
    assert (folder / "front.csv").read_bytes() == (finished / "front.csv").read_bytes()


@pytest.mark.slow
def test_brackets_in_a_folders_name_are_no_markup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], failed: Callable[..., str]
) -> None:
    folder = tmp_path / "run [red] one"
    assert main(pixels_run(folder)) == 0
    assert f"report: {folder / 'report.md'}" in capsys.readouterr().out
    assert f"{folder} is there already" in failed(*pixels_run(folder))
    assert np.isfinite(read_csv(folder / "front.csv")[0].columns["accuracy"]).all()
