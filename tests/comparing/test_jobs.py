from __future__ import annotations

import io
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from pymoo_prune import PruneError, StoreError
from pymoo_prune.comparing import Campaign
from pymoo_prune.search import Board, Relay
from tests.support.campaigns import assert_same_runs, created, done, times
from tests.support.compared_problems import Dying
from tests.support.running import ROOT, asked, measurements, started


@pytest.mark.slow
def test_results_do_not_depend_on_jobs(finished: Campaign, tmp_path: Path) -> None:
    campaign = created(tmp_path / "jobs")
    _, text = done(campaign, jobs=2)
    assert_same_runs(finished, campaign)
    assert (
        sum(line.startswith(f"{n} of 6  ") for n in range(1, 7) for line in text.splitlines()) == 6
    )
    assert "nsga2, seed 1: 9 networks" in text


# Real kills of real processes.


def eventually(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def alive(session: int) -> list[str]:
    """Living processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            about = path.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        if int(about[3]) == session and about[0] != "Z":
            found.append(path.parent.name)
    return found


def finished_runs(folder: Path) -> int:
    return len(list((folder / "runs").glob("*/summary.json")))


def asked_in_all(folder: Path) -> int:
    """How many evaluations unfinished runs asked for."""
    return sum(
        asked(path.parent)
        for path in (folder / "runs").glob("*/evaluations.sqlite")
        if not (path.parent / "summary.json").is_file()
    )


SLOWLY = ("--threads", "1", "--seeds", "2", "--jobs", "2", "--set", "pause=0.1")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("with_signal", "runs", "evaluations"), [(signal.SIGKILL, 2, 8), (signal.SIGINT, 0, 0)]
)
def test_a_comparison_that_is_stopped_takes_its_processes_along_and_goes_on(
    finished: Campaign, tmp_path: Path, with_signal: signal.Signals, runs: int, evaluations: int
) -> None:
    folder = tmp_path / "stopped"
    process = started(
        ["compare", "tests.support.tiny_problem:Pixels", *SLOWLY, "--output", str(folder)],
        apart=True,
    )

    def reached() -> bool:
        if process.poll() is not None:
            return True
        begun = len(list((folder / "runs").glob("*/run.json"))) == 6  # and its processes import
        return begun and finished_runs(folder) >= runs and asked_in_all(folder) >= evaluations

    eventually(reached, "the comparison does not get there")
    with pytest.raises(StoreError, match=f"is being worked on by process {process.pid} on "):
        Campaign.open(folder).execute(Console(quiet=True))
    before = times(folder)
    whole = [Path(name).parts[1] for name in before if name.endswith("summary.json")]
    if with_signal == signal.SIGINT:
        os.killpg(process.pid, with_signal)  # as a terminal does
    else:
        process.kill()
    out, err = process.communicate(timeout=60)
    eventually(lambda: alive(process.pid) == [], "its processes go on")
    assert "Traceback" not in err
    if with_signal == signal.SIGINT:
        assert process.returncode == 130
        assert f"stopped; everything that was measured is kept. pymoo-prune resume {folder}" in out
    else:
        assert process.returncode == -signal.SIGKILL
    campaign = Campaign.open(folder)
    assert not campaign.complete
    assert runs <= len(whole) < 6
    done(campaign)
    assert_same_runs(finished, campaign)
    after = times(folder)
    assert all(after[name] == then for name, then in before.items() if Path(name).parts[1] in whole)


@pytest.mark.slow
def test_a_process_that_dies_is_reported_and_loses_nothing(
    finished: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    campaign = created(tmp_path / "c", problem="compared_problems:Dying")
    with pytest.raises(
        PruneError, match=r"ended without an error message \(was there enough memory\?\)"
    ):
        campaign.execute(Console(quiet=True), jobs=2)
    assert (tmp_path / Dying.MARK).exists()
    kept = sum(
        measurements(path.parent)
        for path in (campaign.folder / "runs").glob("*/evaluations.sqlite")
    )
    assert kept > 0
    done(campaign)
    names = [path.name for path in sorted((finished.folder / "runs").iterdir())]
    for name in names:
        mine, theirs = (one.folder / "runs" / name for one in (campaign, finished))
        assert (mine / "front.csv").read_bytes() == (theirs / "front.csv").read_bytes()


# What is shown meanwhile.


def test_a_relay_hands_on_now_and_then() -> None:
    said: list[tuple[str, float, str]] = []
    with Relay(lambda *state: said.append(state)).phase("search") as update:
        for done in range(100):
            update(done / 100, "quickly")
    assert said[0] == ("search", 0.0, "")
    assert len(said) < 100


def test_a_board_counts_runs_and_knows_which_are_done() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    with Board(console, 2) as board:
        board.update("ga, seed 0", "search", 0.5, "generation 3")
        assert board._bars.tasks[-1].description == "ga, seed 0"
        assert board._bars.tasks[-1].completed == 0.5
        assert board._bars.tasks[-1].fields["text"] == "search generation 3"
        board.finish("ga, seed 0", "7 networks")
        board.update("ga, seed 0", "finish", 1.0, "late")  # from another thread
        assert [task.description for task in board._bars.tasks] == ["all runs"]
        assert board._bars.tasks[0].completed == 1
        board.finish("[red], seed 1", "no network")
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "1 of 2  ga, seed 0: 7 networks" in text
    assert "2 of 2  [red], seed 1: no network" in text


def test_a_board_without_a_terminal_prints_a_line_for_each_run() -> None:
    console = Console(file=io.StringIO(), width=80)
    with Board(console, 1) as board:
        board.update("ga, seed 0", "search", 0.5, "generation 3")
        board.finish("ga, seed 0", "7 networks")
    assert console.file.getvalue() == "1 of 1  ga, seed 0: 7 networks\n"  # type: ignore[attr-defined]
