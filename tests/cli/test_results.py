from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pymoo_prune import Data, Run, load_network
from pymoo_prune.cli import main
from pymoo_prune.measuring import accuracy
from pymoo_prune.results import read_csv
from pymoo_prune.runs import Report
from tests.support.tiny_problem import full_disk, pixels_run


@pytest.mark.parametrize(
    "pick", ["suggestion", "knee", "0", "accuracy", "width<=60%", "accuracy_drop<=0.9"]
)
def test_export_and_load_rebuild_the_network_of_the_report(
    finished: Path, tmp_path: Path, digits: Data, capsys: pytest.CaptureFixture[str], pick: str
) -> None:
    output = tmp_path / "network"
    torch.set_num_threads(2)  # the run's own number of threads must be used
    assert main(["export", str(finished), "--pick", pick, "--output", str(output)]) == 0
    out = capsys.readouterr().out
    assert f"written to {output}" in out
    assert ("is suggested: it is the " in out) == (pick == "suggestion")
    spec = json.loads((output / "network.json").read_text())
    place = spec["made_by"]["network"]
    front = read_csv(finished / "front.csv")[0]
    row = {name: float(column[place]) for name, column in front.columns.items()}
    assert spec["measurements"] == row
    network = load_network(output)
    assert accuracy(network, digits.test) == row["finished_test_accuracy"]
    assert accuracy(network, digits.validation) == row["finished_accuracy"]
    assert sum(p.numel() for p in network.parameters()) == row["parameters"]
    assert spec["macs_by_thop"] == row["macs"]
    assert torch.load(output / "network.pt", weights_only=True).keys()
    if pick == "accuracy":
        assert row["accuracy"] == front.columns["accuracy"].max()


@pytest.mark.slow
@pytest.mark.parametrize("width", [30, 80])
def test_a_terminal_shows_every_number_whole(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["report", str(finished)]) == 0
    lines = capsys.readouterr().out.splitlines()
    for row in Report(Run.open(finished)).network_rows()[1]:
        (shown,) = [line for line in lines if line.split() == " ".join(row).split()]
        assert len(shown) <= 80


def test_a_folder_that_cannot_be_written_to_can_be_looked_at(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(finished, tmp_path / "run")
    (folder / "front.png").unlink()
    (folder / "front.png").mkdir()
    (tmp_path / "file").touch()
    inside = tmp_path / "file" / "compared"
    for arguments, table in (
        (["report", str(folder)], "networks of the front"),
        (["compare", str(finished), "--output", str(inside)], "how they searched"),
    ):
        assert main(arguments) == 2
        captured = capsys.readouterr()
        assert captured.out.startswith(table)
        assert "L1 pruning" in captured.out
        assert "report: " not in captured.out
        assert captured.err.startswith("error: [Errno ")


def test_a_report_replaces_no_other_results(
    finished: Path, tmp_path: Path, failed: Callable[..., str]
) -> None:
    other = shutil.copytree(finished, tmp_path / "other")
    assert main(["report", str(other)]) == 0  # it names its folder
    before = (other / "report.md").read_bytes()
    (other / "report.md").write_bytes(before + b"mine")
    for place in (other, other / "parent"):
        error = failed("report", str(finished), "--output", str(place))
        assert f"{place} holds other results, whose report would be replaced" in error
    assert (other / "report.md").read_bytes() == before + b"mine"
    assert main(["report", str(other), "--output", str(other)]) == 0
    assert (other / "report.md").read_bytes() == before


def test_a_full_disk_costs_the_report_alone(
    finished: Path, tmp_path: Path, failed: Callable[..., str]
) -> None:
    folder = shutil.copytree(finished, tmp_path / "run")
    (folder / "report.md").unlink()
    with full_disk(200):
        error = failed("report", str(folder))
    assert f"the results in {folder} are whole" in error
    assert f"'pymoo-prune report {folder}' writes the report; with --output, elsewhere" in error
    assert main(["report", str(folder)]) == 0


def test_export_goes_into_the_runs_folder_unless_told(finished: Path) -> None:
    assert main(["export", str(finished), "--pick", "0"]) == 0
    assert load_network(finished / "network-0") is not None


@pytest.mark.slow
def test_an_exported_network_can_be_pruned_in_turn(finished: Path, tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    assert main(["export", str(finished), "--pick", "accuracy", "--output", str(parent)]) == 0
    arguments = ["--parent", str(parent), "--pop-size", "6", "--generations", "2", "--threads", "1"]
    folder = tmp_path / "run"
    assert main(["run", "ecomp", *arguments, "--finish", "0", "--output", str(folder)]) == 0
    kept, given = load_network(folder / "parent"), load_network(parent)
    assert str(kept) == str(given)
    assert torch.equal(kept.get_parameter("1.weight"), given.get_parameter("1.weight"))


@pytest.mark.slow
def test_the_ticket_is_shown_and_written(
    finished: Path, tmp_path: Path, digits: Data, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "ticket"
    arguments = ["--pick", "accuracy", "--images", "500", "--batch-sizes", "1", "5"]
    assert main(["ticket", str(finished), *arguments, "--output", str(folder)]) == 0
    out = capsys.readouterr().out
    for text in (
        "the winning ticket",
        "test accuracy on perturbed images",
        "s for a batch of 5",
        "retrained with 500 images",
        "Latencies are medians of 50 repeats",
        "the ticket loses",
        f"report: {folder / 'ticket.md'}, picture: {folder / 'robustness.png'}",
        f"written to {folder}; pymoo_prune.load_network('{folder}') rebuilds it",
    ):
        assert text in " ".join(out.split()), text
    right = accuracy(load_network(folder), digits.test)
    assert f"{100 * right:.2f}\u00a0%" in out
    assert f"| {100 * right:.2f}\u00a0% |" in (folder / "ticket.md").read_text()


@pytest.mark.slow
def test_the_ticket_goes_into_the_runs_folder_unless_told(finished: Path) -> None:
    assert main(["ticket", str(finished), "--images", "0", "--batch-sizes", "2"]) == 0
    names = {path.name for path in (finished / "ticket").iterdir()}
    assert names == {"ticket.md", "times.md", "robustness.png", "network.pt", "network.json"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--images", "-1"], "images must be at least 0, but they are -1"),
        (["--batch-sizes", "1", "0"], "at least 1, but batch_sizes=[1, 0]"),
        (["--batch-sizes", str(10**12)], "a batch of 1,000,000,000,000 images would take 256,0"),
    ],
)
def test_impossible_tickets_are_refused(
    finished: Path, failed: Callable[..., str], arguments: list[str], message: str
) -> None:
    assert message in failed("ticket", str(finished), *arguments)


@pytest.mark.parametrize("command", ["resume", "report", "export", "ticket"])
def test_other_folders_are_refused(
    tmp_path: Path, failed: Callable[..., str], command: str
) -> None:
    for folder in (tmp_path / "none", tmp_path):
        assert f"{folder} is not a run folder" in failed(command, str(folder))


@pytest.mark.parametrize(
    ("pick", "messages"),
    [
        ("kne", ["unknown pick 'kne'", "Did you mean 'knee'"]),
        ("999", ["there is no network 999; they are numbered 0 to"]),
        ("fittest", ["several objectives"]),
        ("accuracy>=0.9999", ["no network keeps accuracy>=0.9999; the nearest is network"]),
        ("macs<=1", ["no network keeps macs<=1; the nearest is network 0"]),
        ("finished_test_accuracy>=10%", ["finished_test_accuracy"]),
    ],
)
def test_impossible_picks_are_refused(
    finished: Path, failed: Callable[..., str], pick: str, messages: list[str]
) -> None:
    for command in ("export", "ticket"):
        error = failed(command, str(finished), "--pick", pick)
        for message in messages:
            assert message in error, message


@pytest.mark.slow
def test_a_problem_whose_networks_have_no_spec_cannot_export_and_says_why(
    tmp_path: Path, failed: Callable[..., str]
) -> None:
    assert main(pixels_run(tmp_path / "run")) == 0
    error = failed("export", str(tmp_path / "run"))
    assert "cannot be exported: it has no `spec`" in error


@pytest.mark.slow
def test_a_problem_without_a_parent_has_no_ticket_and_says_why(
    tmp_path: Path, failed: Callable[..., str]
) -> None:
    assert main(pixels_run(tmp_path / "run")) == 0
    error = failed("ticket", str(tmp_path / "run"))
    assert "Pixels has no parent network to compare a ticket with" in error
    assert not (tmp_path / "run" / "ticket").exists()
