"""Whole runs on inputs that are no images: searched, retrained, reported, carried away."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from pymoo_prune import Budget, Data, Front, PruneError, Run, data_from_inputs, load_network, prune
from pymoo_prune.cli import main
from pymoo_prune.comparing import Campaign
from pymoo_prune.data import R2
from pymoo_prune.networks import FeedForward, OwnInputs
from pymoo_prune.results import Judged, export_onnx, final_of
from pymoo_prune.runs import Given, Report
from pymoo_prune.search import Display
from pymoo_prune.training import check_parent, seeded
from tests.support import other_inputs as other
from tests.support.latex import read
from tests.support.tiny_problem import threads

SILENT = Display(Console(quiet=True))
HERE = "tests.support.other_inputs"


def pruned(network: Any, data: Data, output: Path, what: str, **given: Any) -> tuple[Front, str]:
    text = io.StringIO()
    settings = {"budget": Budget(generations=2), "pop_size": 6, "finish_images": 100, **given}
    console = Console(file=text, width=200)
    with threads(1):
        front = prune(network, data, what, output=output, console=console, **settings)
    return front, text.getvalue()


def feed_forward(data: Data, inputs: int, outputs: int) -> FeedForward:
    """A trained network with a spec."""
    with seeded(0, torch.device("cpu")):
        fresh = FeedForward(inputs, [20, 12], outputs)
    trained = other.trained_on(data, fresh, 10)
    assert isinstance(trained, FeedForward)
    return trained


@pytest.fixture(scope="module")
def regression(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("regression") / "run"
    data = other.diabetes()
    _, text = pruned(feed_forward(data, 10, 1), data, folder, "neurons")
    assert "diabetes is judged by r2: the objectives are r2, width" in text
    return folder


COMMAND = ["--data", f"{HERE}:diabetes", "--network", f"{HERE}:regressor", "--threads", "1"]
COMMAND += ["--metric", f"{HERE}:MAE", "--pop-size", "6", "--generations", "2", "--finish", "100"]


@pytest.fixture(scope="module")
def by_metric(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("metric") / "run"
    given = [*COMMAND, "--objectives", "mae", "sparsity", "--algorithm", "nsga2"]
    assert main(["run", "layer-vector", *given, "--output", str(folder)]) == 0
    return folder


@pytest.mark.slow
def test_regression_is_searched_and_reported(regression: Path) -> None:
    run = Run.open(regression)
    series, summary = run.results()
    names = {"r2", "test_r2", "finished_r2", "finished_test_r2"}
    for one in series:
        assert names <= one.columns.keys(), one.name
        assert not [name for name in one.columns if "accuracy" in name]
    assert summary["quantities"]["r2"]["judges"]
    assert summary["parent"]["r2"] == summary["parent"]["r2"] > 0.1
    page = (regression / "report.md").read_text()
    assert "accurac" not in page
    assert "nats" not in page
    assert "The parent: explained variance (R²)" in page
    assert "explained variance (R²) on the test images after retraining" in page
    assert "Hypervolumes of (explained variance (R²), hidden neurons kept)" in page
    assert main(["report", str(regression), "--html"]) == 0
    html = (regression / "report.html").read_text()
    assert "explained variance (R²) on the test images" in html
    assert "the best in r2" in html
    report = Report(run)
    assert report.findings.judged.name == "r2"
    assert report.findings.tested == "finished_test_r2"
    assert not report.findings.gain_within_noise


@pytest.mark.slow
def test_the_suggestion_loses_at_most_a_point(regression: Path) -> None:
    report = Report(Run.open(regression))
    columns, chosen = report.findings.front.columns, report.findings.suggestion
    lost = report.findings.summary["parent"]["r2"] - columns["r2"]
    if "smallest within one point of the parent's r2" in chosen.reason:
        near = lost <= 0.01 + 1e-6
        assert columns["width"][chosen.place] == columns["width"][near].min()
    else:
        assert "best in r2, as none is within" in chosen.reason
        assert lost[chosen.place] == lost.min()


@pytest.mark.slow
def test_the_same_call_reads_the_front(regression: Path, tmp_path: Path) -> None:
    data = other.diabetes()
    again, _ = pruned(feed_forward(data, 10, 1), data, regression, "neurons")
    assert again.pick("r2").values["r2"] == again.columns["r2"].max()
    assert again.pick("width<=90%").place >= 0
    bounded = again.pick(f"r2>={float(again.columns['r2'].min())!r}")
    assert bounded.values["parameters"] == again.columns["parameters"].min()
    for name in ("accuracy", "accuracy_drop<=0.1"):
        with pytest.raises(PruneError, match=r"accuracy\w* is not known, as networks are judged"):
            again.pick(name)
    with pytest.raises(PruneError, match="chosen by its r2 on the test images looks better"):
        again.pick("finished_test_r2")
    html = again._repr_html_()
    assert "explained variance" in html
    member = again.pick("0")
    with torch.no_grad():
        outputs = member.network()(data.test.images)
    assert data.test.labels is not None
    assert R2.of(outputs, data.test.labels) == pytest.approx(member.values["test_r2"])
    assert main(["export", str(regression), "--pick", "r2", "--output", str(tmp_path / "one")]) == 0
    about = json.loads((tmp_path / "one" / "network.json").read_text())
    assert about["measurements"]["finished_test_r2"] <= 1
    assert load_network(tmp_path / "one")(data.test.images).shape == (len(data.test), 1)


@pytest.mark.slow
def test_a_ticket_of_regression(regression: Path, tmp_path: Path) -> None:
    data = other.diabetes()
    with threads(1):
        opened = Run.open(regression, given=Given(data, feed_forward(data, 10, 1)))
        ticket, folder = opened.ticket("0", 100, tmp_path / "one", SILENT, batch_sizes=[1])
    page = (folder / "ticket.md").read_text()
    assert "| explained variance (R²) on the test images | " in page
    assert "Inputs that are no images are not perturbed" in page
    assert "accuracy" not in page
    assert not (folder / "robustness.png").exists()
    assert data.test.labels is not None
    with torch.no_grad():
        value = R2.of(ticket.network(data.test.images), data.test.labels)
    about = json.loads((folder / "network.json").read_text())
    assert about["measurements"]["finished_test_r2"] == pytest.approx(value)


@pytest.mark.slow
def test_onnx_of_a_table(regression: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    data = other.diabetes()
    with threads(1):
        opened = Run.open(regression, given=Given(data, feed_forward(data, 10, 1)))
        carried = opened.export("0", tmp_path / "one", SILENT, onnx=True)
    page = (tmp_path / "one" / "network.md").read_text()
    assert "test r2" in page
    assert "same predictions" not in page
    assert "Inputs are float32 with the shape (n, 10)" in page
    assert carried.onnx is not None
    assert carried.onnx.float32.metric == "r2"


@pytest.mark.slow
def test_an_own_metric_decides_which_way_is_better(by_metric: Path) -> None:
    run = Run.open(by_metric)
    assert run.settings.metric == f"{HERE}:MAE"
    series, summary = run.results()
    head = (by_metric / "front.csv").read_text().splitlines()[0]
    assert ",mae," in head
    assert ",finished_test_mae" in head
    columns = series[0].columns
    # Networks of a front lose by the error what they win by their size.
    order = np.argsort(columns["sparsity"])
    assert (np.diff(columns["mae"][order]) >= 0).all()
    page = (by_metric / "report.md").read_text()
    assert "mean absolute error on the test images after retraining" in page
    assert "(of mae 1/2 is the parent's value, and 1 the worst)" in page
    assert "accurac" not in page
    goals = Report(run).findings.goals
    costs = goals.unit_costs({n: columns[n] for n in ("mae", "sparsity")}, summary["parent"])
    whole = summary["parent"]["mae"]
    assert costs[:, 0] == pytest.approx(columns["mae"] / (2 * whole))
    texts = {one.name: one for one in Report(run).latex_tables()}
    assert "Values of mae on the test images" in texts["networks"].caption


@pytest.mark.slow
def test_latex_marks_the_least_error(by_metric: Path, tmp_path: Path) -> None:
    report = Report(Run.open(by_metric))
    texts = {path.stem: path.read_text("utf-8") for path in report.write_latex(tmp_path)}
    networks = read(texts["networks"])
    label = "mean absolute error on the test images after retraining"
    heads = networks.rows[0]
    column, values = heads.index(label), [float(text) for text in networks.column(label)]
    bold = {values[row - 1] for row, place in networks.bold if place == column}
    assert bold == {min(values)}


@pytest.mark.slow
def test_the_command_goes_on_and_exports(by_metric: Path, tmp_path: Path) -> None:
    before = (by_metric / "front.csv").read_bytes()
    (by_metric / "summary.json").unlink()
    found = Run.open(by_metric).evaluations()
    assert found.objectives == ("mae", "sparsity")
    assert main(["resume", str(by_metric)]) == 0
    assert (by_metric / "front.csv").read_bytes() == before
    assert (
        main(["data", str(by_metric), "--format", "csv", "--output", str(tmp_path / "all.csv")])
        == 0
    )
    assert "mae" in (tmp_path / "all.csv").read_text().splitlines()[0]


@pytest.mark.slow
def test_a_comparison_by_an_own_metric(tmp_path: Path) -> None:
    folder = tmp_path / "compare"
    given = [*COMMAND, "--seeds", "2", "--jobs", "1", "--objectives", "mae", "sparsity"]
    given += ["--algorithms", "nsga2", "random", "--reference", "mae=2"]
    assert main(["compare", "layer-vector", *given, "--output", str(folder)]) == 0
    page = (folder / "report.md").read_text()
    assert "mean absolute error" in page
    assert "accuracies are unknown" not in page
    comparison = Campaign.open(folder).comparison()
    assert comparison.judged == Judged("test_mae", "finished_test_mae", "finished_mae")
    bound, trial = comparison.bounds[0], comparison.trials[0]
    row, value = comparison.best(trial.columns, bound)
    within = bound.violation(trial.columns, comparison.parent) <= 0
    assert trial.columns["finished_mae"][row] == trial.columns["finished_mae"][within].min()
    assert value == trial.columns["finished_test_mae"][row]
    assert main(["report", str(folder), "--html"]) == 0
    assert "mean absolute error on the test images" in (folder / "report.html").read_text()


def test_metrics_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(text: str, *given: str) -> None:
        output = ["--output", str(tmp_path / "run")]
        assert main(["run", "layer-vector", *COMMAND, *output, *given]) == 2
        assert text in " ".join(capsys.readouterr().err.split())
        assert not (tmp_path / "run").exists()

    function = f"{HERE}:mean_absolute"
    refused(
        "is a function; it must be a pymoo_prune.Metric, which says which", "--metric", function
    )
    refused("cannot be imported", "--metric", f"{HERE}:nothing")
    refused("metric 'broken' gives nan", "--metric", f"{HERE}:BROKEN", "--objectives", "broken")
    refused("judged by mae, so accuracy cannot be measured", "--objectives", "accuracy", "macs")
    refused("unknown objective 'maa'", "--objectives", "maa", "macs")


@pytest.mark.slow
def test_a_module_has_data_with_a_metric(tmp_path: Path) -> None:
    given = ["--data", f"{HERE}:diabetes_by_mae", "--network", f"{HERE}:regressor"]
    given += ["--threads", "1", "--pop-size", "6", "--generations", "2", "--finish", "0"]
    given += ["--objectives", "mae", "macs", "--constraint", "mae<=150%"]
    assert main(["run", "ecomp", *given, "--output", str(tmp_path / "run")]) == 0
    series, summary = Run.open(tmp_path / "run").results()
    assert (series[0].columns["mae"] <= 1.5 * summary["parent"]["mae"]).all()
    assert Run.open(tmp_path / "run").settings.metric is None


@pytest.mark.slow
@pytest.mark.parametrize("case", ["tokens", "two"])
def test_packed_inputs_are_carried_away_as_the_users_own(case: str, tmp_path: Path) -> None:
    data, network = {
        "tokens": (other.tokens(), other.fresh(other.Tokens)),
        "two": (other.two_inputs(), other.fresh(other.TwoInputs)),
    }[case]
    network = other.trained_on(data, network, 6)
    front, _ = pruned(network, data, tmp_path / "run", "weights", baselines=False)
    member = front.pick("0")
    own = member.network(finish_images=100)
    assert type(own) is type(network)
    assert data.packing is not None
    assert data.test.labels is not None
    with torch.no_grad():
        outputs = own(*data.packing.unpacked(data.test.images))
    right = (outputs.argmax(1) == data.test.labels).double().mean()
    assert float(right) == pytest.approx(member.values["finished_test_accuracy"])
    with threads(1):
        opened = Run.open(tmp_path / "run", given=Given(data, network))
        with pytest.raises(PruneError, match="cannot be exported: it has no `spec`"):
            opened.export("0", tmp_path / "one", SILENT)


@pytest.mark.slow
def test_a_packed_network_with_a_spec_is_exported_and_loaded(tmp_path: Path) -> None:
    table, labels = other.wine().train.images.numpy(), other.wine().train.labels
    assert labels is not None
    data = data_from_inputs((table,), labels.numpy(), name="one of a tuple")
    with seeded(0, torch.device("cpu")):
        network = FeedForward(13, [12], 3)
    front, _ = pruned(network, data, tmp_path / "run", "weights", baselines=False)
    run = Run.open(tmp_path / "run")
    carried = run.export("0", tmp_path / "one", SILENT)  # without data: the run keeps networks
    loaded = load_network(carried.folder)
    assert isinstance(loaded, FeedForward)
    assert load_network(tmp_path / "run" / "parent").state_dict().keys() == (
        network.state_dict().keys()
    )
    own = front.pick("0").network(finish_images=100)
    assert torch.equal(own(torch.ones(2, 13)), loaded(torch.ones(2, 13)))
    pytest.importorskip("onnxruntime")
    opened = Run.open(tmp_path / "run", given=Given(data, network))
    with threads(1):
        carried = opened.export("0", tmp_path / "two", SILENT, onnx=True)
    assert carried.onnx is not None
    assert carried.onnx.float32.agreement == 1
    page = (tmp_path / "two" / "network.md").read_text()
    assert "It takes float32 of shape (n, 13); in ONNX files input_0." in page
    with pytest.raises(PruneError, match="take ids or several inputs"):
        opened.export("0", tmp_path / "three", SILENT, onnx=True, int8=True)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["tokens", "two"])
def test_onnx_files_take_the_users_own_inputs(case: str, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    data, network = {
        "tokens": (other.tokens(), other.fresh(other.Tokens)),
        "two": (other.two_inputs(), other.fresh(other.TwoInputs)),
    }[case]
    assert data.packing is not None
    packed = check_parent(network, data)
    # As it was, wrapped again, or as users have it.
    for one in (packed, nn.Sequential(packed), network, OwnInputs.of(packed, data.packing)):
        with threads(1):
            report = export_onnx(one, data, tmp_path)
        session = onnxruntime.InferenceSession(report.float32.path)
        inputs = data.packing.unpacked(data.test.images[:5])
        names = [one.name for one in session.get_inputs()]
        assert names == [f"input_{place}" for place in range(len(inputs))]
        given = {name: part.numpy() for name, part in zip(names, inputs, strict=True)}
        (outputs,) = session.run(None, given)
        with torch.no_grad():
            expected = network.eval()(*inputs).numpy()
        assert np.abs(outputs - expected).max() < 1e-4


@pytest.mark.slow
def test_regression_without_labels(tmp_path: Path) -> None:
    data = other.diabetes()
    network = feed_forward(data, 10, 1)
    inputs = torch.cat([data.train.images, data.validation.images]).numpy()
    bare = data_from_inputs(inputs, task="regression", name="bare")
    front, text = pruned(network, bare, tmp_path / "run", "neurons", baselines=False)
    assert "bare has no labels: the objectives are divergence, width" in text
    label = final_of(front.problem.quantities)["finished_test_divergence"].label
    assert label == "divergence on the test images after retraining (share of the variance)"
    assert "finished_test_divergence" in front.columns
    page = (tmp_path / "run" / "report.md").read_text()
    assert label in page
    assert "nats" not in page
    with threads(1):
        opened = Run.open(tmp_path / "run", given=Given(bare, network))
        _, folder = opened.ticket("0", 100, tmp_path / "ticket", SILENT, batch_sizes=[1])
    page = (folder / "ticket.md").read_text()
    assert "divergence on the test images (share of the variance)" in page
    assert "agreement" not in page


@pytest.mark.slow
def test_filters_of_a_series(tmp_path: Path) -> None:
    data = other.series()
    network = other.trained_on(data, other.fresh(other.Series))
    options = {"recovery": "refit+batch-norm+steps:2", "search_images": 60}
    objectives = ["accuracy", "latency", "macs"]
    front, _ = pruned(
        network, data, tmp_path / "run", "filters", options=options, objectives=objectives
    )
    assert front.columns["accuracy"].max() > 0.6
    small = front[0].network()
    assert small(torch.zeros(4, 2, 32)).shape == (4, 3)
