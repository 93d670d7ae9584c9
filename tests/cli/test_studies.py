"""compare over many problems, and what resume and report do with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pymoo_prune.cli import main
from pymoo_prune.studies import Study
from pymoo_prune.suite import suite
from tests.support.studies import BOUNDED, NEURONS, PIXELS, named, run_files, written

SMALL = ("--evaluations", "24", "--pop-size", "8", "--jobs", "1")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "mixed"
    problems = [NEURONS, PIXELS, f"{PIXELS}@pause=0.001"]
    methods = ["--algorithms", "nsga2", "moead", named("Breaking"), "--seeds", "2"]
    command = ["compare", *problems, "--threads", "1", *SMALL, *methods, "--output", str(folder)]
    assert main(command) == 0
    return folder


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_problems_with_options_and_instances(mixed: Path) -> None:
    study = Study.open(mixed)
    assert [one.name for one in study.plan.problems] == [NEURONS, PIXELS, f"{PIXELS}@pause=0.001"]
    assert study.plan.methods == ("nsga2", "moead", named("Breaking"), "random")
    neurons, plain, slow = study.tasks()
    assert list(neurons.missing) == [named("Breaking")]
    assert plain.values("nsga2").tolist() == slow.values("nsga2").tolist()
    settings = [one.settings for one in study.plan.own]
    assert [one.options for one in settings] == [{}, {"pause": 0.001}]
    assert [(one.pop_size, one.budget.evaluations, one.threads) for one in settings] == [
        (8, 24, 1)
    ] * 2


def test_report_and_resume_show_it(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (mixed / "report.md").unlink()
    assert main(["report", str(mixed)]) == 0
    shown, _, where = capsys.readouterr().out.rpartition("report: ")
    assert where == (
        f"{mixed / 'report.md'}, tables in LaTeX and all numbers: {mixed / 'tables'}\n"
    )
    assert "has the best mean rank over 3 problems" in shown
    assert "4 methods on 3 problems" in (mixed / "report.md").read_text(encoding="utf-8")
    assert main(["resume", str(mixed), "--jobs", "1"]) == 0
    again = capsys.readouterr().out
    assert "3 problems, 4 methods, 2 seeds: 18 runs, 18 are there; 6 more of methods" in again
    assert shown.strip() in again
    assert again.endswith(f"interactive: {mixed / 'report.html'}\n")


def test_methods_are_added_to_all_problems_where_none_is_named(
    mixed: Path, tmp_path: Path, failed: Callable[..., str]
) -> None:
    folder = tmp_path / "more"
    shutil.copytree(mixed, folder)
    added = ["--algorithms", "spea2", "--seeds", "2", "--output", str(folder)]
    error = failed("compare", "--pop-size", "8", *added)
    assert f"--pop-size cannot be given without problems: those of {folder} keep" in error
    assert main(["compare", "--jobs", "1", *added]) == 0
    study = Study.open(folder)
    assert study.plan.methods[-1] == "spea2"
    assert all("spea2" in task.methods for task in study.tasks())


def test_a_group_of_the_suite(alone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--suite", "quick", BOUNDED, "--seeds", "1", *SMALL]) == 0
    (folder,) = (alone / "runs").iterdir()
    assert folder.name.startswith("study-")
    study = Study.open(folder)
    names = [one.name for one in suite("quick")]
    assert [task.name for task in study.tasks()] == [*names, BOUNDED]
    assert study.plan.methods == ("nsga2", "random")
    printed = capsys.readouterr().out
    assert "5 problems, 2 methods, 1 seed: 10 runs, 0 are there" in printed
    assert "1 seed cannot show a difference in every cell" in printed


def test_a_single_instance_is_a_study(tmp_path: Path) -> None:
    assert main(["compare", NEURONS, *SMALL, "--seeds", "1", "--output", str(tmp_path / "s")]) == 0
    assert len(run_files(tmp_path / "s")) == 2


def test_results_from_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = ["seed", "evaluation", "error", "width"]
    path = written(tmp_path / f"{NEURONS}.csv", head, [[0, n, 0.3 - n / 100, 0.5] for n in (1, 5)])
    command = ["compare", NEURONS, *SMALL, "--seeds", "1", "--output", str(tmp_path / "s")]
    assert main([*command, "--outside", f"hill={path}", "--against", "hill"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "3 evaluations are missing, and count as not better" in printed
    assert "hill" in printed.partition("random")[2]
    assert Study.open(tmp_path / "s").plan.against == "hill"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a problem or several, folders of finished runs, or a group of the suite with"),
        (["--suite", "quik"], "unknown group of the suite 'quik'"),
        (["ecomp", "nope"], "unknown problem or instance 'nope'"),
        (["ecomp", f"{NEURONS}@a=1"], "is an instance of the suite, which is fixed"),
        (["ecomp", "ecomp@nothing=1"], "unknown option of EComp 'nothing'"),
        (["--suite", "quick", "--generations", "3"], "give --evaluations, and not --generations"),
        (["ecomp", NEURONS, "--time", "9"], "give --evaluations, and not --time"),
        (["--suite", "quick", "--data", "digits2"], "--data cannot be given where all problems ar"),
        (["--suite", "quick", "--seeds", "0"], "--seeds must be at least 1, but it is 0"),
        (["--suite", "quick", "--jobs", "0"], "--jobs must be at least 1, but it is 0"),
        (["--suite", "quick", "--evaluations", "0"], "evaluations must be at least 1, but it is 0"),
        (["--suite", "quick", "--algorithms", "nsga22"], "unknown algorithm 'nsga22'"),
        (["--suite", "quick", "--algorithms", "no:where"], "'no:where' cannot be imported"),
        (["--suite", "quick", "--against", "spea2"], "unknown method to test against 'spea2'"),
        (["--suite", "quick", "--outside", "hill"], "--outside 'hill' must read NAME=PATH"),
        (["--suite", "quick", "--outside", "hill=there"], "there is no such file or folder"),
        (["--outside", "hill=there"], "--outside needs problems: name some, or a group"),
        (["ecomp", "layer-vector", "--objectives", "size"], "unknown objective 'size'"),
        (["ecomp", "--again"], "--again is for a study over many problems, but this is one"),
        (["--suite", "quick", "--workers", "2"], "a comparison makes whole runs at once"),
    ],
)
def test_impossible_studies(
    alone: Path, failed: Callable[..., str], arguments: list[str], message: str
) -> None:
    assert message in failed("compare", *arguments)
    assert list(alone.iterdir()) == []


def test_other_settings_and_folders(mixed: Path, failed: Callable[..., str]) -> None:
    output = ["--output", str(mixed)]
    error = failed("compare", NEURONS, "--evaluations", "30", "--pop-size", "8", *output)
    assert "evaluations is 24 there and 30 here; give the same settings to add problems" in error
    assert "is a study over many problems; 'pymoo-prune report" in failed("compare", str(mixed))
    assert "--suite cannot be given with folders" in failed(
        "compare", str(mixed), "--suite", "quick"
    )
    place = mixed / "problems" / "tests.support.tiny_problem-Pixels"
    assert "--again is for a study over many problems, but this is none" in failed(
        "resume", str(place), "--again"
    )


def test_code_that_a_study_names(
    mixed: Path, tmp_path: Path, failed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYMOO_PRUNE_TRUST", "")
    folder = tmp_path / "strange"
    shutil.copytree(mixed, folder)
    path = folder / "study.json"
    values = json.loads(path.read_text())
    values["methods"][0] = "stranger:Engine"
    path.write_text(json.dumps(values))
    assert "names code outside of pymoo-prune: stranger" in failed("resume", str(folder))
    assert "names code outside of pymoo-prune: stranger" in failed(
        *("compare", NEURONS, *SMALL, "--output", str(folder))
    )
    assert main(["report", str(folder)]) == 0


def test_ctrl_c_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pymoo_prune.studies.instances.keep_run", stop)
    folder = tmp_path / "s"
    assert main(["compare", NEURONS, *SMALL, "--output", str(folder)]) == 130
    assert f"kept. pymoo-prune resume {folder}" in capsys.readouterr().out
    monkeypatch.undo()
    assert main(["resume", str(folder), "--jobs", "1"]) == 0
    assert len(run_files(folder)) == 10
