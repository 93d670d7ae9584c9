"""Writing: by name, whole or not at all, and over nothing that is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pymoo_prune import PruneError, StoreError
from pymoo_prune.exchange import FORMATS, write_evaluations
from tests.support.evaluations import made_up
from tests.support.tiny_problem import full_disk


def test_an_unknown_format_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(PruneError, match=r"unknown format 'cvs'.*Did you mean 'csv'"):
        write_evaluations([made_up()], "cvs", tmp_path / "all")


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_there_stays(tmp_path: Path, kind: str) -> None:
    file, folder, link = tmp_path / "file", tmp_path / "folder", tmp_path / "link"
    file.write_text("mine")
    folder.mkdir()
    link.symlink_to(tmp_path / "nowhere")
    for path in (file, folder, link):
        with pytest.raises(StoreError, match="is there already"):
            write_evaluations([made_up()], kind, path)
    assert file.read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder", "link"}


@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_is_written_of_nothing(tmp_path: Path, kind: str) -> None:
    for runs in ([], [made_up(n=0, genes="none")]):
        with pytest.raises(PruneError, match="no evaluations"):
            write_evaluations(runs, kind, tmp_path / "all")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", FORMATS)
def test_some_formats_have_feasible_evaluations_alone(tmp_path: Path, kind: str) -> None:
    runs = [made_up(seed, infeasible=tuple(range(60))) for seed in (0, 1)]
    if kind in ("ioh", "moocore"):
        with pytest.raises(PruneError, match=r"no evaluation is feasible.*; csv has all"):
            write_evaluations(runs, kind, tmp_path / "all")
        assert list(tmp_path.iterdir()) == []
    else:
        assert write_evaluations(runs, kind, tmp_path / "all") == []


@pytest.mark.parametrize("kind", FORMATS)
def test_unknown_costs_are_failures_also_without_a_reason(tmp_path: Path, kind: str) -> None:
    run = made_up(failed=(4,), failures=[""] * 60)
    assert run.failed.tolist() == [row == 4 for row in range(60)]
    write_evaluations([run], kind, tmp_path / "all")


@pytest.mark.parametrize("kind", FORMATS)
def test_progress_ends_with_everything(tmp_path: Path, kind: str) -> None:
    seen: list[tuple[float, str]] = []
    runs = [made_up(0), made_up(1), made_up(2, method="ga")]
    write_evaluations(
        runs, kind, tmp_path / "new" / "all", progress=lambda *given: seen.append(given)
    )
    assert [text for _, text in seen] == ["60 evaluations", "120 evaluations", "180 evaluations"]
    assert [share for share, _ in seen] == [1 / 3, 2 / 3, 1]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["all"]


@pytest.mark.parametrize("kind", ["csv", "ioh", "optuna"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, kind: str) -> None:
    with full_disk(1_000), pytest.raises((OSError, PruneError)):
        write_evaluations([made_up()], kind, tmp_path / "all")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_that_is_given_is_changed(tmp_path: Path, kind: str) -> None:
    run = made_up(failed=(2,), infeasible=(3,))
    arrays = [run.generation, run.X, run.F, run.feasible, *run.measurements.values()]
    before = [np.array(array) for array in arrays]
    for array in arrays:
        assert array is not None
        array.flags.writeable = False
    write_evaluations([run], kind, tmp_path / "all")
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(np.array(array), copy)


@pytest.mark.parametrize("kind", FORMATS)
def test_notes_of_runs_come_first_and_once(tmp_path: Path, kind: str) -> None:
    runs = [made_up(seed, notes=("It is not finished.",)) for seed in (0, 1)]
    assert write_evaluations(runs, kind, tmp_path / "all") == ["It is not finished."]
