"""The common part of reproductions."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn

from pymoo_prune import Data, PruneError
from pymoo_prune.cli import main
from pymoo_prune.networks import FeedForward
from pymoo_prune.problem import REPRODUCTIONS, registered
from pymoo_prune.runs import kept, kept_parent, kept_runs, prepare, publish
from pymoo_prune.runs import reproduction as module
from tests.support.own_data import whole_data

SETTINGS: dict[str, Any] = {"epochs": {"small": (1, 2)}, "images": 100}


@pytest.fixture(autouse=True)
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def never() -> Any:
    raise AssertionError


def prepared(output: Path, settings: dict[str, Any] = SETTINGS, **options: Any) -> Data:
    given: dict[str, Any] = {"runs": 1, "data": "digits", "data_root": None, **options}
    return prepare(output, settings, **given)


# The folder.


def test_a_folder_is_made_and_the_images_are_loaded(tmp_path: Path, digits: Data) -> None:
    output, before = tmp_path / "runs" / "mine", repr(SETTINGS)
    found = prepared(output)
    assert torch.equal(found.validation.images, digits.validation.images)
    assert json.loads((output / "settings.json").read_text()) == {
        "data": "digits", "epochs": {"small": [1, 2]}, "images": 100,
    }  # fmt: skip
    assert len(prepared(output, validation=30).validation) == 30
    assert len(prepared(output, runs=7).validation) == len(digits.validation), "more runs may come"
    assert repr(SETTINGS) == before


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(PruneError, match="is there already, and is no reproduction; take another"):
        prepared(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    ("changes", "options", "differing"),
    [
        ({"images": 101}, {}, "images"),
        ({"epochs": {"small": (1, 3)}}, {}, "epochs"),
        ({"images": 101, "epochs": {}}, {}, "epochs, images"),
        ({"more": None, "steps": 3}, {}, "more, steps"),
        ({}, {"data": "DIGITS"}, "data"),
    ],
)
def test_results_of_other_settings_stay_among_themselves(
    tmp_path: Path,
    digits: Data,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    options: dict[str, Any],
    differing: str,
) -> None:
    monkeypatch.setattr(module, "named_data", lambda *_, **__: digits)
    prepared(tmp_path)
    before = (tmp_path / "settings.json").read_bytes()
    message = f"{tmp_path} holds results of another reproduction: {differing} differ; take another"
    with pytest.raises(PruneError, match=message):
        prepared(tmp_path, {**SETTINGS, **changes}, **options)
    assert (tmp_path / "settings.json").read_bytes() == before
    prepared(tmp_path)


def test_settings_that_no_longer_exist_differ_too(tmp_path: Path) -> None:
    prepared(tmp_path, {**SETTINGS, "steps": 3})
    with pytest.raises(PruneError, match="another reproduction: steps differ"):
        prepared(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runs": 0}, "--runs must be at least 1, but it is 0"),
        ({"runs": -3, "data": "digit"}, "--runs must be at least 1, but it is -3"),
        ({"data": "digit"}, "unknown data set 'digit'.*Did you mean 'digits'"),
    ],
)
def test_impossible_settings_leave_no_folder(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(PruneError, match=message):
        prepared(tmp_path / "output", **options)
    assert not (tmp_path / "output").exists()


def test_images_go_to_a_gpu_where_there_is_one_and_it_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[str] = []

    def to(data: Data, device: str) -> Data:
        moved.append(device)
        return data

    monkeypatch.setattr(Data, "to", to)
    prepared(tmp_path)
    assert moved == []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    prepared(tmp_path, gpu=False)
    assert moved == []
    prepared(tmp_path)
    assert moved == ["cuda"]


# What is kept in it.


def test_a_result_is_made_once_and_always_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    value = {"rows": (1, 0.1 + 0.2), "nothing": None}
    first = kept(path, lambda: value)
    assert first == kept(path, never) == {"rows": [1, 0.1 + 0.2], "nothing": None}
    assert path.read_text().endswith("}\n")


def test_a_result_that_could_not_be_made_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    with pytest.raises(AssertionError):
        kept(path, never)
    with pytest.raises(TypeError, match="not JSON serializable"):
        kept(path, lambda: {"network": nn.Identity()})
    assert list(tmp_path.iterdir()) == []
    assert kept(path, lambda: 3) == 3


def test_a_damaged_result_is_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text('{"accuracy": 0.')
    with pytest.raises(PruneError, match=f"{path} cannot be read: .*; remove it, and it is made"):
        kept(path, never)


def test_only_missing_runs_are_made(tmp_path: Path) -> None:
    made: list[tuple[str, int]] = []

    def make(name: str, seed: int) -> str:
        made.append((name, seed))
        return f"{name} {seed}"

    assert kept_runs(tmp_path, ("b", "a"), 1, make) == {"b": ["b 0"], "a": ["a 0"]}
    (tmp_path / "b-0.json").unlink()
    found = kept_runs(tmp_path, ("b", "a"), 2, make)
    assert list(found.items()) == [("b", ["b 0", "b 1"]), ("a", ["a 0", "a 1"])]
    assert made == [("b", 0), ("a", 0), ("b", 0), ("b", 1), ("a", 1)]
    assert {path.name for path in tmp_path.iterdir()} == {
        "a-0.json", "a-1.json", "b-0.json", "b-1.json",
    }  # fmt: skip


def test_a_parent_is_made_once(tmp_path: Path, parent: FeedForward) -> None:
    folder = tmp_path / "parent"
    for make in (lambda: parent, never):
        found = kept_parent(folder, make)
        assert found is not parent
        assert not found.training
        for name, value in parent.state_dict().items():
            assert torch.equal(found.state_dict()[name], value), name
    assert json.loads((folder / "network.json").read_text())["role"] == "parent"
    assert [path.name for path in tmp_path.iterdir()] == ["parent"]


def test_half_a_parent_is_not_taken_for_a_whole_one(
    tmp_path: Path, parent: FeedForward, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "parent"

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("pymoo_prune.results.network_files.write_text", full)  # after the weights
        with pytest.raises(OSError, match="No space left"):
            kept_parent(folder, lambda: parent)
    assert not folder.exists()
    made = kept_parent(folder, lambda: parent)
    images = torch.linspace(-1, 1, 320).view(5, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(made(images), parent(images))
    assert [path.name for path in tmp_path.iterdir()] == ["parent"]


# The page.


def test_the_page_is_written_and_printed_as_it_is(tmp_path: Path) -> None:
    page = "# [bold]Title[/bold]\n\n" + "a long line " * 20 + "\n| 1 | :warning: |\n"
    text = io.StringIO()
    publish(page, tmp_path, Console(file=text, width=40))
    assert (tmp_path / "report.md").read_text() == page
    assert text.getvalue() == f"{page}\nreport: {tmp_path / 'report.md'}\n"


# The options of the command line.


@pytest.fixture
def nothing_begins(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What `prepare` was asked for; nothing is loaded or made."""
    asked: list[dict[str, Any]] = []

    def prepare(output: Path, settings: dict[str, Any], **options: Any) -> Any:
        asked.append({"settings": settings, **options})
        raise PruneError("stopped here")

    monkeypatch.setattr(module, "prepare", prepare)
    return asked


every = pytest.mark.parametrize("paper", sorted(registered(REPRODUCTIONS)))


@every
def test_networks_that_the_paper_has_not_are_refused(
    paper: str, nothing_begins: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", paper, "--networks", "resnet-21"]) == 2
    error = capsys.readouterr().err
    if paper.startswith(("ecomp", "dense-connectivity")):
        assert "--networks chooses among a paper's networks, but this one has only one" in error
    else:
        assert "unknown network of the paper 'resnet-21'" in error
    assert nothing_begins == []


@every
def test_a_budget_that_a_reproduction_cannot_keep_is_refused(
    paper: str, nothing_begins: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    known = paper.startswith("layer-vector")
    by_evaluations = paper.startswith("distilled-filters") or paper == "ecomp-weights"
    limit = "evaluations" if by_evaluations else "generations"
    for given in (["--time", "5m"], [f"--{limit}", "9", "--time", "5m"]):
        assert main(["reproduce", paper, *given]) == 2
        error = capsys.readouterr().err
        message = f"end after a number of {limit}: give --{limit} alone"
        assert ("stopped here" if known else message) in error
    assert main(["reproduce", paper, f"--{limit}", "9"]) == 2
    assert "stopped here" in capsys.readouterr().err
    settings = nothing_begins[-1]["settings"]
    if known:
        settings = settings["budget"]
    # A reproduction by several recipes has settings of each.
    for found in [settings] if limit in settings else settings.values():
        assert found[limit] == 9 or set(found[limit].values()) == {9}
    assert main(["reproduce", paper, f"--{limit}", "0"]) == 2
    assert "limits above 0" in capsys.readouterr().err


@every
def test_candidates_are_measured_by_workers_where_they_take_long(
    paper: str, nothing_begins: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", paper, "--workers", "2"]) == 2
    error = capsys.readouterr().err
    if paper.startswith("ecomp"):
        assert "less time than to hand it to workers: leave --workers out" in error
        assert nothing_begins == []
    else:
        assert "stopped here" in error
        assert nothing_begins[-1]["settings"]
    assert main(["reproduce", paper, "--workers", "0"]) == 2
    assert "workers and threads must be at least 1, but they are 0" in capsys.readouterr().err


def test_images_are_named_as_for_run(
    nothing_begins: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images.npz").touch()
    command = ["reproduce", "layer-vector", "--data", "images.npz", "--download"]
    assert main([*command, "--networks", "resnet-56", "resnet-20"]) == 2
    (asked,) = nothing_begins
    assert asked["data"] == str(tmp_path / "images.npz")
    assert asked["download"] is True


def test_data_of_ones_own_are_prepared(tmp_path: Path) -> None:
    found = prepared(tmp_path, data="tests.support.own_data:whole_data", validation=30)
    assert len(found.validation) == len(whole_data().validation), "they have their parts already"


def test_networks_are_chosen_in_the_papers_order() -> None:
    options: Any = {"networks": ["c", "a"]}
    assert module.chosen(("a", "b", "c"), options) == ("a", "c")
    assert module.chosen(("a", "b", "c"), {"networks": None}) == ("a", "b", "c")  # type: ignore[typeddict-item]
    assert module.chosen((), {}) == ()  # type: ignore[typeddict-item]
