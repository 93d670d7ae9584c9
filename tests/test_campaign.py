from __future__ import annotations

import csv
import io
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from pymoo_prune import (
    Budget,
    Data,
    PruneError,
    Run,
    Settings,
    StoreError,
    WeightedSum,
)
from pymoo_prune.campaign import Campaign
from pymoo_prune.cli import main
from pymoo_prune.compare import compare
from pymoo_prune.comparison import DISTANCE, SEARCHED, TESTED, Comparison
from pymoo_prune.comparison_report import report_of_campaign
from pymoo_prune.progress import Board, Relay
from tests.compared_problems import Dying
from tests.timed_problem import Meter
from tests.tiny_problem import Pixels, threads

ROOT = Path(__file__).resolve().parent.parent
METHODS = ("ga", "nsga2", "random")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    with threads(1):
        yield


def settings(problem: str = "tiny_problem:Pixels", **changes: Any) -> Settings:
    given = {"pop_size": 8, "budget": Budget(generations=3), "threads": 1, **changes}
    return Settings(problem=f"tests.{problem}", algorithm="nsga2", **given)


def created(
    folder: Path,
    methods: Sequence[str] = METHODS,
    seeds: Sequence[int] = (0, 1),
    bounds: Sequence[str] | None = None,
    **changes: Any,
) -> Campaign:
    return Campaign.create(folder, settings(**changes), methods, seeds, bounds)


def done(campaign: Campaign, jobs: int = 1) -> tuple[Comparison, str]:
    """The comparison, and what was printed."""
    console = Console(file=io.StringIO(), width=300)
    comparison = campaign.execute(console, jobs=jobs)
    return comparison, console.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    campaign = created(tmp_path_factory.mktemp("campaign") / "finished")
    done(campaign)
    return campaign


def numbers(campaign: Campaign) -> list[dict[str, str]]:
    """runs.csv without what may differ: working time and paths."""
    rows = list(csv.DictReader(io.StringIO(report_of_campaign(campaign).csv())))
    return [{n: v for n, v in row.items() if n not in ("seconds", "from")} for row in rows]


def query(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(folder / "evaluations.sqlite")
    try:
        return database.execute(sql).fetchall()
    finally:
        database.close()


def assert_same_runs(one: Campaign, other: Campaign) -> None:
    """The same searches and fronts to the last bit, and the same indicators."""
    names = [path.name for path in sorted((one.folder / "runs").iterdir())]
    assert names == [path.name for path in sorted((other.folder / "runs").iterdir())]
    for name in names:
        mine, theirs = one.folder / "runs" / name, other.folder / "runs" / name
        assert (mine / "front.csv").read_bytes() == (theirs / "front.csv").read_bytes(), name
        for sql in ("SELECT * FROM history ORDER BY number", "SELECT * FROM measurements"):
            assert query(mine, sql) == query(theirs, sql) != []
    assert numbers(one) == numbers(other)


def times(folder: Path) -> dict[str, int]:
    """When each file of the runs was written."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in (folder / "runs").rglob("*")
        if path.is_file() and "sqlite" not in path.name and path.name != "lock.json"
    }


# What it leaves.


def test_each_run_is_a_run_of_its_own(finished: Campaign) -> None:
    folders = sorted((finished.folder / "runs").iterdir())
    assert [path.name for path in folders] == [f"{m}-{s}" for m in METHODS for s in (0, 1)]
    for folder in folders:
        run = Run.open(folder)
        algorithm, seed = folder.name.split("-")
        assert run.complete
        assert (run.settings.algorithm, run.settings.seed) == (algorithm, int(seed))
        assert run.settings.problem_seed == 0
        assert list(run.settings.front) == ["accuracy", "parameters"]
        assert not run.settings.baselines
        series, summary = run.results()
        assert [one.name for one in series] == ["this search"]
        assert summary["goals"] == ["accuracy", "parameters"]


def test_all_runs_have_the_same_parent_images_problem_and_budget(finished: Campaign) -> None:
    summaries = [Run.open(p).results()[1] for p in (finished.folder / "runs").iterdir()]
    for name in ("parent", "data", "evaluations", "generations", "machine"):
        assert all(summary[name] == summaries[0][name] for summary in summaries), name
    fingerprints = {
        query(path, "SELECT value FROM about WHERE key = 'fingerprint'")[0][0]
        for path in (finished.folder / "runs").iterdir()
    }
    assert len(fingerprints) == 1


def test_python_and_the_folder_have_the_same_numbers(finished: Campaign, digits: Data) -> None:
    alone = compare(Pixels(digits), METHODS, Budget(generations=3), seeds=2, pop_size=8)
    kept = finished.comparison()
    assert alone.indicators.keys() == kept.indicators.keys() >= {SEARCHED, DISTANCE, TESTED}
    for name, values in alone.indicators.items():
        np.testing.assert_array_equal(values, kept.indicators[name])
    for mine, theirs in zip(alone.trials, kept.trials, strict=True):
        about = [(t.method, t.seed, t.evaluations, t.known, t.goal) for t in (mine, theirs)]
        assert about[0] == about[1]
        curves = [one.curve(t) for one, t in ((alone, mine), (kept, theirs))]
        np.testing.assert_array_equal(curves[0], curves[1])


def test_the_command_gives_the_same_and_shows_it(
    finished: Campaign, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "compare [1]"
    arguments = ["--threads", "1", "--seeds", "2", "--jobs", "1", "--output", str(folder)]
    assert main(["compare", "tests.tiny_problem:Pixels", *arguments]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for text in (
        "6 of 6 random, seed 1: 7 networks",
        "too few seeds to say",
        f"report: {folder / 'report.md'}, picture: {folder / 'fronts.png'}",
    ):
        assert text in out, text
    assert_same_runs(finished, Campaign.open(folder))
    shown = list(csv.DictReader(io.StringIO((folder / "runs.csv").read_text())))
    assert [row["hypervolume"] for row in shown] == [
        row["hypervolume"] for row in numbers(finished)
    ]
    before = times(folder)
    (folder / "report.md").unlink()
    assert main(["report", str(folder)]) == 0
    assert (folder / "report.md").is_file()
    assert times(folder) == before


def test_results_do_not_depend_on_jobs(finished: Campaign, tmp_path: Path) -> None:
    campaign = created(tmp_path / "jobs")
    _, text = done(campaign, jobs=2)
    assert_same_runs(finished, campaign)
    assert (
        sum(line.startswith(f"{n} of 6  ") for n in range(1, 7) for line in text.splitlines()) == 6
    )
    assert "nsga2, seed 1: 9 networks" in text


def test_one_parent_for_all_and_latencies_one_run_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pymoo_prune.stopwatch.latencies", Meter())
    monkeypatch.setattr("pymoo_prune.campaign._execute_at_once", None)
    given = Settings(
        problem="ecomp",
        algorithm="nsga2",
        options={"parent_widths": [16, 16], "parent_images": 3_000},
        objectives=["accuracy", "latency"],
        pop_size=4,
        budget=Budget(generations=1),
        threads=1,
        finish_images=100,
    )
    campaign = Campaign.create(tmp_path / "c", given, ["nsga2", "random"], [3], ["latency<=90%"])
    comparison, text = done(campaign, jobs=2)
    assert "one run at a time: others would disturb the latencies" in text
    assert "2 of 2  random, seed 3" in text
    assert comparison.axes == ["latency"]
    assert comparison.parent["latency"] > 0
    weights = (campaign.folder / "parent" / "network.pt").read_bytes()
    for name in ("nsga2-3", "random-3"):
        assert (campaign.folder / "runs" / name / "parent" / "network.pt").read_bytes() == weights
    # Baselines stand at the sizes of the union, and belong to the comparison alone.
    assert comparison.others
    assert all("finished_test_accuracy" in one.columns for one in comparison.others)
    again = Campaign.open(campaign.folder).comparison()
    for mine, theirs in zip(comparison.others, again.others, strict=True):
        assert mine.name == theirs.name
        for name, column in mine.columns.items():
            np.testing.assert_array_equal(column, theirs.columns[name])


# More of it.


def test_seeds_and_methods_are_added_without_repeating_a_run(
    finished: Campaign, tmp_path: Path
) -> None:
    folder = tmp_path / "grown"
    done(created(folder, ["ga", "random"], [1]))
    before = times(folder)
    grown = created(folder, ["nsga2"], [0])
    _, text = done(grown)
    assert "4 of 4" in text
    assert {name: time for name, time in times(folder).items() if name in before} == before
    assert ([m.name for m in grown.methods], grown.seeds) == (["ga", "random", "nsga2"], [0, 1])
    assert Campaign.open(folder).seeds == [0, 1]
    order = {row["method"] + row["seed"]: row for row in numbers(grown)}
    assert [order[row["method"] + row["seed"]] for row in numbers(finished)] == numbers(finished)


def test_other_bounds_change_the_table_alone(tmp_path: Path) -> None:
    folder = tmp_path / "bounds"
    first, _ = done(created(folder, ["ga"], [0]))
    before = times(folder)
    again, text = done(created(folder, ["ga"], [0], ["macs<=50%"]))
    assert [str(bound) for bound in again.bounds] == ["macs<=50%"] != [str(b) for b in first.bounds]
    assert (times(folder), text) == (before, "")
    assert [str(bound) for bound in Campaign.open(folder).comparison().bounds] == ["macs<=50%"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pop_size": 9}, "pop_size is 8 there and 9 here"),
        ({"budget": Budget(evaluations=9)}, r"budget is \{'generations': 3, .* here"),
        ({"constraints": ["macs<=50%"]}, r"constraints is \[\] there and \['macs<=50%'\] here"),
        ({"objectives": ["accuracy"]}, r"objectives is None there and \['accuracy'\] here"),
        ({"seed": 1, "threads": 2}, "seed is 0 there and 1 here, threads is 1 there and 2 here"),
    ],
)
def test_other_settings_are_refused_by_name(
    finished: Campaign, changes: dict[str, Any], message: str
) -> None:
    plan = (finished.folder / "comparison.json").read_bytes()
    with pytest.raises(StoreError, match=f"with other settings: .*{message}; give the same"):
        created(finished.folder, seeds=[7], **changes)
    assert (finished.folder / "comparison.json").read_bytes() == plan


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(StoreError, match="is there already, and is no comparison; give anoth"):
            created(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


# What cannot be compared.


def untouched(campaign: Campaign) -> bool:
    return not (campaign.folder / "runs").exists()


@pytest.mark.parametrize(
    ("methods", "given", "message"),
    [
        (["nsga2", "ga@accuracy,macs"], {}, "'ga' needs one objective, but the problem has 2"),
        (["nsga2", "own"], {}, "no algorithm of its own"),
        (["nsga2@mac"], {}, r"unknown objective 'mac'.*Did you mean 'macs'\?"),
        (["nsga2"], {"objectives": ["speed"]}, "unknown objective 'speed'"),
        (["nsga2"], {"constraints": ["mac<=20%"]}, "unknown constrained quantity 'mac'"),
        (["nsga2"], {"options": {"pase": 1}}, "unknown option of Pixels 'pase'"),
        (["nsga2"], {"bounds": ["mac<=20%"]}, "unknown size to bound 'mac'"),
        (["nsga2"], {"bounds": ["accuracy>=0.5"]}, "must bound a size"),
        (["ga", "random"], {"problem": "compared_problems:NoRandom"}, "what a random candidate is"),
    ],
)
def test_what_cannot_be_searched_is_refused_first_and_leaves_the_place_free(
    tmp_path: Path, methods: list[str], given: dict[str, Any], message: str
) -> None:
    campaign = created(tmp_path / "c", methods, **given)
    with pytest.raises(PruneError, match=message):
        campaign.execute(Console(quiet=True))
    assert not (tmp_path / "c").exists()


def test_what_cannot_be_added_leaves_a_comparison_as_it_was(
    finished: Campaign, tmp_path: Path
) -> None:
    before, plan = times(finished.folder), (finished.folder / "comparison.json").read_bytes()
    for methods, bounds in ((["own"], None), (["nsga2"], ["mac<=3"])):
        with pytest.raises(PruneError, match=r"no algorithm of its own|unknown size"):
            created(finished.folder, methods, [5], bounds).execute(Console(quiet=True))
        assert (finished.folder / "comparison.json").read_bytes() == plan
        assert times(finished.folder) == before
        assert Campaign.open(finished.folder).complete


def test_an_engine_that_cannot_be_used_may_be_left_out_the_next_time(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    campaign = created(folder, ["nsga2", "own"], [0])
    (folder / "latency.sqlite").touch()  # something was measured by then, and is kept
    with pytest.raises(PruneError, match="no algorithm of its own"):
        campaign.execute(Console(quiet=True))
    assert untouched(campaign)
    mended = created(folder, ["nsga2"], [0])
    assert [method.name for method in mended.methods] == ["nsga2"]
    done(mended)


@pytest.mark.parametrize(
    ("methods", "seeds", "message"),
    [
        ([], [0], "one method or more"),
        (["ga", "ga"], [0], "one method or more, each once"),
        (["ga"], [], "one seed or more"),
        (["ga"], [-1], "seeds must be at least 0"),
        (["gaa"], [0], r"unknown algorithm 'gaa'.*Did you mean 'ga'\?"),
    ],
)
def test_designs_that_cannot_be_make_no_folder(
    tmp_path: Path, methods: list[str], seeds: list[int], message: str
) -> None:
    with pytest.raises(PruneError, match=message):
        created(tmp_path / "c", methods, seeds)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("jobs", [0, -2])
def test_runs_at_once_are_one_or_more(finished: Campaign, jobs: int) -> None:
    with pytest.raises(PruneError, match=f"jobs must be at least 1, but it is {jobs}"):
        finished.execute(Console(quiet=True), jobs=jobs)


# Runs that find nothing.


def test_a_run_that_finds_nothing_is_said_kept_and_not_made_again(tmp_path: Path) -> None:
    campaign = created(tmp_path / "c", problem="compared_problems:Tiny")
    comparison, text = done(campaign)
    assert "5 of 6  random, seed 0: all 24 candidates failed, for example: the training" in text
    why = campaign.folder / "runs" / "random-0" / "nothing.txt"
    assert why.read_text().startswith("all 24 candidates failed")
    assert comparison.of("random", SEARCHED).tolist() == [0, 0]
    assert (comparison.of("nsga2", SEARCHED) > 0).all()
    assert {trial.evaluations for trial in comparison.trials} == {24}
    before = times(campaign.folder)
    assert done(Campaign.open(campaign.folder))[1] == ""
    assert times(campaign.folder) == before
    verdict = report_of_campaign(campaign).verdict()
    assert "2 of 2 runs of random found nothing, which counts as 0" in verdict


def test_when_all_runs_find_nothing_that_is_an_error(tmp_path: Path) -> None:
    campaign = created(tmp_path / "c", ["nsga2"], constraints=["accuracy>=0.999"])
    with pytest.raises(PruneError, match="nothing to compare: no run found a network"):
        campaign.execute(Console(quiet=True))
    before = times(campaign.folder)
    with pytest.raises(PruneError, match="nothing to compare"):
        Campaign.open(campaign.folder).execute(Console(quiet=True))
    assert times(campaign.folder) == before
    assert not campaign.complete


# Folders that are damaged or not finished.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b"[]", "cannot be read"),
        (b'{"format": 2}', "it has format 2, but this version reads format 1"),
        (b'{"format": 1, "settings": {"format": 1}}', "cannot be read"),
    ],
)
def test_damaged_plans_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, message: str
) -> None:
    (tmp_path / "comparison.json").write_bytes(content)
    for command in ("report", "resume"):
        assert main([command, str(tmp_path)]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert str(tmp_path / "comparison.json") in error


def test_what_is_no_comparison_or_not_finished_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is not a comparison: there is no comparison\.json"):
        Campaign.open(tmp_path)
    campaign = created(tmp_path / "c", ["ga"], [0])
    with pytest.raises(StoreError, match=r"c is not finished; 'pymoo-prune resume .*c' goes on"):
        report_of_campaign(campaign)
    done(campaign)
    (campaign.folder / "results.json").write_text("{")
    with pytest.raises(StoreError, match=r"results.json cannot be read: .*; remove it, and resume"):
        campaign.comparison()
    (campaign.folder / "results.json").unlink()
    before = times(campaign.folder)
    done(campaign)
    assert times(campaign.folder) == before


def test_a_run_that_was_lost_is_made_again(finished: Campaign, tmp_path: Path) -> None:
    campaign = created(tmp_path / "c")
    done(campaign)
    (campaign.folder / "runs" / "ga-1" / "front.csv").unlink()
    before = times(campaign.folder)
    _, text = done(campaign)
    assert text.startswith("1 of 1  ga, seed 1: ")
    changed = {name for name, then in before.items() if times(campaign.folder)[name] != then}
    assert {Path(name).parts[1] for name in changed} == {"ga-1"}
    assert_same_runs(finished, campaign)


# Real kills of real processes.


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "pymoo_prune.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def eventually(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def alive(session: int) -> list[str]:
    """Processes that belong to who was started, and have not ended."""
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


def asked(folder: Path) -> int:
    """How many evaluations unfinished runs asked for."""
    total = 0
    for path in (folder / "runs").glob("*/evaluations.sqlite"):
        if not (path.parent / "summary.json").is_file():
            try:
                total += int(query(path.parent, "SELECT COUNT(*) FROM history")[0][0])
            except sqlite3.Error:
                continue
    return total


SLOWLY = ("--threads", "1", "--seeds", "2", "--jobs", "2", "--set", "pause=0.1")


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("with_signal", "runs", "evaluations"), [(signal.SIGKILL, 2, 8), (signal.SIGINT, 0, 0)]
)
def test_a_comparison_that_is_stopped_takes_its_processes_along_and_goes_on(
    finished: Campaign, tmp_path: Path, with_signal: signal.Signals, runs: int, evaluations: int
) -> None:
    folder = tmp_path / "stopped"
    process = started("compare", "tests.tiny_problem:Pixels", *SLOWLY, "--output", str(folder))

    def reached() -> bool:
        if process.poll() is not None:
            return True
        begun = len(list((folder / "runs").glob("*/run.json"))) == 6  # and its processes import
        return begun and finished_runs(folder) >= runs and asked(folder) >= evaluations

    eventually(reached, "the comparison does not get there")
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


def test_a_process_that_dies_is_said_and_loses_nothing(
    finished: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    campaign = created(tmp_path / "c", problem="compared_problems:Dying")
    with pytest.raises(PruneError, match=r"ended without a word \(was there enough memory\?\)"):
        campaign.execute(Console(quiet=True), jobs=2)
    assert (tmp_path / Dying.MARK).exists()
    kept = sum(
        query(path.parent, "SELECT COUNT(*) FROM measurements")[0][0]
        for path in (campaign.folder / "runs").glob("*/evaluations.sqlite")
    )
    assert kept > 0
    done(campaign)
    names = [path.name for path in sorted((finished.folder / "runs").iterdir())]
    for name in names:
        mine, theirs = (one.folder / "runs" / name for one in (campaign, finished))
        assert (mine / "front.csv").read_bytes() == (theirs / "front.csv").read_bytes()


def test_an_error_says_in_which_run_it_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = created(tmp_path / "c", ["ga", "nsga2"], [0])

    def broken(self: Run, display: Any, **_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Run, "execute", broken)
    with pytest.raises(PruneError, match=r"ga, seed 0: .*No space left"):
        campaign.execute(Console(quiet=True))


# What is shown meanwhile.


def test_a_relay_hands_on_now_and_then() -> None:
    said: list[tuple[str, float, str]] = []
    with Relay(lambda *state: said.append(state)).phase("search") as update:
        for done in range(100):
            update(done / 100, "quickly")
    assert said[0] == ("search", 0.0, "")
    assert len(said) < 100


def test_a_board_counts_runs_and_knows_who_is_done() -> None:
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


def test_an_engine_of_ones_own_by_name(tmp_path: Path) -> None:
    name = "tests.compared_problems:small_nsga2"
    campaign = created(tmp_path / "c", [name, f"{name}@accuracy,pixels"], [0])
    comparison, _ = done(campaign)
    assert comparison.methods == [name, f"{name}@accuracy,pixels"]
    assert [trial.evaluations for trial in comparison.trials] == [18, 18]
    folders = {path.name for path in (campaign.folder / "runs").iterdir()}
    assert folders == {f"{one.replace(':', '-')}-0" for one in comparison.methods}


def test_objectives_of_a_method_stand_in_its_run(tmp_path: Path) -> None:
    name = "ga@accuracy=1,pixels=0.5"
    campaign = created(tmp_path / "c", [name], [2], constraints=["macs<=95%"])
    comparison, _ = done(campaign)
    run = Run.open(campaign.folder / "runs" / f"{name}-2")
    assert run.settings.objectives == WeightedSum({"accuracy": 1.0, "pixels": 0.5})
    assert comparison.trials[0].goal == "accuracy=1,pixels=0.5"
    assert (comparison.trials[0].columns["macs"] <= 0.95 * comparison.parent["macs"]).all()
    assert comparison.goals.names == ("accuracy", "parameters")
