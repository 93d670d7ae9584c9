"""Folders in which something is damaged, missing or in use: one line says what, and what to do."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from pymoo_prune import Run, StoreError
from pymoo_prune.cli import main
from pymoo_prune.comparing import Campaign, report_of_campaign
from pymoo_prune.files import LOCK, locked
from pymoo_prune.runs.checks import check_parent
from tests.support.campaigns import assert_same_runs, created, done, numbers, times
from tests.support.tiny_problem import full_disk


@pytest.fixture
def copied(finished: Campaign, tmp_path: Path) -> Campaign:
    """A finished comparison to damage."""
    return Campaign.open(shutil.copytree(finished.folder, tmp_path / "copied"))


def cut(path: Path) -> None:
    """Cuts a file short, as a full disk does."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def line(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that a failing command says."""
    assert main([str(argument) for argument in arguments]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("error: ")
    return said


# The plan.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b"[]", "cannot be read"),
        (b"{}", "cannot be read: it has no 'format'"),
        (b'{"format": 2}', "it has format 2, but this version reads format 1"),
        (b'{"format": 1, "settings": {"format": 1}}', "cannot be read: it has no 'methods'"),
    ],
)
def test_damaged_plans_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, message: str
) -> None:
    (tmp_path / "comparison.json").write_bytes(content)
    for command in ("report", "resume"):
        said = line(capsys, command, tmp_path)
        assert message in said
        assert str(tmp_path / "comparison.json") in said
    assert (tmp_path / "comparison.json").read_bytes() == content


@pytest.mark.slow
def test_runs_of_a_plan_that_was_cut_short_can_be_compared_as_the_error_says(
    copied: Campaign, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut(copied.folder / "comparison.json")
    command = f"'pymoo-prune compare {copied.folder}/runs/*'"
    said = line(capsys, "resume", copied.folder)
    assert f"; restore it from a copy, or compare the runs that are finished: {command}" in said
    runs = [str(path) for path in sorted((copied.folder / "runs").iterdir())]
    assert len(runs) == 6
    assert main(["compare", *runs, "--output", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "report.md").is_file()


def test_what_is_no_comparison_or_not_finished_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is not a comparison: there is no comparison\.json"):
        Campaign.open(tmp_path)
    campaign = created(tmp_path / "c", ["ga"], [0])
    with pytest.raises(StoreError, match=r"c is not finished; 'pymoo-prune resume .*c' goes on"):
        report_of_campaign(campaign)


# The results.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (cut, "cannot be read: "),
        (lambda path: path.write_text("{}"), "cannot be read: it has no 'goals'; "),
        (lambda path: path.write_text("[]"), "cannot be read: "),
        (lambda path: path.write_bytes(b"\xff"), "cannot be read: "),
    ],
)
def test_damaged_results_are_refused_and_made_again(
    copied: Campaign,
    capsys: pytest.CaptureFixture[str],
    harm: Callable[[Path], None],
    message: str,
) -> None:
    path = copied.folder / "results.json"
    before, runs = path.read_text(), times(copied.folder)
    harm(path)
    said = line(capsys, "report", copied.folder)
    assert f"{path} {message}" in said
    assert said.endswith(f"; 'pymoo-prune resume {copied.folder}' makes it again")
    assert main(["resume", str(copied.folder)]) == 0
    assert path.read_text() == before
    assert times(copied.folder) == runs


def test_a_full_disk_while_results_are_written_is_said_and_costs_no_run(
    copied: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copied.folder / "results.json"
    expected, runs = path.read_text(), times(copied.folder)
    path.unlink()
    console = Console(quiet=True)
    with full_disk(200), pytest.raises(StoreError) as caught:
        copied.execute(console)
    assert "File too large" in str(caught.value)
    resume = f"'pymoo-prune resume {copied.folder}' goes on"
    assert str(caught.value).endswith(f"; what was measured is kept: once that is mended, {resume}")
    assert not path.exists()
    assert list(copied.folder.glob(".part-*")) == []
    copied.execute(console)
    assert path.read_text() == expected
    assert times(copied.folder) == runs


def test_an_error_of_the_disk_says_in_which_run_it_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = created(tmp_path / "c", ["ga", "nsga2"], [0])

    def broken(self: Run, display: object, **_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Run, "execute", broken)
    with pytest.raises(StoreError, match=r"ga, seed 0: .*No space left .*; what was measured is k"):
        campaign.execute(Console(quiet=True))


# Runs.


def test_a_run_that_was_damaged_is_made_again(finished: Campaign, copied: Campaign) -> None:
    (copied.folder / "runs" / "ga-1" / "front.csv").unlink()
    before = times(copied.folder)
    _, text = done(copied)
    assert text.startswith("1 of 1  ga, seed 1: ")
    changed = {name for name, then in before.items() if times(copied.folder)[name] != then}
    assert {Path(name).parts[1] for name in changed} == {"ga-1"}
    assert_same_runs(finished, copied)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("harm", "message", "removed"),
    [
        (shutil.rmtree, "is not a run folder: there is no such folder", False),
        (lambda run: (run / "run.json").unlink(), "there is no run.json in it", True),
        (lambda run: cut(run / "run.json"), "run.json cannot be read: ", True),
        (lambda run: (run / "evaluations.sqlite").unlink(), "evaluations.sqlite is missing", True),
        (lambda run: cut(run / "evaluations.sqlite"), "the file is damaged", True),
    ],
)
def test_the_error_names_a_lost_run_and_how_it_is_made_again(
    finished: Campaign,
    copied: Campaign,
    capsys: pytest.CaptureFixture[str],
    harm: Callable[[Path], None],
    message: str,
    removed: bool,
) -> None:
    run = copied.folder / "runs" / "nsga2-0"
    harm(run)
    said = line(capsys, "report", copied.folder)
    assert str(run) in said
    assert message in said
    advice = f"remove {run}, and " if removed else ""
    resume = f"; {advice}'pymoo-prune resume {copied.folder}' makes that run again"
    assert said.endswith(resume)
    if removed:
        # Resuming takes nothing away that it cannot read.
        assert line(capsys, "resume", copied.folder) == said
        shutil.rmtree(run)
    before = times(copied.folder)
    _, text = done(Campaign.open(copied.folder))
    assert text.startswith("1 of 1  nsga2, seed 0: ")
    assert {name: times(copied.folder)[name] for name in before} == before
    assert_same_runs(finished, copied)


@pytest.mark.slow
def test_all_runs_may_be_lost(finished: Campaign, copied: Campaign) -> None:
    shutil.rmtree(copied.folder / "runs")
    with pytest.raises(StoreError, match="makes that run again"):
        copied.comparison()
    _, text = done(copied)
    assert "6 of 6" in text
    assert numbers(copied) == numbers(finished)


# Two at once.


@pytest.mark.slow
def test_two_processes_cannot_work_on_one_comparison(
    finished: Campaign, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = created(tmp_path / "c")
    content = (campaign.folder / "comparison.json").read_bytes()
    with locked(campaign.folder):
        said = line(capsys, "resume", campaign.folder)
        assert f"{campaign.folder} is being worked on by process {os.getpid()} on " in said
        assert said.endswith("; wait for it, or end it")
        more = created(campaign.folder, ["spea2"], [7])
        with pytest.raises(StoreError, match="is being worked on"):
            more.execute(Console(quiet=True))
        # The folder is empty but in use: it is not removed.
        assert (campaign.folder / "comparison.json").read_bytes() == content
        assert {path.name for path in campaign.folder.iterdir()} == {"comparison.json", LOCK}
    done(campaign)
    assert not (campaign.folder / LOCK).exists()
    assert_same_runs(finished, campaign)


def test_a_comparison_is_locked_while_it_works_and_locks_of_dead_processes_do_not_count(
    copied: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copied.folder / LOCK).write_text('{"process": 1, "host": "elsewhere"}')  # as kill -9 leaves it
    (copied.folder / "results.json").unlink()
    owners = []
    conclude = Campaign._conclude

    def watched(self: Campaign, *given: object) -> None:
        owners.append(json.loads((self.folder / LOCK).read_text())["process"])
        with pytest.raises(StoreError, match="is being worked on"):
            Campaign.open(self.folder).execute(Console(quiet=True))
        conclude(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Campaign, "_conclude", watched)
    copied.execute(Console(quiet=True))
    assert owners == [os.getpid()]
    assert not (copied.folder / LOCK).exists()
    assert copied.complete


# Digests of the common results.


@pytest.mark.parametrize("file", ["results.json", "comparison.json"])
def test_another_number_in_the_common_results_is_named(
    copied: Campaign, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    path = copied.folder / file
    text = path.read_text()
    place = next(k for k in range(len(text) - 1, 0, -1) if text[k - 1 : k + 1].isdigit())
    digit = str((int(text[place]) + 1) % 10)
    path.write_text(text[:place] + digit + text[place + 1 :])
    said = line(capsys, "report", copied.folder)
    assert f"{path} is not the file that was written: digests.json has another digest" in said
    assert "resume" in said
    assert not Campaign.open(copied.folder).complete


def test_common_results_that_changed_are_made_again(
    finished: Campaign, copied: Campaign, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copied.folder / "results.json"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"0.9", b"0.8"))
    assert path.read_bytes() != whole
    assert main(["resume", str(copied.folder)]) == 0
    assert path.read_bytes() == whole
    assert_same_runs(finished, Campaign.open(copied.folder))
    known = json.loads((copied.folder / "digests.json").read_text())["files"]
    assert set(known) == {"results.json", "comparison.json"}


def test_more_runs_have_no_other_parent(copied: Campaign) -> None:
    parent, digests = copied.folder / "parent", copied.folder / "digests.json"
    parent.mkdir()
    for name in ("network.pt", "network.json"):
        (parent / name).write_text("first")
    check_parent(copied.folder)  # as older versions left it: they had no digests of the parent
    copied.shared().write(copied.folder)
    (parent / "network.json").write_text("second")
    more = created(copied.folder, ["nsga2"], [7])
    with pytest.raises(StoreError, match=r"parent/network\.json is not the file that was written"):
        more.execute(Console(quiet=True))
    shutil.rmtree(parent)
    with pytest.raises(StoreError, match=r"parent/network\.pt is missing; restore it from a copy"):
        more.execute(Console(quiet=True))
    assert not (copied.folder / "runs" / "nsga2-7").exists()
    digests.unlink()
    check_parent(copied.folder)


def test_without_digests_a_comparison_is_read_as_older_versions_wrote_it(
    finished: Campaign, copied: Campaign
) -> None:
    (copied.folder / "digests.json").unlink()
    assert copied.complete
    assert numbers(copied) == numbers(finished)


def test_damaged_digests_of_a_comparison_are_named(
    copied: Campaign, capsys: pytest.CaptureFixture[str]
) -> None:
    for content, reason in ((b"{", "cannot be read"), (b'{"format": 9, "files": {}}', "format 9")):
        (copied.folder / "digests.json").write_bytes(content)
        said = line(capsys, "report", copied.folder)
        assert f"{copied.folder / 'digests.json'} " in said
        assert reason in said
        assert main(["resume", str(copied.folder)]) == 0
        assert copied.complete
