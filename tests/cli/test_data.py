"""The command data: every format of a run and of a comparison, and bad input."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pymoo_prune.cli import main
from pymoo_prune.exchange import FORMATS
from tests.support.campaigns import created, done
from tests.support.tiny_problem import FailingPixels, pixels_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "run"
    assert main(pixels_run(folder, "--constraint", "macs<=60%", problem=FailingPixels)) == 0
    return folder


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    campaign = created(tmp_path_factory.mktemp("data") / "compared", ("nsga2", "random"), (0, 1))
    done(campaign)
    return campaign.folder


PACKAGES = {"parquet": "pyarrow", "optuna": "optuna"}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_run_and_a_comparison_are_written(
    run: Path, comparison: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    pytest.importorskip(PACKAGES.get(kind, "numpy"))
    for folder, text in (
        (run, "24 evaluations of 1 run"),
        (comparison, "96 evaluations of 4 runs"),
    ):
        output = tmp_path / folder.name
        arguments = ["data", str(folder), "--format", kind, "--output", str(output)]
        assert main(arguments) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[-1] == f"{text} written to {output}"
        assert output.is_dir() == FORMATS[kind].is_folder
        if folder == run and kind in ("ioh", "moocore"):
            assert "infeasible or failed evaluations are left out." in lines[0]
        else:
            assert len(lines) == 1


def test_it_goes_into_the_folder_unless_told_and_never_over_something(
    run: Path, failed: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = run / "evaluations.csv"
    assert main(["data", str(run), "--format", "csv"]) == 0
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    assert {len(row["chromosome"]) for row in rows} == {64}
    before = path.read_bytes()
    capsys.readouterr()
    assert f"{path} is there already" in failed("data", str(run), "--format", "csv")
    assert path.read_bytes() == before
    assert main(["report", str(run)]) == 0  # the folder is a run as before
    assert main(["resume", str(run)]) == 0
    path.unlink()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "has no evaluations: there is no such folder"),
        (lambda folder: folder.mkdir(), "has no evaluations: it holds no run and no comparison"),
        (lambda folder: folder.write_text("file"), "has no evaluations: it is a file"),
    ],
)
def test_folders_that_are_no_runs(
    tmp_path: Path, failed: Callable[..., str], make: Callable[[Path], object], message: str
) -> None:
    folder = tmp_path / "folder"
    make(folder)
    error = failed("data", str(folder), "--format", "csv")
    assert message in error
    assert error.count("\n") == 1


def test_an_unknown_format(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["data", str(run), "--format", "excel"])
    assert stop.value.code == 2
    assert "invalid choice: 'excel'" in capsys.readouterr().err


def damaged_copy(run: Path, folder: Path) -> Path:
    folder.mkdir()
    for path in run.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_a_damaged_store_is_one_line(run: Path, tmp_path: Path, failed: Callable[..., str]) -> None:
    folder = damaged_copy(run, tmp_path / "damaged")
    (folder / "evaluations.sqlite").write_bytes(b"nonsense" * 500)
    output = tmp_path / "out.csv"
    error = failed("data", str(folder), "--format", "csv", "--output", str(output))
    assert "the file is damaged" in error
    assert error.count("\n") == 1
    assert not output.exists()


def test_damaged_chromosomes_are_one_line(
    run: Path, tmp_path: Path, failed: Callable[..., str]
) -> None:
    folder = damaged_copy(run, tmp_path / "damaged")
    with closing(sqlite3.connect(folder / "evaluations.sqlite", isolation_level=None)) as db:
        db.execute("UPDATE chromosomes SET data = x'00'")
    error = failed("data", str(folder), "--format", "csv")
    assert "the file is damaged" in error
    assert error.count("\n") == 1


def test_a_run_that_is_not_finished_is_marked(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = damaged_copy(run, tmp_path / "half")
    (folder / "summary.json").unlink()
    assert main(["data", str(folder), "--format", "csv"]) == 0
    lines = capsys.readouterr().out.replace("\n", " ")
    assert f"{folder} is not finished: these are its first 24 evaluations." in lines


def test_a_run_that_did_not_begin(tmp_path: Path, run: Path, failed: Callable[..., str]) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "run.json").write_bytes((run / "run.json").read_bytes())
    assert "there are no evaluations: " in failed("data", str(folder), "--format", "csv")
