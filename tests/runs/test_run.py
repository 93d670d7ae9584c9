from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

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
from pymoo_prune.chromosomes import WeightGenome, as_column, digests, pack, unpack
from pymoo_prune.cli import main
from pymoo_prune.measuring import accuracy
from pymoo_prune.runs import Report
from tests.support.running import assert_same_run, query, quiet
from tests.support.tiny_problem import ecomp_run

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
    copy: Path, failed: Callable[..., str], content: bytes, message: str
) -> None:
    (copy / "run.json").write_bytes(content)
    for command in ("resume", "report", "export", "ticket"):
        error = failed(command, str(copy))
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
