"""A paper's problem through every command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pymoo_prune import load_network
from pymoo_prune.cli import main
from pymoo_prune.data import load_data
from pymoo_prune.measuring import accuracy
from pymoo_prune.networks import CifarResNet
from pymoo_prune.results import read_csv, save_network

pytestmark = pytest.mark.slow


def layer_vector_run(folder: Path, *more: str) -> list[str]:
    """The command line of a small run on a barely trained network."""
    return [
        *("run", "layer-vector", "--set", "network=resnet-8", "--set", "parent_epochs=1"),
        *("--set", "search_images=100", "--generations", "2", "--threads", "1"),
        *("--output", str(folder), *more),
    ]


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layer-vector") / "run"
    small = ["--set", "levels=8", "--pop-size", "8", "--finish", "100"]
    assert main(layer_vector_run(folder, *small)) == 0
    return folder


def test_a_layer_vector_run_reports_its_baselines(
    pruned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = (pruned / "report.md").read_text()
    methods = [
        "this search", "global magnitude pruning", "uniform magnitude pruning", "LAMP", "ERK",
    ]  # fmt: skip
    for method in (*methods, "least loss", "random search"):
        assert f"| {method} |" in report, method
    series = {one.name: one.columns for one in read_csv(pruned / "front.csv")}
    sparsities = [series[method]["sparsity"] for method in methods]
    for name in ("finished_test_accuracy", "macs"):
        assert all(len(series[m][name]) == len(s) for m, s in zip(methods, sparsities, strict=True))
    for baseline in sparsities[1:]:
        assert baseline.min() == pytest.approx(sparsities[0].min(), abs=1e-4)
        assert baseline.max() == pytest.approx(sparsities[0].max(), abs=1e-4)
    assert main(["resume", str(pruned)]) == 0
    assert f"{pruned} is finished already" in capsys.readouterr().out


def test_layers_without_a_weight_are_named_in_the_report(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        parent = CifarResNet(8, 1, 10)
        parent.get_parameter("stages.0.0.conv1.weight").mul_(1e-6)  # the first to be pruned
    save_network(parent, tmp_path / "parent", about={})
    folder = tmp_path / "run"
    arguments = ["--parent", str(tmp_path / "parent"), "--set", "recovery=none"]
    more = ["--pop-size", "7", "--generations", "1", "--finish", "0", "--algorithm", "nsga2"]
    more += ["--objectives", "accuracy", "sparsity"]
    assert main(layer_vector_run(folder, *arguments, *more)) == 0
    empty = read_csv(folder / "front.csv")[0].columns["empty_layers"]
    assert empty.max() == 1
    report = (folder / "report.md").read_text()
    for place, layers in enumerate(empty):
        note = f"- Network {place} has no weight left in stages.0.0.conv1."
        assert (note in report) == (layers == 1)


def test_exported_zeros_stay_zeros(pruned: Path, tmp_path: Path) -> None:
    output = tmp_path / "network"
    assert main(["export", str(pruned), "--pick", "knee", "--output", str(output)]) == 0
    spec = json.loads((output / "network.json").read_text())
    assert spec["network"] == "cifar-resnet"
    network = load_network(output)
    zeros = sum(int((p == 0).sum()) for p in network.parameters() if p.ndim > 1)
    total = sum(p.numel() for p in network.parameters())
    row = spec["measurements"]
    assert total - zeros == row["parameters"]
    assert zeros / total == pytest.approx(row["sparsity"], abs=1e-12)
    data = load_data("digits")
    assert accuracy(network, data.test) == row["finished_test_accuracy"]
    # What was exported can be pruned further, and reports then count from the whole network.
    arguments = ["--parent", str(output), "--set", "recovery=none", "--pop-size", "4"]
    folder = tmp_path / "run"
    assert main(layer_vector_run(folder, *arguments, "--finish", "0")) == 0
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["parent"]["parameters"] == total - zeros
    front = read_csv(folder / "front.csv")[0]
    assert (front.columns["sparsity"] > zeros / total).all()


def test_the_ticket_of_a_masked_network_counts_what_is_not_zero(
    pruned: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "ticket"
    arguments = ["--pick", "0", "--images", "100", "--batch-sizes", "1"]
    assert main(["ticket", str(pruned), *arguments, "--output", str(folder)]) == 0
    row = json.loads((folder / "network.json").read_text())["measurements"]
    whole = json.loads((pruned / "summary.json").read_text())["parent"]
    page = (folder / "ticket.md").read_text().replace("\u00a0", " ")
    for name, label in (("parameters", "parameters"), ("macs", "MACs")):
        gone = 100 * (1 - row[name] / whole[name])
        cells = f"| {whole[name]:,.0f} | {row[name]:,.0f} | {gone:.2f} % removed |"
        assert f"| {label} (non-zero) {cells}" in page
    network = load_network(folder)
    zeros = sum(int((p == 0).sum()) for p in network.parameters() if p.ndim > 1)
    assert sum(p.numel() for p in network.parameters()) - zeros == row["parameters"]
    line = next(line for line in page.splitlines() if "by thop (all)" in line)
    assert line.endswith("| 0.00 % removed |")


def test_the_papers_search_on_the_command_line(tmp_path: Path) -> None:
    assert main(layer_vector_run(tmp_path / "run", "--preset", "paper", "--finish", "0")) == 0
    settings = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (settings["algorithm"], settings["objectives"]) == ("own", {"kind": "pwad"})
    assert settings["budget"] == {"generations": 2, "evaluations": None, "seconds": None}
    assert settings["options"]["recovery"] == "none"
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["evaluations"], summary["goals"]) == (80, ["accuracy_drop", "pruned"])
    assert summary["fittest"] is not None


@pytest.mark.parametrize("racing", ["false", "true"])
def test_pruned_weights_per_accuracy_drop_on_the_command_line(tmp_path: Path, racing: str) -> None:
    arguments = ["--objectives", "pwad", "--algorithm", "ga", "--set", f"racing={racing}"]
    more = ["--set", "recovery=none", "--set", "search_images=300", "--pop-size", "8"]
    folder = tmp_path / "run"
    assert main(layer_vector_run(folder, *arguments, *more, "--finish", "0")) == 0
    summary = json.loads((folder / "summary.json").read_text())
    # A candidate counts once, on however many slices of images it raced.
    assert summary["evaluations"] == 16
    front = read_csv(folder / "front.csv")[0]
    loss = front.columns["accuracy_drop"] / front.columns["sparsity"]
    if (front.columns["accuracy_drop"] > 0).all():
        assert loss[summary["fittest"]] == loss.min()


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["--set", "network=resnet20"], ["unknown network 'resnet20'", "mean 'resnet-20'"]),
        (["--set", "parent_epochs=0"], ["parent_epochs must be above 0"]),
        (["--set", "recovery=retrain"], ["recovery 'retrain' is not known", "'batch-norm'"]),
        (["--set", "width=3"], ["unknown option of LayerVector 'width'"]),
        (["--objectives", "pwad", "macs"], ["unknown objective 'pwad'"]),
        (["--objectives", "empty_layer"], ["Did you mean 'empty_layers'"]),
    ],
)
def test_bad_options_of_layer_vector_are_refused(
    tmp_path: Path, failed: Callable[..., str], arguments: list[str], messages: list[str]
) -> None:
    error = failed(*layer_vector_run(tmp_path / "run", *arguments))
    for message in messages:
        assert message in error, message
    assert not (tmp_path / "run").exists()
