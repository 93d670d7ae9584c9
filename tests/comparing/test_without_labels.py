"""Comparisons of searches on images without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pymoo_prune import Budget, Data, PruneError
from pymoo_prune.cli import main
from pymoo_prune.comparing import (
    ComparisonReport,
    HypervolumeOptions,
    compare,
    meaning,
    verdict,
)
from pymoo_prune.comparing.comparison import FINISHED, TESTED
from pymoo_prune.networks import FeedForward
from pymoo_prune.results import save_network
from pymoo_prune_problems.layer_vector import LayerVector
from tests.support.unlabelled import unlabelled, unlabelled_file

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
