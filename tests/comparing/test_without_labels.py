"""Comparisons of searches on images without labels."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from pymoo_prune import Budget, Data, PruneError
from pymoo_prune.cli import main
from pymoo_prune.comparing import (
    Campaign,
    ComparisonReport,
    HypervolumeOptions,
    citations,
    compare,
    evaluations_in,
    meaning,
    report_of_campaign,
    verdict,
)
from pymoo_prune.comparing.comparison import FINISHED, TESTED
from pymoo_prune.comparing.files import SHARED_FILE
from pymoo_prune.networks import FeedForward
from pymoo_prune.objectives import nondominated
from pymoo_prune.results import save_network
from pymoo_prune_problems.layer_vector import LayerVector
from tests.support.latex import read
from tests.support.unlabelled import small_searches, unlabelled, unlabelled_file

SMALL = {"seeds": 2, "pop_size": 6, "finish_images": 100}


@pytest.mark.slow
def test_methods_are_compared_by_their_divergence(
    digits: Data, parent: FeedForward, tmp_path: Path
) -> None:
    problem = LayerVector(unlabelled(digits), parent=parent, search_images=100)
    found = compare(problem, ["nsga2", "random"], Budget(generations=2), **SMALL)
    assert found.goals.names == ("divergence", "sparsity")
    assert found.judged.last == "finished_test_divergence"
    for name in (TESTED, FINISHED, str(found.bounds[0])):
        assert np.isfinite(found.indicators[name]).any(), name
    assert 0 < found.indicators[FINISHED].max() < 1
    row, judged = found.best(found.trials[0].columns, found.bounds[0])
    columns = found.trials[0].columns
    within = found.bounds[0].violation(columns, found.parent) <= 0
    assert columns["finished_divergence"][row] == columns["finished_divergence"][within].min()
    assert judged == columns["finished_test_divergence"][row]
    assert "have no labels, so accuracies are unknown" in verdict(found)
    assert "divergences in nats" in meaning(found)
    page = ComparisonReport(found, title="t", facts={}).write(tmp_path / "report").read_text()
    assert "## Divergence on the test images within bounds, in nats" in page
    assert "est accuracy" not in page
    # Another reference is an axis of the search images' name.
    nearer = HypervolumeOptions.parse(["divergence=0.5"])
    nearer.check(["divergence"], problem.quantities, problem.parent_values)
    volumes = HypervolumeOptions.parse(["accuracy=.8"])
    with pytest.raises(PruneError, match="axis of the hypervolume 'accuracy'"):
        compare(problem, ["nsga2"], Budget(generations=1), volumes=volumes, **SMALL)


@pytest.mark.slow
def test_a_comparison_on_the_command_line(
    digits: Data, parent: FeedForward, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, folder = unlabelled_file(digits, tmp_path), tmp_path / "comparison"
    save_network(parent, tmp_path / "parent", about={})
    command = ["compare", "ecomp", "--data", str(path), "--parent", str(tmp_path / "parent")]
    command += ["--threads", "1", "--generations", "2", "--pop-size", "6", "--finish", "0"]
    command += ["--seeds", "2", "--output", str(folder), "--algorithms", "nsga2"]
    assert main([*command, "ga@accuracy=1,width=1"]) == 2
    assert "so accuracy cannot be measured" in capsys.readouterr().err
    assert main([*command, "ga"]) == 0
    page = (folder / "report.md").read_text()
    assert "have no labels, so accuracies are unknown" in page
    assert main(["report", str(folder), "--html", "--reference", "divergence=2"]) == 0
    html = (folder / "report.html").read_text()
    assert "Divergence on the test images, in nats," in html


# What papers and other tools take.


@pytest.fixture(scope="module")
def campaign(
    digits: Data, parent: FeedForward, tmp_path_factory: pytest.TempPathFactory
) -> Campaign:
    folder = tmp_path_factory.mktemp("unlabelled")
    command = ["compare", "ecomp", *small_searches(digits, parent, folder), "--generations", "2"]
    command += ["--algorithms", "nsga2", "random", "--seeds", "2", "--jobs", "1"]
    # Before the images are read, an axis may be either of the two.
    command += ["--reference", "divergence=3", "--output", str(folder / "compared")]
    assert main(command) == 0
    return Campaign.open(folder / "compared")


@pytest.mark.slow
def test_latex_tables_show_divergences(campaign: Campaign) -> None:
    report = report_of_campaign(campaign)
    found = {table.name: read(table.text()) for table in report.latex_tables()}
    assert not [name for name, one in found.items() if "test accura" in one.caption]
    assert "divergence on the test images in nats, within bounds" in found["bounds"].caption
    assert "the divergences on the test images of the networks" in found["runs"].caption
    assert "divergences in nats" in found["methods"].caption
    one, table = report.comparison, found["bounds"]
    # The nearest to the parent is bold.
    for column, bound in enumerate(map(str, one.bounds), start=1):
        means = [np.nanmean(one.of(method, bound)) for method in one.methods]
        means += [values[bound] for values in one.indicators_of_others]
        bold = [row - 1 for row, place in table.bold if place == column]
        assert bold
        assert np.nanmin(means) in [means[row] for row in bold]
        assert np.nanmax(means) not in [means[row] for row in bold]


@pytest.mark.slow
def test_costs_of_evaluations_and_of_the_best_are_alike(campaign: Campaign) -> None:
    one = campaign.comparison()
    for trial in one.trials:
        assert trial.history is not None
        costs = one.evaluated(trial.history)
        assert costs.shape == (trial.evaluations, 2)
        np.testing.assert_allclose(costs[:, 0], trial.history["divergence"] / 3)
        rows = trial.columns["evaluation"].astype(int)
        assert nondominated(costs)[rows].all()
    best = one.best_costs
    assert nondominated(best).all()
    fronts = [one.front, *(other.columns for other in one.others)]
    assert best[:, 0].min() == min(front["divergence"].min() for front in fronts) / 3


@pytest.mark.slow
def test_evaluations_of_finished_and_other_runs(campaign: Campaign, tmp_path: Path) -> None:
    folder = tmp_path / "compared"
    shutil.copytree(campaign.folder, folder)
    whole = evaluations_in(folder)
    next((folder / "runs").glob("*/summary.json")).unlink()
    (folder / SHARED_FILE).unlink()
    part = evaluations_in(folder)
    for runs in (whole, part):
        assert len(runs) == 4
        for one in runs:
            assert one.objectives == ("divergence", "width")
            assert not [name for name in one.measurements if "accuracy" in name]
            assert np.array_equal(one.F[:, 0], one.measurements["divergence"])


@pytest.mark.slow
def test_distillation_is_cited(campaign: Campaign) -> None:
    assert "hinton2015distilling" in citations([campaign.folder]).entries


@pytest.mark.slow
def test_a_notebook_shows_divergences(campaign: Campaign) -> None:
    html = campaign.comparison()._repr_html_()
    assert "accuracies are unknown" in html
