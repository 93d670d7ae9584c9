"""Folders that are moved, or that may not be written to any more, while a process works there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pymoo_prune import StoreError
from pymoo_prune.cli import main
from pymoo_prune.files import part_of, write_text, writing
from pymoo_prune.runs.places import in_place
from pymoo_prune.search import Store
from tests.support.running import files_in
from tests.support.tiny_problem import pixels_run


def test_a_run_that_was_killed_before_it_had_settings_begins_again(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    part_of(folder / "run.json").write_text("half")
    assert main(pixels_run(folder)) == 0
    assert (folder / "summary.json").is_file()


@pytest.mark.slow
def test_a_run_whose_folder_is_moved_says_so_and_goes_on_elsewhere(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here, there, whole = tmp_path / "here", tmp_path / "there", tmp_path / "whole"
    finish = Store.finish_generation

    def moving(store: Store, number: int, elapsed: float) -> None:
        finish(store, number, elapsed)
        if number == 2:
            here.rename(there)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "finish_generation", moving)
        assert main(pixels_run(here)) == 2
    error = capsys.readouterr().err
    assert f"error: {here} is not there any more: it was moved or removed while" in error
    assert "'pymoo-prune resume FOLDER'" in error
    assert not here.exists()
    assert main(["resume", str(there)]) == 0
    assert main(pixels_run(whole)) == 0
    ours, theirs = files_in(there), files_in(whole)
    assert ours.keys() == theirs.keys()
    assert ours["evaluations.sqlite"] == theirs["evaluations.sqlite"]


def test_a_folder_that_may_not_be_written_to_any_more_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing() -> None:
        with in_place(tmp_path):
            monkeypatch.setattr(os, "access", lambda place, mode: Path(place) != tmp_path)
            raise PermissionError(13, "Permission denied", str(tmp_path / "front.csv"))

    with pytest.raises(StoreError, match="to any more: its permissions were changed"):
        failing()


@pytest.mark.parametrize("variable", ["TMPDIR", "HOME"])
def test_other_folders_that_are_gone_are_named_with_their_variable(
    tmp_path: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    monkeypatch.setenv(variable, str(gone))

    def failing(path: Path) -> None:
        with in_place(tmp_path):
            raise FileNotFoundError(2, "No such file or directory", str(path))

    with pytest.raises(StoreError, match=f"is not there any more .*: set {variable} to one that"):
        failing(gone / "x")
    with pytest.raises(FileNotFoundError):  # it has to do with neither
        failing(tmp_path / "x")


def test_no_error_has_the_name_of_an_unfinished_file(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "front.csv"
    with pytest.raises(FileNotFoundError) as caught:
        write_text(path, "x")
    assert caught.value.filename == str(path)
    assert ".part-" not in str(caught.value)

    def moved() -> None:
        (tmp_path / "folder").mkdir()
        with writing(tmp_path / "folder" / "x") as part:
            part.unlink()

    with pytest.raises(FileNotFoundError) as caught:
        moved()
    assert (
        str(caught.value) == f"[Errno 2] No such file or directory: '{tmp_path / 'folder' / 'x'}'"
    )
