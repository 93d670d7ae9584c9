"""Whole runs on images without labels: searched, retrained, reported, carried away."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from pymoo_prune import Budget, Data, Front, PruneError, Run, prune
from pymoo_prune.cli import main
from pymoo_prune.exchange import FORMATS, Evaluations
from pymoo_prune.executors import Processes
from pymoo_prune.networks import FeedForward
from pymoo_prune.results import save_network
from pymoo_prune.runs import Citations, Given, Report
from pymoo_prune.search import Display
from tests.support import bibtex
from tests.support.latex import read
from tests.support.own_networks import network as own_network
from tests.support.tiny_problem import threads
from tests.support.unlabelled import small_searches, unlabelled, unlabelled_file

UNKNOWN = "have no labels, so accuracies on them are unknown"
SILENT = Display(Console(quiet=True))


def pruned(
    network: nn.Module, data: Data, output: Path, what: str, **given: Any
) -> tuple[Front, str]:
    text = io.StringIO()
    settings = {"budget": Budget(generations=2), "pop_size": 6, "finish_images": 200, **given}
    console = Console(file=text, width=200)
    with threads(1):
        front = prune(network, data, what, output=output, console=console, **settings)
    return front, text.getvalue()


@pytest.fixture(scope="module")
def run(digits: Data, parent: FeedForward, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unlabelled") / "run"
    pruned(parent, unlabelled(digits), folder, "weights")
    return folder


@pytest.mark.slow
def test_weights_are_pruned_without_labels(
    digits: Data, parent: FeedForward, run: Path, tmp_path: Path
) -> None:
    series, summary = Run.open(run).results()
    names = ["test_divergence", "finished_divergence", "finished_test_divergence"]
    for one in series:
        assert set(names) <= one.columns.keys(), one.name
        assert not [name for name in one.columns if "accuracy" in name]
    assert summary["parent_test_accuracy"] is None
    assert "accuracy" not in summary["parent"]
    # Retraining by the parent's outputs alone brings networks nearer to the parent.
    random = next(one for one in series if one.name == "random search")
    assert random.columns["finished_divergence"].mean() < random.columns["divergence"].mean()
    again, _ = pruned(parent, unlabelled(digits), run, "weights")
    assert np.array_equal(again.columns["divergence"], series[0].columns["divergence"])
    with pytest.raises(PruneError, match="accuracy is not known, as the images have no labels"):
        again.pick("accuracy")
    with pytest.raises(PruneError, match="accuracy_drop is not known"):
        again.smallest(accuracy_drop=0.1)
    near = again.pick("divergence<=100")
    assert near.values["parameters"] == again.columns["parameters"].min()
    best = again.pick("sparsity>=0")
    assert best.values["divergence"] == again.columns["divergence"].min()


@pytest.mark.slow
def test_the_report_says_that_accuracies_are_unknown(run: Path) -> None:
    page = (run / "report.md").read_text()
    assert f"The images {UNKNOWN}: networks are judged by their divergence from the parent" in page
    assert "divergence on the test images after retraining (nats)" in page
    assert "Hypervolumes of (divergence in nats, parameters removed)" in page
    assert "test accuracy" not in page
    report = Report(Run.open(run))
    suggestion = report.findings.suggestion
    columns = report.findings.front.columns
    if "smallest within 0.05 nats" in suggestion.reason:
        near = columns["divergence"] <= 0.05
        assert columns["sparsity"][suggestion.place] == columns["sparsity"][near].max()
    else:
        assert columns["divergence"][suggestion.place] == columns["divergence"].min()
    assert main(["report", str(run), "--html"]) == 0
    html = (run / "report.html").read_text()
    assert "divergence on the test images (nats)" in html


@pytest.mark.slow
def test_workers_measure_the_same(
    digits: Data, parent: FeedForward, run: Path, tmp_path: Path
) -> None:
    with Processes(2) as executor:
        pruned(parent, unlabelled(digits), tmp_path / "run", "weights", executor=executor)
    # Random search and all: the same numbers, bit for bit.
    assert (tmp_path / "run" / "front.csv").read_bytes() == (run / "front.csv").read_bytes()


@pytest.mark.slow
def test_networks_are_carried_away(run: Path, tmp_path: Path) -> None:
    assert (
        main(["export", str(run), "--pick", "divergence", "--output", str(tmp_path / "one")]) == 0
    )
    about = json.loads((tmp_path / "one" / "network.json").read_text())
    assert "finished_test_divergence" in json.dumps(about)
    assert "accuracy" not in json.dumps(about)


@pytest.mark.slow
def test_onnx_files_show_what_is_known(
    digits: Data, parent: FeedForward, run: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    with threads(1):
        opened = Run.open(run, given=Given(unlabelled(digits), parent))
        carried = opened.export("0", tmp_path / "one", SILENT, onnx=True, int8=True)
    page = (tmp_path / "one" / "network.md").read_text()
    assert "same predictions" in page
    assert "divergence on the test images (nats)" in page
    assert "accurac" not in page
    assert "accuracy" not in json.dumps(carried.about)


@pytest.mark.slow
def test_filters_are_pruned_without_labels(digits: Data, tmp_path: Path) -> None:
    options = {"recovery": "refit+steps:2", "patience": 1, "search_images": 200}
    data = unlabelled(digits)
    front, text = pruned(own_network(), data, tmp_path / "run", "filters", options=options)
    assert "has no labels: the objectives are divergence, parameters, macs" in text
    assert front.goals.names == ("divergence", "parameters", "macs")
    assert "finished_test_divergence" in front.columns


@pytest.mark.slow
def test_a_ticket_shows_its_agreement_with_the_parent(
    digits: Data, parent: FeedForward, run: Path, tmp_path: Path
) -> None:
    with threads(1):
        opened = Run.open(run, given=Given(unlabelled(digits), parent))
        ticket, folder = opened.ticket("0", 300, tmp_path / "ticket", SILENT, batch_sizes=[1])
    assert not ticket.labelled
    assert ticket.parent.test_accuracy == 1
    page = (folder / "ticket.md").read_text()
    assert "The agreement with the parent is the share of all 359 test images" in page
    assert "test accuracy" not in page.lower()
    about = json.loads((folder / "network.json").read_text())
    assert "finished_test_divergence" in json.dumps(about)


@pytest.mark.slow
def test_labels_of_test_images_show_test_accuracies(
    digits: Data, parent: FeedForward, tmp_path: Path
) -> None:
    data = unlabelled(digits, tested=True)
    front, _ = pruned(parent, data, tmp_path / "run", "weights", baselines=False)
    assert {"test_accuracy", "finished_divergence", "finished_test_accuracy"} <= set(front.columns)
    assert "accuracy" not in front.columns
    _, summary = Run.open(tmp_path / "run").results()
    assert summary["parent_test_accuracy"] > 0.8
    page = (tmp_path / "run" / "report.md").read_text()
    assert f"The training and validation images {UNKNOWN}" in page
    assert "test accuracy after retraining" in page
    assert "Hypervolumes of (error, parameters removed)" in page


@pytest.mark.slow
def test_the_command_line_takes_images_alone(
    digits: Data, parent: FeedForward, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, folder = unlabelled_file(digits, tmp_path), tmp_path / "run"
    save_network(parent, tmp_path / "parent", about={})
    command = ["run", "ecomp", "--data", str(path), "--threads", "1", "--output", str(folder)]
    command += ["--generations", "2", "--pop-size", "6", "--finish", "200"]
    # Refused before anything is made, with what is left.
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "no network can be trained here: give a trained one, --parent FILE" in error
    given = [*command, "--parent", str(tmp_path / "parent")]
    for more in (["--objectives", "accuracy", "width"], ["--constraint", "accuracy_drop<=0.1"]):
        assert main([*given, *more]) == 2
        error = capsys.readouterr().err
        assert "images.npz has no labels for its search images, so accuracy" in error
        assert "what can be: divergence, parameters" in error
        assert not folder.exists()
    assert main([*given, "--preset", "paper"]) == 2
    assert "so accuracy cannot be measured" in capsys.readouterr().err
    assert main(given) == 0
    shown = capsys.readouterr().out
    assert "images.npz has no labels: the objectives are divergence, width" in shown
    assert main(["report", str(folder)]) == 0
    assert UNKNOWN in " ".join(capsys.readouterr().out.split())
    assert main(["resume", str(folder)]) == 0
    before = (folder / "front.csv").read_bytes()
    assert main(["export", str(folder)]) == 0
    assert (folder / "front.csv").read_bytes() == before


def test_a_parent_without_labels_has_any_number_of_classes(digits: Data) -> None:
    with torch.random.fork_rng(devices=[]):
        network = FeedForward(64, [8], 7)
    with pytest.raises(PruneError, match="test labels up to 9"):
        pruned(network, unlabelled(digits, tested=True), Path("never"), "weights")
    with pytest.raises(PruneError, match="10 classes"):
        pruned(network, digits, Path("never"), "weights")


# What papers and other tools take.


@pytest.mark.slow
def test_latex_tables_show_divergences(run: Path, tmp_path: Path) -> None:
    report = Report(Run.open(run))
    texts = {path.stem: path.read_text("utf-8") for path in report.write_latex(tmp_path)}
    methods, networks = read(texts["methods"]), read(texts["networks"])
    assert "accuracy" not in methods.caption + networks.caption
    assert "Hypervolumes of (divergence in nats, parameters removed)" in methods.caption
    assert "Divergences on the test images are on images that no search sees." in networks.caption
    assert "accuracies on them are unknown" in networks.caption
    heads = networks.rows[0]
    assert not [head for head in heads if "accura" in head]
    label = "divergence on the test images after retraining (nats)"
    assert label in heads
    # The nearest to the parent is bold.
    column, values = heads.index(label), [float(text) for text in networks.column(label)]
    bold = {values[row - 1] for row, place in networks.bold if place == column}
    assert bold == {min(values)}


def assert_divergences_alone(found: Evaluations) -> None:
    assert found.objectives[0] == "divergence"
    assert not [name for name in found.measurements if "accuracy" in name]
    assert np.array_equal(found.F[:, 0], found.measurements["divergence"])
    assert found.feasible.all()


@pytest.mark.slow
def test_evaluations_have_the_columns_that_are_known(run: Path) -> None:
    found = Run.open(run).evaluations()
    assert len(found) > 6
    assert_divergences_alone(found)
    assert found.maximised == ("sparsity",)


@pytest.mark.slow
def test_a_run_that_is_not_finished_gives_its_divergences(
    digits: Data, parent: FeedForward, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    given = ["--generations", "2", *small_searches(digits, parent, tmp_path)]
    assert main(["run", "ecomp", *given, "--output", str(folder)]) == 0
    run = Run.open(folder)
    assert run.settings.objectives is None
    whole = run.evaluations()
    assert_divergences_alone(whole)
    (folder / "summary.json").unlink()
    found = run.evaluations()
    assert len(found) == len(whole)
    assert "is not finished" in found.notes[0]
    assert_divergences_alone(found)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_written(run: Path, tmp_path: Path, kind: str) -> None:
    pytest.importorskip({"parquet": "pyarrow", "optuna": "optuna"}.get(kind, "numpy"))
    output = tmp_path / "data"
    assert main(["data", str(run), "--format", kind, "--output", str(output)]) == 0
    files = [path for path in [output, *output.rglob("*")] if path.is_file()]
    assert files
    assert not [path for path in files if b"accuracy" in path.read_bytes()]
    if kind == "csv":
        head = output.read_text().splitlines()[0].split(",")
        assert {"divergence", "sparsity", "feasible"} <= set(head)


@pytest.mark.slow
def test_retraining_by_the_parents_outputs_is_cited(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["cite", str(run)]) == 0
    text = capsys.readouterr().out
    assert bibtex.uses(text)["hinton2015distilling"] == "knowledge distillation"
    assert list(bibtex.read(text))[3] == "tang-layer-vector"
    opened = Run.open(run)
    found = Citations()
    found.retraining(replace(opened.settings, finish_images=0), ["divergence"])
    found.retraining(opened.settings, ["accuracy", "divergence"])
    found.retraining(opened.settings, None)
    assert list(found.entries) == ["pymoo-prune", "blank2020pymoo"]


@pytest.mark.slow
def test_notebooks_show_divergences(run: Path, digits: Data, parent: FeedForward) -> None:
    front, _ = pruned(parent, unlabelled(digits), run, "weights")
    for html in (front._repr_html_(), Run.open(run)._repr_html_()):
        assert "divergence on the test images after retraining (nats)" in html
        assert "test accuracy" not in html
