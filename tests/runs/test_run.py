from __future__ import annotations

import io
import json
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from pymoo_prune import (
    Budget,
    Data,
    Front,
    PruneError,
    Run,
    Settings,
    StoreError,
    WeightedSum,
    load_network,
)
from pymoo_prune.chromosomes import Array, WeightGenome, as_column, digests, pack, unpack
from pymoo_prune.cli import main
from pymoo_prune.measuring import accuracy
from pymoo_prune.networks import FeedForward
from pymoo_prune.results import baseline_series, simple_series
from pymoo_prune.runs import Report
from pymoo_prune.runs.summary import failure_notes
from pymoo_prune.search import Display
from pymoo_prune_problems import EComp
from tests.support.running import asked, assert_same_run, query, quiet, started, stopped_when
from tests.support.tiny_problem import (
    AllFailing,
    FailingPixels,
    Pixels,
    ecomp_run,
    pixels_run,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "finished"
    assert main(ecomp_run(folder)) == 0
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


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


def failed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    return capsys.readouterr().err


# Settings.


def settings(**changes: Any) -> Settings:
    given: dict[str, Any] = {"problem": "ecomp", "algorithm": "nsga2", "pop_size": 8}
    return Settings(**{**given, "budget": Budget(generations=2, seconds=1.5), **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"objectives": WeightedSum({"accuracy": 1, "width": 0.1}, constant=0.3)},
        {"objectives": ["accuracy", "macs"], "constraints": ["macs<=20%"], "seed": 2**40},
        {"options": {"parent_widths": [8, 8], "recovery": "none"}, "validation": 0.1},
    ],
)
def test_settings_survive_their_folder(tmp_path: Path, changes: dict[str, Any]) -> None:
    Run.create(tmp_path / "run", settings(**changes))
    again = Run.open(tmp_path / "run").settings
    assert again.to_json() == settings(**changes).to_json()
    for name, value in changes.items():
        assert getattr(again, name) == value, name
    assert again.budget == Budget(generations=2, seconds=1.5)


def test_a_new_run_takes_a_new_or_empty_folder(tmp_path: Path) -> None:
    Run.create(tmp_path / "a" / "b", settings())
    (tmp_path / "empty").mkdir()
    Run.create(tmp_path / "empty", settings())
    with pytest.raises(StoreError, match=r"resume .* goes on with it"):
        Run.create(tmp_path / "empty", settings())
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match="is there already; give another"):
        Run.create(tmp_path / "file", settings())
    assert (tmp_path / "file").read_text() == "mine"


def test_an_error_removes_a_folder_with_settings_alone_only_where_it_was_just_made(
    tmp_path: Path,
) -> None:
    impossible = settings(problem="tests.support.tiny_problem:Pixels", options={"pase": 1})
    made = Run.create(tmp_path / "run", impossible)
    opened = Run.open(made.folder)  # as after a kill while the parent was trained
    with pytest.raises(PruneError, match="unknown option of Pixels 'pase'"):
        opened.execute(quiet())
    assert Run.open(made.folder).settings.to_json() == impossible.to_json()
    with pytest.raises(PruneError, match="unknown option of Pixels 'pase'"):
        made.execute(quiet())
    assert not made.folder.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read"),
        (b"{", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[]", "must hold an object"),
        (b"null", "must hold an object"),
        (b"{}", "'format'"),
        (b'{"format": 2}', "it has format 2, but this version reads format 1"),
        (b'{"format": 1}', "cannot be read"),
    ],
)
def test_damaged_settings_are_refused(
    copy: Path, capsys: pytest.CaptureFixture[str], content: bytes, message: str
) -> None:
    (copy / "run.json").write_bytes(content)
    for command in ("resume", "report", "export", "ticket"):
        error = failed(capsys, command, str(copy))
        assert message in error
        assert str(copy / "run.json") in error


@pytest.mark.parametrize(
    "change", [{"budget": {}}, {"speed": 3}, {"algorithm": "nsga"}, {"pop_size": 0}]
)
def test_settings_that_cannot_be_are_refused(copy: Path, change: dict[str, Any]) -> None:
    values = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**values, **change}))
    with pytest.raises(StoreError, match="cannot be read"):
        Run.open(copy)


# What a run leaves.


def test_the_front_can_be_had_back_with_its_networks(finished: Path) -> None:
    run = Run.open(finished)
    front = run.front(quiet())
    assert isinstance(front, Front)
    values = front.problem.measured(front.X)
    for name, column in values.items():
        assert np.array_equal(column, front.columns[name]), name
    data = front.problem.data_set
    for member in (front[0], front.knee()):
        assert accuracy(member.network(), data.test) == member.values["test_accuracy"]
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["knee"] == front.knee().place
    assert Report(run).findings.suggestion.place == front.pick().place
    assert Report(run).findings.suggestion.reason == front.pick().why
    assert summary["parent"] == dict(front.problem.parent_measurements())


@pytest.mark.slow
@pytest.mark.parametrize("images", [None, 300])
def test_the_ticket_of_a_run(copy: Path, digits: Data, images: int | None) -> None:
    run = Run.open(copy)
    (copy / "ticket").mkdir()
    for name in ("notes.txt", "ticket.md"):  # another ticket is replaced, and nothing else
        (copy / "ticket" / name).write_text("mine")
    ticket, folder = run.ticket("accuracy", images, None, quiet(), batch_sizes=(1, 3))
    assert folder == copy / "ticket"
    written = {"ticket.md", "times.md", "robustness.png", "network.pt", "network.json", "notes.txt"}
    assert {path.name for path in folder.iterdir()} == written
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "robustness.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    # Ten times the run's own.
    assert ticket.images == (images or 3_000)
    front = run.front(quiet())
    member = front.pick("accuracy")
    network = load_network(folder)
    expected = member.network(finish_images=ticket.images).state_dict()
    weights = network.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in expected.items())
    right = accuracy(network, digits.test)
    assert ticket.ticket.test_accuracy == right
    assert (right == member.values["finished_test_accuracy"]) or images is None
    assert ticket.ticket.parameters == member.values["parameters"]
    assert ticket.ticket.macs == member.values["macs"]
    parent = json.loads((copy / "summary.json").read_text())["parent"]
    assert (ticket.parent.parameters, ticket.parent.macs) == (parent["parameters"], parent["macs"])
    assert ticket.compression == pytest.approx(member.values["sparsity"])
    spec = json.loads((folder / "network.json").read_text())
    assert spec["made_by"] == {
        "run": str(copy),
        "problem": "ecomp",
        "seed": 0,
        "network": member.place,
        "retrained_with_images": ticket.images,
    }
    measured = {**member.values, "finished_test_accuracy": right}
    del measured["finished_accuracy"]  # of the run's own retraining
    assert spec["measurements"] == measured
    assert spec["macs_by_thop"] == ticket.ticket.thop_macs
    page = (folder / "ticket.md").read_text()
    assert page.startswith("# The winning ticket of ecomp on digits\n")
    assert "](robustness.png)" in page
    assert f"| {ticket.ticket.parameters:,} |" in page
    times = (folder / "times.md").read_text()
    for text in (" for a batch of 1 |", " for a batch of 3 |"):
        assert text in times, text
        assert text not in page, text


@pytest.mark.slow
def test_the_ticket_of_a_run_without_retraining_has_an_epoch(tmp_path: Path, digits: Data) -> None:
    assert main(ecomp_run(tmp_path / "run", "--finish", "0")) == 0
    arguments = ("0", None, tmp_path / "there", quiet())
    ticket, folder = Run.open(tmp_path / "run").ticket(*arguments, batch_sizes=(1,))
    assert folder == tmp_path / "there"
    assert ticket.images == len(digits.train)
    assert ticket.winner.place == 0
    assert not (tmp_path / "run" / "ticket").exists()


@pytest.mark.parametrize(
    ("pick", "images", "batch_sizes", "message"),
    [
        ("kne", 10, (1,), "unknown pick 'kne'"),
        ("knee", -1, (1,), "images must be at least 0, but they are -1"),
        ("knee", 10, (0,), "batch_sizes must be one or more numbers"),
    ],
)
def test_a_ticket_that_cannot_be_leaves_nothing(
    finished: Path, pick: str, images: int, batch_sizes: tuple[int, ...], message: str
) -> None:
    before = sorted(finished.iterdir())
    with pytest.raises(PruneError, match=message):
        Run.open(finished).ticket(pick, images, None, quiet(), batch_sizes=batch_sizes)
    assert sorted(finished.iterdir()) == before


def test_a_ticket_takes_no_file_for_its_folder(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match="file is a file; give another --output, a folder"):
        Run.open(finished).ticket("knee", 0, tmp_path / "file", quiet())
    assert (tmp_path / "file").read_text() == "mine"


def test_the_front_of_a_run_is_the_best_of_all_its_evaluations(finished: Path) -> None:
    front = Run.open(finished).results()[0][0]
    rows = query(
        finished,
        "SELECT DISTINCT accuracy, width FROM history JOIN measurements USING (images, digest)",
    )
    best = {
        (a, w) for a, w in rows if not any(x >= a and v <= w and (x, v) != (a, w) for x, v in rows)
    }
    found = zip(front.columns["accuracy"], front.columns["width"], strict=True)
    assert set(found) == best


def test_chromosomes_are_plain_arrays() -> None:
    generator = np.random.default_rng(0)
    genomes = [
        WeightGenome(
            tuple(generator.random(shape).astype(np.float32) for shape in ((3, 4), (5, 3), (2, 5))),
            tuple(generator.random(size).astype(np.float32) for size in (3, 5, 2)),
            bytes([k] * 16),
        )
        for k in range(12)
    ]
    X = as_column(genomes)
    packed = pack(X)
    assert all(array.dtype != object for array in packed.values())
    again = unpack(packed)
    assert digests(again) == digests(X)
    for (one,), (other,) in zip(X, again, strict=True):
        for a, b in zip((*one.weights, *one.biases), (*other.weights, *other.biases), strict=True):
            assert np.array_equal(a, b)
    mask = generator.random((4, 9)) < 0.5
    assert np.array_equal(unpack(pack(mask)), mask)


@pytest.mark.slow
def test_a_run_with_weights_as_chromosomes_can_be_read_back(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = ["--set", "encoding=weights", "--set", "batch_size=40", "--finish", "0"]
    assert main(ecomp_run(folder, *options)) == 0
    front = Run.open(folder).front(quiet())
    values = front.problem.measured(front.X)
    assert np.array_equal(values["similarity_loss"], front.columns["similarity_loss"])


@pytest.mark.slow
def test_a_run_is_a_function_of_its_settings(finished: Path, tmp_path: Path) -> None:
    torch.manual_seed(123)
    np.random.seed(99)  # noqa: NPY002 - what is global must not matter
    assert main(ecomp_run(tmp_path / "again")) == 0
    assert_same_run(finished, tmp_path / "again")
    assert main(ecomp_run(tmp_path / "other", "--seed", "1")) == 0
    front = (tmp_path / "other" / "front.csv").read_bytes()
    assert front != (finished / "front.csv").read_bytes()


# Resuming.


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
def test_another_configuration_is_refused(
    interrupted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original = (interrupted / "run.json").read_text()
    values = json.loads(original)
    history = query(interrupted, "SELECT * FROM history")
    for change in (
        {"seed": 1},
        {"options": {**values["options"], "recovery": "none"}},
        {"validation": 0.3},
    ):
        (interrupted / "run.json").write_text(json.dumps({**values, **change}))
        error = failed(capsys, "resume", str(interrupted))
        assert "belongs to another configuration" in error
        assert str(interrupted / "evaluations.sqlite") in error
    (interrupted / "run.json").write_text(json.dumps({**values, "pop_size": 9}))
    error = failed(capsys, "resume", str(interrupted))
    assert "departs from the recorded one" in error
    assert query(interrupted, "SELECT * FROM history") == history
    (interrupted / "run.json").write_text(original)
    assert main(["resume", str(interrupted)]) == 0


@pytest.mark.slow
def test_a_damaged_database_is_refused(
    interrupted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = interrupted / "evaluations.sqlite"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    error = failed(capsys, "resume", str(interrupted))
    assert str(path) in error
    assert "damaged; restore it from a copy, or start a new run" in error
    path.write_bytes(whole)
    assert main(["resume", str(interrupted)]) == 0


def test_a_finished_run_without_its_evaluations_says_so(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "evaluations.sqlite").unlink()
    assert "there are no evaluations" in failed(capsys, "report", str(copy))


@pytest.mark.slow
def test_half_a_parent_is_not_taken_for_a_whole_one(
    finished: Path, interrupted: Path, capsys: pytest.CaptureFixture[str]
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
    error = failed(capsys, "resume", str(interrupted))
    assert f"the exported network in {interrupted / 'parent'} is damaged" in error


def test_an_unfinished_run_cannot_be_exported(
    interrupted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("export", "report", "ticket"):
        error = failed(capsys, command, str(interrupted))
        assert f"is not finished; 'pymoo-prune resume {interrupted}' goes on with it" in error


# Candidates that fail.


def cut_short(folder: Path, kept: int) -> None:
    """Leaves a run as if it was killed after so many evaluations."""
    (folder / "summary.json").unlink()
    query(folder, f"DELETE FROM history WHERE number >= {kept}")  # noqa: S608
    query(folder, "DELETE FROM generations WHERE generation > 1")
    asked = "SELECT digest FROM history"
    query(folder, f"DELETE FROM measurements WHERE digest NOT IN ({asked})")  # noqa: S608


@pytest.mark.slow
def test_a_run_goes_on_without_failed_candidates_and_resumes_to_the_same(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    assert main(pixels_run(whole, "--generations", "4", problem=FailingPixels)) == 0
    failed = query(
        whole,
        "SELECT DISTINCT digest FROM history JOIN measurements USING (images, digest) "
        "WHERE failure = 'the training diverged: its last loss is nan' AND accuracy IS NULL "
        "AND parameters IS NOT NULL",
    )
    summary = json.loads((whole / "summary.json").read_text())
    reasons = {"the training diverged: its last loss is nan": len(failed)}
    assert 0 < len(failed) < summary["evaluations"] == 32
    assert summary["failed"] == {"candidates": len(failed), "reasons": reasons}
    kept = query(whole, "SELECT COUNT(*) FROM measurements WHERE failure IS NOT NULL")[0][0]
    assert kept > len(failed)  # those of random search are in no summary
    front = Run.open(whole).front(quiet())
    assert not any(front.problem.fails(x) for x in front.X)
    for evaluations in (5, 12):
        folder = Path(shutil.copytree(whole, tmp_path / str(evaluations)))
        cut_short(folder, evaluations)
        assert main(["resume", str(folder)]) == 0
        assert_same_run(whole, folder)


def test_a_run_in_which_all_fail_says_why_and_can_be_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = pixels_run(tmp_path / "run", "--generations", "2", problem=AllFailing)
    for arguments in (run, ["resume", str(tmp_path / "run")]):
        assert "all 16 candidates failed, for example: the training div" in failed(
            capsys, *arguments
        )
    assert query(tmp_path / "run", "SELECT COUNT(*) FROM measurements WHERE failure != ''") == [
        (16,)
    ]


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ({"it is empty": 1}, "1 candidate failed in 2,000 evaluations: it is empty (1×)."),
        (
            {"a": 1, "b": 5, "c": 2, "d": 1},
            "9 candidates failed in 2,000 evaluations: b (5×), c (2×), a (1×), other reasons (1×).",
        ),
    ],
)
def test_what_is_said_about_failed_candidates(reasons: dict[str, int], expected: str) -> None:
    (note,) = failure_notes(Counter(reasons), 2_000)
    assert note == f"{expected} Failed candidates rank last, and are in no table."
    assert failure_notes(Counter(), 2_000) == []


@pytest.mark.parametrize(
    ("problem_class", "constraints", "message"),
    [
        (FailingPixels, (), "all 8 candidates failed, for example: the training diverged"),
        (Pixels, ["accuracy>=0.3"], "no candidate keeps the constraints"),
    ],
)
def test_random_search_that_finds_nothing_is_left_out(
    digits: Data, problem_class: type[Pixels], constraints: list[str], message: str
) -> None:
    class Unlucky(problem_class):
        def random(self, n: int, generator: np.random.Generator) -> Array:
            return np.eye(self.n_var, dtype=bool)[generator.permutation(self.n_var)[:n]]

    problem = Unlucky(digits, constraints=constraints)
    X = np.ones((1, problem.n_var), dtype=bool)
    front = Front.from_candidates(problem, X, problem.measured(X)).finish()
    console = Console(record=True, quiet=False, width=200, file=io.StringIO())
    series = baseline_series(
        problem,
        front,
        store=None,
        evaluations=8,
        pop_size=8,
        seed=0,
        images=0,
        display=Display(console),
    )
    assert series == []
    assert f"random search is left out: {message}" in console.export_text()


def test_what_a_baseline_loses_is_against_the_parent_on_the_same_images(
    digits: Data, parent: FeedForward
) -> None:
    problem = EComp(digits, parent=parent, search_images=50, recovery="none")
    X = np.ones((1, problem.n_var), dtype=bool)
    X[:, ::2] = False
    front = Front.from_candidates(problem, X, problem.measured(X))
    found = simple_series(
        problem, front.columns, seed=0, images=0, display=Display(Console(quiet=True))
    )
    whole = accuracy(parent, digits.validation)
    assert whole != problem.parent_values["accuracy"], "the search has fewer images"
    for one in found:
        lost = whole - one.columns["accuracy"]
        assert one.columns["accuracy_drop"] == pytest.approx(lost, abs=1e-12), one.name


# Real kills of real processes.


SLOW = ("--generations", "9", "--set", "recovery=refit+steps:4")
IN_BATCHES = ("--generations", "9", "--set", "encoding=weights", "--set", "recovery=steps:4")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "moments"),
    [
        (SLOW, ["parent", 5, 30, "last"]),
        ((*IN_BATCHES, "--set", "batch_size=40"), [20, 60]),
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
    process = started(ecomp_run(folder, *SLOW))
    out, err = stopped_when(process, lambda: asked(folder) >= 20, signal.SIGINT)
    assert process.returncode == 130, (out, err)
    assert f'pymoo-prune resume "{folder}"' in out
    assert "Traceback" not in err
    assert main(ecomp_run(whole, *SLOW)) == 0
    assert main(["resume", str(folder)]) == 0
    assert_same_run(whole, folder)


@pytest.mark.slow
def test_a_users_own_problem_runs_and_resumes(tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    more = ["--generations", "6", "--set", "pause=0.05"]
    process = started(pixels_run(folder, *more))
    stopped_when(process, lambda: asked(folder) >= 16, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert main(["resume", str(folder)]) == 0
    assert main(pixels_run(whole, *more)) == 0
    assert_same_run(whole, folder)
