"""Blocks with different numbers of layers, and DenseNets of torchvision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision

from pymoo_prune import Data, PruneError, load_network
from pymoo_prune.cli import main
from pymoo_prune.data import Split
from pymoo_prune.measuring import accuracy, count_macs, count_parameters
from pymoo_prune.networks import DenseNet
from pymoo_prune.results import save_network
from pymoo_prune.testing import check_problem, sample
from pymoo_prune_problems import DenseConnectivity

LAYERS = "1,3"
OPTIONS: dict[str, Any] = {"growth": 4, "search_images": 100, "recovery_images": 64}


@pytest.fixture(scope="module")
def problem(digits: Data) -> DenseConnectivity:
    return DenseConnectivity(digits, layers=LAYERS, parent_epochs=1, **OPTIONS)


def test_the_problem_keeps_the_contract(problem: DenseConnectivity) -> None:
    assert (problem.codec.sizes, problem.n_var) == ((1, 3), 1 + 6)
    check_problem(problem)


def test_networks_are_what_was_measured(problem: DenseConnectivity) -> None:
    X = sample(problem)
    values = problem.measure(X)
    for row, x in enumerate(X):
        network = problem.network(x)
        assert values["accuracy"][row] == accuracy(network, problem.search_images)
        assert values["parameters"][row] == count_parameters(network)
        assert values["macs"][row] == count_macs(network, problem.data_set.shape)
        assert values["connections"][row] == x.mean()
    kinds = {one.name for one in problem.rivals.at({"parameters": values["parameters"]})}
    assert kinds == {
        "global magnitude pruning", "uniform magnitude pruning", "random connections",
        "narrower DenseNets",
    }  # fmt: skip


def test_as_many_layers_everywhere_are_what_a_depth_says(digits: Data) -> None:
    one = DenseConnectivity(digits, depth=10, weights="scratch", epochs=0.1, **OPTIONS)
    other = DenseConnectivity(digits, layers=[1, 1, 1], weights="scratch", epochs=0.1, **OPTIONS)
    assert one.fingerprint == other.fingerprint
    four = DenseConnectivity(digits, layers=[1] * 4, weights="scratch", epochs=0.1, **OPTIONS)
    assert four.fingerprint != one.fingerprint
    assert four.codec.blocks == 4


@pytest.mark.slow
def test_candidates_from_scratch(digits: Data) -> None:
    problem = DenseConnectivity(
        digits, layers=LAYERS, weights="scratch", epochs=0.2, together=3, **OPTIONS
    )
    check_problem(problem)


@pytest.mark.slow
def test_a_run_draws_and_exports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    sets = [f"layers={LAYERS}", "growth=4", "parent_epochs=1", "search_images=100"]
    command = ["run", "dense-connectivity", "--output", str(folder), "--generations", "2"]
    command += ["--pop-size", "6", "--threads", "1", "--finish", "200"]
    assert main([*command, *[word for one in sets for word in ("--set", one)]]) == 0
    assert (folder / "matrices.png").is_file()
    assert main(["export", str(folder), "--pick", "0", "--output", str(tmp_path / "one")]) == 0
    network = load_network(tmp_path / "one")
    assert isinstance(network, DenseNet)
    capsys.readouterr()


@pytest.fixture(scope="module")
def colours() -> Data:
    """A few large images."""
    torch.manual_seed(0)
    images, labels = torch.rand(120, 3, 64, 64), torch.arange(120) % 10
    split = Split(images, labels)
    return Data("noise", split, split, split, classes=10)


def test_a_network_of_torchvision(colours: Data, tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.DenseNet(
        growth_rate=4, block_config=(1, 2, 1), num_init_features=8, num_classes=10
    ).eval()
    options = {**OPTIONS, "growth": 12, "recovery_images": 100}
    problem = DenseConnectivity(colours, parent=theirs, recovery="batch-norm", **options)
    assert problem.codec.sizes == (1, 2, 1)
    assert problem.growth == 4
    images = colours.test.images[:4]
    assert torch.allclose(problem.parent(images), theirs(images), atol=1e-5)
    x = problem.random(1, np.random.default_rng(0))[0]
    network = problem.network(x)
    assert problem.preview.sizes(x[None])["macs"][0] == count_macs(network, (3, 64, 64))
    save_network(network, tmp_path / "one", about={})
    assert torch.equal(load_network(tmp_path / "one")(images), network(images))
    few = replace(
        colours, **{  # type: ignore[arg-type]
            name: Split(colours.train.images[..., :8, :8], colours.train.labels)
            for name in ("train", "validation", "test")
        },
    )  # fmt: skip
    with pytest.raises(PruneError, match="images must have at least 16×16 pixels"):
        DenseConnectivity(few, parent=theirs, **options)


@pytest.mark.parametrize("layers", ["", "0,2", "2,x", [2.5], [], "201", 3])
def test_layers_that_cannot_be_are_refused(digits: Data, layers: Any) -> None:
    with pytest.raises(PruneError, match="layers must be "):
        DenseConnectivity(digits, layers=layers)


def test_a_parent_must_have_the_layers(digits: Data, problem: DenseConnectivity) -> None:
    with pytest.raises(PruneError, match=r"= \(\(1, 2\), 4, 1, 10\) .* has \(\(1, 3\), 4, 1, 10\)"):
        DenseConnectivity(digits, parent=problem.parent, layers="1,2", **OPTIONS)
