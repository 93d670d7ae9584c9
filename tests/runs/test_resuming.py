"""Runs that were stopped, killed or damaged go on, and end as if nothing had happened."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pymoo_prune.cli import main
from tests.support.running import asked, assert_same_run, query, started, stopped_when
from tests.support.tiny_problem import ecomp_run, pixels_run


@pytest.fixture
def interrupted(copy: Path) -> Path:
    """The run, killed in the middle of its search."""
    made_last = ("front.csv", "front.npz", "summary.json", "report.md", "front.png", "digests.json")
    for name in made_last:
        (copy / name).unlink()
    query(copy, "DELETE FROM history WHERE number >= 12")
    query(copy, "DELETE FROM generations WHERE generation > 1")
    kept = "SELECT digest FROM history"
    query(copy, f"DELETE FROM measurements WHERE digest NOT IN ({kept})")  # noqa: S608
    return copy


@pytest.mark.slow
def test_resuming_in_the_middle_gives_the_same(finished: Path, interrupted: Path) -> None:
    parent = (interrupted / "parent" / "network.pt").stat().st_mtime_ns
    assert main(["resume", str(interrupted)]) == 0
    assert_same_run(finished, interrupted)
    assert (interrupted / "parent" / "network.pt").stat().st_mtime_ns == parent
    assert (interrupted / "front.png").is_file()


@pytest.mark.slow
def test_resuming_a_finished_run_shows_it(
    finished: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["resume", str(copy)]) == 0
    out = capsys.readouterr().out
    assert f"{copy} is finished already." in out
    assert "networks of the front" in out
    assert_same_run(finished, copy)


@pytest.mark.slow
def test_a_larger_budget_goes_on_from_a_finished_run(copy: Path, tmp_path: Path) -> None:
    values = json.loads((copy / "run.json").read_text())
    values["budget"]["generations"] = 5
    (copy / "run.json").write_text(json.dumps(values))
    (copy / "summary.json").unlink()
    assert main(["resume", str(copy)]) == 0
    assert main(ecomp_run(tmp_path / "whole", "--generations", "5")) == 0
    history = "SELECT * FROM history ORDER BY number"
    assert query(copy, history) == query(tmp_path / "whole", history)
    assert (copy / "front.csv").read_bytes() == (tmp_path / "whole" / "front.csv").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("summary.json", None),
        ("summary.json", b"{"),
        ("front.csv", b""),
        ("front.csv", b"method,network,accuracy\nthis search,0\n"),
        ("front.npz", None),
        ("front.npz", b""),
        ("front.npz", b"PK\x03\x04 garbage"),
        ("evaluations.sqlite", None),
    ],
)
def test_results_that_are_lost_are_made_again(
    finished: Path, copy: Path, file: str, content: bytes | None
) -> None:
    if content is None:
        (copy / file).unlink()
    else:
        (copy / file).write_bytes(content)
    if file == "evaluations.sqlite":  # without its results, all of it is done again
        (copy / "summary.json").unlink()
    assert main(["resume", str(copy)]) == 0
    assert_same_run(finished, copy)


@pytest.mark.slow
def test_another_configuration_is_refused(interrupted: Path, failed: Callable[..., str]) -> None:
    original = (interrupted / "run.json").read_text()
    values = json.loads(original)
    history = query(interrupted, "SELECT * FROM history")
    for change in (
        {"seed": 1},
        {"options": {**values["options"], "recovery": "none"}},
        {"validation": 0.3},
    ):
        (interrupted / "run.json").write_text(json.dumps({**values, **change}))
        error = failed("resume", str(interrupted))
        assert "belongs to another configuration" in error
        assert str(interrupted / "evaluations.sqlite") in error
    (interrupted / "run.json").write_text(json.dumps({**values, "pop_size": 9}))
    error = failed("resume", str(interrupted))
    assert "departs from the recorded one" in error
    assert query(interrupted, "SELECT * FROM history") == history
    (interrupted / "run.json").write_text(original)
    assert main(["resume", str(interrupted)]) == 0


@pytest.mark.slow
def test_a_damaged_database_is_refused(interrupted: Path, failed: Callable[..., str]) -> None:
    path = interrupted / "evaluations.sqlite"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    error = failed("resume", str(interrupted))
    assert str(path) in error
    assert "damaged; restore it from a copy, or start a new run" in error
    path.write_bytes(whole)
    assert main(["resume", str(interrupted)]) == 0


def test_a_finished_run_without_its_evaluations_says_so(
    copy: Path, failed: Callable[..., str]
) -> None:
    (copy / "evaluations.sqlite").unlink()
    assert "there are no evaluations" in failed("report", str(copy))


@pytest.mark.slow
def test_half_a_parent_is_not_taken_for_a_whole_one(
    finished: Path, interrupted: Path, failed: Callable[..., str]
) -> None:
    shutil.move(interrupted / "parent", interrupted / ".part-parent")
    weights = interrupted / ".part-parent" / "network.pt"
    weights.write_bytes(weights.read_bytes()[:100])
    assert main(["resume", str(interrupted)]) == 0
    assert_same_run(finished, interrupted)
    weights = interrupted / "parent" / "network.pt"
    weights.write_bytes(weights.read_bytes()[:100])
    for name in ("summary.json", "digests.json"):
        (interrupted / name).unlink()
    error = failed("resume", str(interrupted))
    assert f"the exported network in {interrupted / 'parent'} is damaged" in error


def test_an_unfinished_run_cannot_be_exported(
    interrupted: Path, failed: Callable[..., str]
) -> None:
    for command in ("export", "report", "ticket"):
        error = failed(command, str(interrupted))
        assert f"is not finished; 'pymoo-prune resume {interrupted}' goes on with it" in error


# Real kills of real processes.


SLOW = ("--generations", "9", "--set", "recovery=refit+steps:4")
IN_BATCHES = (
    *("--generations", "9", "--set", "encoding=weights", "--set", "recovery=steps:4"),
    *("--set", "batch_size=40", "--no-baselines"),
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "moments"),
    [
        (SLOW, ["parent", 5, 30, "last"]),
        (IN_BATCHES, [20, 60]),
    ],
)
def test_a_run_killed_again_and_again_ends_as_if_nothing_had_happened(
    tmp_path: Path, more: tuple[str, ...], moments: list[int | str]
) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    assert main(ecomp_run(whole, *more)) == 0
    total = asked(whole)
    assert total > 60
    for moment in moments:

        def reached(moment: int | str = moment) -> bool:
            if moment == "parent":
                return (folder / "run.json").is_file()
            return asked(folder) >= (total if moment == "last" else int(moment))

        resuming = (folder / "run.json").is_file()
        process = started(["resume", str(folder)] if resuming else ecomp_run(folder, *more))
        out, err = stopped_when(process, reached, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL, (moment, out, err)
        assert not (folder / "summary.json").exists()
    assert main(["resume", str(folder)]) == 0
    assert_same_run(whole, folder)


@pytest.mark.slow
def test_ctrl_c_stops_cleanly_and_says_how_to_resume(tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "stopped [1]"
    more = (*SLOW, "--no-baselines")
    process = started(ecomp_run(folder, *more))
    out, err = stopped_when(process, lambda: asked(folder) >= 20, signal.SIGINT)
    assert process.returncode == 130, (out, err)
    assert f'pymoo-prune resume "{folder}"' in out
    assert "Traceback" not in err
    assert main(ecomp_run(whole, *more)) == 0
    assert main(["resume", str(folder)]) == 0
    assert_same_run(whole, folder)


@pytest.mark.slow
def test_a_users_own_problem_runs_and_resumes(tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    more = ["--generations", "6", "--set", "pause=0.05", "--no-baselines"]
    process = started(pixels_run(folder, *more))
    stopped_when(process, lambda: asked(folder) >= 16, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert main(["resume", str(folder)]) == 0
    assert main(pixels_run(whole, *more)) == 0
    assert_same_run(whole, folder)
